//! Giving a worker back that an invocation made unusable: that invocation is discarded, the worker is what it was
//! before it.
//!
//! Invariant: the discarded invocation has an outcome, an error, under its key; it never runs again.

use super::core::{Core, OnDurable, PendingInvocation, State};
use super::ledger::{LedgerEvent, StepOutcome};
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, ExecutorMetrics, history, lifecycle, worker_task};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::oplog::{FailureCause, InboxEvent, RevertReason};
use golem_model::{Entry, WorkerId, WorkerStatus};
use std::sync::Arc;

impl Executor {
    /// Discards the invocation that failed, exited, was stopped, or waits for another attempt. Durable on return; does
    /// nothing if there is none, so that it can be repeated.
    pub async fn recover(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let seq = loop {
            let worker = self.find_worker(id).await?;
            let (last_row, unfinished) = {
                let state = core.lock();
                let Some(projection) = state.ledger.projection(worker) else { continue };
                (Seq(projection.last_row), projection.current.is_some())
            };
            // What an invocation that has not ended stands at is in the log only.
            let details = if unfinished { self.last_failure(last_row).await? } else { None };
            let mut state = core.lock();
            Core::check_available(&state)?;
            let Some(projection) = state.ledger.projection(worker) else { continue };
            if projection.last_row != last_row.0 {
                continue;
            }
            // One that runs may have nothing in the log yet.
            let running =
                state.slots.get(&worker).is_some_and(|slot| slot.has_task && slot.current.is_some());
            if projection.current.is_none() && projection.terminal.is_none() && running {
                let status = WorkerStatus::Running;
                return Err(ExecutorError::NotStopped { worker: projection.id.clone(), status });
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

/// What is to be discarded of a worker.
struct DiscardPlan {
    /// How an invocation ends that has not.
    cause: Option<FailureCause>,
    /// A person had stopped it.
    interrupted: bool,
}

impl DiscardPlan {
    /// `None` if nothing stands in the worker's way.
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
    /// Discards the worker's last invocation and lets the worker go on with what waits for it.
    fn discard_invocation(self: &Arc<Self>, state: &mut State, worker: WorkerNum, plan: DiscardPlan) -> Seq {
        let at = self.clock.now();
        let Some(from) = state.ledger.projection(worker).map(|projection| projection.begun_at) else {
            return Seq(0);
        };
        let failed = plan.cause.clone().map(|cause| Entry::InvocationFailed { at, cause });
        let revert = Entry::Revert { at, from, reason: RevertReason::Recovered };
        let entries = failed.into_iter().chain([revert]).collect();
        // An attempt that is under way writes nothing any more.
        lifecycle::interrupt_guest(state, worker);
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

    /// Invocations that were accepted before the worker failed wait again.
    fn requeue(state: &mut State, worker: WorkerNum) {
        let queue =
            state.ledger.projection(worker).map(|projection| projection.queue.clone()).unwrap_or_default();
        let slot = Self::slot(state, worker);
        for (place, (seq, key)) in queue.into_iter().enumerate() {
            let accepted_row = Some(Seq(seq));
            let known =
                slot.current.iter().chain(&slot.pending).any(|pending| pending.accepted_row == accepted_row);
            if !known {
                let pending =
                    PendingInvocation { invocation: None, key: key.0, accepted_row, waiters: Vec::new() };
                slot.pending.insert(place.min(slot.pending.len()), pending);
            }
        }
    }
}
