//! `test`: all checks, in stages.
//!
//! If a stage fails, the stages that do not need it still run, so that one run of half an hour reports all failures.
//! The last line has the sum of all tests that ran.

use crate::tally::Tally;
use crate::tree::Tree;
use crate::{demo, guests, shell, simulation, toolchains};
use anyhow::bail;
use std::time::{Duration, Instant};

struct Stage {
    name: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
    run: fn(&Tree, &mut Tally) -> anyhow::Result<()>,
}

/// The stages in the order in which they run.
const STAGES: &[Stage] = &[
    Stage { name: "format", about: "rustfmt finds nothing to change", needs: &[], run: format },
    Stage {
        name: "guests",
        about: "examples and test guests are built as components",
        needs: &[],
        run: |tree, _| guests::build(tree),
    },
    Stage {
        name: "tools",
        about: "the compilers of other languages are installed",
        needs: &[],
        run: |tree, _| toolchains::install(tree),
    },
    Stage { name: "lint", about: "clippy, where a warning is an error", needs: &[], run: lint },
    Stage {
        name: "examples",
        about: "clippy and unit tests of the examples",
        needs: &[],
        run: |tree, tally| {
            guests::lint_examples(tree)?;
            guests::test_examples(tree, tally)
        },
    },
    Stage {
        name: "build",
        about: "every program, library and test",
        needs: &[],
        run: |tree, _| build_everything(tree),
    },
    Stage {
        name: "docs",
        about: "rustdoc, where a warning is an error",
        needs: &["build"],
        run: |tree, _| docs(tree),
    },
    Stage {
        name: "demo",
        about: "the demo's worker survives a kill of the server",
        needs: &["guests", "build"],
        run: |tree, _| demo::run(tree, false),
    },
    Stage {
        name: "simulation",
        about: "ten thousand simulated nodes with crashes and faults",
        needs: &["guests", "build"],
        run: |tree, _| simulation::check(tree),
    },
    Stage {
        name: "tests",
        about: "unit tests, suites, documentation tests",
        needs: &["guests", "tools", "build"],
        run: tests,
    },
];

/// Prints the names of the stages and what each checks.
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:<12}{}", stage.name, stage.about);
    }
}

enum StageResult {
    Passed,
    Failed(String),
    NotRun(&'static str),
}

/// Runs the named stages, or all stages if no name is given.
pub(crate) fn run(tree: &Tree, names: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name)) {
        let known: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("there is no stage `{unknown}`; the stages are {}", known.join(", "));
    }
    let mut tally = Tally::default();
    let mut results: Vec<(&Stage, StageResult, Duration)> = Vec::new();
    for stage in STAGES.iter().filter(|stage| names.is_empty() || names.iter().any(|name| name == stage.name))
    {
        let is_missing = |need: &&&str| {
            results.iter().any(|(done, stage_result, _)| {
                done.name == **need && !matches!(stage_result, StageResult::Passed)
            })
        };
        if let Some(need) = stage.needs.iter().find(is_missing) {
            results.push((stage, StageResult::NotRun(need), Duration::ZERO));
            continue;
        }
        println!("\n== {}: {}", stage.name, stage.about);
        let begin = now();
        let result = (stage.run)(tree, &mut tally);
        let took = begin.elapsed();
        let stage_result = match result {
            Ok(()) => StageResult::Passed,
            Err(error) => StageResult::Failed(format!("{error:#}")),
        };
        if let StageResult::Failed(error) = &stage_result {
            println!("error: {error}");
        }
        println!("== {}: {:.1} minutes", stage.name, minutes(took));
        results.push((stage, stage_result, took));
    }
    print_summary(&results, tally)
}

fn print_summary(results: &[(&Stage, StageResult, Duration)], tally: Tally) -> anyhow::Result<()> {
    println!("\nstage      minutes");
    for (stage, stage_result, took) in results {
        let stage_result = match stage_result {
            StageResult::Passed => "ok".to_owned(),
            StageResult::Failed(error) => format!("FAILED: {}", error.lines().next().unwrap_or_default()),
            StageResult::NotRun(need) => format!("not run, it needs `{need}`"),
        };
        println!("{:<10} {:>7.1}  {stage_result}", stage.name, minutes(*took));
    }
    let total: Duration = results.iter().map(|(_, _, took)| *took).sum();
    println!("{:<10} {:>7.1}", "all", minutes(total));
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, stage_result, _)| !matches!(stage_result, StageResult::Passed))
        .map(|(stage, _, _)| stage.name)
        .collect();
    if failed.is_empty() {
        println!("{tally}");
        return Ok(());
    }
    println!("failed: {}; run one again with `cargo xtask test {}`", failed.join(", "), failed[0]);
    println!("{tally}");
    bail!("{} of {} stages failed", failed.len(), results.len())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the duration of a stage is only printed; no worker is involved"
)]
fn now() -> Instant {
    Instant::now()
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}

fn format(tree: &Tree, _: &mut Tally) -> anyhow::Result<()> {
    shell::run(shell::cargo(&tree.root).args(["fmt", "--all", "--check"]))?;
    guests::check_format(tree)
}

fn lint(tree: &Tree, _: &mut Tally) -> anyhow::Result<()> {
    shell::run(shell::cargo(&tree.root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn build_everything(tree: &Tree) -> anyhow::Result<()> {
    shell::run(shell::cargo(&tree.root).args(["build", "--workspace", "--all-targets", "--locked"]))
}

fn docs(tree: &Tree) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command.args(["doc", "--workspace", "--no-deps", "--locked"]))
}

fn tests(tree: &Tree, tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("GOLEM_GUESTS_DIR", tree.components());
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    shell::run_counting(&mut command, tally)
}
