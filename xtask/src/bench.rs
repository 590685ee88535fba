//! `bench`: builds and runs the benchmark with optimised programs.

use crate::tree::Tree;
use crate::{guests, optimised, shell};
use std::process::Command;

/// Builds the programs and guests that the benchmark needs, and runs it.
pub(crate) fn run(tree: &Tree, rest: &[String]) -> anyhow::Result<()> {
    optimised::build_bench_programs(tree)?;
    guests::build(tree)?;
    let mut command = Command::new(tree.optimised().join("golem-bench"));
    command.current_dir(&tree.root).env("GOLEM_GUESTS_DIR", tree.components()).args(rest);
    shell::run(&mut command)
}
