//! Key-value buckets. Pure functions decide the effects of every write, so that all stores behave alike.
//!
//! A bucket belongs to a project, and all workers of the project share it. It is not created explicitly: a bucket
//! without writes is empty. Numbers are stored as decimal text, so that `get` returns a readable value and all
//! interfaces read the same number.

use crate::limits::{
    KEY_VALUE_BUCKET_BYTES_MAX, KEY_VALUE_CALL_BYTES_MAX, KEY_VALUE_CALL_KEYS_MAX, KEY_VALUE_KEY_BYTES_MAX,
    KEY_VALUE_VALUE_BYTES_MAX,
};
use crate::oplog::wire::{DecodeError, Reader, put_varint};
use crate::shared::{CacheMiss, KeySpace, ScopedKey, StateReader, ValueVersion, WriteEffects};
use std::sync::Arc;

/// The summand of an increment. Its type determines the range of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta {
    /// The number is from 0 to 2⁶⁴ - 1.
    Unsigned(u64),
    /// The number is from -2⁶³ to 2⁶³ - 1.
    Signed(i64),
}

/// A write to a bucket, applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueWrite {
    /// Sets the values of keys. If a key occurs more than once, its last value is stored.
    Set(Vec<(Arc<str>, Arc<[u8]>)>),
    /// Removes keys. Keys without a value are ignored.
    Delete(Vec<Arc<str>>),
    /// Adds to a number. A missing key counts as zero.
    Increment {
        /// The key.
        key: Arc<str>,
        /// The summand.
        by: Delta,
    },
    /// Replaces a number by `new` if it equals `old`. A missing key never equals `old`.
    CompareAndSwap {
        /// The key.
        key: Arc<str>,
        /// The expected number.
        old: u64,
        /// The new number.
        new: u64,
    },
    /// Sets the value of a key if the key still has the given version.
    Swap {
        /// The key.
        key: Arc<str>,
        /// The expected version.
        version: ValueVersion,
        /// The new value.
        value: Arc<[u8]>,
    },
}

/// The outcome of a write. It is recorded with the host call, in the same commit as the write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueOutcome {
    /// The write was applied.
    Done,
    /// The sum, which is now stored.
    Unsigned(u64),
    /// The sum, which is now stored.
    Signed(i64),
    /// Whether the number was the expected one. If so, it was replaced.
    Compared(bool),
    /// The key has this version instead of the expected one; nothing was changed.
    Changed(ValueVersion),
    /// The stored value is not the decimal text of a number in the range; nothing was changed.
    NotANumber,
    /// The sum is out of range; nothing was changed.
    OutOfRange,
    /// The write was not attempted, for this reason.
    Refused(String),
}

/// A name, a key, a value or a call exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The bucket's name is too long. Its length in bytes.
    #[error("the name of a bucket has {0} bytes; at most {KEY_VALUE_BUCKET_BYTES_MAX} are possible")]
    Bucket(usize),
    /// A key is too long. Its length in bytes.
    #[error("a key has {0} bytes; at most {KEY_VALUE_KEY_BYTES_MAX} are possible")]
    Key(usize),
    /// A value is too large. Its size in bytes.
    #[error("the value has {0} bytes; at most {KEY_VALUE_VALUE_BYTES_MAX} are possible")]
    Value(usize),
    /// Too many keys in one call. Their number.
    #[error("{0} keys in one call; at most {KEY_VALUE_CALL_KEYS_MAX} are possible, use several calls")]
    Keys(usize),
    /// Too many bytes of keys and values in one call. Their number.
    #[error("{0} bytes in one call; at most {KEY_VALUE_CALL_BYTES_MAX} are possible, use several calls")]
    Call(usize),
}

/// Checks the name of a bucket against the limits.
pub fn check_bucket(name: &str) -> Result<(), LimitError> {
    if name.len() <= KEY_VALUE_BUCKET_BYTES_MAX { Ok(()) } else { Err(LimitError::Bucket(name.len())) }
}

/// Checks the keys of one call against the limits.
pub fn check_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Result<(), LimitError> {
    if keys.len() > KEY_VALUE_CALL_KEYS_MAX {
        return Err(LimitError::Keys(keys.len()));
    }
    for key in keys {
        if key.len() > KEY_VALUE_KEY_BYTES_MAX {
            return Err(LimitError::Key(key.len()));
        }
    }
    Ok(())
}

impl KeyValueWrite {
    /// Checks keys and values against the limits.
    pub fn check(&self) -> Result<(), LimitError> {
        let check_pair = |key: &str, value: &[u8]| {
            check_keys(std::iter::once(key))?;
            check_value(value)
        };
        match self {
            Self::Set(pairs) => {
                check_keys(pairs.iter().map(|(key, _)| &**key))?;
                let mut bytes = 0;
                for (key, value) in pairs {
                    check_value(value)?;
                    bytes += key.len() + value.len();
                }
                if bytes > KEY_VALUE_CALL_BYTES_MAX { Err(LimitError::Call(bytes)) } else { Ok(()) }
            }
            Self::Delete(keys) => check_keys(keys.iter().map(|key| &**key)),
            Self::Increment { key, .. } | Self::CompareAndSwap { key, .. } => check_pair(key, &[]),
            Self::Swap { key, value, .. } => check_pair(key, value),
        }
    }

