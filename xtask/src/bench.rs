//! `bench`: builds and runs the benchmark with optimised programs.

use crate::tree::Tree;
use crate::{checks, guests, shell};
use anyhow::Context;
use std::process::Command;

/// Builds the programs and guests that the benchmark needs, and runs it.
pub(crate) fn run(tree: &Tree, rest: &[String]) -> anyhow::Result<()> {
    build_optimised(tree)?;
    guests::build(tree)?;
    let mut command = Command::new(tree.optimised().join("golem-bench"));
    command.current_dir(&tree.root).env("GOLEM_GUESTS_DIR", tree.components()).args(rest);
    shell::run(&mut command)
}

/// Builds our own crates at the highest level on top of the dependencies of the `dev` profile, and copies the programs
/// to `target/optimised`.
///
/// The copies are needed because the next build of the `dev` profile replaces the programs in `target/debug`. The
/// libraries of both levels stay in the target folder, so wasmtime is compiled once and neither build repeats the other.
pub(crate) fn build_optimised(tree: &Tree) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3");
    shell::run(command.args(checks::BUILD_PROGRAMS))?;
    let folder = tree.optimised();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["golem", "golem-bench", "golem-test-server"] {
        let (from, to) = (tree.binary(name), folder.join(name));
        // Removed first: a running program's file cannot be written to.
        if to.exists() {
            std::fs::remove_file(&to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        std::fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
