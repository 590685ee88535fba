//! `long`: tests with the sizes that take too long for every run.

use crate::shell;
use crate::tree::Tree;

/// The suites with such tests.
const SUITES: &[&str] = &["conformance", "hostile", "write_faults"];

/// Runs [`SUITES`] with large sizes: the tests look at the variable `GOLEM_TEST_LONG`.
pub(crate) fn run(tree: &Tree) -> anyhow::Result<()> {
    let mut build = shell::cargo(&tree.root);
    build.args(["build", "--workspace", "--bins"]);
    shell::run(&mut build)?;
    let mut command = shell::cargo(&tree.root);
    command.env("GOLEM_TEST_LONG", "1");
    command.args(["test", "--workspace", "--no-fail-fast"]);
    for name in SUITES {
        command.args(["--test", name]);
    }
    command.args(["--", "--nocapture"]);
    shell::run(&mut command)
}
