//! Imports between the modules of the executor.

use crate::{check, files};
use std::collections::BTreeSet;

const FOLDER: &str = "runtime/src/executor/";

/// Layers of the executor's modules, from the bottom up. A module imports from its own layer and from lower ones. The
/// modules that are not listed share the lock, and are above all of these.
const LAYERS: &[&[&str]] = &[
    &["error", "lock_scope", "metrics", "settings"],
    &["projection", "state"],
    &["history", "ledger", "logs"],
];

/// The modules of the executor that `text` names. `depth` is the number of modules between the file and the crate's
/// module `executor`, with the file's own.
fn named_modules<'a>(text: &'a str, depth: usize, modules: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let to_executor = "super::".repeat(depth);
    let mut named = BTreeSet::new();
    for prefix in [to_executor.as_str(), "crate::executor::"] {
        for (at, _) in text.match_indices(prefix) {
            let is_longer = text[..at].ends_with("super::");
            if !is_longer {
                named.extend(first_names(&text[at + prefix.len()..]));
            }
        }
    }
    named.retain(|name| modules.contains(*name));
    named
}

/// The name with which `path` begins, or the names with which the paths of a group `{…}` begin.
fn first_names(path: &str) -> Vec<&str> {
    let name = |path: &'_ str| path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let Some(group) = path.strip_prefix('{') else { return vec![&path[..name(path)]] };
    let (mut depth, mut names, mut begins) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                names.push(&group[at..at + name(&group[at..])]);
                begins = false;
            }
            _ => {}
        }
    }
    names
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or(LAYERS.len())
}

#[test]
fn modules_of_the_executor_import_downwards() {
    let executor: Vec<_> =
        files::with_extension("rs").into_iter().filter(|file| file.path.starts_with(FOLDER)).collect();
    let module =
        |path: &str| path[FOLDER.len()..].trim_end_matches(".rs").split('/').next().map(str::to_owned);
    let modules: BTreeSet<String> = executor.iter().filter_map(|file| module(&file.path)).collect();
    for listed in LAYERS.iter().copied().flatten() {
        assert!(modules.contains(*listed), "the executor has no module {listed}");
    }
    let mut findings = Vec::new();
    for file in &executor {
        let Some(own) = module(&file.path) else { continue };
        let depth = file.path[FOLDER.len()..].split('/').count();
        let upwards = |named: &&str| layer(named) > layer(&own);
        for named in named_modules(&file.text, depth, &modules).into_iter().filter(upwards) {
            findings.push(format!("{}: {named}", file.path));
        }
    }
    check("a module of the executor imports from its own layer and from lower ones (LAYERS)", &findings);
}

#[test]
fn imports_are_found_in_each_form() {
    let modules: BTreeSet<String> = ["core", "ledger", "wakes"].map(str::to_owned).into();
    for (text, depth, expected) in [
        ("use super::core::{Core, State};", 1, vec!["core"]),
        ("use super::{Executor, wakes, ledger::{Ledger, core}};", 1, vec!["ledger", "wakes"]),
        ("super::super::core::unavailable(&error)", 2, vec!["core"]),
        ("use super::core::X; use super::super::ledger;", 2, vec!["ledger"]),
        ("use crate::executor::wakes;", 3, vec!["wakes"]),
        ("use super::*; use crate::spawner;", 1, vec![]),
    ] {
        assert_eq!(named_modules(text, depth, &modules).into_iter().collect::<Vec<_>>(), expected, "{text}");
    }
}
