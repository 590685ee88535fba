//! Chooses how it is retried and recorded.

#[golem::worker]
mod policies {
    use golem::durability::{self, PersistenceLevel, RetryPolicy};
    use std::time::{SystemTime, UNIX_EPOCH};

    #[derive(Default)]
    pub struct Policies {
        seconds: Vec<u64>,
    }

    impl Policies {
        /// Keeps the time of day twice: recorded, and not. Returns how many are kept, of which replay must find as many.
        pub fn look_at_the_clock(&mut self) -> u32 {
            self.seconds.push(seconds());
            self.seconds.push(golem::with_persistence(PersistenceLevel::PersistNothing, seconds));
            u32::try_from(self.seconds.len()).unwrap_or(u32::MAX)
        }

        /// The times that were kept.
        pub fn times(&self) -> Vec<u64> {
            self.seconds.clone()
        }
    }

    fn seconds() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn policy(max_attempts: u32, delay_ms: u64) -> RetryPolicy {
        RetryPolicy { max_attempts, min_delay_ms: delay_ms, max_delay_ms: delay_ms, multiplier: 1.0 }
    }

    /// Chooses a policy and traps under it.
    pub fn fail_with(max_attempts: u32, delay_ms: u64) {
        golem::with_retry_policy(policy(max_attempts, delay_ms), || panic!("as it was told"));
    }

    /// The policy in force: attempts, smallest and greatest delay; inside another one, and after it.
    pub fn in_force() -> Vec<(u32, u64, u64)> {
        let shown = || {
            let RetryPolicy { max_attempts, min_delay_ms, max_delay_ms, .. } = durability::retry_policy();
            (max_attempts, min_delay_ms, max_delay_ms)
        };
        vec![golem::with_retry_policy(policy(7, 20), shown), shown()]
    }
}
