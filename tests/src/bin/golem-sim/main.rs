//! Explores seeds of the simulation, or repeats one.

#![expect(clippy::print_stdout, reason = "the program prints its results to standard output")]

use clap::Parser;
use golem_tests::rng::Rng;
use golem_tests::sim::coverage;
use golem_tests::sim::mutants::Mutant;
use golem_tests::sim::platform::Components;
use golem_tests::sim::run::{Failure, Report, run};
use golem_tests::wait;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Number of seeds within which a mutant must be detected.
const MUTANT_SEEDS_MAX: u64 = 2_000;

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
    /// Number of threads.
    #[arg(long)]
    threads: Option<u32>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let available =
        std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let threads = arguments.threads.unwrap_or(available).max(1);
    let components = Components::compile(threads);
    match arguments.seed {
        Some(seed) => repeat(seed, &components),
        None if arguments.mutants => detect_mutants(threads, &components),
        None => explore(&arguments, threads, &components),
    }
}

fn repeat(seed: u64, components: &Components) -> ExitCode {
    match (run(seed, components, None), run(seed, components, None)) {
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

/// Runs each mutant until a seed detects it.
fn detect_mutants(threads: u32, components: &Components) -> ExitCode {
    let next = AtomicUsize::new(0);
    let missed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begin = wait::now();
                    let detect = |seed| run(seed, components, Some(*mutant)).err();
                    let found = (1..=MUTANT_SEEDS_MAX).find_map(detect);
                    let took = begin.elapsed().as_secs_f64();
                    if let Some(failure) = found {
                        let Failure { seed, text, .. } = &*failure;
                        println!("{mutant:?} is detected by seed {seed} in {took:.1} s: {text}");
                    } else {
                        missed.fetch_add(1, Ordering::Relaxed);
                        println!("{mutant:?} is not detected by {MUTANT_SEEDS_MAX} seeds in {took:.1} s");
                    }
                }
            });
        }
    });
    if missed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explore(arguments: &Arguments, threads: u32, components: &Components) -> ExitCode {
    let from = arguments.from.unwrap_or_else(Rng::seed_from_env);
    let begin = wait::now();
    let next = AtomicU64::new(from);
    let found = AtomicBool::new(false);
    let ends = |seed: u64| match arguments.minutes {
        _ if arguments.detects && found.load(Ordering::Relaxed) => true,
        Some(minutes) => begin.elapsed() >= Duration::from_secs(60 * minutes),
        None => seed >= from + arguments.seeds,
    };
    let results: Mutex<(Vec<Report>, Vec<Failure>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if ends(seed) {
                        return;
                    }
                    let outcome = run(seed, components, None);
                    let mut results = results.lock().expect("no panic while it is held");
                    match outcome {
                        Ok(report) => results.0.push(report),
                        Err(failure) => {
                            found.store(true, Ordering::Relaxed);
                            if !arguments.detects {
                                println!("{failure}");
                            }
                            results.1.push(*failure);
                        }
                    }
                }
            });
        }
    });
    let (reports, failures) = results.into_inner().expect("no panic while it is held");
    if arguments.detects {
        let took = begin.elapsed().as_secs_f64();
        let Some(Failure { seed, text, .. }) = failures.iter().min_by_key(|failure| failure.seed) else {
            println!("{} seeds do not detect the error, in {took:.0} s", reports.len());
            return ExitCode::FAILURE;
        };
        println!("detected by seed {seed} in {took:.0} s: {text}");
        return ExitCode::SUCCESS;
    }
    let total = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    println!(
        "{} seeds from {from} in {:.0} s: {} steps, {} crashes, {} failed commits in {} seeds",
        reports.len() + failures.len(),
        begin.elapsed().as_secs_f64(),
        total(|report| report.steps),
        total(|report| report.crashes),
        total(|report| report.failed_commits),
        total(|report| u64::from(report.failed_commits > 0))
    );
    let mut reached: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (operation, count) in reports.iter().flat_map(|report| &report.reached) {
        *reached.entry(operation).or_default() += count;
    }
    for operation in coverage::OPERATIONS {
        println!("{:10}  {operation}", reached.get(operation).copied().unwrap_or_default());
    }
    for failure in &failures {
        println!("failed: seed {}: {}", failure.seed, failure.text);
    }
    // A program that does not reach an operation any more proves nothing about it.
    let unreached = coverage::unreached(&reached);
    let is_complete = unreached.is_empty() || (reports.len() as u64) < coverage::SEEDS_MIN;
    if !is_complete {
        println!("failed: {} seeds never reached: {}", reports.len(), unreached.join(", "));
    }
    if failures.is_empty() && is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
