//! Where things are.

use crate::shell;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// The target that guests are built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";
/// The target of WASI preview 1, which programs among the guests are built for too.
pub(crate) const PROGRAM_TARGET: &str = "wasm32-wasip1";

/// The checkout and its target folder.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds: `target`, unless the user says otherwise.
    pub(crate) target: PathBuf,
}

/// A package that is a workspace of its own and becomes a component.
#[derive(Debug)]
pub(crate) struct Guest {
    /// For messages: `examples/counter`.
    pub(crate) label: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest: PathBuf,
    /// Examples have unit tests of their own, and are read by people.
    pub(crate) example: bool,
    /// A program (`src/main.rs`) that reads standard input, not a library of functions.
    pub(crate) program: bool,
}

impl Guest {
    /// What it is built for.
    pub(crate) fn targets(&self) -> &'static [&'static str] {
        if self.program { &[GUEST_TARGET, PROGRAM_TARGET] } else { &[GUEST_TARGET] }
    }
}

impl Tree {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and configuration files are respected.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the root folder")?;
        let json = shell::output(shell::cargo(root).args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&json).context("`cargo metadata` did not print JSON")?;
        let target =
            metadata["target_directory"].as_str().context("`cargo metadata` names no target folder")?;
        Ok(Self { root: root.to_owned(), target: PathBuf::from(target) })
    }

    /// The cargo target folder of all guests together, so that what they share is compiled once.
    pub(crate) fn guests_target(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Where the compilers of other languages lie. The suite `languages` looks here.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Where the built components lie. The suites look here, see `GOLEM_GUESTS_DIR`.
    pub(crate) fn components(&self) -> PathBuf {
        self.guests_target().join(GUEST_TARGET).join("release")
    }

    /// Where the programs that the workspace builds lie.
    pub(crate) fn programs(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// One of them.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// Every folder with a `Cargo.toml` under `examples/` and `tests/guests/`, by name.
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
