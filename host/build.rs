//! Writes the bindings of our own interfaces (`/wit`) to `OUT_DIR/golem.rs`, which `src/bindings.rs` includes.
//!
//! It does the work of `wasmtime::component::bindgen!` in a build script, because our interfaces use `wasi:io` and
//! WASI's text is not in the tree. The text is read from the source of the pinned `wasmtime-wasi-io`, and the bindings
//! use that crate's types. So our interfaces and WASI's share the types of pollables and streams.

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wasmtime_internal_wit_bindgen::{FunctionConfig, FunctionFilter, FunctionFlags, Opts};
use wit_parser::{Resolve, UnresolvedPackageGroup};

/// The crate that contains the text of `wasi:io` and the types of its resources.
const WASI_IO_CRATE: &str = "wasmtime-wasi-io";

/// Interfaces without bindings: `snapshot` is exported by guests, and the host looks it up by name at run time; `types`
/// has only types.
const WITHOUT_BINDINGS: [&str; 2] = ["snapshot", "types"];

fn main() -> Result<()> {
    // Read at run time: cargo may run a script that it compiled in another checkout.
    let host = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = host.parent().context("host/ is a folder of the workspace")?;
    let wit = root.join("wit");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());
    println!("cargo::rerun-if-changed={}", wit.display());

    let mut ours = Vec::new();
    let mut wasi_io_version = None;
    for folder in package_folders(&wit)? {
        println!("cargo::rerun-if-changed={}", folder.display());
        let group = UnresolvedPackageGroup::parse_dir(&folder)
            .with_context(|| format!("cannot read the package in {}", folder.display()))?;
        for package in group.main.foreign_deps.keys() {
            if (package.namespace.as_str(), package.name.as_str()) == ("wasi", "io") {
                let version = package.version.clone();
                let known = wasi_io_version.get_or_insert_with(|| version.clone());
                ensure!(
                    *known == version,
                    "the packages of {} use several versions of wasi:io",
                    wit.display()
                );
            }
        }
        ours.push(group);
    }
    ensure!(!ours.is_empty(), "{} has no folder with a package", wit.display());

    let world = parse("world.wit", &world(&ours))?;
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    if let Some(Some(version)) = wasi_io_version {
        let text = wasi_io(root)?;
        ours.push(parse("io.wit", &with_version(&text, &version.to_string())?)?);
    }
    let package = resolve.push_groups(world, ours).context("cannot resolve the packages of wit/")?;
    let world = resolve.select_world(&[package], Some("imports"))?;

    let code = options().generate(&mut resolve, world).context("cannot generate bindings")?;
    let out = PathBuf::from(variable("OUT_DIR")?).join("golem.rs");
    std::fs::write(&out, code).with_context(|| format!("cannot write {}", out.display()))
}

/// Reads a variable that cargo sets for build scripts.
fn variable(name: &str) -> Result<String> {
    let value = std::env::var_os(name).with_context(|| format!("cargo sets {name}"))?;
    value.into_string().ok().with_context(|| format!("{name} is not UTF-8"))
}

/// The folders of `wit`, one for each package. `deps` is generated for editors and skipped.
fn package_folders(wit: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(wit).with_context(|| format!("cannot read {}", wit.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != "deps" {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// A world that imports every interface that the host implements.
fn world(packages: &[UnresolvedPackageGroup]) -> String {
    let mut text = String::from("package golem:bindings;\nworld imports {\n");
    for package in packages.iter().map(|group| &group.main) {
        let names = package.interfaces.iter().filter_map(|(_, interface)| interface.name.as_deref());
        for name in names.filter(|name| !WITHOUT_BINDINGS.contains(name)) {
            writeln!(text, "  import {};", package.name.interface_id(name))
                .expect("writing to a String succeeds");
        }
    }
    text.push_str("}\n");
    text
}

fn parse(path: &str, text: &str) -> Result<UnresolvedPackageGroup> {
    UnresolvedPackageGroup::parse(path, text).map_err(|(map, error)| anyhow::anyhow!(error.render(&map)))
}

/// The text of `wasi:io` in the locked version of its crate.
fn wasi_io(root: &Path) -> Result<String> {
    let target = variable("TARGET")?;
    let metadata = |offline: bool| {
        let mut options = vec!["--locked".to_owned(), "--filter-platform".to_owned(), target.clone()];
        options.extend(offline.then(|| "--offline".to_owned()));
        MetadataCommand::new().manifest_path(root.join("Cargo.toml")).other_options(options).exec()
    };
    // Offline first: a build without network must work once everything is fetched, and sends no request to the
    // registry. Offline fails on a fresh clone of which only a part was built, where crates are still missing.
    let found = match metadata(true) {
        Ok(found) => found,
        Err(offline) => metadata(false).with_context(|| format!("and offline: {offline}"))?,
    };
    let package = found.packages.iter().find(|package| package.name.as_str() == WASI_IO_CRATE);
    let package = package.with_context(|| format!("{WASI_IO_CRATE} is not in Cargo.lock"))?;
    let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
    let path = folder.join("wit/deps/io.wit");
    std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {path}: where does {WASI_IO_CRATE} keep its WIT now?"))
}

/// `text` under the version that our packages use. Releases 0.2.x of WASI only add to each other, and components link
/// to any of them, so a newer text serves an older version.
fn with_version(text: &str, version: &str) -> Result<String> {
    const DECLARATION: &str = "package wasi:io@";
    let Some(start) = text.find(DECLARATION).map(|at| at + DECLARATION.len()) else {
        bail!("the WIT of {WASI_IO_CRATE} does not declare wasi:io");
    };
    let length = text[start..].find(';').context("a package declaration ends with a semicolon")?;
    Ok(format!("{}{version}{}", &text[..start], &text[start + length..]))
}

/// Makes every import asynchronous (it may wait) and fallible (an error ends the activation: parked, interrupted).
fn options() -> Opts {
    let mut imports = FunctionConfig::new();
    imports.push(FunctionFilter::Default, FunctionFlags::ASYNC | FunctionFlags::TRAPPABLE);
    let with = ["error", "poll", "streams"].map(|interface| {
        (format!("wasi:io/{interface}"), format!("wasmtime_wasi_io::bindings::wasi::io::{interface}"))
    });
    Opts { imports, with: with.into(), ..Opts::default() }
}
