//! Inbox events of calls between workers.

use super::OplogIndex;
use crate::{IdempotencyKey, Timestamp, Value, WorkerId};
use std::sync::Arc;

/// A step in the life cycle of a call between workers, as an inbox event of the callee or of the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// At the callee: the call was enqueued as an invocation. The store position of this event is the call row.
    Queued {
        /// Time of the event.
        at: Timestamp,
        /// The key of the invocation, derived from the caller and the oplog index of the call.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
        /// The caller.
        caller: WorkerId,
        /// Where the answer is delivered. `None`: the caller wants no answer.
        reply: Option<ReplyTo>,
        /// A delayed call: it joins the queue at this time.
        not_before: Option<Timestamp>,
    },
    /// At the callee: the delay of a call has elapsed, and the call joins the queue.
    DelayElapsed {
        /// Time of the event.
        at: Timestamp,
        /// The call row.
        call_row: u64,
    },
    /// At the callee: a call was cancelled before it started. It does not run.
    Cancelled {
        /// Time of the event.
        at: Timestamp,
        /// The call row.
        call_row: u64,
    },
    /// At the caller: the answer.
    Answered {
        /// Time of the event.
        at: Timestamp,
        /// The call, by its index in the caller's oplog.
        call: OplogIndex,
        /// The call row at the callee.
        call_row: u64,
        /// The encoded answer ([`crate::call::encode_answer`]).
        answer: Vec<u8>,
    },
}

/// Where the answer of a call is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTo {
    /// The caller's number. Numbers are not reused for other workers.
    pub worker: u64,
    /// The call, by its index in the caller's oplog.
    pub call: OplogIndex,
}