    /// Decides the effects of the write on `state`, in `bucket`.
    pub fn decide(&self, bucket: &Arc<str>, state: &mut dyn StateReader) -> Result<WriteEffects, CacheMiss> {
        let key_of = |key: &Arc<str>| value_key(bucket, key);
        let (changes, outcome) = match self {
            Self::Set(pairs) => {
                let changes = pairs.iter().map(|(key, value)| (key_of(key), Some(value.clone())));
                (changes.collect(), KeyValueOutcome::Done)
            }
            Self::Delete(keys) => {
                (keys.iter().map(|key| (key_of(key), None)).collect(), KeyValueOutcome::Done)
            }
            Self::Increment { key, by } => {
                let versioned = state.read(&key_of(key))?;
                match add_delta(versioned.value.as_deref(), *by) {
                    Ok((text, outcome)) => (vec![(key_of(key), Some(text.into_bytes().into()))], outcome),
                    Err(outcome) => (Vec::new(), outcome),
                }
            }
            Self::CompareAndSwap { key, old, new } => {
                let versioned = state.read(&key_of(key))?;
                match versioned.value.as_deref().map(parse_number::<u64>) {
                    Some(None) => (Vec::new(), KeyValueOutcome::NotANumber),
                    Some(Some(found)) if found == *old => {
                        let text = new.to_string().into_bytes();
                        (vec![(key_of(key), Some(text.into()))], KeyValueOutcome::Compared(true))
                    }
                    Some(Some(_)) | None => (Vec::new(), KeyValueOutcome::Compared(false)),
                }
            }
            Self::Swap { key, version, value } => {
                let versioned = state.read(&key_of(key))?;
                if versioned.version == *version {
                    (vec![(key_of(key), Some(value.clone()))], KeyValueOutcome::Done)
                } else {
                    (Vec::new(), KeyValueOutcome::Changed(versioned.version))
                }
            }
        };
        Ok(WriteEffects { changes, abandoned: Vec::new(), response: outcome.encode() })
    }
}

/// The scoped key of a value.
pub fn value_key(bucket: &Arc<str>, key: &Arc<str>) -> ScopedKey {
    ScopedKey { space: KeySpace::Values, bucket: bucket.clone(), key: key.clone() }
}

fn check_value(value: &[u8]) -> Result<(), LimitError> {
    if value.len() <= KEY_VALUE_VALUE_BYTES_MAX { Ok(()) } else { Err(LimitError::Value(value.len())) }
}

/// Adds to the number in `value`. Returns the sum as text and as an outcome, or the outcome of the failure.
fn add_delta(value: Option<&[u8]>, by: Delta) -> Result<(String, KeyValueOutcome), KeyValueOutcome> {
    match by {
        Delta::Unsigned(by) => {
            let number = value.map_or(Some(0), parse_number::<u64>).ok_or(KeyValueOutcome::NotANumber)?;
            let sum = number.checked_add(by).ok_or(KeyValueOutcome::OutOfRange)?;
            Ok((sum.to_string(), KeyValueOutcome::Unsigned(sum)))
        }
        Delta::Signed(by) => {
            let number = value.map_or(Some(0), parse_number::<i64>).ok_or(KeyValueOutcome::NotANumber)?;
            let sum = number.checked_add(by).ok_or(KeyValueOutcome::OutOfRange)?;
            Ok((sum.to_string(), KeyValueOutcome::Signed(sum)))
        }
    }
}

