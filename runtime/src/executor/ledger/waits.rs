//! Workers that wait for promises of other workers.
//!
//! Invariant: a worker that is suspended for promises of other workers is registered here until its wait ends, also if
//! its projection leaves memory meanwhile. The registration begins with the row of its suspension, or when its
//! projection is loaded. The worker is woken when one of the promises is completed or deleted, or when the entries that
//! created the promise are reverted.
//!
//! Invariant: a worker is registered for the promises of its last wait alone. So the memory is bounded by the waits that
//! are under way, however many promises lost a race against another one.

use super::super::projection::WorkerProjection;
use super::{Ledger, LedgerAction};
use crate::storage::ports::WorkerNum;
use golem_model::oplog::codec::Row;
use golem_model::{Entry, OplogIndex, PromiseId, WorkerId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The workers that wait, by promise.
#[derive(Debug, Default)]
pub(super) struct PromiseWaiters {
    /// By the worker and the index of the promise.
    by_promise: HashMap<WorkerId, BTreeMap<OplogIndex, BTreeSet<WorkerNum>>>,
    /// The promises for which a worker is registered.
    by_waiter: HashMap<WorkerNum, Vec<PromiseId>>,
}

impl PromiseWaiters {
    /// Registers a worker for these promises, in place of those of its wait before.
    fn register(&mut self, waiter: WorkerNum, promises: Vec<PromiseId>) {
        self.unregister(waiter);
        if promises.is_empty() {
            return;
        }
        for promise in &promises {
            let of_owner = self.by_promise.entry(promise.worker.clone()).or_default();
            of_owner.entry(promise.index).or_default().insert(waiter);
        }
        self.by_waiter.insert(waiter, promises);
    }

    pub(super) fn unregister(&mut self, waiter: WorkerNum) {
        for promise in self.by_waiter.remove(&waiter).unwrap_or_default() {
            let Some(of_owner) = self.by_promise.get_mut(&promise.worker) else { continue };
            if let Some(waiters) = of_owner.get_mut(&promise.index) {
                waiters.remove(&waiter);
                if waiters.is_empty() {
                    of_owner.remove(&promise.index);
                }
            }
            if of_owner.is_empty() {
                self.by_promise.remove(&promise.worker);
            }
        }
    }

    /// The workers that wait for a promise.
    pub(super) fn of(&self, promise: &PromiseId) -> Vec<WorkerNum> {
        let of_owner = self.by_promise.get(&promise.worker);
        of_owner.and_then(|of_owner| of_owner.get(&promise.index)).into_iter().flatten().copied().collect()
    }

    /// The workers that wait for promises of `owner` from index `from` on, each once.
    fn from(&self, owner: &WorkerId, from: OplogIndex) -> BTreeSet<WorkerNum> {
        let of_owner = self.by_promise.get(owner);
        of_owner
            .into_iter()
            .flat_map(|of_owner| of_owner.range(from..))
            .flat_map(|(_, waiters)| waiters)
            .copied()
            .collect()
    }

    /// Number of workers that wait.
    pub(super) fn len(&self) -> usize {
        self.by_waiter.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_promise.is_empty() && self.by_waiter.is_empty()
    }
}

/// Returns the first index that the entries of this row revert.
pub(super) fn reverted_from(row: &Row) -> Option<OplogIndex> {
    let entries = match row {
        Row::Entries { first: _, entries } => &entries[..],
        Row::InboxEvent(_) => &[],
    };
    let reverts = entries.iter().filter_map(|entry| match entry {
        Entry::Revert { from, .. } => Some(*from),
        _ => None,
    });
    reverts.min()
}

impl Ledger {
    pub(super) fn register_waits(&mut self, projection: &WorkerProjection) {
        let promises = projection.foreign_awaited_promises();
        self.promise_waiters.register(WorkerNum(projection.worker), promises);
    }

    /// Updates the registration after a row of the worker was folded. `waited` is whether it waited before.
    pub(super) fn update_waits(&mut self, worker: WorkerNum, row: &Row, waited: bool) {
        let Some(cached) = self.projections.get(&worker) else { return };
        let waits = cached.projection.waiting.is_some();
        // Inbox events begin no wait.
        if waits && (!waited || matches!(row, Row::Entries { .. })) {
            let promises = cached.projection.foreign_awaited_promises();
            self.promise_waiters.register(worker, promises);
        } else if waited && !waits {
            self.promise_waiters.unregister(worker);
        }
    }

    /// Wakes the workers that wait for the worker's promises from index `from` on: these promises do not exist any more
    /// and will not be completed.
    pub(super) fn release_promise_waiters(&mut self, worker: &WorkerId, from: OplogIndex) {
        for waiter in self.promise_waiters.from(worker, from) {
            self.actions.push(LedgerAction::Wake(waiter));
        }
        self.actions.push(LedgerAction::PromisesGone(worker.clone(), from));
    }
}
