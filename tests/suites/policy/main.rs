//! Authorization: the decisions as a golden table, and the answers of a server.
//!
//! | module | question |
//! |---|---|
//! | `table` | does every decision match the golden table |
//! | `routes` | is every route of the router in the list of endpoints |
//! | `openapi` | is the OpenAPI document complete, and do requests and responses match it |
//! | `callers` | does every endpoint answer as decided: no token, stranger, grantee, owner, each role |
//!
//! The suite uses internal crates, because it compares the server with the list of endpoints and with the function that
//! decides. `BLESS=1` rewrites the golden files.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod callers;
mod openapi;
mod routes;
mod table;

use std::path::{Path, PathBuf};

/// The root of the checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the root")
}

/// Compares `found` with a golden file. With `BLESS=1` it writes the file first.
#[track_caller]
fn check_golden(name: &str, found: &str) {
    let path: PathBuf = root().join("tests/golden").join(name);
    #[expect(clippy::disallowed_methods, reason = "no setting of the server; it rewrites the golden file")]
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} differs from the golden file; if the change is intended, run `cargo xtask bless` and commit the difference.\n{}",
        first_difference(&expected, found)
    );
}

fn first_difference(expected: &str, found: &str) -> String {
    let lines = expected.lines().zip(found.lines()).enumerate().find(|(_, (old, new))| old != new);
    match lines {
        Some((number, (old, new))) => format!("line {}:\n  was {old}\n  is  {new}", number + 1),
        None => format!(
            "the golden file has {} lines, the new text has {}",
            expected.lines().count(),
            found.lines().count()
        ),
    }
}
