//! A worker's queue: listing it, and cancelling an invocation before it begins.
//!
//! Invariant: a cancelled invocation has a row of acceptance, with which repeated requests with its key are compared.
//! If it had none yet ("lazy accept"), that row is appended just before the row that cancels it.

use super::core::{Core, OnDurable, PendingInvocation, State, WorkerSlot};
use super::invoke::internal;
use super::ledger::{EncodedEvent, LedgerEvent, StepOutcome};
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, committer};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::oplog::CallEvent;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{AdminRequest, InboxEvent, InvocationSource};
use golem_model::{Entry, IdempotencyKey, Invocation, Timestamp, WorkerId};
use std::sync::Arc;

/// An invocation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedInvocation {
    /// Its key. `None` if its caller gave none.
    pub key: Option<String>,
    /// Its function.
    pub function: Arc<str>,
    /// Time of acceptance, if it was accepted durably.
    pub accepted_at: Option<Timestamp>,
    /// Whether it has begun.
    pub begun: bool,
}

/// What is known of an invocation before the store is read.
struct QueueItem {
    key: String,
    function: Option<Arc<str>>,
    row: Option<Seq>,
    begun: bool,
}

/// The outcome of one attempt to cancel, under the lock.
enum CancelAttempt {
    /// The cancellation is the worker's last row.
    Recorded,
    /// The invocation has ended; its outcome is in this row.
    Ended(Seq),
    AskStore,
}

impl Executor {
    /// Returns the invocations of a worker that have not ended: first the one that has begun, then the queued ones in
    /// order. Which invocations have rows, and which have ended, is durable on return.
    pub async fn queue(&self, id: &WorkerId) -> Result<Vec<QueuedInvocation>, ExecutorError> {
        let read = self.read_worker(id, |state, worker, projection| {
            (worker, queue_items(projection, state.slots.get(&worker)))
        });
        let ((worker, known), position) = read.await?;
        self.core.wait_until_durable(position).await?;
        let mut queue = Vec::with_capacity(known.len());
        for QueueItem { key, function, row, begun } in known {
            let mut accepted_at = None;
            let mut function = function;
            if let Some(row) = row {
                match self.core.read_durable_row(worker, position.with_seq(row)).await {
                    Ok(body) => {
                        if let Some((found, at)) = find_accepted(&body, &key) {
                            function = Some(found);
                            accepted_at = at;
                        }
                    }
                    // The worker was deleted meanwhile.
                    Err(error) if function.is_none() => return Err(error),
                    Err(_) => {}
                }
            }
            let key = (!key.starts_with(' ')).then_some(key);
            queue.push(QueuedInvocation {
                key,
                function: function.unwrap_or_else(|| Arc::from("")),
                accepted_at,
                begun,
            });
        }
        Ok(queue)
    }

    /// Cancels a queued invocation. Waiting callers and later requests with its key get an error. Durable on return;
    /// repeating it changes nothing.
    pub async fn cancel(&self, id: &WorkerId, key: &IdempotencyKey) -> Result<(), ExecutorError> {
        let core = &self.core;
        let attempted = self.with_worker(id, |state, worker| {
            let attempt = core.cancel_locked(state, worker, key);
            (worker, attempt, state.worker_position(worker))
        });
        let (worker, attempt, position) = attempted.await?;
        let outcome = match attempt {
            Err(error) => return Err(core.durable_error(position, error).await),
            Ok(CancelAttempt::Recorded) => return core.wait_until_durable(position).await,
            Ok(CancelAttempt::Ended(outcome)) => outcome,
            Ok(CancelAttempt::AskStore) => {
                let hash = key.index_hash();
                let row = core.read_store(move |store| store.idempotency_row(worker, hash)).await?;
                let Some(row) = row else {
                    let (worker, key) = (id.clone(), key.clone());
                    return Err(ExecutorError::InvocationNotFound { worker, key });
                };
                row.outcome
            }
        };
        match core.read_durable_row(worker, position.with_seq(outcome)).await? {
            Row::InboxEvent(InboxEvent::Admin(AdminRequest::InvocationCancelled { .. })) => Ok(()),
            Row::InboxEvent(_) | Row::Entries { .. } => {
                Err(ExecutorError::InvocationBegun { key: key.clone(), ended: true })
            }
        }
    }
}

