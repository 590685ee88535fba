//! Calls between workers, in commit order.
//!
//! A call and its inbox event at the target are one step; so are an outcome and its inbox event at the caller. Neither
//! can survive a crash without the other, so a call is neither lost nor repeated, and its answer is not lost.
//!
//! Invariant: a worker that may receive an answer is in memory, so a step reads nothing from the store
//! ([`super::Ledger::evict`] keeps it, `startup` loads it).
//!
//! Invariant: replies are appended where rows are appended, not where stored rows are folded again: there the rows of
//! the replies follow in the log.

use super::encoded::EncodedAnswer;
use super::{EncodedEvent, HostCallContext, Ledger, LedgerAction, NewWorker, Row, StepError, StepOutcome};
use crate::executor::projection::call_state::{OutstandingCall, PendingReply, ReplyContent, may_block};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::call::{CallError, CallReceipt, encode_call_receipt};
use golem_model::oplog::{CallEvent, ReplyTo};
use golem_model::{
    Convention, Entry, IdempotencyKey, InboxEvent, Invocation, OplogIndex, Timestamp, Value, WorkerId,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Number of workers that the text of a deadlock names. Further ones are counted.
const CHAIN_SHOWN_MAX: usize = 8;

/// A worker calls another worker.
#[derive(Debug)]
pub(crate) struct CallRequest {
    /// The caller's host call.
    pub(crate) context: HostCallContext,
    /// The worker that is called.
    pub(crate) target: CallTarget,
    pub(crate) queued: QueuedCall,
}

/// The call in the target's queue: its inbox event, which is encoded before the lock is taken.
#[derive(Debug)]
pub(crate) struct QueuedCall {
    /// The oplog index of the call at the caller.
    index: OplogIndex,
    event: EncodedEvent,
    invocation: Arc<Invocation>,
    is_delayed: bool,
}

/// A call that is to be encoded.
#[derive(Debug)]
pub(crate) struct CallContent {
    pub(crate) function: Arc<str>,
    pub(crate) params: Vec<Value>,
    /// Whether the caller wants the answer.
    pub(crate) reply: bool,
    /// The earliest time at which the call joins the queue, if it is delayed.
    pub(crate) not_before: Option<Timestamp>,
}

impl QueuedCall {
    /// Encodes a call that `caller` makes with the host call of `context`. Called without the lock.
    pub(crate) fn new(
        now: Timestamp,
        caller: WorkerId,
        context: &HostCallContext,
        to_send: CallContent,
    ) -> Self {
        let CallContent { function, params, reply, not_before } = to_send;
        let index = context.buffered.end();
        let key = call_key(&caller, index);
        let invocation = Invocation {
            key: key.clone(),
            function: function.clone(),
            params: params.clone(),
            convention: Convention::Component,
        };
        let reply = reply.then_some(ReplyTo { worker: context.worker.0, call: index });
        let queued = CallEvent::Queued { at: now, key, function, params, caller, reply, not_before };
        Self {
            index,
            event: EncodedEvent::new(InboxEvent::Call(queued)),
            invocation: Arc::new(invocation),
            is_delayed: not_before.is_some(),
        }
    }
}

/// The target of a call.
#[derive(Debug)]
pub(crate) enum CallTarget {
    /// A worker that exists.
    Existing(WorkerNum),
    /// A worker that is created.
    New(Box<NewWorker>),
    /// No worker: the call is refused.
    Refused(CallError),
}

/// A worker cancels a call of its own.
#[derive(Debug)]
pub(crate) struct CancelRequest {
    /// The caller's host call.
    pub(crate) context: HostCallContext,
    pub(crate) call: OplogIndex,
    /// Whether the target runs the call already, according to its slot in memory.
    pub(crate) begun: bool,
}

/// The recorded responses of a cancellation: the call had ended, it was removed from the target's queue, or the target
/// continues it and the answer is dropped.
const CANCEL_OVER: u8 = 0;
const CANCEL_WITHDRAWN: u8 = 1;
const CANCEL_ABANDONED: u8 = 2;

impl Ledger {
    pub(super) fn apply_call(&mut self, request: CallRequest) -> Result<StepOutcome, StepError> {
        let CallRequest { context, target, queued } = request;
        let HostCallContext { worker, activation, buffered, call } = context;
        self.check_activation(worker, activation, buffered.first())?;
        let QueuedCall { index, event, invocation, is_delayed } = queued;
        self.append_buffered(worker, buffered);
        let target = match target {
            CallTarget::Refused(error) => Err(error),
            CallTarget::Existing(target) => Ok(target),
            CallTarget::New(new) => match self.create_worker(*new)? {
                StepOutcome::Created(target) => Ok(target),
                _ => return Err(StepError::UnknownWorker),
            },
        };
        let receipt = target.and_then(|target| {
            let id = self.projections.get(&target).map(|cached| cached.projection.id.clone());
            let id = id.ok_or_else(|| CallError::NotFound("the worker was deleted".to_owned()))?;
            let call_row = self.append_encoded(target, event.into_row());
            if !is_delayed {
                self.actions.push(LedgerAction::CallQueued(target, call_row, Some(invocation)));
            }
            Ok(CallReceipt { call_row: call_row.0, target: id })
        });
        let response = encode_call_receipt(&receipt);
        let entry = Entry::HostCall { call, response: response.clone() };
        let seq = self.append_row(worker, Row::Entries { first: index, entries: vec![entry] });
        Ok(StepOutcome::CallRecorded(seq, response))
    }

    pub(super) fn apply_cancel(
        &mut self,
        now: Timestamp,
        request: CancelRequest,
    ) -> Result<StepOutcome, StepError> {
        let CancelRequest { context, call: number, begun } = request;
        let HostCallContext { worker, activation, buffered, call } = context;
        self.check_activation(worker, activation, buffered.first())?;
        let index = buffered.end();
        self.append_buffered(worker, buffered);
        let outstanding =
            self.projections.get(&worker).and_then(|cached| cached.projection.calls.outstanding(number));
        let outcome = match outstanding.filter(|outstanding| outstanding.answer_row.is_none()).cloned() {
            None => CANCEL_OVER,
            Some(outstanding)
                if !begun && self.withdraw_call(now, &outstanding.target, outstanding.call_row) =>
            {
                CANCEL_WITHDRAWN
            }
            Some(_) => CANCEL_ABANDONED,
        };
        let entry = Entry::HostCall { call, response: vec![outcome] };
        let seq = self.append_row(worker, Row::Entries { first: index, entries: vec![entry] });
        Ok(StepOutcome::CallRecorded(seq, vec![outcome]))
    }

    /// Removes a call from the target's queue. Returns false if it is not queued there. A target that is not in memory
    /// has an empty queue, because [`super::Ledger::evict`] keeps workers with queued invocations.
    fn withdraw_call(&mut self, now: Timestamp, target: &WorkerId, call_row: u64) -> bool {
        let Some(worker) = self.by_id.get(target).copied() else { return false };
        let waits = |(queued, _): &(u64, _)| *queued == call_row;
        if !self.projections.get(&worker).is_some_and(|cached| cached.projection.queue.iter().any(waits)) {
            return false;
        }
        let withdrawn = CallEvent::Cancelled { at: now, call_row };
        self.append_row(worker, Row::InboxEvent(InboxEvent::Call(withdrawn)));
        self.actions.push(LedgerAction::CallWithdrawn(worker, Seq(call_row)));
        true
    }

    /// Moves the calls whose delay has elapsed into the queue.
    pub(super) fn enqueue_due_calls(
        &mut self,
        now: Timestamp,
        worker: WorkerNum,
    ) -> Result<StepOutcome, StepError> {
        let due =
            self.projections.get(&worker).ok_or(StepError::UnknownWorker)?.projection.calls.due_rows(now);
        let mut last = self.last_seq;
        for call_row in due {
            last = self.append_row(
                worker,
                Row::InboxEvent(InboxEvent::Call(CallEvent::DelayElapsed { at: now, call_row })),
            );
            self.actions.push(LedgerAction::CallQueued(worker, Seq(call_row), None));
        }
        Ok(StepOutcome::Appended(last))
    }

    /// Builds the error replies for the callers of a worker that is about to be deleted.
    pub(super) fn deletion_replies(&self, worker: WorkerNum) -> Vec<PendingReply> {
        let Some(projection) = self.projection(worker) else { return Vec::new() };
        projection.calls.replies_to_all(&CallError::NotFound(format!(
            "the worker {} was deleted before it had answered",
            projection.id
        )))
    }

    /// Appends the replies at the callers that still wait for them. `results` has the results of the row that the replies
    /// result from.
    pub(super) fn deliver_replies(
        &mut self,
        now: Timestamp,
        replies: Vec<PendingReply>,
        mut results: Vec<(OplogIndex, EncodedAnswer)>,
    ) {
        for PendingReply { to, call_row, content } in replies {
            let worker = WorkerNum(to.worker);
            let wanted =
                self.projections.get(&worker).and_then(|cached| cached.projection.calls.outstanding(to.call));
            if !wanted.is_some_and(|outstanding| {
                outstanding.call_row == call_row && outstanding.answer_row.is_none()
            }) {
                continue;
            }
            let EncodedAnswer { bytes, kept } = match content {
                ReplyContent::Error(error) => EncodedAnswer::error(error),
                ReplyContent::ResultOf(index) => {
                    let place = results.iter().position(|(of, _)| *of == index);
                    let (_, answer) = results
                        .swap_remove(place.expect("a row that completes a queued invocation has its answer"));
                    answer
                }
            };
            self.actions.push(LedgerAction::CallAnswered(worker, to.call, kept));
            let answered = CallEvent::Answered { at: now, call: to.call, call_row, answer: bytes };
            self.append_row(worker, Row::InboxEvent(InboxEvent::Call(answered)));
        }
    }

    /// Resolves a deadlock after a row of `worker`: if the worker now waits, directly or through other workers, for
    /// itself, one of the waits in that cycle ends with an error.
    ///
    /// The call that is given up is one that has not begun, so it never runs. Each cycle contains such a call, because
    /// a running call began before it could make calls itself. So the outcome does not depend on the worker that was
    /// the last to wait.
    pub(super) fn resolve_deadlock(&mut self, now: Timestamp, worker: WorkerNum) {
        let Some(mut cycle) = self.find_cycle(worker) else { return };
        let first = cycle.iter().position(|wait| !self.has_begun(wait)).unwrap_or_default();
        cycle.rotate_left(first);
        let Some(wait) = cycle.first().cloned() else { return };
        let content = ReplyContent::Error(CallError::Deadlock(self.describe_cycle(&cycle)));
        self.withdraw_call(now, &wait.outstanding.target, wait.outstanding.call_row);
        let to = ReplyTo { worker: wait.worker.0, call: wait.call };
        let reply = PendingReply { to, call_row: wait.outstanding.call_row, content };
        self.deliver_replies(now, vec![reply], Vec::new());
    }

    /// Returns a cycle of waits that is reachable from `start`, if no worker on the way can continue.
    fn find_cycle(&self, start: WorkerNum) -> Option<Vec<CallWait>> {
        // A chain of waits may be long, and only a cycle is copied.
        let mut waits: HashMap<WorkerNum, (OplogIndex, &OutstandingCall)> = HashMap::new();
        let mut to_visit = VecDeque::from([start]);
        while let Some(worker) = to_visit.pop_front() {
            if waits.contains_key(&worker) {
                continue;
            }
            let blocked = self.projections.get(&worker)?.projection.blocked_on()?;
            for (_, outstanding) in &blocked {
                to_visit.push_back(*self.by_id.get(&outstanding.target)?);
            }
            waits.insert(worker, *blocked.first()?);
        }
        // Every worker in `waits` waits for another worker in it, so following the waits from the start returns to a
        // worker that was visited before.
        let mut path: Vec<WorkerNum> = Vec::new();
        let mut places: HashMap<WorkerNum, usize> = HashMap::new();
        let mut worker = start;
        while !places.contains_key(&worker) {
            places.insert(worker, path.len());
            path.push(worker);
            let (_, outstanding) = waits.get(&worker)?;
            worker = *self.by_id.get(&outstanding.target)?;
        }
        let cycle = path.get(*places.get(&worker)?..)?.iter();
        let wait = |worker: &WorkerNum| {
            let (call, outstanding) = waits.get(worker)?;
            Some(CallWait { worker: *worker, call: *call, outstanding: (*outstanding).clone() })
        };
        cycle.map(wait).collect()
    }

    /// Whether the worker is part of a cycle that was not resolved.
    #[cfg(test)]
    pub(super) fn is_deadlocked(&self, worker: WorkerNum) -> bool {
        self.find_cycle(worker).is_some()
    }

    fn has_begun(&self, wait: &CallWait) -> bool {
        let target = self.by_id.get(&wait.outstanding.target).and_then(|worker| self.projection(*worker));
        let current = target.and_then(|projection| projection.current.as_ref());
        current.is_some_and(|current| current.started == wait.outstanding.call_row)
    }

    fn describe_cycle(&self, cycle: &[CallWait]) -> String {
        let first = cycle
            .first()
            .and_then(|wait| self.projection(wait.worker))
            .map(|projection| projection.id.to_string());
        let waits =
            cycle.iter().take(CHAIN_SHOWN_MAX).map(|wait| format!(" waits for {}", wait.outstanding.target));
        let mut text = format!(
            "a cycle of waiting calls: {}{}",
            first.unwrap_or_default(),
            waits.collect::<Vec<_>>().join(", which")
        );
        if cycle.len() > CHAIN_SHOWN_MAX {
            let more = cycle.len() - CHAIN_SHOWN_MAX;
            text = format!("{text}, … ({more} more)");
        }
        text
    }
}

/// Whether a worker may be deadlocked after this row.
pub(super) fn may_deadlock(row: &Row) -> bool {
    let Row::Entries { entries, .. } = row else { return false };
    matches!(entries.last(), Some(Entry::Suspended(parked)) if may_block(parked))
}

/// A worker waits for the answer of a call.
#[derive(Debug, Clone)]
struct CallWait {
    worker: WorkerNum,
    call: OplogIndex,
    outstanding: OutstandingCall,
}

/// Derives the key of the invocation that a call makes. It is the same for each repetition of the same call, and
/// differs between calls. Clients cannot learn it, so it is not indexed.
fn call_key(caller: &WorkerId, call: OplogIndex) -> IdempotencyKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"call");
    hasher.update(caller.template.0.as_bytes());
    hasher.update(caller.name.as_str().as_bytes());
    hasher.update(&call.0.to_le_bytes());
    let mut unique = [0; 16];
    unique.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    IdempotencyKey::anonymous(u128::from_le_bytes(unique))
}
