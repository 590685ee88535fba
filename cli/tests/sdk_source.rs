//! The carried source of the guest library is that of the tree, and its manifests say the same without a workspace.
//!
//! `BLESS=1 cargo test -p golem-cli --test sdk_source` writes the manifests.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

use golem_cli::guest::sdk::{FILES, VERSION};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli/ is a folder of the root")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(path: &str) -> Table {
    read(&tree().join(path)).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The source files of a crate, except the file of its unit tests.
fn sources(folder: &str, found: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(tree().join(folder)).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            sources(&path, found);
        } else if path != "macros/src/tests.rs" {
            found.insert(path);
        }
    }
}

#[test]
fn every_source_file_is_carried() {
    let mut expected = BTreeSet::new();
    sources("sdk/src", &mut expected);
    sources("macros/src", &mut expected);
    let others = ["LICENSE", "sdk/Cargo.toml", "macros/Cargo.toml", "wit/golem-rpc/types.wit"];
    expected.extend(others.map(str::to_owned));
    let carried: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(carried, expected, "change FILES in cli/src/guest/sdk/files.rs");
}

/// The value of a key of `[package]`, which may come from `[workspace.package]`.
fn package_value(key: &str, value: &Value, workspace: &Table) -> Value {
    let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
    if inherited { workspace["package"][key].clone() } else { value.clone() }
}

/// A dependency with its version, features and origin instead of a reference to the workspace.
fn dependency(name: &str, value: &Value, workspace: &Table) -> Value {
    assert_eq!(
        value.get("workspace").and_then(Value::as_bool),
        Some(true),
        "{name}: dependencies of the guest library are listed in [workspace.dependencies]"
    );
    let own = value.as_table().expect("it has the key `workspace`");
    let mut plain = match &workspace["dependencies"][name] {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    };
    for (key, value) in own {
        match key.as_str() {
            "workspace" => {}
            "features" => {
                let features = plain.entry("features").or_insert_with(|| Value::Array(Vec::new()));
                let features = features.as_array_mut().expect("features is a list");
                features.extend(value.as_array().expect("features is a list").iter().cloned());
            }
            "optional" => {
                plain.insert(key.clone(), value.clone());
            }
            other => panic!("{name}: the test does not know how `{other}` is inherited"),
        }
    }
    if let Some(path) = plain.get_mut("path") {
        // In the tree and in the copy, the crates of the guest library are neighbours.
        *path = Value::String(format!("../{}", path.as_str().expect("a path is text")));
    }
    if plain.keys().eq(["version"]) { plain["version"].clone() } else { Value::Table(plain) }
}

/// The manifest of the copy: without workspace, lints, and dependencies of tests.
fn plain_manifest(folder: &str) -> String {
    let own = parse(&format!("{folder}/Cargo.toml"));
    let root = parse("Cargo.toml");
    let workspace = root["workspace"].as_table().unwrap();
    let mut plain = Table::new();
    for (section, value) in &own {
        let table = value.as_table().unwrap();
        match section.as_str() {
            "lints" | "dev-dependencies" => {}
            "package" => {
                let mut package: Table = table
                    .iter()
                    .map(|(key, value)| (key.clone(), package_value(key, value, workspace)))
                    .collect();
                // A file build.rs that appears in the user's data folder must not be run.
                package.insert("build".to_owned(), Value::Boolean(false));
                plain.insert(section.clone(), Value::Table(package));
            }
            "dependencies" => {
                let plain_dependencies: Table = table
                    .iter()
                    .map(|(name, value)| (name.clone(), dependency(name, value, workspace)))
                    .collect();
                plain.insert(section.clone(), Value::Table(plain_dependencies));
            }
            "lib" => {
                plain.insert(section.clone(), value.clone());
            }
            other => panic!("{folder}/Cargo.toml: the test does not know whether [{other}] is carried"),
        }
    }
    let text = toml::to_string(&plain).unwrap();
    format!("# Written from {folder}/Cargo.toml by `cargo xtask bless`; not edited by hand.\n\n{text}")
}

#[test]
fn the_carried_manifests_say_what_the_manifests_of_the_tree_say() {
    for folder in ["macros", "sdk"] {
        let expected = plain_manifest(folder);
        assert!(!expected.contains("workspace"), "{expected}");
        assert!(expected.contains(&format!("version = \"{VERSION}\"")), "{expected}");
        let path: PathBuf = tree().join(format!("cli/src/guest/sdk/{folder}.toml.txt"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let hint = "run `BLESS=1 cargo test -p golem-cli --test sdk_source` and commit the difference";
        assert_eq!(read(&path), expected, "{} is stale; {hint}", path.display());
    }
}
