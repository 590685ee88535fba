//! Rules for the published WIT.

use crate::{check, files};

/// WASI packages whose WIT we have written ourselves, and the folder: packages that no pinned crate contains, and the
/// few functions that test guests use through generated bindings.
const WRITTEN_BY_US: &[(&str, &str)] = &[
    ("wit/", "wasi:blobstore"),
    ("wit/", "wasi:keyvalue"),
    ("tests/wit/", "wasi:io"),
    ("bindgen/wit/", "wasi:io"),
    ("bindgen/wit/", "wasi:logging"),
];

#[test]
fn no_wasi_interface_is_copied_into_the_tree() {
    let mut findings = Vec::new();
    for file in files::with_extension("wit") {
        for line in file.text.lines() {
            if let Some(package) = line.trim().strip_prefix("package ")
                && package.starts_with("wasi:")
            {
                let name = package.split(['@', ';', ' ']).next().unwrap_or_default();
                let ours = |(folder, of): &(&str, &str)| file.path.starts_with(folder) && *of == name;
                if !WRITTEN_BY_US.iter().any(ours) {
                    findings.push(format!("{}: {package}", file.path));
                }
            }
        }
    }
    check("WASI's WIT comes from the pinned crates; do not copy it into the tree", &findings);
}

#[test]
fn every_function_of_the_runtime_api_has_a_doc_comment() {
    let mut findings = Vec::new();
    for file in files::with_extension("wit").into_iter().filter(|file| file.path.starts_with("wit/")) {
        let mut before = "";
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if line.contains(": func(") && !before.starts_with("///") && !before.starts_with('@') {
                findings.push(format!("{}:{}: {line}", file.path, number + 1));
            }
            before = line;
        }
    }
    check(
        "a function in wit/ has a doc comment, because the authors of guests see only this text",
        &findings,
    );
}
