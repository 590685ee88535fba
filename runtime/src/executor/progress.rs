//! Durable progress of admitted invocations: the acceptance of each is in the log soon after its admission, also while
//! it waits behind another one or while its worker is loaded.
//!
//! An invocation whose caller waits is admitted without a row: if it ends in time, its beginning and its outcome are one
//! commit. Its instance records it from the moment at which it gets the invocation ([`PendingInvocation::is_handed_over`],
//! `host/src/durable/buffer.rs`). Before that moment, the scheduler appends the acceptance when it is due.
//!
//! Invariant: the `AcceptanceQueue` has an entry for each admitted invocation that has no row and that no instance
//! has. When the row is due, the scheduler encodes it and appends it, and the entry leaves the queue. So the queue holds
//! the admissions of one progress interval, and a scheduler that panics in between loses none.

use super::core::{Core, PendingInvocation, State, WorkerSlot};
use super::ledger::{EncodedEvent, LedgerEvent, StepError, StepOutcome};
use super::state::DueWorkers;
use crate::storage::ports::WorkerNum;
use golem_model::Invocation;
use std::sync::Arc;
use std::time::Duration;

impl PendingInvocation {
    /// Whether its acceptance must be appended at the elapsed time `now`.
    fn must_be_accepted(&self, now: Duration) -> bool {
        self.accepted_row.is_none() && !self.is_handed_over && self.accept_by <= now
    }
}

impl WorkerSlot {
    /// The admitted invocation at this place: 0 is the current one, the queued ones follow.
    fn admitted(&mut self, place: usize) -> Option<&mut PendingInvocation> {
        match place.checked_sub(1) {
            None => self.current.as_mut(),
            Some(place) => self.pending.get_mut(place),
        }
    }
}

/// Admitted invocations whose acceptances are due.
#[derive(Debug)]
pub(crate) struct DueAcceptances {
    generation: u64,
    /// Number of their places in the queue.
    count: usize,
    invocations: Vec<(WorkerNum, Arc<Invocation>)>,
}

impl State {
    /// A worker that has failed or exited runs no more invocations, and its task answers the callers.
    fn accepts_invocations(&self, worker: WorkerNum) -> bool {
        self.ledger.projection(worker).is_some_and(|projection| projection.terminal.is_none())
    }

    /// The place of this invocation in the worker's slot, if its acceptance must still be appended.
    fn due_place(&self, worker: WorkerNum, invocation: &Arc<Invocation>, now: Duration) -> Option<usize> {
        let slot = self.slots.get(&worker)?;
        let is_due = |pending: &PendingInvocation| {
            pending.must_be_accepted(now)
                && pending.invocation.as_ref().is_some_and(|of| Arc::ptr_eq(of, invocation))
        };
        let current = slot.current.as_ref().filter(|current| is_due(current)).map(|_| 0);
        current.or_else(|| slot.pending.iter().position(is_due).map(|place| place + 1))
    }
}

impl Core {
    /// Finds the invocations whose acceptance is due. Their rows are appended by [`Core::append_due_acceptances`].
    pub(crate) fn due_acceptances(state: &State, now: Duration) -> DueAcceptances {
        let DueWorkers { workers, count } = state.acceptances.due(now);
        let mut due = DueAcceptances { generation: state.generation, count, invocations: Vec::new() };
        for worker in workers {
            let Some(slot) = state.slots.get(&worker) else { continue };
            let invocations = slot
                .current
                .iter()
                .chain(&slot.pending)
                .filter(|pending| pending.must_be_accepted(now))
                .filter_map(|pending| pending.invocation.clone());
            due.invocations.extend(invocations.map(|invocation| (worker, invocation)));
        }
        due
    }

    /// Appends these acceptances, unless the invocation has ended meanwhile, is accepted, or an instance has it. The rows
    /// are encoded without the lock.
    pub(crate) fn append_due_acceptances(self: &Arc<Self>, due: DueAcceptances) {
        let DueAcceptances { generation, count, invocations } = due;
        if count == 0 {
            return;
        }
        let (at, now) = (self.clock.now(), self.clock.elapsed());
        let encode = |(worker, invocation): (WorkerNum, Arc<Invocation>)| {
            let event = EncodedEvent::new(invocation.to_inbox_event(at));
            (worker, invocation, event)
        };
        let encoded: Vec<_> = invocations.into_iter().map(encode).collect();
        let mut state = self.lock();
        if state.generation != generation {
            // What was admitted before a failed commit is gone, and its callers have an error.
            return;
        }
        state.acceptances.remove_due(count);
        for (worker, invocation, event) in encoded {
            if !state.accepts_invocations(worker) {
                continue;
            }
            let Some(place) = state.due_place(worker, &invocation, now) else { continue };
            match self.step(&mut state, LedgerEvent::Accept { worker, event }) {
                Ok(StepOutcome::Appended(row)) => {
                    let slot = state.slots.get_mut(&worker);
                    if let Some(pending) = slot.and_then(|slot| slot.admitted(place)) {
                        pending.accepted_row = Some(row);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(worker = %worker, %error, "cannot record the acceptance of an invocation");
                }
            }
        }
    }

    /// Appends the acceptances of a worker's admitted invocations that are due at the elapsed time `due`.
    pub(crate) fn append_acceptances(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        due: Duration,
    ) -> Result<(), StepError> {
        if !state.accepts_invocations(worker) {
            return Ok(());
        }
        let at = self.clock.now();
        let count = state.slots.get(&worker).map_or(0, |slot| slot.pending.len());
        for place in 0..=count {
            let admitted = state.slots.get_mut(&worker).and_then(|slot| slot.admitted(place));
            let event = admitted
                .filter(|pending| pending.must_be_accepted(due))
                .and_then(|pending| pending.invocation.clone())
                .map(|invocation| EncodedEvent::acceptance(at, invocation));
            let Some(event) = event else { continue };
            if let StepOutcome::Appended(row) = self.step(state, LedgerEvent::Accept { worker, event })?
                && let Some(pending) = state.slots.get_mut(&worker).and_then(|slot| slot.admitted(place))
            {
                pending.accepted_row = Some(row);
            }
        }
        Ok(())
    }

    /// Takes back the current invocation after its instance has stopped. If the log does not have its beginning, it is
    /// begun again. Until then, its acceptance is appended when it is due.
    pub(crate) fn reclaim_current(self: &Arc<Self>, state: &mut State, worker: WorkerNum) {
        let Some(projection) = state.ledger.projection(worker) else { return };
        let (begun, interrupted) = (projection.current.is_some(), projection.interrupted);
        let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.as_mut()) else {
            return;
        };
        if begun || !std::mem::take(&mut current.is_handed_over) {
            return;
        }
        // An interrupted worker keeps what was admitted; otherwise the time may have come while the instance had it.
        let due = if interrupted { Duration::MAX } else { self.clock.elapsed() };
        if let Err(error) = self.append_acceptances(state, worker, due) {
            tracing::error!(worker = %worker, %error, "cannot record the acceptance of an invocation that has not begun");
        }
    }
}
