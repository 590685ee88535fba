//! Durability under SIGKILL: nothing acknowledged is lost, nothing runs twice, everything that waited wakes.
//!
//! `GOLEM_TEST_KILLS` says how often the server is killed (50 if it says nothing), `GOLEM_TEST_SEED` repeats a run's
//! random numbers.

use golem_tests::chance::Chance;
use golem_tests::storm::{Crowd, Storm};

/// Kills when nobody says otherwise: about three minutes on two cores.
const KILLS: u64 = 50;

#[expect(clippy::disallowed_methods, reason = "a person makes a long run by this variable; it is no setting")]
fn kills() -> u64 {
    match std::env::var("GOLEM_TEST_KILLS") {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("GOLEM_TEST_KILLS must be a number, and is {text:?}"))
        }
        Err(_) => KILLS,
    }
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_keeps_its_word() {
    let storm = Storm {
        seed: Chance::seed(),
        kills: kills(),
        answers: (50, 2_000),
        faults: Vec::new(),
        crowd: Crowd::ALL,
    };
    let report = storm.run().await;
    assert!(report.verdict.is_clean(), "{}", report.verdict);
    assert_eq!(report.kills, storm.kills);
    assert!(report.answers >= report.kills * storm.answers.0, "too little traffic: {report}");
}
