//! Retries of failed invocations.

use crate::oplog::wire::{DecodeError, Reader, put_varint};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a failed invocation is retried, and after which delays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RetryPolicyJson", into = "RetryPolicyJson")]
pub struct RetryPolicy {
    /// Maximum number of attempts, including the first; at least 1.
    pub attempts_max: u32,
    /// Delay after the first failure.
    pub delay_min: Duration,
    /// Upper bound of every delay; not less than `delay_min`.
    pub delay_max: Duration,
    /// Factor from one delay to the next; at least 1.
    pub multiplier: f64,
}

impl Default for RetryPolicy {
    /// The policy of 2023.
    fn default() -> Self {
        Self {
            attempts_max: 3,
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_secs(1),
            multiplier: 3.0,
        }
    }
}

/// The numbers are not valid for a retry policy.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RetryPolicyError {
    /// The policy allows no attempt at all.
    #[error("a retry policy allows at least 1 attempt, the first one")]
    Attempts,
    /// The smallest delay exceeds the greatest.
    #[error("the smallest delay of a retry policy, {min_ms} ms, is more than its greatest, {max_ms} ms")]
    Delays {
        /// The smallest delay in milliseconds.
        min_ms: u64,
        /// The greatest delay in milliseconds.
        max_ms: u64,
    },
    /// The delays would shrink.
    #[error("the multiplier of a retry policy is a number that is at least 1, not {0}")]
    Multiplier(f64),
}

impl RetryPolicy {
    /// Creates a policy; the delays are in milliseconds.
    pub fn new(
        attempts_max: u32,
        delay_ms_min: u64,
        delay_ms_max: u64,
        multiplier: f64,
    ) -> Result<Self, RetryPolicyError> {
        if attempts_max == 0 {
            return Err(RetryPolicyError::Attempts);
        }
        if delay_ms_min > delay_ms_max {
            return Err(RetryPolicyError::Delays { min_ms: delay_ms_min, max_ms: delay_ms_max });
        }
        if !multiplier.is_finite() || multiplier < 1.0 {
            return Err(RetryPolicyError::Multiplier(multiplier));
        }
        Ok(Self {
            attempts_max,
            delay_min: Duration::from_millis(delay_ms_min),
            delay_max: Duration::from_millis(delay_ms_max),
            multiplier,
        })
    }

    /// The delay after the first failure in milliseconds.
    pub fn delay_ms_min(&self) -> u64 {
        millis(self.delay_min)
    }

    /// The upper bound of the delays in milliseconds.
    pub fn delay_ms_max(&self) -> u64 {
        millis(self.delay_max)
    }

    /// The delay after the `failures`-th consecutive failure, counted from 1; `None` if no attempt is left.
    ///
    /// The delay grows by the multiplier up to the maximum. `jitter`, from 0 to 1, shortens it by up to a fifth, so
    /// that workers that failed together do not retry together.
    pub fn delay(&self, failures: u32, jitter: f64) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.delay_min.as_secs_f64() * self.multiplier.powi(exponent);
        let capped = Duration::try_from_secs_f64(seconds).unwrap_or(self.delay_max).min(self.delay_max);
        Some(capped.mul_f64(1.0 - JITTER * jitter.clamp(0.0, 1.0)))
    }

    /// Appends the encoding: varints of attempts and milliseconds, then the multiplier's 8 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.attempts_max));
        put_varint(out, self.delay_ms_min());
        put_varint(out, self.delay_ms_max());
        out.extend_from_slice(&self.multiplier.to_le_bytes());
    }

    /// Reads what [`RetryPolicy::encode`] wrote.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (attempts_max, min, max) = (input.varint_as()?, input.varint()?, input.varint()?);
        Self::new(attempts_max, min, max, f64::from_le_bytes(input.array()?))
            .map_err(|_| DecodeError::Invalid("a retry policy"))
    }
}

/// The largest part of a delay by which jitter shortens it.
const JITTER: f64 = 0.2;

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

/// The JSON form of a policy.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryPolicyJson {
    max_attempts: u32,
    min_delay_ms: u64,
    max_delay_ms: u64,
    multiplier: f64,
}

impl From<RetryPolicy> for RetryPolicyJson {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            max_attempts: policy.attempts_max,
            min_delay_ms: policy.delay_ms_min(),
            max_delay_ms: policy.delay_ms_max(),
            multiplier: policy.multiplier,
        }
    }
}

impl TryFrom<RetryPolicyJson> for RetryPolicy {
    type Error = RetryPolicyError;

    fn try_from(json: RetryPolicyJson) -> Result<Self, Self::Error> {
        Self::new(json.max_attempts, json.min_delay_ms, json.max_delay_ms, json.multiplier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_end() {
        let policy = RetryPolicy { attempts_max: 6, ..RetryPolicy::default() };
        let delays: Vec<_> = (1..=6).map(|n| policy.delay(n, 0.0).map(|d| d.as_millis())).collect();
        assert_eq!(delays, [Some(100), Some(300), Some(900), Some(1000), Some(1000), None]);
        assert_eq!(policy.delay(2, 1.0), Some(Duration::from_millis(240)));
        let steep = RetryPolicy { attempts_max: u32::MAX, multiplier: f64::MAX, ..policy };
        assert_eq!(steep.delay(u32::MAX - 1, 0.0), Some(policy.delay_max));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(RetryPolicy::new(0, 1, 2, 1.0), Err(RetryPolicyError::Attempts));
        assert_eq!(RetryPolicy::new(1, 3, 2, 1.0), Err(RetryPolicyError::Delays { min_ms: 3, max_ms: 2 }));
        assert_eq!(RetryPolicy::new(1, 1, 2, 0.9), Err(RetryPolicyError::Multiplier(0.9)));
        assert!(RetryPolicy::new(1, 1, 2, f64::NAN).is_err());
        assert!(RetryPolicy::new(1, 0, u64::MAX, 1.0).is_ok());
    }

    #[test]
    fn a_policy_survives_encoding_and_json() {
        let policy = RetryPolicy::new(7, 20, 3_000, 1.5).unwrap();
        let mut bytes = Vec::new();
        policy.encode(&mut bytes);
        assert_eq!(RetryPolicy::decode(&mut Reader::new(&bytes)), Ok(policy));
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(json, r#"{"maxAttempts":7,"minDelayMs":20,"maxDelayMs":3000,"multiplier":1.5}"#);
        assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), policy);
        let error = serde_json::from_str::<RetryPolicy>(&json.replace('7', "0")).unwrap_err();
        assert!(error.to_string().starts_with("a retry policy allows at least 1 attempt"), "{error}");
    }
}
