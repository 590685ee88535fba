//! Explores seeds of the simulation, or repeats one.

#![expect(clippy::print_stdout, reason = "the program prints its results to standard output")]

mod processes;
mod share;

use clap::Parser;
use golem_tests::rng::Rng;
use golem_tests::sim::coverage;
use golem_tests::sim::platform::Components;
use golem_tests::sim::run::run;
use golem_tests::wait;
use processes::Processes;
use share::{Message, Share, Until};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Simulates a node with crashes and faults, in an order that a seed decides.
#[derive(Debug, Parser)]
#[command(name = "golem-sim")]
struct Arguments {
    /// Repeats this seed, twice, and prints its events.
    #[arg(long, conflicts_with_all = ["seeds", "minutes"])]
    seed: Option<u64>,
    /// Number of seeds to explore.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Explores seeds for this time instead.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first seed; random by default.
    #[arg(long)]
    from: Option<u64>,
    /// Shows for each wrong part how many seeds detect it.
    #[arg(long, conflicts_with_all = ["seed", "minutes"])]
    mutants: bool,
    /// Ends with the first seed that fails, and succeeds only then: the program contains an error.
    #[arg(long, conflicts_with_all = ["seed", "mutants"])]
    detects: bool,
    /// Number of processes that share the work; by default one for each processor.
    #[arg(long)]
    processes: Option<u32>,
    /// The part of the work that this process does, and reports as JSON: `1/2` is the second of two.
    #[arg(long, hide = true, conflicts_with = "seed")]
    share: Option<Share>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return repeat(seed);
    }
    let from = arguments.from.unwrap_or_else(Rng::seed_from_env);
    let until = arguments.minutes.map_or(Until::Seeds(arguments.seeds), Until::Minutes);
    if let Some(share) = arguments.share {
        if arguments.mutants {
            share::detect_mutants(share);
        } else {
            share::explore(share, from, until);
        }
        return ExitCode::SUCCESS;
    }
    let available =
        std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let count = arguments.processes.unwrap_or(available).max(1);
    let result =
        if arguments.mutants { detect_mutants(count) } else { explore(&arguments, count, from, until) };
    match result {
        Ok(code) => code,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn repeat(seed: u64) -> ExitCode {
    let components = Components::compile();
    match (run(seed, &components, None), run(seed, &components, None)) {
        (Ok(first), Ok(second)) => {
            println!("seed {seed}: {first:?}");
            if first == second {
                return ExitCode::SUCCESS;
            }
            println!("the second run of the seed was another one: {second:?}");
        }
        (Err(failure), _) | (_, Err(failure)) => {
            failure.events.iter().for_each(|event| println!("    {event}"));
            println!("seed {seed}: {}", failure.text);
        }
    }
    ExitCode::FAILURE
}

/// Lets the processes run each mutant until a seed detects it.
fn detect_mutants(count: u32) -> Result<ExitCode, String> {
    let mut processes = Processes::start(count, &["--mutants".to_owned()])?;
    let mut missed = 0;
    while let Some(message) = processes.next() {
        if let Message::Mutant { shown, is_detected } = message? {
            println!("{shown}");
            missed += u32::from(!is_detected);
        }
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the seeds did together.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    steps: u64,
    crashes: u64,
    failed_commits: u64,
    seeds_with_failed_commits: u64,
    /// How often each operation was reached.
    reached: BTreeMap<String, u64>,
    /// The seeds that failed, and their contradictions.
    failures: Vec<(u64, String)>,
}

fn explore(arguments: &Arguments, count: u32, from: u64, until: Until) -> Result<ExitCode, String> {
    let begin = wait::now();
    let mut child_arguments = vec!["--from".to_owned(), from.to_string()];
    child_arguments.extend(match until {
        Until::Seeds(seeds) => ["--seeds".to_owned(), seeds.to_string()],
        Until::Minutes(minutes) => ["--minutes".to_owned(), minutes.to_string()],
    });
    let mut processes = Processes::start(count, &child_arguments)?;
    let mut totals = Totals::default();
    while let Some(message) = processes.next() {
        match message? {
            Message::Passed { steps, crashes, failed_commits, reached } => {
                totals.seeds += 1;
                totals.steps += steps;
                totals.crashes += crashes;
                totals.failed_commits += failed_commits;
                totals.seeds_with_failed_commits += u64::from(failed_commits > 0);
                for (operation, count) in reached {
                    *totals.reached.entry(operation).or_default() += count;
                }
            }
            Message::Failed { seed, text, .. } if arguments.detects => {
                let took = begin.elapsed().as_secs_f64();
                println!("detected by seed {seed} in {took:.0} s: {text}");
                return Ok(ExitCode::SUCCESS);
            }
            Message::Failed { seed, text, shown } => {
                totals.seeds += 1;
                println!("{shown}");
                totals.failures.push((seed, text));
            }
            Message::Mutant { .. } | Message::Done => {}
        }
    }
    let took = begin.elapsed().as_secs_f64();
    if arguments.detects {
        println!("{} seeds do not detect the error, in {took:.0} s", totals.seeds);
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "{} seeds from {from} in {took:.0} s: {} steps, {} crashes, {} failed commits in {} seeds",
        totals.seeds, totals.steps, totals.crashes, totals.failed_commits, totals.seeds_with_failed_commits
    );
    Ok(judge(&totals))
}

/// Prints what was reached and what failed.
fn judge(totals: &Totals) -> ExitCode {
    let Totals { seeds, reached, failures, .. } = totals;
    for operation in coverage::OPERATIONS {
        println!("{:10}  {operation}", reached.get(*operation).copied().unwrap_or_default());
    }
    for (seed, text) in failures {
        println!("failed: seed {seed}: {text}");
    }
    // A program that does not reach an operation any more proves nothing about it.
    let unreached = coverage::unreached(reached);
    let is_complete = unreached.is_empty() || *seeds < coverage::SEEDS_MIN;
    if !is_complete {
        println!("failed: {seeds} seeds never reached: {}", unreached.join(", "));
    }
    if failures.is_empty() && is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
