//! `bench` and `bless`.

use crate::tree::Tree;
use crate::{checks, guests, shell};
use std::process::Command;

/// Builds everything the benchmark starts, and runs it.
pub(crate) fn bench(tree: &Tree, rest: &[String]) -> anyhow::Result<()> {
    checks::build_programs(tree)?;
    guests::build(tree)?;
    let mut command = Command::new(tree.binary("golem-bench"));
    command.current_dir(&tree.root).env("GOLEM_GUESTS_DIR", tree.components()).args(rest);
    shell::run(&mut command)
}

/// Runs the tests that own golden files with the order to rewrite them.
///
/// What they compare is all there is to bless: the crash, control and scale suites own no golden file and would
/// only take time, so they are not run.
pub(crate) fn bless(tree: &Tree) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("BLESS", "1").env("TRYBUILD", "overwrite");
    command.args(["test", "--workspace", "--exclude", "golem-tests", "--no-fail-fast"]);
    shell::run(&mut command)?;
    let mut command = shell::cargo(&tree.root);
    command.env("BLESS", "1").args(["test", "--workspace", "--test", "fixtures"]);
    shell::run(&mut command)?;
    println!("look at `git diff` before you commit: a golden file is a promise");
    Ok(())
}
