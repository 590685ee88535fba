//! Negative controls: three servers that break durability on purpose, and the checker that must notice each.
//!
//! A crash suite that never fails proves nothing until it has been seen to fail. These are the same storms as in the
//! suite `crash`, shorter, against `golem-test-server`.

use golem_tests::chance::Chance;
use golem_tests::storm::{Crowd, Report, Storm};

/// Kills for each control. One is usually enough to see the damage.
const KILLS: u64 = 5;

async fn storm(control: &str) -> Report {
    let storm = Storm {
        seed: Chance::seed(),
        kills: KILLS,
        answers: (100, 1_000),
        faults: vec!["--control".to_owned(), control.to_owned()],
        crowd: Crowd::COUNTING,
    };
    storm.run().await
}

#[tokio::test]
async fn a_reply_before_the_commit_is_noticed_as_a_loss() {
    let report = storm("reply-before-commit").await;
    assert!(report.verdict.lost > 0, "the checker did not notice: {report}");
}

#[tokio::test]
async fn a_disk_that_ignores_syncs_is_noticed_as_a_loss() {
    let report = storm("drop-syncs").await;
    assert!(report.verdict.lost > 0, "the checker did not notice: {report}");
}

#[tokio::test]
async fn a_server_that_forgets_keys_is_noticed_as_duplicates() {
    let report = storm("no-idempotency").await;
    assert!(report.verdict.duplicated > 0, "the checker did not notice: {report}");
}
