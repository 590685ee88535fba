//! What arrives for a worker because another one calls it, or has answered.

use super::OplogIndex;
use crate::{IdempotencyKey, Timestamp, Value, WorkerId};
use std::sync::Arc;

/// A step of a call between workers, as it arrives at one of the two.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// At the worker that is called: an invocation that waits for its turn. This row's position is the call's ticket.
    Queued {
        /// When.
        at: Timestamp,
        /// Names the invocation; derived from the caller and the call's index.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
        /// Who calls.
        caller: WorkerId,
        /// Where the answer goes, if the caller wants one.
        reply: Option<ReplyTo>,
        /// It joins the queue at this time, not before.
        not_before: Option<Timestamp>,
    },
    /// At the worker that is called: the time of a call has come, and it joins the queue.
    Due {
        /// When.
        at: Timestamp,
        /// The call's ticket.
        call_row: u64,
    },
    /// At the worker that is called: a call that had not begun was taken back, and never will begin.
    Withdrawn {
        /// When.
        at: Timestamp,
        /// The call's ticket.
        call_row: u64,
    },
    /// At the caller: the answer.
    Answered {
        /// When.
        at: Timestamp,
        /// The call.
        call: OplogIndex,
        /// Its ticket.
        call_row: u64,
        /// The answer's bytes ([`crate::call::encode_answer`]).
        answer: Vec<u8>,
    },
}

/// Where the answer of a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTo {
    /// The caller's number, which is never given to another worker.
    pub worker: u64,
    /// The call, by its index in the caller's oplog.
    pub call: OplogIndex,
}
