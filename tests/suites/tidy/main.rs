//! What the house looks like, as tests: rules that a reviewer would otherwise have to remember.
//!
//! | module | rules about |
//! |---|---|
//! | `crates` | which crate may use which crate |
//! | `sources` | Rust files: first line, length, words that may not stay, sleeps |
//! | `interfaces` | the WIT in `wit/` |
//! | `pages` | Markdown: links, the index of decisions, the map in the README |
//! | `packages` | licences and origins of what we depend on, one set of features |
//! | `files` | reading the tree; no rules of its own |
//!
//! A rule that has exceptions lists them by name, and fails when an exception is no longer one: lists only shrink.

mod crates;
mod files;
mod interfaces;
mod packages;
mod pages;
mod sources;

/// Fails with every finding at once, under a sentence that says what the rule wants.
#[track_caller]
fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
