//! What a worker's log says of calls between workers: those that it made, those that it took in.
//!
//! Invariant: a call that was taken in and whose answer is wanted is in `reply_addresses` until the row that answers it, takes it
//! back, or deletes the worker.

use super::{FoldEffect, StoredKey, WorkerProjection};
use crate::storage::ports::Seq;
use golem_model::call::{CallAnswer, CallError, CallReceipt, decode_call_receipt, decode_index};
use golem_model::oplog::calls::{CallEvent, ReplyTo};
use golem_model::oplog::{Call, HostFunction, Parked, Request};
use golem_model::{OplogIndex, PromiseId, Timestamp, Value, WorkerId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The calls of one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallState {
    /// Calls that it made and whose answer it has not taken, by their index.
    outstanding: BTreeMap<u64, OutstandingCall>,
    /// Where answers go, by ticket: calls that wait, or run.
    reply_addresses: BTreeMap<u64, ReplyAddress>,
    /// Calls whose time has not come, by time and ticket.
    delayed: BTreeMap<(Timestamp, u64), StoredKey>,
}

/// A call that the worker made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutstandingCall {
    pub(crate) call_row: u64,
    pub(crate) target: WorkerId,
    /// The row with the answer.
    pub(crate) answer_row: Option<u64>,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ReplyAddress {
    worker: u64,
    call: u64,
}

/// An answer to be given to the caller in the same step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PendingReply {
    pub(crate) to: ReplyTo,
    pub(crate) call_row: u64,
    pub(crate) answer: CallAnswer,
}

impl ReplyAddress {
    fn pending_reply(self, call_row: u64, answer: CallAnswer) -> PendingReply {
        PendingReply { to: ReplyTo { worker: self.worker, call: OplogIndex(self.call) }, call_row, answer }
    }
}

impl CallState {
    /// A call that it made and whose answer it has not taken.
    pub(crate) fn outstanding(&self, call: OplogIndex) -> Option<&OutstandingCall> {
        self.outstanding.get(&call.0)
    }

    /// The calls that it made and whose answer it has not taken, in order.
    #[cfg(test)]
    pub(crate) fn outstanding_indices(&self) -> Vec<u64> {
        self.outstanding.keys().copied().collect()
    }

    /// The entries from `from` on are set aside: nobody wants answers to the calls that they made, which go on.
    pub(super) fn revert_from(&mut self, from: OplogIndex) {
        self.outstanding.retain(|index, _| *index < from.0);
    }

    /// Whether an answer may come for it: then its head must be where the answer is given.
    pub(crate) fn expects_answer(&self) -> bool {
        self.outstanding.values().any(|outstanding| outstanding.answer_row.is_none())
    }

    /// Calls whose time has not come.
    pub(crate) fn delayed_count(&self) -> usize {
        self.delayed.len()
    }

    /// When the first of them joins the queue.
    pub(crate) fn first_due(&self) -> Option<Timestamp> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// The tickets of those that join it by `now`.
    pub(crate) fn due_rows(&self, now: Timestamp) -> Vec<u64> {
        self.delayed.range(..=(now, u64::MAX)).map(|((_, call_row), _)| *call_row).collect()
    }

    /// Who waits for it, as answers that all say the same: the worker is about to be deleted.
    pub(crate) fn replies_to_all(&self, error: &CallError) -> Vec<PendingReply> {
        self.reply_addresses
            .iter()
            .map(|(call_row, reply)| reply.pending_reply(*call_row, Err(error.clone())))
            .collect()
    }
}

