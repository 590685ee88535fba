//! Durability under SIGKILL: no acknowledged request is lost, none runs twice, and each waiting worker wakes.
//!
//! `GOLEM_TEST_KILLS` sets the number of kills (default 50). `GOLEM_TEST_SEED` repeats the random numbers of a run.

use golem_tests::chaos::{ChaosTest, Workload};
use golem_tests::rng::Rng;

/// Default number of kills: about three minutes on two cores.
const KILLS: u64 = 50;

#[expect(
    clippy::disallowed_methods,
    reason = "a developer extends a run with this variable; it is no setting of the server"
)]
fn kills() -> u64 {
    match std::env::var("GOLEM_TEST_KILLS") {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("GOLEM_TEST_KILLS must be a number, found {text:?}"))
        }
        Err(_) => KILLS,
    }
}

#[tokio::test]
async fn a_repeatedly_killed_server_loses_and_duplicates_nothing() {
    let chaos = ChaosTest {
        seed: Rng::seed_from_env(),
        kills: kills(),
        answers: (50, 2_000),
        faults: Vec::new(),
        workload: Workload::ALL,
    };
    let summary = chaos.run().await;
    assert!(summary.verdict.is_clean(), "{}", summary.verdict);
    assert_eq!(summary.kills, chaos.kills);
    assert!(summary.answers >= summary.kills * chaos.answers.0, "too little traffic: {summary}");
}
