//! Negative controls: three servers that break durability on purpose. The checker must detect each.
//!
//! They show that the suite `crash` can fail. They run the same chaos test with fewer kills, against
//! `golem-test-server`.

use golem_tests::chaos::{ChaosTest, Summary, Workload};
use golem_tests::rng::Rng;

/// Number of kills for each control. One is usually enough to cause damage.
const KILLS: u64 = 5;

async fn run_chaos(control: &str) -> Summary {
    let chaos = ChaosTest {
        seed: Rng::seed_from_env(),
        kills: KILLS,
        answers: (100, 1_000),
        faults: vec!["--control".to_owned(), control.to_owned()],
        workload: Workload::COUNTERS,
    };
    chaos.run().await
}

#[tokio::test]
async fn a_reply_before_the_commit_is_noticed_as_a_loss() {
    let summary = run_chaos("reply-before-commit").await;
    assert!(summary.verdict.lost > 0, "the checker did not detect the fault: {summary}");
}

#[tokio::test]
async fn a_disk_that_ignores_syncs_is_noticed_as_a_loss() {
    let summary = run_chaos("drop-syncs").await;
    assert!(summary.verdict.lost > 0, "the checker did not detect the fault: {summary}");
}

#[tokio::test]
async fn a_server_that_forgets_keys_is_noticed_as_duplicates() {
    let summary = run_chaos("no-idempotency").await;
    assert!(summary.verdict.duplicated > 0, "the checker did not detect the fault: {summary}");
}
