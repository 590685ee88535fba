//! Builds the components that the demo and the suites run.

use crate::shell;
use crate::tally::Tally;
use crate::tree::{GUEST_TARGET, Guest, Tree};
use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// Builds all examples and test guests.
pub(crate) fn build(tree: &Tree) -> anyhow::Result<()> {
    let guests = tree.guests()?;
    let mut targets: Vec<_> = guests.iter().flat_map(|guest| guest.targets().iter().copied()).collect();
    targets.sort_unstable();
    targets.dedup();
    for target in targets {
        add_target(tree, target)?;
    }
    for guest in guests {
        build_one(tree, &guest)?;
    }
    println!("components are in {}", tree.components().display());
    Ok(())
}

/// Builds the guest in `folder` of the checkout, for example `examples/counter`.
pub(crate) fn build_named(tree: &Tree, folder: &str) -> anyhow::Result<()> {
    let guests = tree.guests()?;
    let guest = guests
        .iter()
        .find(|guest| guest.label == folder)
        .with_context(|| format!("there is no guest {folder}"))?;
    for target in guest.targets() {
        add_target(tree, target)?;
    }
    build_one(tree, guest)
}

// The guests are built one after the other: they share a target folder, which cargo locks, and each build uses all
// cores.
fn build_one(tree: &Tree, guest: &Guest) -> anyhow::Result<()> {
    for target in guest.targets() {
        let mut command = cargo(tree, "build", guest);
        shell::run(command.args(["--release", "--target", target]))?;
    }
    Ok(())
}

/// Checks that all guests are formatted.
pub(crate) fn check_format(tree: &Tree) -> anyhow::Result<()> {
    for guest in tree.guests()? {
        let mut command = shell::cargo(&tree.root);
        shell::run(command.args(["fmt", "--check", "--manifest-path"]).arg(&guest.manifest))?;
    }
    Ok(())
}

/// Runs clippy on the examples, for the worker's target and for their unit tests. Test guests are not checked.
pub(crate) fn lint_examples(tree: &Tree) -> anyhow::Result<()> {
    for guest in tree.guests()?.iter().filter(|guest| guest.example) {
        let mut worker = cargo(tree, "clippy", guest);
        shell::run(worker.args(["--release", "--target", GUEST_TARGET, "--", "-D", "warnings"]))?;
        let mut native = cargo(tree, "clippy", guest);
        shell::run(native.args(["--all-targets", "--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Runs the examples' own unit tests. They are plain Rust and run without a server.
pub(crate) fn test_examples(tree: &Tree, tally: &mut Tally) -> anyhow::Result<()> {
    for guest in tree.guests()?.iter().filter(|guest| guest.example) {
        shell::run_counting(&mut cargo(tree, "test", guest), tally)?;
    }
    Ok(())
}

fn cargo(tree: &Tree, subcommand: &str, guest: &Guest) -> Command {
    let mut command = shell::cargo(&tree.root);
    command.env("CARGO_TARGET_DIR", tree.guests_target());
    command.args([subcommand, "--quiet", "--locked", "--manifest-path"]).arg(&guest.manifest);
    command
}

/// Adds a target to the toolchain unless it is installed.
pub(crate) fn add_target(tree: &Tree, target: &str) -> anyhow::Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&tree.root).args(["--print", "target-libdir", "--target", target]);
    if shell::output(&mut rustc).is_ok_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.current_dir(&tree.root);
    if let Err(error) = shell::run(rustup.args(["target", "add", target])) {
        bail!(
            "the Rust target {target} is missing and rustup could not add it ({error:#}); \
             without rustup, install your distribution's standard library for that target"
        );
    }
    Ok(())
}
