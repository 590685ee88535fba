//! Atomic regions in languages with exceptions: the region ends however control leaves it.
//!
//! The generated modules run in the interpreters of the machine, Python 3 and Node, over a host that lists the calls
//! (`tests/regions`). The suite `languages` runs them in workers.

#![allow(clippy::unwrap_used, reason = "a panic in a helper fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the host sees for each way to leave a region. It is the same in every language.
const EXPECTED: &str = "\
returns: begin 1, work, end 1, value
fails: begin 1, end 1, caught no answer
fails_inside: begin 1, begin 2, end 2, caught no answer, end 1
fails_through_both: begin 1, begin 2, end 2, end 1, caught no answer
concurrent: begin 1, begin 2, leave first, leave second, end 2, end 1
fails_later: begin 1, end 1, caught no answer
jumps: begin 1, end 1, jump 5, the host does not return from a jump
";

/// Runs the last of `files` with `program`, in a folder that contains them.
fn check(program: &str, files: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let (script, _) = files.last().unwrap();
    let output = Command::new(program)
        .arg(Path::new(script))
        .current_dir(folder.path())
        .output()
        .unwrap_or_else(|error| panic!("{program} is required and does not start: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), EXPECTED, "{program}: {stderr}");
}

#[test]
fn a_region_in_python_ends_however_control_leaves_it() {
    let files = [
        ("golem.py", include_str!("../src/lang/python/golem.py")),
        ("check.py", include_str!("regions/check.py")),
    ];
    check("python3", &files);
}

#[test]
fn a_region_in_javascript_ends_however_control_leaves_it() {
    // Node does not resolve the names of interfaces, so all of them become the file that stands for the host.
    let lines = include_str!("../src/lang/javascript/golem.js").lines().map(|line| {
        match line.split_once(" from \"") {
            Some((names, _)) => format!("{names} from \"./host.mjs\";\n"),
            None => format!("{line}\n"),
        }
    });
    let module: String = lines.collect();
    let files = [
        ("host.mjs", include_str!("regions/host.mjs")),
        ("golem.mjs", module.as_str()),
        ("check.mjs", include_str!("regions/check.mjs")),
    ];
    check("node", &files);
}
