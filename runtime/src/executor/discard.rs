//! Recovering a worker that its last invocation has made unusable: the invocation is discarded, and the worker returns
//! to the state before it.
//!
//! Invariant: a discarded invocation has an error as the outcome of its key, and does not run again.

use super::core::{Core, OnDurable, PendingInvocation, State, WorkerSlot};
use super::history::{self, WorkerLog};
use super::invoke::internal;
use super::ledger::{LedgerEvent, StepOutcome};
use super::position::RowPosition;
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, ExecutorMetrics, interrupt, worker_task};
use crate::storage::ports::{Seq, Store, WorkerNum};
use golem_host::{Outcome, StopReason};
use golem_model::oplog::{FailureCause, InboxEvent, RevertReason};
use golem_model::{Entry, IdempotencyKey, OplogIndex, WorkerId, WorkerStatus};
use std::sync::Arc;

impl Executor {
    /// Discards the invocation that failed, exited, was interrupted, or waits for its next attempt. Durable on return.
    /// Does nothing if there is no such invocation, so the request can be repeated.
    pub async fn recover_worker(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let mut last_error = LastError::Unread;
        loop {
            let recovered = self.with_worker(id, |state, worker| {
                let outcome = core.recover_locked(state, worker, &last_error);
                (worker, outcome, state.worker_position(worker))
            });
            let (worker, outcome, position) = recovered.await?;
            match outcome {
                Ok(Recovery::Done) => return core.wait_until_durable(position).await,
                Ok(Recovery::NeedsLastError { begun_at }) => {
                    let details = self.last_failure(worker, position).await?;
                    last_error = match last_error {
                        LastError::Unread => LastError::Read { begun_at, details },
                        // Another invocation was stopped while the error of the first one was read.
                        LastError::Read { .. } | LastError::Unknown => LastError::Unknown,
                    };
                }
                Err(error) => return Err(core.durable_error(position, error).await),
            }
        }
    }

    async fn last_failure(
        &self,
        worker: WorkerNum,
        last: RowPosition,
    ) -> Result<Option<String>, ExecutorError> {
        self.core.wait_until_durable(last).await?;
        let read = move |store: &dyn Store| history::last_failure(WorkerLog::new(store, worker), last.seq());
        self.core.read_store(read).await
    }
}

/// The outcome of an invocation that an instance ran. An operator may have discarded it since its last attempt ended, and
/// then the end of that attempt says nothing about the invocations behind it.
pub(super) fn outcome_unless_discarded(state: &State, worker: WorkerNum, outcome: Outcome) -> Outcome {
    let is_begun = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
    match outcome {
        Outcome::Stopped(StopReason::Trapped { .. } | StopReason::Exited { .. }) if !is_begun => {
            Outcome::Stopped(StopReason::Interrupted)
        }
        outcome => outcome,
    }
}

/// The last error of an unfinished invocation. It is found in the log only, so it is read without the lock, and only for
/// a worker that is stopped: the log of a worker that runs may grow faster than it is read.
#[derive(Debug)]
enum LastError {
    /// It was not read.
    Unread,
    /// That of the invocation that began at this entry.
    Read { begun_at: OplogIndex, details: Option<String> },
    /// It cannot be told apart from those of other invocations.
    Unknown,
}

impl LastError {
    /// The error of the invocation that began at this entry, or an error if it must be read first.
    fn of_invocation(&self, begun_at: OplogIndex) -> Result<Option<String>, Recovery> {
        match self {
            Self::Read { begun_at: of, details } if *of == begun_at => Ok(details.clone()),
            Self::Unread | Self::Read { .. } => Err(Recovery::NeedsLastError { begun_at }),
            Self::Unknown => Ok(None),
        }
    }
}

/// The outcome of a request to recover a worker.
#[derive(Debug)]
enum Recovery {
    /// The worker is usable.
    Done,
    /// The last error of the invocation that began at this entry must be read first. Nothing was changed.
    NeedsLastError { begun_at: OplogIndex },
}

/// What to record when the invocation is discarded.
struct DiscardPlan {
    /// The failure with which an unfinished invocation ends.
    cause: Option<FailureCause>,
    /// Whether an operator had interrupted it.
    interrupted: bool,
}

