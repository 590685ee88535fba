//! `bench`: builds and runs the benchmark.

use crate::tree::Tree;
use crate::{checks, guests, shell};
use std::process::Command;

/// Builds the programs and guests that the benchmark needs, and runs it.
pub(crate) fn run(tree: &Tree, rest: &[String]) -> anyhow::Result<()> {
    checks::build_programs(tree)?;
    guests::build(tree)?;
    let mut command = Command::new(tree.binary("golem-bench"));
    command.current_dir(&tree.root).env("GOLEM_GUESTS_DIR", tree.components()).args(rest);
    shell::run(&mut command)
}
