//! Time in tests: reads the clock, waits for a condition, bounds futures that may hang.
//!
//! Invariant: no other module of the harness or the suites reads a clock or sleeps (lint
//! `clippy::disallowed_methods`, test `no_test_sleeps`). A pause is the interval between two polls of a condition,
//! the random time of a crash or a simulated delay. No test relies on a pause being long enough.

#![expect(clippy::disallowed_methods, reason = "the only module of the tests that reads a clock and sleeps")]

use std::future::Future;
use std::time::{Duration, Instant};

/// Limit for each wait in a suite. It is far above the time that a correct run needs, so that a slow machine fails no
/// test and a hang still ends.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// Interval between two polls of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The current time, for measurements.
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps for `duration`.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Blocks the thread for `duration`, outside async code.
pub fn pause_thread(duration: Duration) {
    std::thread::sleep(duration);
}

/// Polls `condition` every few milliseconds until it returns a value.
///
/// # Panics
/// After [`WAIT_MAX`], with the name `what` of the condition.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let begin = now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begin.elapsed() < WAIT_MAX, "timeout after {WAIT_MAX:?}: waited until {what}");
        pause(POLL_INTERVAL).await;
    }
}

/// The output of the future, or `None` after `limit`.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The output of the future, which must be ready within [`WAIT_MAX`].
///
/// # Panics
/// After [`WAIT_MAX`], with the name `what` of the condition.
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(WAIT_MAX, future).await.unwrap_or_else(|| panic!("timeout after {WAIT_MAX:?}: waited for {what}"))
}
