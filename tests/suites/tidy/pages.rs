//! Rules for Markdown files.

use crate::{check, files, files::File};
use std::collections::BTreeSet;
use std::path::Path;

/// Targets of the links in a page, with their line numbers. Code is ignored.
fn links(page: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(&page.text) {
        let mut rest = line.as_str();
        while let Some(begin) = rest.find("](") {
            rest = &rest[begin + 2..];
            if let Some(end) = rest.find(')') {
                found.push((number, rest[..end].to_owned()));
            }
        }
    }
    found
}

/// The lines outside code blocks, without `inline code`.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside: String = line.split('`').step_by(2).collect();
            lines.push((number + 1, outside));
        }
    }
    lines
}

/// The anchors of a page's headings, as Markdown renderers create them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if let (false, Some(heading)) = (fenced, line.strip_prefix('#')) {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    found
}

#[test]
fn every_link_has_a_target() {
    let mut findings = Vec::new();
    for page in files::with_extension("md") {
        let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
        for (number, link) in links(&page) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { Path::new(&page.path).to_owned() } else { folder.join(path) };
            let there = files::root().join(&target);
            if !there.exists() {
                findings.push(format!("{}:{number}: {link}", page.path));
            } else if !anchor.is_empty() {
                let text = std::fs::read_to_string(&there).unwrap_or_default();
                if !anchors(&text).contains(anchor) {
                    findings.push(format!("{}:{number}: {link} has no such heading", page.path));
                }
            }
        }
    }
    check("a link in a page leads to an existing file and heading", &findings);
}

#[test]
fn every_decision_is_in_the_index() {
    let index = files::read("docs/decisions/README.md");
    let mut findings = Vec::new();
    let mut numbers = BTreeSet::new();
    for page in files::with_extension("md") {
        let Some(name) = page.path.strip_prefix("docs/decisions/") else { continue };
        if name == "README.md" {
            continue;
        }
        if !index.contains(&format!("]({name})")) {
            findings.push(format!("{name} is not in docs/decisions/README.md"));
        }
        match name.split_once('-').and_then(|(number, _)| number.parse::<usize>().ok()) {
            Some(number) if numbers.insert(number) => {}
            Some(number) => findings.push(format!("{name}: the number {number} is used twice")),
            None => findings.push(format!("{name} does not begin with a number")),
        }
    }
    let expected: BTreeSet<usize> = (1..=numbers.len()).collect();
    if findings.is_empty() && numbers != expected {
        findings.push(format!("the numbers are not consecutive: {numbers:?}"));
    }
    check("decisions are numbered from 0001 and listed in their index", &findings);
}

#[test]
fn the_readme_lists_every_folder() {
    let readme = files::read("README.md");
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(files::root()).expect("the root can be read") {
        let entry = entry.expect("a folder that could be opened can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') || name == "target";
        if entry.path().is_dir() && !hidden && !readme.contains(&format!("`{name}/`")) {
            findings.push(name);
        }
    }
    check("the list of folders in the README has a line for each folder", &findings);
}

#[test]
fn the_testing_page_lists_every_stage_of_xtask_test() {
    let page = files::read("docs/testing.md");
    let code = files::read("xtask/src/checks.rs");
    let names = code.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let findings: Vec<String> =
        names.filter(|name| !page.contains(&format!("| `{name}` |"))).map(str::to_owned).collect();
    check("docs/testing.md has a row for each stage of `cargo xtask test`", &findings);
}

#[test]
fn every_suite_is_in_the_testing_page() {
    let page = files::read("docs/testing.md");
    let suites = files::root().join("tests/suites");
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(suites).expect("the suites' folder can be read") {
        let name = entry.expect("a folder that could be opened can be read").file_name();
        let name = name.to_string_lossy();
        if !page.contains(&format!("| `{name}` |")) {
            findings.push(name.into_owned());
        }
    }
    check("docs/testing.md has a row for each suite", &findings);
}
