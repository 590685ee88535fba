//! `bless`: rewrites the golden files.

use crate::shell;
use crate::tree::Tree;

/// The tests that own golden files: the bytes of the log, who may do what, the SDK's bindings, the macros' error messages.
const OWN_GOLDENS: &[&str] = &["fixtures", "policy", "sdk_bindings", "ui"];

/// Runs the tests that own golden files with the order to rewrite them. A new one gets a place in [`OWN_GOLDENS`].
pub(crate) fn run(tree: &Tree) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("BLESS", "1").env("TRYBUILD", "overwrite");
    command.args(["test", "--workspace", "--no-fail-fast"]);
    for name in OWN_GOLDENS {
        command.args(["--test", name]);
    }
    shell::run(&mut command)?;
    println!("look at `git diff` before you commit: a golden file is a promise");
    Ok(())
}
