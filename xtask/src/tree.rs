//! The paths of the checkout: root, target folder, examples and test guests.

use crate::shell;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// The target of all guests.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";
/// The target of WASI preview 1. Guests that are programs are also built for it.
pub(crate) const PROGRAM_TARGET: &str = "wasm32-wasip1";

/// The checkout and its target folder.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Cargo's target folder: `target`, unless the user has configured another one.
    pub(crate) target: PathBuf,
}

/// A package with its own workspace that is built as a component.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its name in messages, for example `examples/counter`.
    pub(crate) label: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest: PathBuf,
    /// Whether it is an example. Examples have unit tests and are checked by clippy.
    pub(crate) example: bool,
    /// Whether it is a program (`src/main.rs`) and not a library.
    pub(crate) program: bool,
}

impl Guest {
    /// The targets that it is built for.
    pub(crate) fn targets(&self) -> &'static [&'static str] {
        if self.program { &[GUEST_TARGET, PROGRAM_TARGET] } else { &[GUEST_TARGET] }
    }
}

impl Tree {
    /// Finds the checkout that the current folder lies in. Its path is not compiled in: with a shared target folder,
    /// cargo may run an xtask that was compiled in another checkout. The target folder is read from `cargo metadata`,
    /// so that `CARGO_TARGET_DIR` and configuration files are respected.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = shell::output(shell::cargo(Path::new(".")).args([
            "locate-project",
            "--workspace",
            "--message-format",
            "plain",
        ]))?;
        let root = Path::new(manifest.trim_end()).parent().context("a manifest lies in a folder")?;
        let json = shell::output(shell::cargo(root).args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&json).context("`cargo metadata` did not print JSON")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("`cargo metadata` did not print the target folder")?;
        Ok(Self { root: root.to_owned(), target: PathBuf::from(target) })
    }

    /// The common cargo target folder of all guests, so that shared dependencies are compiled once.
    pub(crate) fn guests_target(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// The folder of the compilers of other languages. The suite `languages` uses it.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The folder of the built components. The suites use it, see `GOLEM_GUESTS_DIR`.
    pub(crate) fn components(&self) -> PathBuf {
        self.guests_target().join(GUEST_TARGET).join("release")
    }

    /// The folder of the programs that cargo builds.
    pub(crate) fn programs(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// The folder of the optimised programs, see `crate::optimised`.
    pub(crate) fn optimised(&self) -> PathBuf {
        self.target.join("optimised")
    }

    /// All folders with a `Cargo.toml` under `examples/` and `tests/guests/`, sorted by name.
    pub(crate) fn guests(&self) -> anyhow::Result<Vec<Guest>> {
        let mut found = Vec::new();
        for (folder, example) in [("examples", true), ("tests/guests", false)] {
            let path = self.root.join(folder);
            let entries =
                std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for entry in entries {
                let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
                let manifest = entry.path().join("Cargo.toml");
                if !manifest.is_file() {
                    continue;
                }
                let label = format!("{folder}/{}", entry.file_name().display());
                if !entry.path().join("Cargo.lock").is_file() {
                    bail!("{label} has no Cargo.lock: run `cargo generate-lockfile` there and commit it");
                }
                let program = entry.path().join("src/main.rs").is_file();
                found.push(Guest { label, manifest, example, program });
            }
        }
        found.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(found)
    }
}
