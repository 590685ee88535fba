//! `sim`: builds and runs the simulation with optimised crates.

use crate::tree::Tree;
use crate::{guests, optimised, shell};
use std::process::Command;

/// Number of seeds that the checks run. They are the same seeds in each run, so that a failure is caused by a change.
const CHECKED_SEEDS: &str = "10000";

/// Builds the program and the guests that it needs, and runs it.
pub(crate) fn run(tree: &Tree, rest: &[String]) -> anyhow::Result<()> {
    guests::build(tree)?;
    run_built_guests(tree, rest)
}

/// Runs the seeds of the checks, and the mutants that some seed must detect.
pub(crate) fn check(tree: &Tree) -> anyhow::Result<()> {
    run_built_guests(tree, &["--from", "1", "--seeds", CHECKED_SEEDS].map(str::to_owned))?;
    run_built_guests(tree, &["--mutants".to_owned()])
}

fn run_built_guests(tree: &Tree, arguments: &[String]) -> anyhow::Result<()> {
    optimised::build_simulation(tree)?;
    let mut command = Command::new(tree.optimised().join("golem-sim"));
    command.current_dir(&tree.root).env("GOLEM_GUESTS_DIR", tree.components()).args(arguments);
    shell::run(&mut command)
}
