//! Sets its own retry policy and persistence level.

#[golem::worker]
mod policies {
    use golem::durability::{self, PersistenceLevel, RetryPolicy};
    use std::time::{SystemTime, UNIX_EPOCH};

    #[derive(Default)]
    pub struct Policies {
        seconds: Vec<u64>,
    }

    impl Policies {
        /// Stores the time of day twice: once recorded, once not. Returns the number of stored times, which replay
        /// must reproduce.
        pub fn look_at_the_clock(&mut self) -> u32 {
            self.seconds.push(seconds());
            self.seconds.push(golem::with_persistence(PersistenceLevel::PersistNothing, seconds));
            u32::try_from(self.seconds.len()).unwrap_or(u32::MAX)
        }

        /// The stored times.
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

    /// Sets a retry policy and traps while it is in force.
    pub fn fail_with(max_attempts: u32, delay_ms: u64) {
        golem::with_retry_policy(policy(max_attempts, delay_ms), || panic!("on purpose"));
    }

    /// The policy in force (attempts, smallest and largest delay): within another policy, and after it.
    pub fn in_force() -> Vec<(u32, u64, u64)> {
        let in_force = || {
            let RetryPolicy { max_attempts, min_delay_ms, max_delay_ms, .. } = durability::retry_policy();
            (max_attempts, min_delay_ms, max_delay_ms)
        };
        vec![golem::with_retry_policy(policy(7, 20), in_force), in_force()]
    }
}
