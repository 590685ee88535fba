//! Invocation keys: issued without writing anything, and recognised after a restart.
//!
//! A key is a UUID that contains its time of issue and a MAC, which proves that this server issued it for the worker:
//!
//! | bits | contents |
//! | --- | --- |
//! | 32 | seconds since the Unix epoch |
//! | 16 | high bits of a count |
//! | 4 | version (4: for other programs, the key is random) |
//! | 12 | low bits of the count |
//! | 2 | variant |
//! | 6 | more low bits of the count |
//! | 56 | MAC over worker, seconds and count under the data folder's secret key |
//!
//! Invariant: within one process, no two keys are equal, unless 2^34 keys are issued in one second. The count starts at
//! a random number, so that keys after a restart differ from keys of the same second before it.

use golem_model::{IdempotencyKey, Timestamp, WorkerId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long after its issue a key can start an invocation.
const KEY_LIFE: Duration = Duration::from_hours(24);
/// How far the clock may have been set back since a key was issued.
const CLOCK_BACK_MAX: Duration = Duration::from_mins(5);
/// Bytes of the MAC in a key. Guessing one takes 2^55 requests and gains nothing: a caller that may invoke can request
/// keys.
const MAC_BYTES: usize = 7;
/// Bits of the count in a key.
const COUNT_BITS: u32 = 34;

/// Issues and checks invocation keys.
#[derive(Debug)]
pub struct InvocationKeys {
    mac_key: [u8; 32],
    count: AtomicU64,
}

/// Why a text is not an invocation key for a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The server has not issued the key, or has issued it for another worker.
    #[error(
        "Invalid invocation key {key}: it was not made for this worker; request one with POST …/key, \
             or choose a key and send it in the header Idempotency-Key"
    )]
    Unknown {
        /// The key as the request contains it.
        key: String,
    },
    /// The key is too old.
    #[error(
        "Invalid invocation key {key}: it expired at {expired_at} without having been used; request a new one"
    )]
    Expired {
        /// The key as the request contains it.
        key: String,
        /// When the key expired.
        expired_at: Timestamp,
    },
}

impl InvocationKeys {
    /// Derives the MAC key from the data folder's secret key. `start` is a random number for the count.
    pub fn new(secret: &[u8; 32], start: u64) -> Self {
        Self {
            mac_key: blake3::derive_key("golem 2023 invocation key mac", secret),
            count: AtomicU64::new(start),
        }
    }

    /// Issues a key for `worker`.
    pub fn issue(&self, worker: &WorkerId, now: Timestamp) -> Uuid {
        let count = self.count.fetch_add(1, Ordering::Relaxed) & ((1 << COUNT_BITS) - 1);
        // 32 bits of seconds last until the year 2106.
        let seconds = u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        // The 34 bits of the count are stored as 16 + 12 + 6 bits, around the bits of version and variant.
        let part = |shift: u32, bits: u32| {
            u16::try_from((count >> shift) & ((1 << bits) - 1)).expect("at most 16 bits are taken")
        };
        bytes[4..6].copy_from_slice(&part(18, 16).to_be_bytes());
        bytes[6..8].copy_from_slice(&(0x4000 | part(6, 12)).to_be_bytes());
        bytes[8] = 0x80 | part(0, 6).to_be_bytes()[1];
        let mac = self.mac(worker, &bytes[..9]);
        bytes[9..].copy_from_slice(&mac);
        Uuid::from_bytes(bytes)
    }

    /// Checks that `text` is a key for `worker`. An expired key has its own error, because its invocation may be
    /// recorded.
    pub fn check(&self, worker: &WorkerId, text: &str, now: Timestamp) -> Result<IdempotencyKey, KeyError> {
        let unknown = || KeyError::Unknown { key: text.chars().take(100).collect() };
        let uuid = Uuid::try_parse(text).map_err(|_| unknown())?;
        let bytes = uuid.as_bytes();
        let mac = self.mac(worker, &bytes[..9]);
        if !bool::from(mac.ct_eq(&bytes[9..])) {
            return Err(unknown());
        }
        let seconds = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let made_at = Timestamp::from_nanos(u64::from(seconds) * 1_000_000_000);
        if made_at > now.plus(CLOCK_BACK_MAX) {
            return Err(unknown());
        }
        let expired_at = made_at.plus(KEY_LIFE);
        if expired_at <= now {
            return Err(KeyError::Expired { key: uuid.to_string(), expired_at });
        }
        Ok(Self::canonical_key(uuid))
    }

    /// The canonical form of a key.
    pub(super) fn canonical_key(uuid: Uuid) -> IdempotencyKey {
        IdempotencyKey::new(uuid.to_string()).expect("a UUID is 36 visible characters")
    }

    fn mac(&self, worker: &WorkerId, made: &[u8]) -> [u8; MAC_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.mac_key);
        hasher.update(made);
        hasher.update(worker.template.0.as_bytes());
        hasher.update(worker.name.as_str().as_bytes());
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hasher.finalize().as_bytes()[..MAC_BYTES]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::{TemplateId, WorkerName};
    use std::collections::HashSet;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(TemplateId(Uuid::from_u128(1)), WorkerName::new(name).unwrap())
    }

    #[test]
    fn a_key_is_valid_for_one_worker_and_a_day_across_restarts() {
        let start = Timestamp::from_nanos(1_700_000_000_500_000_000);
        let keys = InvocationKeys::new(&[7; 32], u64::MAX);
        let key = keys.issue(&worker("a"), start);
        assert_eq!((key.get_version_num(), key.get_variant()), (4, uuid::Variant::RFC4122));
        let text = key.to_string();
        let restarted = InvocationKeys::new(&[7; 32], 5);
        for keys in [&keys, &restarted] {
            assert_eq!(keys.check(&worker("a"), &text, start).unwrap().as_str(), text);
            assert_eq!(keys.check(&worker("a"), &text.to_uppercase(), start).unwrap().as_str(), text);
        }
        let unknown = Err(KeyError::Unknown { key: text.clone() });
        assert_eq!(keys.check(&worker("b"), &text, start), unknown);
        assert_eq!(InvocationKeys::new(&[8; 32], 0).check(&worker("a"), &text, start), unknown);
        assert!(matches!(
            keys.check(&worker("a"), &text, start.plus(KEY_LIFE)),
            Err(KeyError::Expired { .. })
        ));
        assert!(keys.check(&worker("a"), &text, start.plus(Duration::from_hours(23))).is_ok());
    }

    #[test]
    fn a_key_with_any_changed_bit_is_unknown() {
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let keys = InvocationKeys::new(&[7; 32], 3);
        let key = keys.issue(&worker("a"), now);
        for bit in 0..128 {
            let changed = Uuid::from_u128(key.as_u128() ^ (1 << bit)).to_string();
            let error = keys.check(&worker("a"), &changed, now).unwrap_err();
            assert_eq!(error, KeyError::Unknown { key: changed });
        }
        assert!(
            keys.check(&worker("a"), "no key", now)
                .unwrap_err()
                .to_string()
                .starts_with("Invalid invocation key no key")
        );
    }

    #[test]
    fn keys_of_one_second_differ() {
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let keys = InvocationKeys::new(&[7; 32], (1 << COUNT_BITS) - 500);
        let made: HashSet<Uuid> = (0..1_000).map(|_| keys.issue(&worker("a"), now)).collect();
        assert_eq!(made.len(), 1_000);
    }
}
