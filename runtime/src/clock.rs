//! The system's clock. The only place of the server that reads it.

use async_trait::async_trait;
use golem_host::ports::Clock;
use golem_model::Timestamp;
use std::time::{Duration, Instant, SystemTime};

/// Wall time and elapsed time of this machine.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose elapsed time begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else takes")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else takes")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until((self.start + deadline).into()).await;
    }
}
