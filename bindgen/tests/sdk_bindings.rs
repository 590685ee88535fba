//! The checked-in bindings of the guest library must equal the bindings generated from `wit/`. `BLESS=1` rewrites them.

#![allow(clippy::unwrap_used, reason = "a panic in a helper fails the test")]

use golem_bindgen::wit::Package;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn runtime_api(folders: &[&str]) -> Vec<Package> {
    folders.iter().map(|folder| package(&tree().join("wit").join(folder))).collect()
}

fn package(folder: &Path) -> Package {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    Package { name: folder.file_name().unwrap().to_str().unwrap().to_owned(), files }
}

/// The text of `wasi:io` in the pinned `wasmtime-wasi-io`, which the host is built against.
fn wasi_io() -> String {
    // Only the crates for this machine: the crates of other platforms may not have been downloaded.
    let options: Vec<String> = ["--locked", "--filter-platform", &this_machine()].map(str::to_owned).into();
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(tree().join("Cargo.toml"))
        .other_options(options)
        .exec()
        .unwrap();
    let package = metadata.packages.iter().find(|package| package.name == "wasmtime-wasi-io").unwrap();
    fs::read_to_string(package.manifest_path.parent().unwrap().join("wit/deps/io.wit")).unwrap()
}

fn this_machine() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

#[test]
fn the_checked_in_bindings_are_fresh() {
    let generated = golem_bindgen::sdk::generate_bindings(
        &runtime_api(&["golem-api-0.2.0", "golem-durability", "golem-rpc", "wasi-keyvalue-0.2.0-draft2"]),
        &wasi_io(),
    )
    .unwrap();
    let path = tree().join("sdk/src/bindings.rs");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, generated).unwrap();
        return;
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == generated,
        "sdk/src/bindings.rs does not match wit/; run `BLESS=1 cargo test -p golem-bindgen` and commit the difference"
    );
}

#[test]
fn each_package_of_the_runtime_api_can_be_resolved_and_is_documented() {
    let all = runtime_api(&["golem-api", "golem-api-0.2.0", "golem-durability", "golem-rpc"]);
    let io = Package::file("wasi-io.wit", wasi_io().replace("0.2.12", "0.2.0"));
    for main in &all {
        let others: Vec<_> = all.iter().filter(|other| *other != main).cloned().chain([io.clone()]).collect();
        let (resolve, id) = golem_bindgen::wit::resolve(main, &others).unwrap();
        assert!(golem_bindgen::wit::print(&resolve, id).unwrap().contains("package golem:"));
        // The doc comments appear in the generated code, so every interface and function needs one.
        for (_, interface) in resolve
            .interfaces
            .iter()
            .filter(|(_, i)| i.package.is_some_and(|p| resolve.packages[p].name.namespace == "golem"))
        {
            let name = interface.name.as_deref().unwrap_or_default();
            assert!(interface.docs.contents.is_some(), "{name} has no doc comment");
            for (function, item) in &interface.functions {
                assert!(item.docs.contents.is_some(), "{name}/{function} has no doc comment");
            }
        }
    }
}
