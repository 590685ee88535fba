//! Rules about the WIT that we publish.

use crate::{check, files};

/// Packages of WASI whose signatures, which are facts, are written down in our own words, and where: those that no pinned
/// crate has, and the few functions that test guests call by bindings of their own.
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
    check("the text of WASI comes from the pinned crates, it is not copied into the tree", &findings);
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
    check("a function in wit/ has a doc comment: it is all that a guest's author sees", &findings);
}
