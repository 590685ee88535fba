//! What happens after a failed attempt. Pure.

use std::time::Duration;

/// How often, and after what delay, a failed invocation is tried again (reference §1.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// Delay after the first failure.
    pub delay_min: Duration,
    /// No delay is longer.
    pub delay_max: Duration,
    /// Factor from one delay to the next.
    pub multiplier: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_secs(1),
            multiplier: 3.0,
        }
    }
}

impl RetryPolicy {
    /// The delay after the `failures`-th consecutive failure (from 1); `None` if no attempt is left.
    pub fn delay(&self, failures: u32) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.delay_min.as_secs_f64() * self.multiplier.powi(exponent);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.delay_max).min(self.delay_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_end() {
        let policy = RetryPolicy { attempts_max: 6, ..RetryPolicy::default() };
        let delays: Vec<_> = (1..=6).map(|n| policy.delay(n).map(|d| d.as_millis())).collect();
        assert_eq!(delays, [Some(100), Some(300), Some(900), Some(1000), Some(1000), None]);
    }
}
