//! Time, as a port, so that tests can control it.

use async_trait::async_trait;
use golem_model::Timestamp;
use std::time::Duration;

/// Wall time, elapsed time, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock. May jump forward or back.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point of this process. Never goes back.
    fn elapsed(&self) -> Duration;

    /// Returns once [`Clock::elapsed`] has reached `deadline`.
    async fn sleep_until(&self, deadline: Duration);
}
