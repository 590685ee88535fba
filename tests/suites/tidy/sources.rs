//! Rules for Rust files.

use crate::{check, files, files::File};

/// Largest number of lines of a file. Most files have fewer than 400.
const LINES_MAX: usize = 700;

/// Longer files with their limits. After shortening a file, lower or remove its limit.
const LONGER: &[(&str, usize)] = &[];

/// Files that poll a condition, which needs a pause between two polls. All other tests wait for events.
const PAUSING: &[&str] = &["tests/src/wait.rs"];

fn is_generated(file: &File) -> bool {
    file.text.lines().take(8).any(|line| line.contains("DO NOT EDIT"))
}

fn is_guest(file: &File) -> bool {
    file.path.starts_with("tests/guests/") || file.path.starts_with("examples/")
}

fn rust_files() -> Vec<File> {
    let mut all = files::with_extension("rs");
    // Each trybuild case contains only the mistake that it tests.
    all.retain(|file| !is_generated(file) && !file.path.starts_with("macros/tests/ui/"));
    all
}

#[test]
fn every_file_begins_with_a_module_comment() {
    let findings: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    check("the first line of a file is `//!` and a sentence that says what the file contains", &findings);
}

#[test]
fn files_have_at_most_700_lines() {
    let mut findings = Vec::new();
    for file in rust_files() {
        let lines = file.text.lines().count();
        match LONGER.iter().find(|(path, _)| *path == file.path) {
            Some((_, allowed)) if lines > *allowed => {
                findings.push(format!("{}: {lines} lines, but its exception allows {allowed}", file.path));
            }
            Some(_) if lines <= LINES_MAX => {
                findings.push(format!("{}: {lines} lines, remove its exception", file.path));
            }
            None if lines > LINES_MAX => {
                findings.push(format!("{}: {lines} lines, split it by topic", file.path));
            }
            _ => {}
        }
    }
    for (path, _) in LONGER {
        if !files::root().join(path).is_file() {
            findings.push(format!("{path} does not exist, remove its exception"));
        }
    }
    check("a file has at most 700 lines", &findings);
}

#[test]
fn no_unfinished_code_is_left() {
    // The words are split, so that the test does not find them in this file.
    let words = [
        concat!("to", "do!("),
        concat!("unimplemen", "ted!("),
        concat!("#[igno", "re"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut findings = Vec::new();
    for file in rust_files() {
        for (number, line) in file.text.lines().enumerate() {
            for word in words {
                if line.contains(word) {
                    findings.push(format!("{}:{}: {word}", file.path, number + 1));
                }
            }
        }
    }
    check("finish the code or remove it, and document what is missing", &findings);
}

#[test]
fn no_test_sleeps() {
    let words = [concat!("thread::sl", "eep"), concat!("time::sl", "eep")];
    let mut findings = Vec::new();
    let mut pausing = Vec::new();
    for file in rust_files().into_iter().filter(|file| !is_guest(file)) {
        let suite = file.path.starts_with("tests/") || file.path.contains("/tests/");
        let from = if suite { Some(0) } else { file.text.find("#[cfg(test)]") };
        let Some(from) = from else { continue };
        if words.iter().any(|word| file.text[from..].contains(word)) {
            if PAUSING.contains(&file.path.as_str()) {
                pausing.push(file.path);
            } else {
                findings.push(file.path);
            }
        }
    }
    for path in PAUSING {
        if !pausing.iter().any(|found| found == path) {
            findings.push(format!("{path} does not pause, remove its exception"));
        }
    }
    check("a test waits for a condition instead of sleeping", &findings);
}

#[test]
fn unsafe_code_has_a_safety_comment() {
    let mut findings = Vec::new();
    let keyword = concat!("unsa", "fe");
    for file in rust_files() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let block = code.contains(&format!("{keyword} {{")) || code.contains(&format!("{keyword} impl "));
            let reasoned =
                lines[number.saturating_sub(6)..number].iter().any(|above| above.contains("SAFETY:"));
            if block && !reasoned && !is_guest(&file) {
                findings.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    check("an unsafe block or impl has a comment with `SAFETY:` in the lines above", &findings);
}

#[test]
fn imports_do_not_name_the_state_or_the_journal() {
    let mut findings = Vec::new();
    let is_import =
        |file: &File| file.path == "host/src/imports.rs" || file.path.starts_with("host/src/imports/");
    let mut imports: Vec<File> = rust_files();
    imports.retain(is_import);
    assert!(imports.iter().any(|file| file.path.ends_with("/views.rs")), "the imports have moved");
    for file in imports {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if ["WorkerState", "Journal"].iter().any(|name| code.contains(name)) {
                findings.push(format!("{}:{}: {}", file.path, number + 1, code.trim()));
            }
        }
    }
    check("an import is generic over `Views`, and reaches the oplog through the door only", &findings);
}
