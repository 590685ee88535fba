//! Records of attempts that begin or end with a process of the server, and their encoding: the tags 7 to 9 of the inbox
//! events.

use super::codec::{put_time, time};
use super::wire::{DecodeError, Reader};
use crate::Timestamp;

/// The tags of [`ProcessEvent`] among the inbox events.
pub(super) const TAGS: std::ops::RangeInclusive<u8> = 7..=9;

/// What a process of the server records about work that an earlier process left unfinished: an invocation, a queued one,
/// or an update. A process that ends without a shutdown records nothing, so a later one concludes it from the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEvent {
    /// An attempt begins: this process continues the work.
    Continued {
        /// Time of the event.
        at: Timestamp,
    },
    /// The attempt that was continued last was stopped in order: the server was shut down, or could not run the worker.
    Stopped {
        /// Time of the event.
        at: Timestamp,
    },
    /// The process that continued the work ended before the worker made progress.
    Ended {
        /// Time of the event: when a later process found out.
        at: Timestamp,
        /// Earliest time of the next attempt.
        resume_at: Timestamp,
    },
}

pub(super) fn put_process_event(out: &mut Vec<u8>, event: &ProcessEvent) {
    match event {
        ProcessEvent::Continued { at } => {
            out.push(7);
            put_time(out, *at);
        }
        ProcessEvent::Stopped { at } => {
            out.push(8);
            put_time(out, *at);
        }
        ProcessEvent::Ended { at, resume_at } => {
            out.push(9);
            put_time(out, *at);
            put_time(out, *resume_at);
        }
    }
}

/// Reads the fields that follow `tag`.
pub(super) fn process_event(tag: u8, input: &mut Reader<'_>) -> Result<ProcessEvent, DecodeError> {
    Ok(match tag {
        7 => ProcessEvent::Continued { at: time(input)? },
        8 => ProcessEvent::Stopped { at: time(input)? },
        9 => ProcessEvent::Ended { at: time(input)?, resume_at: time(input)? },
        tag => return Err(DecodeError::UnknownTag { what: "inbox event", tag }),
    })
}
