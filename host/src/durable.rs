//! The one door to everything whose answer could differ in a replay.
//!
//! An import describes its call as a value of [`ImmediateCall`] (answered at once) or [`DurableCall`] (may wait, may
//! change shared state) and passes it to [`Door::call_immediate`] or [`Door::call_durable`]. A clock is read through
//! [`Door::read_clock`], which counts repeated readings. During replay the door answers the call from the oplog;
//! afterwards it performs the call and records the answer. In both modes the guest gets the recorded bytes, decoded by
//! the same function.
//!
//! | module | contents |
//! |---|---|
//! | `door` | the verbs of an import: call, read a clock, print, forget a request, jump, wait for the next line |
//! | `effect` | the traits of a call, and when its record must reach the store |
//! | `invocations` | the beginning and the end of an invocation |
//! | `history` | the recorded entries, in pages, and what replay must know before it reads them |
//! | `replay` | the cursor over the recorded entries |
//! | `reverted` | the entries that replay skips |
//! | `buffer` | the entries that are recorded and not yet appended |
//! | `output` | printed events that wait for entries |
//! | `live` | what a call may do after the recorded entries (`shared`: with buckets and containers) |
//! | `clock` | the worker's monotonic clock |
//! | `exchange` | HTTP requests in flight |
//!
//! Architecture invariant: imports do not depend on the mode (replay or live). Where the mode matters, the door decides:
//! it prints text only if it is new ([`Door::print`]), and reports a jump as a divergence while recorded entries remain
//! ([`Door::jump`]). Imports get a [`Door`], whose fields are private, so they cannot name the [`Journal`].
//! Invariant: a call is performed only with a [`Live`], and a `Live` requires the proof
//! [`OplogEnded`](replay::OplogEnded).

mod buffer;
mod clock;
mod door;
mod effect;
mod exchange;
mod history;
mod invocations;
mod live;
mod output;
mod replay;
mod reverted;
mod shared;

pub(crate) use door::Door;
pub(crate) use effect::{CallFailure, CallResponse, DurableCall, Effect, ImmediateCall};
pub(crate) use exchange::{BodyEnd, BodyRead, ResponseHead, ResponsePart, ResponseState};
pub use history::{History, HistoryScan};
pub(crate) use live::{ActivationContext, Live, Tail};
pub(crate) use replay::{InvocationStart, NextRecorded, RecordedInvocation, Replay};

use crate::StopReason;
use crate::ports::LogEvent;
use golem_model::oplog::HostFunction;
use golem_model::{OplogIndex, Timestamp, Value};

/// The worker's oplog as seen by its instance: the recorded entries, then the ones that the instance adds.
#[derive(Debug)]
pub(crate) struct Journal {
    replay: Replay,
    tail: Tail,
    /// Whether the guest has made its first call after the recorded entries.
    went_live: bool,
    /// Whether the guest has read a time that is not recorded. Its results may then differ in a replay and are not
    /// compared.
    saw_unrecorded_time: bool,
}

impl Journal {
    pub(crate) fn new(replay: Replay, tail: Tail) -> Self {
        Self { replay, tail, went_live: false, saw_unrecorded_time: false }
    }

    /// Access to live calls, once the recorded entries have ended.
    pub(crate) fn live(&mut self) -> Option<Live<'_>> {
        let ended = self.replay.proof_of_end()?;
        Some(Live::new(ended, &mut self.tail))
    }

    /// The recorded entries.
    pub(crate) fn replay(&mut self) -> &mut Replay {
        &mut self.replay
    }

    /// Whether text that the guest prints now is new. It is not new during replay, nor before the guest has reached the
    /// wait at which it last left memory: the earlier activation has printed it.
    fn is_output_new(&mut self) -> bool {
        self.live().is_some() && !self.replay.is_resuming_wait()
    }

    /// Prints `event`, unless it is not new.
    fn print_if_new(&mut self, event: LogEvent) -> Result<(), StopReason> {
        if !self.is_output_new() {
            return Ok(());
        }
        self.live().map_or(Ok(()), |mut live| live.print_in_order(event))
    }

    /// The wall clock, without a record. In a replay the guest sees another time than before.
    fn wall_unrecorded(&mut self) -> Timestamp {
        self.saw_unrecorded_time = true;
        self.tail.wall_now()
    }

    /// Checks that the oplog holds this completion next.
    pub(crate) fn check_completion(&mut self, result: Option<&Value>) -> Result<(), StopReason> {
        if self.saw_unrecorded_time {
            self.replay.check_any_completion()
        } else {
            self.replay.check_completion(result)
        }
    }

    /// The index of the last entry that was appended to the store.
    pub(crate) fn last_appended(&self) -> OplogIndex {
        self.tail.last_appended()
    }

    /// Drops the state of an HTTP request, if there is any: the guest has dropped the handles for its response.
    fn forget_request(&mut self, call: u64) {
        self.tail.forget_request(call);
    }

    /// Drops the state of every request: the guest that held handles to them is gone.
    pub(crate) fn forget_requests(&mut self) {
        self.tail.forget_requests();
    }

    /// Appends the buffered entries to the store. Does nothing in a replay, which buffers no entries.
    pub(crate) fn flush(&mut self) -> Result<(), StopReason> {
        self.live().map_or(Ok(()), |mut live| live.flush())
    }

    /// Appends the buffered entries if the oldest one has waited for as long as it may.
    pub(crate) fn flush_if_due(&mut self) -> Result<(), StopReason> {
        if self.tail.must_flush() { self.flush() } else { Ok(()) }
    }

    /// Appends the buffered entries, unless they belong to a step that is recorded as a whole or not at all.
    pub(crate) fn flush_unless_held(&mut self) -> Result<(), StopReason> {
        if self.tail.are_appends_held() { Ok(()) } else { self.flush() }
    }

    /// While `is_held`, recorded entries are not appended. Dropping the instance loses them.
    pub(crate) fn set_appends_held(&mut self, is_held: bool) {
        self.tail.set_appends_held(is_held);
    }
}

fn unreadable_answer(
    function: HostFunction,
    index: OplogIndex,
    error: &golem_model::oplog::wire::DecodeError,
) -> StopReason {
    StopReason::Diverged {
        index,
        recorded: format!("an answer of {function} that cannot be read: {error}"),
        requested: function.to_string(),
    }
}