impl DiscardPlan {
    /// Plans the discard, or returns the result of a request without one. `is_delayed` says that the worker waits for the
    /// next attempt.
    fn for_worker(
        projection: &WorkerProjection,
        is_delayed: bool,
        last_error: &LastError,
    ) -> Result<Result<Self, Recovery>, ExecutorError> {
        let interrupted = projection.interrupted;
        if projection.terminal.is_some() {
            return Ok(Ok(Self { cause: None, interrupted }));
        }
        if projection.current.is_none() {
            return Ok(Err(Recovery::Done));
        }
        if !interrupted && !is_delayed {
            return Err(ExecutorError::NotStopped {
                worker: projection.id.clone(),
                status: projection.status(),
            });
        }
        let details = match projection.process_ends.count() {
            0 => last_error.of_invocation(projection.begun_at),
            times => Ok(Some(FailureCause::process_ended_text(times))),
        };
        Ok(details.map(|details| {
            let details = details.unwrap_or_else(|| "it was stopped".to_owned());
            Self { cause: Some(FailureCause::Discarded { details }), interrupted }
        }))
    }
}

impl Core {
    /// Discards the invocation that makes the worker unusable, if there is one.
    fn recover_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        last_error: &LastError,
    ) -> Result<Recovery, ExecutorError> {
        let Some(projection) = state.ledger.projection(worker) else { return Ok(Recovery::Done) };
        // An invocation that runs may have no entry in the log yet.
        let running = state.slots.get(&worker).is_some_and(WorkerSlot::drives_invocation);
        if projection.current.is_none() && projection.terminal.is_none() && running {
            let status = WorkerStatus::Running;
            return Err(ExecutorError::NotStopped { worker: projection.id.clone(), status });
        }
        let is_delayed = projection.retry_at.is_some()
            || projection.process_ends.resume_at().is_some()
            || state.retries_after_server_error(worker, projection);
        // The row of the invocation that an instance had may follow those of the queue.
        let slot = state.slots.get(&worker);
        let taken = slot.and_then(|slot| slot.current.as_ref()).and_then(|current| current.accepted_row);
        let first = projection.queue.iter().find(|(row, _)| Some(Seq(*row)) == taken);
        // An interrupt or a delay may come before an accepted invocation has begun. The delay before an update is not one
        // of the invocations behind it.
        let is_updating = first.is_none() && projection.snapshot_state.update.is_some();
        let stopped = projection.interrupted || (is_delayed && !is_updating);
        let has_begun = projection.current.is_some() || projection.terminal.is_some();
        let waiting = first.or_else(|| projection.queue.front()).filter(|_| stopped && !has_begun);
        if let Some((row, key)) = waiting.cloned() {
            return self.cancel_stopped(state, worker, Seq(row), key.0).map(|()| Recovery::Done);
        }
        match DiscardPlan::for_worker(projection, is_delayed, last_error)? {
            Ok(plan) => {
                self.discard_invocation(state, worker, plan);
                Ok(Recovery::Done)
            }
            Err(recovery) => Ok(recovery),
        }
    }

    /// Cancels the invocation in `row`, which the worker has not begun because it is interrupted or waits for the next
    /// attempt, and lets the worker continue.
    fn cancel_stopped(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        row: Seq,
        key: String,
    ) -> Result<(), ExecutorError> {
        let is_cancelled = |pending: &PendingInvocation| pending.accepted_row == Some(row);
        let taken = state.slots.get_mut(&worker).and_then(|slot| {
            let current = slot.current.take_if(|current| is_cancelled(current));
            let queued = slot.pending.iter().position(is_cancelled);
            current.or_else(|| queued.and_then(|place| slot.pending.remove(place)))
        });
        let error = ExecutorError::InvocationCancelled {
            key: IdempotencyKey::from_stored(key.clone())
                .map_err(|error| ExecutorError::Unavailable { reason: error.to_string().into() })?,
        };
        let taken = taken.unwrap_or_else(|| PendingInvocation::from_log(key, Some(row)));
        self.cancel_pending(state, worker, taken, &error)?;
        let projection = state.ledger.projection(worker);
        let is_stopped = |projection: &WorkerProjection| {
            projection.interrupted || projection.process_ends.resume_at().is_some()
        };
        if projection.is_some_and(is_stopped) {
            let event = InboxEvent::Resumed { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker, event }).map_err(|error| internal(&error))?;
        }
        self.spawn_if_idle(state, worker);
        Ok(())
    }

    /// Discards the worker's last invocation and lets the worker continue with its queue.
    fn discard_invocation(self: &Arc<Self>, state: &mut State, worker: WorkerNum, plan: DiscardPlan) {
        let at = self.clock.now();
        let Some(from) = state.ledger.projection(worker).map(|projection| projection.begun_at) else {
            return;
        };
        let failed = plan.cause.clone().map(|cause| Entry::InvocationFailed { at, cause });
        let revert = Entry::Revert { at, from, reason: RevertReason::OperatorRecovery };
        let entries = failed.into_iter().chain([revert]).collect();
        // An attempt that is under way can append nothing any more.
        interrupt::interrupt_guest(state, worker);
        let Some(mut seq) = worker_task::append_entries(self, state, worker, entries) else { return };
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
