//! Calls between workers as recorded in one worker's log: the calls that it made, and those that it received.
//!
//! Invariant: a received call whose answer is wanted stays in `reply_addresses` until a row answers it, withdraws it,
//! or deletes the worker.

use super::{FoldEffect, StoredIdempotencyKey, WorkerProjection};
use crate::storage::ports::Seq;
use golem_model::call::{CallError, CallReceipt, decode_call_index, decode_call_receipt};
use golem_model::oplog::{CallEvent, ReplyTo};
use golem_model::oplog::{HostCall, HostCallRequest, HostFunction, Suspension};
use golem_model::{OplogIndex, PromiseId, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The calls of one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallState {
    /// Calls that the worker made and whose answer it has not taken, by their oplog index.
    outstanding: BTreeMap<u64, OutstandingCall>,
    /// Addresses for the answers to received calls that are queued or running, by call row.
    reply_addresses: BTreeMap<u64, ReplyAddress>,
    /// Received calls whose delay has not elapsed, by time and call row.
    delayed: BTreeMap<(Timestamp, u64), StoredIdempotencyKey>,
}

/// A call that the worker made and whose answer it has not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutstandingCall {
    pub(crate) call_row: u64,
    pub(crate) target: WorkerId,
    /// The row with the answer, if it has arrived.
    pub(crate) answer_row: Option<u64>,
}

/// The caller and its call: the address of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ReplyAddress {
    worker: u64,
    call: u64,
}

/// A reply that is delivered to the caller in the same step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PendingReply {
    pub(crate) to: ReplyTo,
    pub(crate) call_row: u64,
    pub(crate) content: ReplyContent,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReplyContent {
    /// The result that the row records in the entry with this index. It may be large, so it is encoded beforehand.
    ResultOf(OplogIndex),
    Error(CallError),
}

impl ReplyAddress {
    fn pending_reply(self, call_row: u64, content: ReplyContent) -> PendingReply {
        PendingReply { to: ReplyTo { worker: self.worker, call: OplogIndex(self.call) }, call_row, content }
    }
}

impl CallState {
    /// Returns an outstanding call.
    pub(crate) fn outstanding(&self, call: OplogIndex) -> Option<&OutstandingCall> {
        self.outstanding.get(&call.0)
    }

    /// Returns the oplog indices of the outstanding calls, in order.
    #[cfg(test)]
    pub(crate) fn outstanding_indices(&self) -> Vec<u64> {
        self.outstanding.keys().copied().collect()
    }

    /// Reverts the entries from `from` on. The calls that they made still run, but their answers are no longer wanted.
    pub(super) fn revert_from(&mut self, from: OplogIndex) {
        self.outstanding.retain(|index, _| *index < from.0);
    }

    /// Whether an answer may arrive for this worker. If so, its projection must be in memory, because replies are
    /// appended without reading the store.
    pub(crate) fn expects_answer(&self) -> bool {
        self.outstanding.values().any(|outstanding| outstanding.answer_row.is_none())
    }

    /// Number of received calls whose delay has not elapsed.
    pub(crate) fn delayed_count(&self) -> usize {
        self.delayed.len()
    }

    /// Time at which the first delayed call joins the queue.
    pub(crate) fn first_due(&self) -> Option<Timestamp> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// The rows of the delayed calls that join the queue by `now`.
    pub(crate) fn due_rows(&self, now: Timestamp) -> Vec<u64> {
        self.delayed.range(..=(now, u64::MAX)).map(|((_, call_row), _)| *call_row).collect()
    }

    /// Builds a reply with the same error for each caller that waits. Used when the worker is about to be deleted.
    pub(crate) fn replies_to_all(&self, error: &CallError) -> Vec<PendingReply> {
        self.reply_addresses
            .iter()
            .map(|(call_row, reply)| reply.pending_reply(*call_row, ReplyContent::Error(error.clone())))
            .collect()
    }
}

impl WorkerProjection {
    /// Folds a host call, if it is about calls between workers.
    pub(super) fn apply_host_call(&mut self, index: OplogIndex, call: &HostCall, response: &[u8]) {
        match call.function {
            HostFunction::CallMake => {
                if let Ok(Ok(CallReceipt { call_row, target })) = decode_call_receipt(response) {
                    self.calls
                        .outstanding
                        .insert(index.0, OutstandingCall { call_row, target, answer_row: None });
                }
            }
            HostFunction::CallAwait => self.remove_outstanding(call),
            HostFunction::CallFinish if response.first() == Some(&1) => self.remove_outstanding(call),
            HostFunction::CallCancel if response != [0] => self.remove_outstanding(call),
            _ => {}
        }
    }

    fn remove_outstanding(&mut self, call: &HostCall) {
        if let HostCallRequest::Inline(bytes) = &call.request
            && let Ok(index) = decode_call_index(bytes)
        {
            self.calls.outstanding.remove(&index.0);
        }
    }

