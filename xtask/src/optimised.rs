//! The optimised programs: our own crates at the highest level, on top of the dependencies of the `dev` profile.
//!
//! The programs are copied to `target/optimised`, because the next build of the `dev` profile replaces those in
//! `target/debug`. The libraries of both levels stay in the target folder, so wasmtime is compiled once and neither
//! build repeats the other.

use crate::shell;
use crate::tree::Tree;
use anyhow::Context;

/// The programs for users: the server with all commands, and the command line alone.
const PROGRAMS: &[&str] = &["golem", "golem-cli"];
/// The programs of the benchmark.
const BENCH_PROGRAMS: &[&str] = &["golem", "golem-bench", "golem-test-server"];

/// The program of the simulation.
const SIMULATION_PROGRAMS: &[&str] = &["golem-sim"];

/// Builds the programs for users.
pub(crate) fn build_programs(tree: &Tree) -> anyhow::Result<()> {
    build(tree, &["-p", "golem-runtime", "-p", "golem-cli", "--bins"], PROGRAMS)
}

/// Builds the programs that the benchmark needs.
pub(crate) fn build_bench_programs(tree: &Tree) -> anyhow::Result<()> {
    build(tree, &["--workspace", "--bins"], BENCH_PROGRAMS)
}

/// Builds the program of the simulation.
pub(crate) fn build_simulation(tree: &Tree) -> anyhow::Result<()> {
    build(tree, &["-p", "golem-tests", "--bin", "golem-sim"], SIMULATION_PROGRAMS)
}

fn build(tree: &Tree, selection: &[&str], programs: &[&str]) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3");
    shell::run(command.arg("build").args(selection).arg("--locked"))?;
    let folder = tree.optimised();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in programs {
        let (from, to) = (tree.programs().join(name), folder.join(name));
        // Removed first: a running program's file cannot be written to.
        if to.exists() {
            std::fs::remove_file(&to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        std::fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
