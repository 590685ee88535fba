//! `bless`: rewrites the golden files.

use crate::shell;
use crate::tree::Tree;

/// The tests with golden files: the generated clients, the bytes of the oplog, the policy table, the SDK's bindings and
/// its carried manifests, the macros' error messages.
const OWN_GOLDENS: &[&str] = &["clients", "fixtures", "policy", "sdk_bindings", "sdk_source", "ui"];

/// Runs the tests with golden files in the mode that rewrites them. A new test with golden files is added to
/// [`OWN_GOLDENS`].
pub(crate) fn run(tree: &Tree) -> anyhow::Result<()> {
    let mut command = shell::cargo(&tree.root);
    command.env("BLESS", "1").env("TRYBUILD", "overwrite");
    command.args(["test", "--workspace", "--no-fail-fast"]);
    for name in OWN_GOLDENS {
        command.args(["--test", name]);
    }
    shell::run(&mut command)?;
    println!("review `git diff` before you commit: a golden file defines behaviour that must not change");
    Ok(())
}