impl WorkerProjection {
    /// Folds a host call, if it is about calls.
    pub(super) fn apply_host_call(&mut self, index: OplogIndex, call: &Call, response: &[u8]) {
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

    fn remove_outstanding(&mut self, call: &Call) {
        if let Request::Inline(bytes) = &call.request
            && let Ok(index) = decode_index(bytes)
        {
            self.calls.outstanding.remove(&index.0);
        }
    }

    /// Folds an arrival of a call.
    pub(super) fn apply_call_event(&mut self, seq: Seq, event: &CallEvent) {
        match event {
            CallEvent::Queued { key, reply, not_before, .. } => {
                if let Some(ReplyTo { worker, call }) = *reply {
                    self.calls.reply_addresses.insert(seq.0, ReplyAddress { worker, call: call.0 });
                }
                match not_before {
                    Some(at) => drop(self.calls.delayed.insert((*at, seq.0), StoredKey::from(key))),
                    None => self.queue.push_back((seq.0, StoredKey::from(key))),
                }
            }
            CallEvent::Due { at: _, call_row } => {
                if let Some(key) = self.take_delayed(*call_row) {
                    self.queue.push_back((*call_row, key));
                }
            }
            CallEvent::Withdrawn { at: _, call_row } => {
                self.calls.reply_addresses.remove(call_row);
                self.take_delayed(*call_row);
                self.queue.retain(|(queued, _)| queued != call_row);
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

    fn take_delayed(&mut self, call_row: u64) -> Option<StoredKey> {
        let at = self.calls.delayed.keys().find(|(_, delayed)| *delayed == call_row).copied()?;
        self.calls.delayed.remove(&at)
    }

    /// The invocation that runs is about to end like this: its caller is told.
    pub(super) fn reply_to_current(&mut self, result: Option<&Value>, effects: &mut Vec<FoldEffect>) {
        let Some(call_row) = self.current.as_ref().map(|current| current.started) else { return };
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            effects.push(FoldEffect::Reply(reply.pending_reply(call_row, Ok(result.cloned()))));
        }
    }

    /// The invocation that runs fails for good, and the worker goes on without it: its caller is told.
    pub(super) fn reply_current_failed(&mut self, details: &str, effects: &mut Vec<FoldEffect>) {
        let Some(call_row) = self.current.as_ref().map(|current| current.started) else { return };
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            effects.push(FoldEffect::Reply(
                reply.pending_reply(call_row, Err(CallError::RemoteFailed(details.to_owned()))),
            ));
        }
    }

    /// The invocation that runs fails for good, and the worker with it: its caller is told, and all who wait for it.
    /// Their calls leave the queue, so that none of them runs after all should the worker become usable again.
    pub(super) fn reply_all_failed(&mut self, details: &str, effects: &mut Vec<FoldEffect>) {
        let current = self.current.as_ref().map(|current| current.started);
        for (call_row, reply) in std::mem::take(&mut self.calls.reply_addresses) {
            let text = if Some(call_row) == current {
                details.to_owned()
            } else {
                self.queue.retain(|(queued, _)| *queued != call_row);
                PREVIOUS_FAILED.to_owned()
            };
            effects
                .push(FoldEffect::Reply(reply.pending_reply(call_row, Err(CallError::RemoteFailed(text)))));
        }
    }

    /// The call was taken out of the queue by somebody else than its caller.
    pub(super) fn reply_cancelled(&mut self, call_row: u64, effects: &mut Vec<FoldEffect>) {
        if let Some(reply) = self.calls.reply_addresses.remove(&call_row) {
            let text = "the call was taken out of the queue before it began".to_owned();
            effects.push(FoldEffect::Reply(reply.pending_reply(call_row, Err(CallError::NotFound(text)))));
        }
    }

    /// Whether nothing has come for a promise or call of its own.
    pub(super) fn is_pending(&self, index: OplogIndex) -> bool {
        match self.calls.outstanding(index) {
            Some(outstanding) => outstanding.answer_row.is_none(),
            None => self.promises.get(&index.0) == Some(&super::PromiseSlot::Pending),
        }
    }

    /// Whom it waits for, if all that can bring it back are answers to these calls of its own.
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

/// What callers of a worker that failed before are told.
pub(crate) const PREVIOUS_FAILED: &str = "The previously invoked function failed";

/// Whether the entry is one after which the worker may wait for itself.
pub(crate) fn may_block(parked: &Parked) -> bool {
    parked.wake_at.is_none() && !parked.promises.is_empty()
}
