//! Recovering a worker that its last invocation has made unusable: the invocation is discarded, and the worker returns
//! to the state before it.
//!
//! Invariant: a discarded invocation has an error as the outcome of its key, and does not run again.

use super::core::{Core, OnDurable, PendingInvocation, State};
use super::invoke::internal;
use super::ledger::{LedgerEvent, StepOutcome};
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, ExecutorMetrics, history, interrupt, worker_task};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::oplog::{AdminRequest, FailureCause, InboxEvent, RevertReason};
use golem_model::{Entry, IdempotencyKey, WorkerId, WorkerStatus};
use std::sync::Arc;

impl Executor {
    /// Discards the invocation that failed, exited, was interrupted, or waits for its next attempt. Durable on return.
    /// Does nothing if there is no such invocation, so the request can be repeated.
    pub async fn recover_worker(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let seq = loop {
            let worker = self.find_worker(id).await?;
            let (last_row, unfinished) = {
                let state = core.lock();
                let Some(projection) = state.ledger.projection(worker) else { continue };
                (Seq(projection.last_row), projection.current.is_some())
            };
            // The last error of an unfinished invocation is found in the log only.
            let details = if unfinished { self.last_failure(last_row).await? } else { None };
            let mut state = core.lock();
            Core::check_available(&state)?;
            let Some(projection) = state.ledger.projection(worker) else { continue };
            if projection.last_row != last_row.0 {
                continue;
            }
            // An invocation that runs may have no entry in the log yet.
            let running =
                state.slots.get(&worker).is_some_and(|slot| slot.has_task && slot.current.is_some());
            if projection.current.is_none() && projection.terminal.is_none() && running {
                let status = WorkerStatus::Running;
                return Err(ExecutorError::NotStopped { worker: projection.id.clone(), status });
            }
            // An interrupt may come before an accepted invocation has begun.
            let stopped =
                projection.interrupted && projection.current.is_none() && projection.terminal.is_none();
            // The row of the invocation that an instance had may follow those of the queue.
            let slot = state.slots.get(&worker);
            let taken = slot.and_then(|slot| slot.current.as_ref()).and_then(|current| current.accepted_row);
            let first = projection.queue.iter().find(|(row, _)| Some(Seq(*row)) == taken);
            let waiting = first.or_else(|| projection.queue.front()).filter(|_| stopped);
            if let Some((row, key)) = waiting.cloned() {
                break core.cancel_interrupted(&mut state, worker, Seq(row), key.0)?;
            }
            let Some(plan) = DiscardPlan::for_worker(projection, details)? else { return Ok(()) };
            break core.discard_invocation(&mut state, worker, plan);
        };
        core.wait_durable(seq).await
    }

    async fn last_failure(&self, last_row: Seq) -> Result<Option<String>, ExecutorError> {
        self.core.wait_durable(last_row).await?;
        self.core.read_store(move |store| history::last_failure(store, last_row)).await
    }
}

/// What to record when the invocation is discarded.
struct DiscardPlan {
    /// The failure with which an unfinished invocation ends.
    cause: Option<FailureCause>,
    /// Whether an operator had interrupted it.
    interrupted: bool,
}

impl DiscardPlan {
    /// Plans the discard. `None` if the worker is usable.
    fn for_worker(
        projection: &WorkerProjection,
        last_failure: Option<String>,
    ) -> Result<Option<Self>, ExecutorError> {
        let interrupted = projection.interrupted;
        if projection.terminal.is_some() {
            return Ok(Some(Self { cause: None, interrupted }));
        }
        if projection.current.is_none() {
            return Ok(None);
        }
        if !interrupted && projection.retry_at.is_none() {
            return Err(ExecutorError::NotStopped {
                worker: projection.id.clone(),
                status: projection.status(),
            });
        }
        let details = last_failure.unwrap_or_else(|| "it was stopped".to_owned());
        Ok(Some(Self { cause: Some(FailureCause::Discarded { details }), interrupted }))
    }
}

impl Core {
    /// Cancels the invocation in `row`, which an interrupted worker has not begun, and resumes the worker.
    fn cancel_interrupted(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        row: Seq,
        key: String,
    ) -> Result<Seq, ExecutorError> {
        let key = IdempotencyKey::from_stored(key)
            .map_err(|error| ExecutorError::Unavailable { reason: error.to_string().into() })?;
        let at = self.clock.now();
        let cancelled = InboxEvent::Admin(AdminRequest::InvocationCancelled { at, key: key.clone() });
        let mut last = Seq(0);
        for event in [cancelled, InboxEvent::Resumed { at }] {
            let outcome = self.step(state, LedgerEvent::Inbox { worker, event });
            if let StepOutcome::Appended(seq) = outcome.map_err(|error| internal(&error))? {
                last = seq;
            }
        }
        if let Some(slot) = state.slots.get_mut(&worker) {
            let is_cancelled = |pending: &PendingInvocation| pending.accepted_row == Some(row);
            let queued = slot.pending.iter().position(is_cancelled);
            let taken = match slot.current.take_if(|current| is_cancelled(current)) {
                Some(current) => Some(current),
                None => queued.and_then(|place| slot.pending.remove(place)),
            };
            if let Some(taken) = taken {
                let reply = Err(ExecutorError::InvocationCancelled { key });
                Self::when_durable(state, last, OnDurable::Deliver(taken.waiters, reply));
            }
        }
        self.spawn_if_idle(state, worker);
        Ok(last)
    }

    /// Discards the worker's last invocation and lets the worker continue with its queue.
    fn discard_invocation(self: &Arc<Self>, state: &mut State, worker: WorkerNum, plan: DiscardPlan) -> Seq {
        let at = self.clock.now();
        let Some(from) = state.ledger.projection(worker).map(|projection| projection.begun_at) else {
            return Seq(0);
        };
        let failed = plan.cause.clone().map(|cause| Entry::InvocationFailed { at, cause });
        let revert = Entry::Revert { at, from, reason: RevertReason::OperatorRecovery };
        let entries = failed.into_iter().chain([revert]).collect();
        // An attempt that is under way can append nothing any more.
        interrupt::interrupt_guest(state, worker);
        let Some(mut seq) = worker_task::append_entries(self, state, worker, entries) else { return Seq(0) };
        if plan.interrupted {
            let event = InboxEvent::Resumed { at };
            if let Ok(StepOutcome::Appended(resumed)) = self.step(state, LedgerEvent::Inbox { worker, event })
            {
                seq = resumed;
            }
        }
        if let Some(cause) = plan.cause {
            ExecutorMetrics::add(&self.metrics.invocations, 1);
            ExecutorMetrics::add(&self.metrics.invocations_failed, 1);
            if let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.take()) {
                let reply = Err(ExecutorError::InvocationFailed { cause });
                Self::when_durable(state, seq, OnDurable::Deliver(current.waiters, reply));
            }
        }
        Self::requeue(state, worker);
        self.spawn_if_idle(state, worker);
        seq
    }

    /// Queues the invocations again that were accepted before the worker failed.
    fn requeue(state: &mut State, worker: WorkerNum) {
        let queue =
            state.ledger.projection(worker).map(|projection| projection.queue.clone()).unwrap_or_default();
        let slot = Self::slot(state, worker);
        for (place, (seq, key)) in queue.into_iter().enumerate() {
            let accepted_row = Some(Seq(seq));
            let known =
                slot.current.iter().chain(&slot.pending).any(|pending| pending.accepted_row == accepted_row);
            if !known {
                let pending = PendingInvocation::from_log(key.0, accepted_row);
                slot.pending.insert(place.min(slot.pending.len()), pending);
            }
        }
    }
}
