//! Workers that wait for promises of other workers.
//!
//! Invariant: a worker that is suspended for a promise of another worker is registered here as long as its projection
//! is in memory. It is woken when the promise is completed or deleted, or when the entries that created the promise are
//! reverted.

use super::super::projection::WorkerProjection;
use super::{Ledger, LedgerAction};
use crate::storage::ports::WorkerNum;
use golem_model::oplog::codec::Row;
use golem_model::{Entry, OplogIndex, PromiseId, WorkerId};

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
        let (id, promises) = projection.awaited_promises();
        self.register(WorkerNum(projection.worker), &id, &promises);
    }

    pub(super) fn register(&mut self, worker: WorkerNum, id: &WorkerId, promises: &[PromiseId]) {
        for promise in promises.iter().filter(|promise| promise.worker != *id) {
            let waiting = self.promise_waiters.entry(promise.clone()).or_default();
            if !waiting.contains(&worker) {
                waiting.push(worker);
            }
        }
    }

    /// Wakes the workers that wait for the worker's promises from index `from` on: these promises do not exist any more
    /// and will not be completed.
    pub(super) fn release_promise_waiters(&mut self, worker: &WorkerId, from: OplogIndex) {
        let reverted = |promise: &&PromiseId| promise.worker == *worker && promise.index >= from;
        let mut reverted: Vec<PromiseId> = self.promise_waiters.keys().filter(reverted).cloned().collect();
        reverted.sort_unstable_by_key(|promise| promise.index);
        for promise in reverted {
            for waiter in self.promise_waiters.remove(&promise).unwrap_or_default() {
                self.actions.push(LedgerAction::Wake(waiter));
            }
        }
        self.actions.push(LedgerAction::PromisesChanged);
    }
}
