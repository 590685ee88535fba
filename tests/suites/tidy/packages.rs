//! Rules for dependencies. `deny.toml` contains the rules. This test reads it, so that cargo-deny is not required,
//! which takes longer to compile than all other checks.

use crate::{check, files};
use std::collections::BTreeSet;
use std::process::Command;

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(files::root())
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("cannot start cargo {}: {error}", args.join(" ")));
    assert!(output.status.success(), "cargo {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn strings(table: &toml::Table, section: &str, key: &str) -> Vec<String> {
    let list =
        table[section][key].as_array().unwrap_or_else(|| panic!("deny.toml: {section}.{key} is a list"));
    list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// Whether the licence expression can be satisfied with the `allowed` licences. Older packages write `/` for OR.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any(&words, &mut at, allowed);
    result && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut result = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all(words, at, allowed);
    }
    result
}

fn all(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut result = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at, allowed);
    }
    result
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let result = any(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return result && closed;
    }
    let mut licence = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&licence)
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned(), "ISC".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(permitted(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn licences_origins_and_banned_packages_are_as_deny_toml_says() {
    let rules: toml::Table = files::read("deny.toml").parse().expect("deny.toml is TOML");
    let allowed = strings(&rules, "licenses", "allow");
    let banned: BTreeSet<String> = rules["bans"]["deny"]
        .as_array()
        .expect("deny.toml: bans.deny is a list")
        .iter()
        .filter_map(|ban| Some(ban.get("name")?.as_str()?.to_owned()))
        .collect();

    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(files::root().join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo describes this workspace");
    let mut findings = Vec::new();
    for package in metadata.packages {
        let label = format!("{} {}", package.name, package.version);
        if banned.contains(package.name.as_str()) {
            findings.push(format!("{label} is banned"));
        }
        match package.license {
            Some(licence) if permitted(&licence, &allowed) => {}
            Some(licence) => findings.push(format!("{label} has the licence `{licence}`")),
            None => findings.push(format!("{label} names no licence")),
        }
        // Workspace crates have no source.
        if let Some(source) = package.source
            && !source.repr.starts_with("registry+")
        {
            findings.push(format!("{label} comes from {source}"));
        }
    }
    check("a dependency has a licence listed in deny.toml and comes from the registry", &findings);
}

#[test]
fn guests_take_packages_from_the_registry_only() {
    let mut findings = Vec::new();
    for file in files::with_extension("lock") {
        for line in file.text.lines() {
            if let Some(source) = line.strip_prefix("source = \"")
                && !source.starts_with("registry+")
            {
                findings.push(format!("{}: {source}", file.path));
            }
        }
    }
    check("a package comes from the registry", &findings);
}

/// Packages that contain or use the engine. Each must be buildable and testable alone without another variant of a
/// shared dependency, because that variant would compile wasmtime again.
const SELECTIONS: [&str; 4] = ["golem-host", "golem-runtime", "golem-testing", "golem-tests"];

/// The packages of a selection with their features, one line each.
fn features(selection: &[&str], edges: &str) -> BTreeSet<String> {
    let mut args = vec!["tree", "--locked", "-e", edges, "-f", "{p} {f}", "--prefix", "none", "--no-dedupe"];
    args.extend(selection);
    cargo(&args).lines().map(str::to_owned).collect()
}

/// Programs are built without the dependencies of tests, and a developer tests one package at a time. If one selection
/// enabled more features of a shared package than another, cargo would compile every crate that uses the package twice.
#[test]
fn every_selection_is_built_with_the_same_features() {
    let all = features(&["--workspace"], "normal,build,dev");
    let mut findings = Vec::new();
    let mut compare = |label: &str, selection: &[&str], edges: &str| {
        // `golem-host` has its test support only in tests; it is compiled twice on purpose.
        let own = |line: &&String| line.starts_with("golem-host ");
        let found = features(selection, edges);
        findings
            .extend(found.difference(&all).filter(|line| !own(line)).map(|line| format!("{label}: {line}")));
    };
    compare("--workspace without tests", &["--workspace"], "normal,build");
    for package in SELECTIONS {
        compare(package, &["-p", package], "normal,build,dev");
        compare(package, &["-p", package], "normal,build");
    }
    check(
        "all selections use the same features; add the missing features to xtask/workspace-hack/Cargo.toml",
        &findings,
    );
}