impl Core {
    fn cancel_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        key: &IdempotencyKey,
    ) -> Result<CancelAttempt, ExecutorError> {
        let begun = state
            .ledger
            .projection(worker)
            .and_then(|projection| projection.current.as_ref())
            .is_some_and(|current| current.key.matches(key));
        let slot = Self::slot(state, worker);
        let runs = slot.current.as_ref().is_some_and(|current| current.key == key.as_str());
        let place = slot.pending.iter().position(|pending| pending.key == key.as_str());
        let taken = place.filter(|_| !begun && !runs).and_then(|place| slot.pending.remove(place));
        let Some(taken) = taken else {
            Self::remove_slot_if_empty(state, worker);
            if begun || runs {
                return Err(ExecutorError::InvocationBegun { key: key.clone(), ended: false });
            }
            return Ok(match state.ledger.key_record(worker, key).and_then(|record| record.outcome) {
                Some(outcome) => CancelAttempt::Ended(outcome),
                None => CancelAttempt::AskStore,
            });
        };
        self.cancel_pending(state, worker, taken, &ExecutorError::InvocationCancelled { key: key.clone() })?;
        Self::remove_slot_if_empty(state, worker);
        Ok(CancelAttempt::Recorded)
    }

    /// Ends an invocation that has not begun, and that is in no slot any more, as cancelled. Its callers get `error` once
    /// that is durable.
    pub(crate) fn cancel_pending(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        pending: PendingInvocation,
        error: &ExecutorError,
    ) -> Result<(), ExecutorError> {
        let PendingInvocation { invocation, key, accepted_row, waiters, .. } = pending;
        let accepted = invocation.filter(|_| accepted_row.is_none());
        match self.append_cancellation(state, worker, key, accepted) {
            Ok(seq) => {
                Self::when_durable(state, seq, OnDurable::Deliver(waiters, Err(error.clone())));
                Ok(())
            }
            Err(refused) => {
                committer::send_reply(waiters, Err(refused.clone()));
                Err(refused)
            }
        }
    }

    /// Appends the acceptance, if the invocation has none, and the cancellation. Returns the last row.
    fn append_cancellation(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        key: String,
        accepted: Option<Arc<Invocation>>,
    ) -> Result<Seq, ExecutorError> {
        let key = IdempotencyKey::from_stored(key)
            .map_err(|error| ExecutorError::Unavailable { reason: error.to_string().into() })?;
        let at = self.clock.now();
        let accepted = accepted.map(|invocation| LedgerEvent::Accept {
            worker,
            event: EncodedEvent::acceptance(at, invocation),
        });
        let event = InboxEvent::Admin(AdminRequest::InvocationCancelled { at, key });
        let cancelled = LedgerEvent::Inbox { worker, event };
        let mut last = Seq(0);
        for event in accepted.into_iter().chain([cancelled]) {
            let outcome = self.step(state, event);
            if let StepOutcome::Appended(seq) = outcome.map_err(|error| internal(&error))? {
                last = seq;
            }
        }
        Ok(last)
    }

    /// Answers the callers of an invocation that has not begun with an error. Returns the invocation if it stays in the
    /// queue. The callers get the error when the worker's rows so far are durable: the error may describe what they say.
    ///
    /// An accepted invocation stays: a request with its key can still ask for it. Without a key, only the caller that gets
    /// the error knows of it, and must not find later that it ran, so it ends as cancelled.
    pub(crate) fn refuse_callers(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        mut pending: PendingInvocation,
        error: &ExecutorError,
    ) -> Option<PendingInvocation> {
        let waited = pending.waiters.iter().any(|waiter| !waiter.is_closed());
        let anonymous = pending.key.starts_with(' ');
        if waited && anonymous && pending.accepted_row.is_some() {
            if let Err(refused) = self.cancel_pending(state, worker, pending, error) {
                tracing::error!(worker = %worker, error = %refused, "cannot cancel an invocation whose caller got an error");
            }
            return None;
        }
        let waiters = std::mem::take(&mut pending.waiters);
        let last = state.ledger.projection(worker).map(|projection| Seq(projection.last_row));
        Self::when_durable(state, last.unwrap_or_default(), OnDurable::Deliver(waiters, Err(error.clone())));
        pending.accepted_row.is_some().then_some(pending)
    }
}

/// Returns the invocations in the slot and the projection.
fn queue_items(projection: &WorkerProjection, slot: Option<&WorkerSlot>) -> Vec<QueueItem> {
    let mut known = Vec::new();
    let pending = |pending: &PendingInvocation, begun| QueueItem {
        key: pending.key.clone(),
        function: pending.invocation.as_ref().map(|invocation| invocation.function.clone()),
        row: pending.accepted_row,
        begun,
    };
    if let Some(current) = &projection.current {
        let row = Some(Seq(current.started));
        known.push(QueueItem { key: current.key.0.clone(), function: None, row, begun: true });
    } else if let Some(current) = slot.and_then(|slot| slot.current.as_ref()) {
        known.push(pending(current, true));
    }
    match slot {
        Some(slot) => known.extend(slot.pending.iter().map(|waits| pending(waits, false))),
        None => known.extend(projection.queue.iter().map(|(row, key)| QueueItem {
            key: key.0.clone(),
            function: None,
            row: Some(Seq(*row)),
            begun: false,
        })),
    }
    known
}

/// Returns the function and the time of acceptance of the invocation of `wanted` in a row.
fn find_accepted(row: &Row, wanted: &str) -> Option<(Arc<str>, Option<Timestamp>)> {
    match row {
        Row::InboxEvent(
            InboxEvent::Invocation { at, function, .. }
            | InboxEvent::Program { at, function, .. }
            | InboxEvent::Call(CallEvent::Queued { at, function, .. }),
        ) => Some((function.clone(), Some(*at))),
        Row::InboxEvent(_) => None,
        Row::Entries { entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::InvocationStarted {
                at,
                key,
                source: InvocationSource::Inline { function, .. } | InvocationSource::Program { function, .. },
            } if key.as_str() == wanted => Some((function.clone(), Some(*at))),
            _ => None,
        }),
    }
}
