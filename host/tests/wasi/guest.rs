//! Guests built by the tests: a core module in text and a world in WIT become a component.
//!
//! WASI's WIT is read from the pinned `wasmtime-wasi-http`, which contains all of it.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{
    LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, TypeDefKind, UnresolvedPackageGroup,
    WasmImport, WorldId, WorldItem,
};

/// The release of WASI in the pinned crates.
pub(crate) const NEWEST: &str = "0.2.12";

/// A resolved world.
pub(crate) struct World {
    pub(crate) resolve: Resolve,
    pub(crate) id: WorldId,
}

impl World {
    /// The world `guest` of `text`, which may contain more packages, with WASI as of `version` and our own packages
    /// available. The text writes `@WASI` for WASI's version.
    pub(crate) fn new(version: &str, text: &str) -> Self {
        let text = format!("package test:guest;\n{}", text.replace("@WASI", &format!("@{version}")));
        let mut packages: Vec<_> =
            wasi_texts().iter().map(|(path, text)| parse(path, &with_version(text, version))).collect();
        // Our packages name one release of WASI. Components may mix releases, but then a test would not show which one
        // it uses.
        for folder in golem_folders() {
            let mut text = String::new();
            let mut files: Vec<_> =
                std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
            files.sort();
            for file in files {
                text.push_str(&std::fs::read_to_string(file).unwrap());
            }
            let (package, rest) = split_package(&text);
            packages.push(parse(&folder, &format!("{package}\n{}", with_io_version(&rest, version))));
        }
        let mut resolve = Resolve { all_features: true, ..Resolve::default() };
        let package = resolve.push_groups(parse(Path::new("guest.wit"), &text), packages).unwrap();
        let id = resolve.select_world(&[package], Some("guest")).unwrap();
        Self { resolve, id }
    }

    /// The component whose core module is `core`.
    pub(crate) fn component(&self, core: &str) -> Vec<u8> {
        let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}\n{core}"));
        embed_component_metadata(&mut module, &self.resolve, self.id, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    /// Imports of a core module for every function of the world and for dropping each resource, and their count.
    pub(crate) fn imports(&self) -> (String, usize) {
        let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
        let mut wat = String::new();
        let mut count = 0;
        let mut import = |import: WasmImport<'_>, params: &[WasmType], results: &[WasmType]| {
            let (module, name) = self.resolve.wasm_import_name(abi, import);
            let params = types("param", params);
            let results = types("result", results);
            writeln!(wat, "(import {module:?} {name:?} (func {params} {results}))").unwrap();
            count += 1;
        };
        for (key, item) in &self.resolve.worlds[self.id].imports {
            let WorldItem::Interface { id, .. } = item else { continue };
            let interface = &self.resolve.interfaces[*id];
            for func in interface.functions.values() {
                let signature = self.resolve.wasm_signature(AbiVariant::GuestImport, func);
                import(
                    WasmImport::Func { interface: Some(key), func },
                    &signature.params,
                    &signature.results,
                );
            }
            for resource in interface.types.values().copied() {
                if matches!(self.resolve.types[resource].kind, TypeDefKind::Resource) {
                    let intrinsic = ResourceIntrinsic::ImportedDrop;
                    let interface = Some(key);
                    import(
                        WasmImport::ResourceIntrinsic { interface, resource, intrinsic },
                        &[WasmType::I32],
                        &[],
                    );
                }
            }
        }
        (wat, count)
    }
}

fn types(word: &str, types: &[WasmType]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let names = types.iter().map(|ty| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    });
    format!("({word} {})", names.collect::<Vec<_>>().join(" "))
}

fn parse(path: &Path, text: &str) -> UnresolvedPackageGroup {
    UnresolvedPackageGroup::parse(path, text)
        .unwrap_or_else(|(map, error)| panic!("{}: {}", path.display(), error.render(&map)))
}

/// WASI's `text` under `version`. It contains all functions of the newest release, because a guest may import any of
/// them.
fn with_version(text: &str, version: &str) -> String {
    let gates = ["@since(", "@deprecated("];
    let lines = text.lines().filter(|line| !gates.iter().any(|gate| line.trim_start().starts_with(gate)));
    let lines = lines.map(|line| line.replace(&format!("@{NEWEST}"), &format!("@{version}")) + "\n");
    lines.collect()
}

/// The package declaration of a package in several files, and the rest.
fn split_package(text: &str) -> (String, String) {
    let (package, rest) = text.lines().partition::<Vec<_>, _>(|line| line.starts_with("package "));
    (package.concat(), rest.join("\n"))
}

/// `text` with its uses of `wasi:io` under `version`.
fn with_io_version(text: &str, version: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("use wasi:io/") {
        Some((start, rest)) => {
            let (interface, rest) = rest.split_once('@').expect("our packages name a release");
            let (_, names) = rest.split_once(".{").expect("a use has a list of names");
            format!("{start}use wasi:io/{interface}@{version}.{{{names}\n")
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

fn golem_folders() -> Vec<PathBuf> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let entries = std::fs::read_dir(wit).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir() && !path.ends_with("deps")).collect()
}

/// The names of our own interfaces that guests import.
pub(crate) fn golem_interfaces() -> Vec<String> {
    let mut names = Vec::new();
    for folder in golem_folders() {
        let package = UnresolvedPackageGroup::parse_dir(&folder).unwrap().main;
        let interfaces = package.interfaces.iter().filter_map(|(_, interface)| interface.name.as_deref());
        names.extend(
            interfaces.filter(|name| *name != "snapshot").map(|name| package.name.interface_id(name)),
        );
    }
    names
}

/// WASI's packages of the pinned crate: path and text.
fn wasi_texts() -> &'static [(PathBuf, String)] {
    static TEXTS: std::sync::OnceLock<Vec<(PathBuf, String)>> = std::sync::OnceLock::new();
    TEXTS.get_or_init(|| {
        let metadata = cargo_metadata::MetadataCommand::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            // Not offline: on a fresh machine cargo has fetched only the packages of this platform, but the metadata
            // names the packages of all platforms.
            .other_options(["--locked".to_owned()])
            .exec()
            .unwrap();
        let package =
            metadata.packages.iter().find(|package| package.name.as_str() == "wasmtime-wasi-http").unwrap();
        let folder = package.manifest_path.parent().unwrap().join("wit/deps");
        let mut texts = Vec::new();
        for file in folder.read_dir_utf8().unwrap() {
            let path = file.unwrap().into_path();
            texts.push((path.clone().into(), std::fs::read_to_string(&path).unwrap()));
        }
        texts
    })
}
