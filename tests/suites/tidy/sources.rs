//! Rules about Rust files.

use crate::{check, files, files::File};

/// Lines of one file. Most have under 400; past this nobody holds a file in mind.
const LINES_MAX: usize = 700;

/// Files that are longer, with the length they may not pass. Shorten one, then lower or remove its line.
const LONGER: &[(&str, usize)] = &[];

/// Files that wait by polling a condition, which needs a pause between two looks. Everything else waits for events.
const PAUSING: &[&str] = &["tests/src/wait.rs"];

fn generated(file: &File) -> bool {
    file.text.lines().take(8).any(|line| line.contains("DO NOT EDIT"))
}

fn guest(file: &File) -> bool {
    file.path.starts_with("tests/guests/") || file.path.starts_with("examples/")
}

fn ours() -> Vec<File> {
    let mut all = files::with_extension("rs");
    // Each trybuild case is one mistake as a user makes it, and nothing else.
    all.retain(|file| !generated(file) && !file.path.starts_with("macros/tests/ui/"));
    all
}

#[test]
fn every_file_begins_with_a_module_comment() {
    let findings: Vec<String> =
        ours().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    check("the first line of a file is `//!` and a sentence that says what lives there", &findings);
}

#[test]
fn files_have_at_most_700_lines() {
    let mut findings = Vec::new();
    for file in ours() {
        let lines = file.text.lines().count();
        match LONGER.iter().find(|(path, _)| *path == file.path) {
            Some((_, allowed)) if lines > *allowed => {
                findings.push(format!("{}: {lines} lines, and its exception ends at {allowed}", file.path));
            }
            Some(_) if lines <= LINES_MAX => {
                findings.push(format!("{}: {lines} lines, it needs no exception any more", file.path));
            }
            None if lines > LINES_MAX => {
                findings.push(format!("{}: {lines} lines, cut it by noun", file.path));
            }
            _ => {}
        }
    }
    for (path, _) in LONGER {
        if !files::root().join(path).is_file() {
            findings.push(format!("{path} is gone, remove its exception"));
        }
    }
    check("a file has at most 700 lines", &findings);
}

#[test]
fn no_unfinished_code_is_left() {
    // Written in two halves, or this file would find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimplemen", "ted!("),
        concat!("#[igno", "re"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut findings = Vec::new();
    for file in ours() {
        for (number, line) in file.text.lines().enumerate() {
            for word in words {
                if line.contains(word) {
                    findings.push(format!("{}:{}: {word}", file.path, number + 1));
                }
            }
        }
    }
    check("finish it, or leave it out and say so where a user would look", &findings);
}

#[test]
fn no_test_sleeps() {
    let words = [concat!("thread::sl", "eep"), concat!("time::sl", "eep")];
    let mut findings = Vec::new();
    let mut pausing = Vec::new();
    for file in ours().into_iter().filter(|file| !guest(file)) {
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
            findings.push(format!("{path} does not pause any more, remove its exception"));
        }
    }
    check("a test waits for a condition, it never sleeps and hopes", &findings);
}

#[test]
fn unsafe_code_has_a_safety_comment() {
    let mut findings = Vec::new();
    let keyword = concat!("unsa", "fe");
    for file in ours() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let block = code.contains(&format!("{keyword} {{")) || code.contains(&format!("{keyword} impl "));
            let reasoned =
                lines[number.saturating_sub(6)..number].iter().any(|above| above.contains("SAFETY:"));
            if block && !reasoned && !guest(&file) {
                findings.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    check("a comment that begins with `SAFETY:` stands above", &findings);
}
