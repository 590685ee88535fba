//! What operators ask of a worker, as records of the oplog. Tags 64 to 79 of entries and arrivals are these.

use super::wire::{DecodeError, Reader, put_bytes};
use crate::{IdempotencyKey, Timestamp};

/// The tags that [`OperatorAct`] has among the arrivals.
pub(super) const ARRIVAL_TAGS: std::ops::RangeInclusive<u8> = 64..=79;

/// What an operator asked for and the worker has not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorAct {
    /// An accepted invocation that had not begun is not to run. Its key's outcome is this.
    InvocationCancelled {
        /// When.
        at: Timestamp,
        /// The invocation's key.
        key: IdempotencyKey,
    },
}

pub(super) fn put_act(out: &mut Vec<u8>, act: &OperatorAct) {
    match act {
        OperatorAct::InvocationCancelled { at, key } => {
            out.push(64);
            out.extend_from_slice(&at.as_nanos().to_le_bytes());
            put_bytes(out, key.as_str().as_bytes());
        }
    }
}

pub(super) fn act(tag: u8, input: &mut Reader<'_>) -> Result<OperatorAct, DecodeError> {
    Ok(match tag {
        64 => OperatorAct::InvocationCancelled { at: time(input)?, key: key(input)? },
        tag => return Err(DecodeError::UnknownTag { what: "arrival", tag }),
    })
}

fn time(input: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    Ok(Timestamp::from_nanos(u64::from_le_bytes(input.array()?)))
}

fn key(input: &mut Reader<'_>) -> Result<IdempotencyKey, DecodeError> {
    IdempotencyKey::from_stored(input.string()?).map_err(|_| DecodeError::Invalid("an idempotency key"))
}
