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
            let no = self.find(id).await?;
            let (last_row, unfinished) = {
                let state = core.lock();
                let Some(head) = state.ledger.head(no) else { continue };
                (Seq(head.last_row), head.current.is_some())
            };
            // What an invocation that has not ended stands at is in the log only.
            let details = if unfinished { self.last_failure(last_row).await? } else { None };
            let mut state = core.lock();
            Core::check_up(&state)?;
            let Some(head) = state.ledger.head(no) else { continue };
            if head.last_row != last_row.0 {
                continue;
            }
            // One that runs may have nothing in the log yet.
            let running = state.slots.get(&no).is_some_and(|slot| slot.task && slot.current.is_some());
            if head.current.is_none() && head.end.is_none() && running {
                let (worker, status) = (head.id.clone(), WorkerStatus::Running);
                return Err(ExecutorError::NotStopped { worker, status });
            }
            let Some(discarded) = DiscardPlan::of(head, details)? else { return Ok(()) };
            break core.discard(&mut state, no, discarded);
        };
        core.durable(seq).await
    }

    async fn last_failure(&self, last_row: Seq) -> Result<Option<String>, ExecutorError> {
        self.core.durable(last_row).await?;
        self.core.read(move |store| history::last_failure(store, last_row)).await
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
    fn of(head: &WorkerProjection, last_failure: Option<String>) -> Result<Option<Self>, ExecutorError> {
        let interrupted = head.interrupted;
        if head.end.is_some() {
            return Ok(Some(Self { cause: None, interrupted }));
        }
        if head.current.is_none() {
            return Ok(None);
        }
        if !interrupted && head.retry_at.is_none() {
            return Err(ExecutorError::NotStopped { worker: head.id.clone(), status: head.status() });
        }
        let details = last_failure.unwrap_or_else(|| "it was stopped".to_owned());
        Ok(Some(Self { cause: Some(FailureCause::Discarded { details }), interrupted }))
    }
}

impl Core {
    /// Discards the worker's last invocation and lets the worker go on with what waits for it.
    fn discard(self: &Arc<Self>, state: &mut State, no: WorkerNum, discarded: DiscardPlan) -> Seq {
        let at = self.clock.now();
        let Some(from) = state.ledger.head(no).map(|head| head.begun_at) else { return Seq(0) };
        let failed = discarded.cause.clone().map(|cause| Entry::InvocationFailed { at, cause });
        let set_aside = Entry::Revert { at, from, reason: RevertReason::Recovered };
        let entries = failed.into_iter().chain([set_aside]).collect();
        // An attempt that is under way writes nothing any more.
        lifecycle::stop_guest(state, no);
        let Some(mut seq) = worker_task::append(self, state, no, entries) else { return Seq(0) };
        if discarded.interrupted {
            let arrival = InboxEvent::Resumed { at };
            if let Ok(StepOutcome::Appended(resumed)) =
                self.step(state, LedgerEvent::Inbox { worker: no, arrival })
            {
                seq = resumed;
            }
        }
        if let Some(cause) = discarded.cause {
            ExecutorMetrics::add(&self.metrics.invocations, 1);
            ExecutorMetrics::add(&self.metrics.invocations_failed, 1);
            if let Some(current) = state.slots.get_mut(&no).and_then(|slot| slot.current.take()) {
                let reply = Err(ExecutorError::InvocationFailed { cause });
                Self::when_durable(state, seq, OnDurable::Deliver(current.waiters, reply));
            }
        }
        Self::queue_again(state, no);
        self.kick(state, no);
        seq
    }

    /// Invocations that were accepted before the worker failed wait again.
    fn queue_again(state: &mut State, no: WorkerNum) {
        let queue = state.ledger.head(no).map(|head| head.queue.clone()).unwrap_or_default();
        let slot = Self::slot(state, no);
        for (place, (seq, key)) in queue.into_iter().enumerate() {
            let arrival = Some(Seq(seq));
            let known = slot.current.iter().chain(&slot.pending).any(|pending| pending.arrival == arrival);
            if !known {
                let pending =
                    PendingInvocation { invocation: None, key: key.0, arrival, waiters: Vec::new() };
                slot.pending.insert(place.min(slot.pending.len()), pending);
            }
        }
    }
}
