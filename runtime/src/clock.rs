//! The system's clock. Other modules take a [`Clock`]: clippy's `disallowed_methods` forbids `SystemTime::now` and
//! `Instant::now` to them. Only time limits of connections use tokio's timers directly.

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
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all other modules take")]
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
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all other modules take")]
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
