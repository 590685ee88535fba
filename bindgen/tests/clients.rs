//! The checked-in client interfaces must equal the generated ones. `BLESS=1` rewrites them.

#![allow(clippy::unwrap_used, reason = "a panic in a helper fails the test")]

use golem_bindgen::client;
use golem_bindgen::wit::{self, Package};
use std::fs;
use std::path::{Path, PathBuf};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Checks the client of an interface. Its file is in `folder` and is named after the package.
fn check(folder: &str, package: &Package, interface: &str) {
    let (resolve, id) = wit::resolve(package, &clients(folder)).unwrap();
    let interface = resolve.packages[id].interfaces[interface];
    let written = client::write(&resolve, &[interface]).unwrap();
    let (name, text) = &written[0].files[0];
    let path = tree().join(folder).join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == *text,
        "{folder}/{name} is stale; run `BLESS=1 cargo test -p golem-bindgen` and commit the difference"
    );
}

/// The checked-in clients, which the world of the guest imports.
fn clients(folder: &str) -> Vec<Package> {
    let files = fs::read_dir(tree().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| {
        Package::file(path.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap())
    };
    files.map(text).chain([Package::file("rpc.wit", client::RPC)]).collect()
}

#[test]
fn the_clients_of_the_guest_calls_are_fresh() {
    const FOLDER: &str = "tests/guests/calls/clients";
    let counter = "package golem:counter; interface api {
        /// Adds one and returns the new count.
        increment: func() -> u64;
        /// The count.
        get: func() -> u64;
    }";
    check(FOLDER, &Package::file("counter.wit", counter), "api");
    let text = fs::read_to_string(tree().join("tests/guests/calls/wit/calls.wit")).unwrap();
    // Without the world, because the world imports the client that is generated here.
    let interfaces = text.split("\nworld ").next().unwrap_or_default();
    check(FOLDER, &Package::file("calls.wit", interfaces), "target");
}
