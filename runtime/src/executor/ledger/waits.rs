//! Who waits for promises of other workers.
//!
//! Invariant: a worker that left memory for a promise of another one is found here as long as its head is in memory;
//! it is woken when the promise is completed, deleted, or gone with the entries that made it.

use super::super::projection::WorkerProjection;
use super::{Action, Ledger};
use crate::storage::ports::WorkerNum;
use golem_model::oplog::codec::Row;
use golem_model::{Entry, OplogIndex, PromiseId, WorkerId};

/// Where the earliest of the entries that a row sets aside is.
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
        let (id, promises) = projection.clone_waits();
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

    /// The worker's promises from index `from` on are gone: who waits for one of them must learn that it will never
    /// be completed.
    pub(super) fn release_promise_waiters(&mut self, worker: &WorkerId, from: OplogIndex) {
        let gone = |promise: &&PromiseId| promise.worker == *worker && promise.index >= from;
        let mut gone: Vec<PromiseId> = self.promise_waiters.keys().filter(gone).cloned().collect();
        gone.sort_unstable_by_key(|promise| promise.index);
        for promise in gone {
            for waiter in self.promise_waiters.remove(&promise).unwrap_or_default() {
                self.actions.push(Action::Wake(waiter));
            }
        }
        self.actions.push(Action::PromisesChanged);
    }
}
