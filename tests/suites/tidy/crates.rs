//! Dependencies between crates. A crate can use another only through a dependency, so the tests read the manifests.

use crate::{check, files};
use std::collections::BTreeMap;

/// The workspace crates: folder, package, and the workspace crates that it may use as normal dependencies.
const CRATES: &[(&str, &str, &[&str])] = &[
    ("model", "golem-model", &[]),
    ("macros", "golem-macros", &[]),
    ("sdk", "golem-sdk", &["golem-macros"]),
    ("bindgen", "golem-bindgen", &[]),
    ("api", "golem-api", &["golem-model"]),
    ("cli", "golem-cli", &["golem-api", "golem-bindgen", "golem-model"]),
    ("gateway", "golem-gateway", &["golem-model"]),
    ("host", "golem-host", &["golem-model", "golem-workspace-hack"]),
    ("testing", "golem-testing", &["golem-host", "golem-model", "golem-workspace-hack"]),
    (
        "runtime",
        "golem-runtime",
        &["golem-api", "golem-cli", "golem-gateway", "golem-host", "golem-model", "golem-workspace-hack"],
    ),
    (
        "tests",
        "golem-tests",
        &[
            "golem-api",
            "golem-bindgen",
            "golem-cli",
            "golem-host",
            "golem-model",
            "golem-runtime",
            "golem-testing",
            "golem-workspace-hack",
        ],
    ),
    ("xtask", "xtask", &[]),
    ("xtask/workspace-hack", "golem-workspace-hack", &[]),
];

/// External crates that only these folders may use as normal dependencies, and the reason.
const RESTRICTED: &[(&str, &[&str], &str)] = &[
    ("wasmtime", &["host"], "the engine can be upgraded in one crate"),
    ("rusqlite", &["runtime", "tests"], "only storage adapters use SQL"),
    ("libsqlite3-sys", &["runtime", "tests"], "only storage adapters use SQL"),
    ("axum", &["runtime"], "the REST contract is separate from its server"),
    ("hyper", &["runtime"], "the REST contract is separate from its server"),
    ("tower", &["runtime"], "the REST contract is separate from its server"),
    ("reqwest", &["api", "tests"], "the project has one HTTP client"),
    ("wit-bindgen", &["sdk", "bindgen"], "only guests are compiled against bindings"),
];

/// The dependencies of `model`. It uses no I/O, no async runtime and no engine, because guests use it too.
const MODEL_USES: &[&str] =
    &["base64", "blake3", "crc32c", "indexmap", "jiff", "serde", "serde_json", "thiserror", "uuid"];

/// The dependencies of `gateway`. It uses no I/O, no clock and no async runtime: the same request always has the same
/// result, and its tests are compiled without the engine.
const GATEWAY_USES: &[&str] = &["base64", "golem-model", "serde", "serde_json", "serde_norway", "thiserror"];

fn manifest(folder: &str) -> toml::Table {
    let path = format!("{folder}/Cargo.toml");
    files::read(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn shipped(manifest: &toml::Table) -> Vec<String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn every_workspace_member_is_listed_and_inherits_the_lints() {
    let workspace: toml::Table = files::read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let mut members: Vec<&str> = workspace["workspace"]["members"]
        .as_array()
        .expect("members is a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    members.sort_unstable();
    let mut listed: Vec<&str> = CRATES.iter().map(|(folder, ..)| *folder).collect();
    listed.sort_unstable();
    assert_eq!(members, listed, "add a new crate to CRATES, with the crates that it may use");
    for (folder, package, _) in CRATES {
        let manifest = manifest(folder);
        assert_eq!(manifest["package"]["name"].as_str(), Some(*package), "{folder}");
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(
            inherits.and_then(toml::Value::as_bool),
            Some(true),
            "{folder} needs `[lints] workspace = true`"
        );
    }
}

#[test]
fn our_crates_use_each_other_in_one_direction() {
    let ours: BTreeMap<&str, &str> = CRATES.iter().map(|(folder, package, _)| (*package, *folder)).collect();
    let mut findings = Vec::new();
    for (folder, _, may) in CRATES {
        for used in shipped(&manifest(folder)) {
            if ours.contains_key(used.as_str()) && !may.contains(&used.as_str()) {
                findings.push(format!("{folder} uses {used}"));
            }
        }
    }
    check("a workspace crate uses another one that CRATES does not allow", &findings);
}

#[test]
fn the_engine_the_database_and_the_web_server_are_used_in_one_crate_each() {
    let mut findings = Vec::new();
    for (folder, ..) in CRATES {
        for used in shipped(&manifest(folder)) {
            for (only, places, why) in RESTRICTED {
                let same = used == *only || used.strip_prefix(only).is_some_and(|rest| rest.starts_with('-'));
                if same && !places.contains(folder) {
                    findings.push(format!("{folder} uses {used}: {why}"));
                }
            }
        }
    }
    check("an external crate is used outside the folders that RESTRICTED allows", &findings);
}

#[test]
fn the_model_depends_on_listed_crates_only() {
    let findings: Vec<String> =
        shipped(&manifest("model")).into_iter().filter(|used| !MODEL_USES.contains(&used.as_str())).collect();
    check("model may use only the crates in MODEL_USES", &findings);
}

#[test]
fn the_gateway_depends_on_listed_crates_only() {
    let findings: Vec<String> = shipped(&manifest("gateway"))
        .into_iter()
        .filter(|used| !GATEWAY_USES.contains(&used.as_str()))
        .collect();
    check("gateway may use only the crates in GATEWAY_USES", &findings);
}

#[test]
fn inside_the_runtime_only_storage_names_the_database() {
    let mut findings = Vec::new();
    for file in files::with_extension("rs") {
        let storage = file.path.starts_with("runtime/src/storage/") || file.path.starts_with("tests/");
        if !storage && (file.text.contains("rusqlite::") || file.text.contains("libsqlite3_sys::")) {
            findings.push(file.path);
        }
    }
    check("only runtime/src/storage and tests/ may use SQLite", &findings);
}
