//! Who may do what: as a table, and as a server answers.
//!
//! | module | question |
//! |---|---|
//! | `table` | is the decision of every act what the golden table says |
//! | `routes` | is every route of the router among the endpoints that are documented and tried here |
//! | `openapi` | is the OpenAPI document whole, and does the server send what it describes |
//! | `callers` | does every endpoint answer nobody, strangers, grantees, owners and administrators as decided |
//!
//! `BLESS=1` rewrites the golden files.

#![expect(clippy::unwrap_used, reason = "in a test, the place of a panic is the message")]

mod callers;
mod openapi;
mod routes;
mod table;

use std::path::{Path, PathBuf};

/// The root of the checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the root")
}

/// Compares `found` with a golden file, or writes that.
#[track_caller]
fn check_golden(name: &str, found: &str) {
    let path: PathBuf = root().join("tests/golden").join(name);
    #[expect(clippy::disallowed_methods, reason = "no setting of the server: whether to rewrite the file")]
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} is not what it was; if that is right, run `cargo xtask bless` and commit the difference.\n{}",
        first_difference(&expected, found)
    );
}

fn first_difference(expected: &str, found: &str) -> String {
    let lines = expected.lines().zip(found.lines()).enumerate().find(|(_, (old, new))| old != new);
    match lines {
        Some((number, (old, new))) => format!("line {}:\n  was {old}\n  is  {new}", number + 1),
        None => format!("it had {} lines and has {}", expected.lines().count(), found.lines().count()),
    }
}