    /// Folds an inbox event about a call.
    pub(super) fn apply_call_event(&mut self, seq: Seq, event: &CallEvent) {
        match event {
            CallEvent::Queued { key, reply, not_before, .. } => {
                if let Some(ReplyTo { worker, call }) = *reply {
                    self.calls.reply_addresses.insert(seq.0, ReplyAddress { worker, call: call.0 });
                }
                match not_before {
                    Some(at) => {
                        drop(self.calls.delayed.insert((*at, seq.0), StoredIdempotencyKey::from(key)));
                    }
                    None => self.queue.push_back((seq.0, StoredIdempotencyKey::from(key))),
                }
            }
            CallEvent::DelayElapsed { at: _, call_row } => {
                if let Some(key) = self.take_delayed(*call_row) {
                    self.queue.push_back((*call_row, key));
                }
            }
            CallEvent::Cancelled { at: _, call_row } => {
                self.calls.reply_addresses.remove(call_row);
                self.take_delayed(*call_row);
                if let Some(place) = self.queue.iter().position(|(queued, _)| queued == call_row) {
                    self.queue.remove(place);
                    self.forget_process_ends_of_queued(place);
                }
            }
            CallEvent::Answered { at: _, call, call_row, answer: _ } => {
                if let Some(outstanding) = self
                    .calls
                    .outstanding
                    .get_mut(&call.0)
                    .filter(|outstanding| outstanding.call_row == *call_row)
                {
                    outstanding.answer_row = Some(seq.0);
                    self.stop_waiting_for(*call);
                }
            }
        }
    }

    fn take_delayed(&mut self, call_row: u64) -> Option<StoredIdempotencyKey> {
        let at = self.calls.delayed.keys().find(|(_, delayed)| *delayed == call_row).copied()?;
        self.calls.delayed.remove(&at)
    }

    /// Replies to the caller of the current invocation with its result, which the entry `completed` records.
    pub(super) fn reply_to_current(&mut self, completed: OplogIndex, effects: &mut Vec<FoldEffect>) {
        let Some(call_row) = self.current.as_ref().map(|current| current.started) else { return };
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            effects.push(FoldEffect::Reply(reply.pending_reply(call_row, ReplyContent::ResultOf(completed))));
        }
    }

    /// Replies to the caller of the current invocation, which failed and is not retried. The worker continues without
    /// it.
    pub(super) fn reply_current_failed(&mut self, details: &str, effects: &mut Vec<FoldEffect>) {
        let Some(call_row) = self.current.as_ref().map(|current| current.started) else { return };
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            effects.push(FoldEffect::Reply(
                reply.pending_reply(
                    call_row,
                    ReplyContent::Error(CallError::RemoteFailed(details.to_owned())),
                ),
            ));
        }
    }

    /// Replies to all callers: the current invocation failed and is not retried, and the worker fails with it. The
    /// queued calls leave the queue, so that none of them runs if the worker is recovered later.
    pub(super) fn reply_all_failed(&mut self, details: &str, effects: &mut Vec<FoldEffect>) {
        let current = self.current.as_ref().map(|current| current.started);
        for (call_row, reply) in std::mem::take(&mut self.calls.reply_addresses) {
            let text = if Some(call_row) == current {
                details.to_owned()
            } else {
                self.queue.retain(|(queued, _)| *queued != call_row);
                PREVIOUS_FAILED.to_owned()
            };
            effects.push(FoldEffect::Reply(
                reply.pending_reply(call_row, ReplyContent::Error(CallError::RemoteFailed(text))),
            ));
        }
    }

    /// Replies to the caller of a queued invocation that an operator cancelled.
    pub(super) fn reply_cancelled(&mut self, call_row: u64, effects: &mut Vec<FoldEffect>) {
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            let text = "the call was taken out of the queue before it began".to_owned();
            effects.push(FoldEffect::Reply(
                reply.pending_reply(call_row, ReplyContent::Error(CallError::NotFound(text))),
            ));
        }
    }

    /// Whether a promise or call of the worker itself is pending.
    pub(super) fn is_pending(&self, index: OplogIndex) -> bool {
        match self.calls.outstanding(index) {
            Some(outstanding) => outstanding.answer_row.is_none(),
            None => self.promises.get(&index.0) == Some(&super::PromiseSlot::Pending),
        }
    }

    /// Returns the calls that the worker waits for, if answers to calls of its own are all that it waits for.
    pub(crate) fn blocked_on(&self) -> Option<Vec<(OplogIndex, &OutstandingCall)>> {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.wake_at.is_none())?;
        let blocked = !waiting.promises.is_empty() && self.current.is_some() && self.terminal.is_none();
        let outstanding = |promise: &PromiseId| {
            let outstanding =
                (promise.worker == self.id).then(|| self.calls.outstanding(promise.index)).flatten()?;
            outstanding.answer_row.is_none().then_some((promise.index, outstanding))
        };
        if blocked { waiting.promises.iter().map(outstanding).collect() } else { None }
    }
}

/// The error for callers of a worker that has failed before.
pub(crate) const PREVIOUS_FAILED: &str = "The previously invoked function failed";

/// Whether a worker may be deadlocked after this entry.
pub(crate) fn may_block(parked: &Suspension) -> bool {
    parked.wake_at.is_none() && !parked.promises.is_empty()
}
