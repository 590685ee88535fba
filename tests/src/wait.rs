//! Time in tests: reading it, waiting for a condition, bounding what may hang.
//!
//! Invariant: nothing else in the harness or the suites reads a clock or pauses. A pause here is the gap between two
//! looks at a condition, or the random moment of a crash, never a hope that something will have happened by then.

#![expect(clippy::disallowed_methods, reason = "the one place of the tests that reads a clock and pauses")]

use std::future::Future;
use std::time::{Duration, Instant};

/// Longest that any single condition of a suite may take to come true: far beyond what a healthy run needs, so that a
/// slow machine fails no test and a hang still ends.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// Between two looks at a condition that cannot be waited for otherwise.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The time, for measuring.
pub fn now() -> Instant {
    Instant::now()
}

/// Gives way for `duration`.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Gives way for `duration`, outside async code.
pub fn pause_thread(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits until `condition` gives a value, and looks again every few milliseconds.
///
/// # Panics
/// After [`WAIT_MAX`], naming `what` was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let begin = now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begin.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} in vain until {what}");
        pause(POLL_INTERVAL).await;
    }
}

/// The future's value, or `None` after `limit`.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The future's value.
///
/// # Panics
/// After [`WAIT_MAX`], naming `what` was waited for.
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(WAIT_MAX, future).await.unwrap_or_else(|| panic!("waited {WAIT_MAX:?} in vain for {what}"))
}
