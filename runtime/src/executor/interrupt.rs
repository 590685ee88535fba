//! Interrupting and resuming workers, and simulated crashes.
//!
//! Interrupting stops the instance at its next host call or tick, and at once if it waits. The instance appends what it
//! has recorded, and its task answers the callers: with the error `Interrupted`, or with the result if the guest
//! completed meanwhile. A simulated crash stops the instance in the same way, and its task continues from the log.
//!
//! Invariant: nothing that was recorded is lost, and an admitted invocation stays. The worker continues from there.
//!
//! Invariant: when an interrupt is acknowledged, the worker's task has settled and everything that it appended is
//! durable. A repeated request waits for the same.

use super::core::{Core, OnDurable, State};
use super::invoke::internal;
use super::ledger::LedgerEvent;
use super::{Executor, ExecutorError};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::WorkerId;
use golem_model::oplog::InboxEvent;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

impl Executor {
    /// Interrupts a worker in the middle of its invocation. With `recover_immediately` this simulates a crash, and the
    /// worker continues at once. Durable on return.
    pub async fn interrupt(&self, id: &WorkerId, recover_immediately: bool) -> Result<(), ExecutorError> {
        let core = &self.core;
        let interrupted = self.with_worker(id, |state, worker| {
            let settled = if recover_immediately {
                Ok(Core::simulate_crash(state, worker))
            } else {
                core.interrupt_locked(state, worker)
            };
            (worker, state.generation, settled)
        });
        let (worker, generation, settled) = interrupted.await?;
        if let Some(settled) = settled? {
            let Err(_closed) = settled.await;
        }
        core.wait_worker_durable(worker, generation).await?;
        if !recover_immediately {
            // After everything that it printed is visible.
            core.logs.notify_unloaded(worker);
        }
        Ok(())
    }

    /// Resumes an interrupted worker. A worker that is suspended or waits for its next attempt continues at once.
    /// Durable on return.
    pub async fn resume(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        self.change_worker(id, |state, worker| self.core.resume_locked(state, worker)).await
    }
}

impl Core {
    fn resume_locked(self: &Arc<Self>, state: &mut State, worker: WorkerNum) -> Result<(), ExecutorError> {
        let Some(projection) = state.ledger.projection(worker) else { return Ok(()) };
        let interrupted = projection.interrupted;
        if projection.terminal.is_some() || !(interrupted || projection.has_unfinished_work()) {
            return Ok(());
        }
        // After an end of the process, the next attempt may be delayed.
        if interrupted || projection.process_ends.resume_at().is_some() {
            let event = InboxEvent::Resumed { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker, event }).map_err(|error| internal(&error))?;
        }
        self.wake(state, worker);
        Ok(())
    }

    /// Interrupts the worker if it has an invocation. Returns a receiver if its task has to settle.
    fn interrupt_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
    ) -> Result<Option<oneshot::Receiver<Infallible>>, ExecutorError> {
        let Some(projection) = state.ledger.projection(worker) else { return Ok(None) };
        let interrupted = projection.interrupted;
        let terminal = projection.terminal.is_some();
        let slot = state.slots.get(&worker);
        // An admitted invocation counts although the task has not taken it yet: the worker's status is `Running`, and an
        // acknowledged interrupt must have an effect.
        let admitted = slot.is_some_and(|slot| slot.current.is_some() || !slot.pending.is_empty());
        let busy = admitted || projection.current.is_some() || !projection.queue.is_empty();
        if terminal || !(busy || interrupted) {
            return Ok(None);
        }
        if !interrupted {
            // What no instance has yet stays in the queue of the interrupted worker. An instance appends what it has when
            // it stops.
            self.append_acceptances(state, worker, Duration::MAX).map_err(|error| internal(&error))?;
            let event = InboxEvent::Interrupted { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker, event }).map_err(|error| internal(&error))?;
            interrupt_guest(state, worker);
        }
        match state.slots.get_mut(&worker) {
            None => Ok(None),
            Some(slot) => {
                let settled = slot.life_cycle.settled();
                if settled.is_none() {
                    Self::reply_interrupted(state, worker);
                }
                Ok(settled)
            }
        }
    }

    /// Stops the running instance. Its task continues from the log.
    fn simulate_crash(state: &mut State, worker: WorkerNum) -> Option<oneshot::Receiver<Infallible>> {
        let slot = state.slots.get_mut(&worker).filter(|slot| slot.current.is_some())?;
        let settled = slot.life_cycle.settled()?;
        interrupt_guest(state, worker);
        Some(settled)
    }

    /// Answers the callers of the invocation that an interrupted worker continues with, once everything that the worker
    /// appended is durable. The callers of invocations behind it wait until the worker is resumed.
    pub(crate) fn reply_interrupted(state: &mut State, worker: WorkerNum) {
        let Some(projection) = state.ledger.projection(worker) else { return };
        let (begun, last_row) = (projection.current.is_some(), projection.last_row);
        let Some(slot) = state.slots.get_mut(&worker) else { return };
        let first = match &mut slot.current {
            Some(current) => Some(current),
            None if begun => None,
            None => slot.pending.front_mut(),
        };
        let waiters = first.map(|first| std::mem::take(&mut first.waiters)).unwrap_or_default();
        if !waiters.is_empty() {
            let reply = Err(ExecutorError::Interrupted { recover_immediately: false });
            Self::when_durable(state, Seq(last_row), OnDurable::Deliver(waiters, reply));
        }
    }

    /// The worker's task has settled the work during which these requests came.
    pub(crate) fn notify_settled(state: &mut State, worker: WorkerNum) {
        if let Some(slot) = state.slots.get_mut(&worker) {
            slot.life_cycle.notify_settled();
        }
    }
}

/// Stops the worker's running instance, if it has one.
pub(crate) fn interrupt_guest(state: &State, worker: WorkerNum) {
    if let Some(slot) = state.slots.get(&worker) {
        slot.life_cycle.interrupt();
    }
}
