//! Writes the Go module that generated Go code needs to `OUT_DIR/go_runtime.rs`.
//!
//! The source of the pinned crate `wit-bindgen-go` contains the module, with its licence. The build reads it from
//! there, like the text of WASI (docs/decisions/0012-wasi-text-from-crates.md), so that the tree contains no copy.

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const CRATE: &str = "wit-bindgen-go";

fn main() -> Result<()> {
    // Read at run time, because cargo may run a build script that it compiled in another checkout.
    let here = PathBuf::from(cargo_variable("CARGO_MANIFEST_DIR")?);
    let root = here.parent().context("bindgen/ is a folder of the workspace")?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());

    let module = crate_folder(root)?.join("src/pkg");
    let mut files = Vec::new();
    collect_module_files(&module, &mut files)?;
    files.sort();
    let mut code =
        String::from("/// The files of the module, by path.\npub(super) const FILES: &[(&str, &str)] = &[\n");
    for path in &files {
        let below = path.strip_prefix(&module)?.to_str().context("its paths are UTF-8")?;
        writeln!(code, "    ({below:?}, include_str!({:?})),", path.to_str().context("paths are UTF-8")?)?;
    }
    code.push_str("];\n");
    if !files.iter().any(|path| path.ends_with("wit/runtime/runtime.go")) {
        bail!("{} does not hold the Go module any more", module.display());
    }
    let out = PathBuf::from(cargo_variable("OUT_DIR")?).join("go_runtime.rs");
    std::fs::write(&out, code).with_context(|| format!("cannot write {}", out.display()))
}

/// Collects the files that a Go program is built from, and the files that the licence requires to be included.
fn collect_module_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let wanted = matches!(name, "LICENSE" | "go.mod")
            || path.extension().is_some_and(|extension| extension == "go" || extension == "s");
        if path.is_dir() && name != "docs" && !name.starts_with('.') {
            collect_module_files(&path, found)?;
        } else if path.is_file() && wanted {
            found.push(path);
        }
    }
    Ok(())
}

/// The source folder of the pinned crate.
fn crate_folder(root: &Path) -> Result<PathBuf> {
    let host = cargo_variable("HOST")?;
    let load_metadata = |offline: bool| {
        let mut options = vec!["--locked".to_owned(), "--filter-platform".to_owned(), host.clone()];
        options.extend(offline.then(|| "--offline".to_owned()));
        MetadataCommand::new().manifest_path(root.join("Cargo.toml")).other_options(options).exec()
    };
    // Offline first, as in host/build.rs and for the same reasons.
    let metadata = match load_metadata(true) {
        Ok(metadata) => metadata,
        Err(offline) => load_metadata(false).with_context(|| format!("and offline: {offline}"))?,
    };
    let package = metadata.packages.iter().find(|package| package.name.as_str() == CRATE);
    let manifest = &package.with_context(|| format!("{CRATE} is not in Cargo.lock"))?.manifest_path;
    Ok(manifest.parent().context("a manifest is in a folder")?.into())
}

/// Reads a variable that cargo sets for build scripts.
fn cargo_variable(name: &str) -> Result<String> {
    let value = std::env::var_os(name).with_context(|| format!("cargo sets {name}"))?;
    value.into_string().ok().with_context(|| format!("{name} is not UTF-8"))
}