fn parse_number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl KeyValueOutcome {
    /// Encodes the outcome for the oplog: a tag and its payload. Numbers have eight bytes, little-endian; a version is
    /// a varint.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9);
        match self {
            Self::Done => out.push(0),
            Self::Unsigned(number) => {
                out.push(1);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Signed(number) => {
                out.push(2);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Compared(equal) => out.extend_from_slice(&[3, u8::from(*equal)]),
            Self::Changed(version) => {
                out.push(4);
                put_varint(&mut out, version.0);
            }
            Self::NotANumber => out.push(5),
            Self::OutOfRange => out.push(6),
            Self::Refused(reason) => {
                out.push(7);
                out.extend_from_slice(reason.as_bytes());
            }
        }
        out
    }

    /// Reads what [`KeyValueOutcome::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let outcome = match input.byte()? {
            0 => Self::Done,
            1 => Self::Unsigned(u64::from_le_bytes(input.array()?)),
            2 => Self::Signed(i64::from_le_bytes(input.array()?)),
            3 => Self::Compared(match input.byte()? {
                0 => false,
                1 => true,
                tag => return Err(DecodeError::UnknownTag { what: "comparison", tag }),
            }),
            4 => Self::Changed(ValueVersion(input.varint()?)),
            5 => Self::NotANumber,
            6 => Self::OutOfRange,
            7 => {
                let reason = std::str::from_utf8(&bytes[1..]).map_err(|_| DecodeError::Invalid("UTF-8"))?;
                return Ok(Self::Refused(reason.to_owned()));
            }
            tag => return Err(DecodeError::UnknownTag { what: "outcome of a write", tag }),
        };
        input.finish()?;
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Versioned;

    fn versioned(value: &[u8], version: u64) -> Versioned {
        Versioned { value: Some(value.into()), version: ValueVersion(version) }
    }

    /// Every key has the same value and version.
    struct ConstantState<'a>(&'a Versioned);

    impl StateReader for ConstantState<'_> {
        fn read(&mut self, _: &ScopedKey) -> Result<Versioned, CacheMiss> {
            Ok(self.0.clone())
        }
    }

    fn check(write: &KeyValueWrite, versioned: &Versioned, value: Option<&[u8]>, outcome: &KeyValueOutcome) {
        let effects = write.decide(&"b".into(), &mut ConstantState(versioned)).unwrap();
        assert_eq!(KeyValueOutcome::decode(&effects.response).unwrap(), *outcome);
        assert_eq!(effects.changes.last().and_then(|(_, value)| value.as_deref()), value);
    }

    #[test]
    fn numbers_are_decimal_text_and_never_wrap() {
        let plus = |by| KeyValueWrite::Increment { key: "n".into(), by };
        check(&plus(Delta::Unsigned(5)), &Versioned::default(), Some(b"5"), &KeyValueOutcome::Unsigned(5));
        check(&plus(Delta::Unsigned(0)), &versioned(b"7", 1), Some(b"7"), &KeyValueOutcome::Unsigned(7));
        check(&plus(Delta::Signed(-9)), &versioned(b"7", 1), Some(b"-2"), &KeyValueOutcome::Signed(-2));
        check(&plus(Delta::Unsigned(1)), &versioned(b"-2", 1), None, &KeyValueOutcome::NotANumber);
        check(&plus(Delta::Signed(1)), &versioned(b"", 1), None, &KeyValueOutcome::NotANumber);
        check(&plus(Delta::Signed(1)), &versioned(&[0xFF], 1), None, &KeyValueOutcome::NotANumber);
        check(&plus(Delta::Unsigned(u64::MAX)), &versioned(b"1", 1), None, &KeyValueOutcome::OutOfRange);
        check(&plus(Delta::Signed(i64::MIN)), &versioned(b"-1", 1), None, &KeyValueOutcome::OutOfRange);
    }

    #[test]
    fn a_comparison_of_numbers_needs_a_number() {
        let swap = |old, new| KeyValueWrite::CompareAndSwap { key: "n".into(), old, new };
        check(&swap(0, 1), &Versioned::default(), None, &KeyValueOutcome::Compared(false));
        check(&swap(3, 9), &versioned(b"3", 1), Some(b"9"), &KeyValueOutcome::Compared(true));
        check(&swap(4, 9), &versioned(b"3", 1), None, &KeyValueOutcome::Compared(false));
        check(&swap(4, 9), &versioned(b"three", 1), None, &KeyValueOutcome::NotANumber);
    }

    #[test]
    fn a_swap_compares_versions_and_not_values() {
        let swap = |version| KeyValueWrite::Swap {
            key: "k".into(),
            version: ValueVersion(version),
            value: b"new"[..].into(),
        };
        check(&swap(0), &Versioned::default(), Some(b"new"), &KeyValueOutcome::Done);
        check(&swap(4), &versioned(b"old", 4), Some(b"new"), &KeyValueOutcome::Done);
        check(&swap(4), &versioned(b"old", 6), None, &KeyValueOutcome::Changed(ValueVersion(6)));
        check(&swap(4), &Versioned::default(), None, &KeyValueOutcome::Changed(ValueVersion::ABSENT));
    }

    #[test]
    fn exceeded_limits_are_reported() {
        let long: Arc<str> = "k".repeat(KEY_VALUE_KEY_BYTES_MAX + 1).into();
        let large: Arc<[u8]> = vec![0; KEY_VALUE_VALUE_BYTES_MAX + 1].into();
        assert_eq!(check_bucket(&"b".repeat(256)), Err(LimitError::Bucket(256)));
        assert_eq!(KeyValueWrite::Delete(vec![long.clone()]).check(), Err(LimitError::Key(long.len())));
        assert_eq!(
            KeyValueWrite::Set(vec![("k".into(), large.clone())]).check(),
            Err(LimitError::Value(large.len()))
        );
        let many: Vec<Arc<str>> = vec!["".into(); KEY_VALUE_CALL_KEYS_MAX + 1];
        assert_eq!(KeyValueWrite::Delete(many.clone()).check(), Err(LimitError::Keys(many.len())));
        let half: Arc<[u8]> = vec![0; KEY_VALUE_VALUE_BYTES_MAX].into();
        let pairs = (0..4).map(|n| (n.to_string().into(), half.clone())).collect();
        assert!(matches!(KeyValueWrite::Set(pairs).check(), Err(LimitError::Call(_))));
        let refused = KeyValueOutcome::Refused(LimitError::Keys(9).to_string());
        assert_eq!(KeyValueOutcome::decode(&refused.encode()).unwrap(), refused);
    }
}
