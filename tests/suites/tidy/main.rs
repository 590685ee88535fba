//! Rules of the repository as tests, so that reviewers do not have to check them.
//!
//! | module | rules about |
//! |---|---|
//! | `crates` | dependencies between crates |
//! | `sources` | Rust files: first line, length, unfinished code, sleeps, unsafe code, names in imports |
//! | `interfaces` | the WIT in `wit/` |
//! | `modules` | imports between the modules of the executor |
//! | `pages` | Markdown: links, the index of decisions, the list of folders in the README |
//! | `packages` | dependencies: licences, origins, one set of features |
//! | `words` | words and phrases that prose avoids |
//! | `files` | reads the tree; contains no rules |
//!
//! A rule with exceptions lists them by name. It fails when an exception is no longer needed, so the lists can only
//! shrink.

mod crates;
mod files;
mod interfaces;
mod modules;
mod packages;
mod pages;
mod sources;
mod words;

/// Fails with all findings at once, below a sentence that states the rule.
#[track_caller]
fn check(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
