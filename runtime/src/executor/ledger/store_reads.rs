//! Reads of derived state in the store (projections, keys, deleted names), while the ledger changes.
//!
//! A read begins under the node's lock, reads the store without the lock, and is evaluated under the lock again. What the
//! ledger holds then takes precedence over what was read. So one read is enough, however often the ledger commits and
//! evicts meanwhile.
//!
//! Invariant: what the ledger drops because the store has it stays until every read has ended that began before the store
//! had it. A read that began later finds it in the store.
//!
//! Invariant: a projection that is loaded, used or changed after a read began stays in memory until that read has ended,
//! unless the worker is deleted. So a caller that located a worker finds its projection.

use super::Ledger;
use crate::storage::ports::{IdempotencyRow, RemovedWorker, WorkerNum};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Numbers of reads that have begun and not ended. Its lock is taken last, and held for a moment only.
#[derive(Debug, Default)]
struct ActiveReads(Mutex<BTreeSet<u64>>);

/// A read of the store that has begun. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct StoreRead {
    active: Arc<ActiveReads>,
    number: u64,
}

impl Drop for StoreRead {
    fn drop(&mut self) {
        self.active.0.lock().remove(&self.number);
    }
}

/// What the ledger drops because the store answers for it.
#[derive(Debug)]
pub(super) enum RetiredItem {
    Key(IdempotencyRow),
    Worker(RemovedWorker),
}

/// The reads of one ledger.
#[derive(Debug, Default)]
pub(super) struct StoreReads {
    active: Arc<ActiveReads>,
    begun: u64,
    /// What the store answers for, and the number of the last read that may have missed it.
    retired: VecDeque<(u64, RetiredItem)>,
}

impl StoreReads {
    fn begin(&mut self) -> StoreRead {
        self.begun += 1;
        self.active.0.lock().insert(self.begun);
        StoreRead { active: self.active.clone(), number: self.begun }
    }

    /// Number of reads that have begun and not ended.
    pub(super) fn len(&self) -> usize {
        self.active.0.lock().len()
    }

    /// The number of the last read that has begun.
    pub(super) fn last(&self) -> u64 {
        self.begun
    }

    /// The number before which all reads have ended.
    pub(super) fn oldest(&self) -> u64 {
        self.active.0.lock().first().copied().unwrap_or(u64::MAX)
    }

    pub(super) fn retire(&mut self, retired: RetiredItem) {
        self.retired.push_back((self.begun, retired));
    }

    fn take_retired(&mut self) -> Vec<RetiredItem> {
        let oldest = self.oldest();
        let count = self.retired.partition_point(|(last, _)| *last < oldest);
        self.retired.drain(..count).map(|(_, retired)| retired).collect()
    }
}

impl Ledger {
    /// Begins a read of the store.
    pub(crate) fn begin_store_read(&mut self) -> StoreRead {
        self.store_reads.begin()
    }

    /// Whether the read began in this ledger. After a failed commit another ledger is in its place, and what was read is
    /// not valid any more.
    pub(crate) fn is_read_valid(&self, read: &StoreRead) -> bool {
        Arc::ptr_eq(&self.store_reads.active, &read.active)
    }

    /// Keeps a projection in memory until the reads that have begun have ended.
    pub(crate) fn pin_projection(&mut self, worker: WorkerNum) {
        let last = self.store_reads.last();
        if let Some(cached) = self.projections.get_mut(&worker) {
            cached.last_read = last;
        }
    }

    /// Drops what the store answers for, except what a read may have missed.
    pub(super) fn drop_retired(&mut self) {
        for retired in self.store_reads.take_retired() {
            match retired {
                RetiredItem::Key(row) => self.keys.retire(&row),
                RetiredItem::Worker(removed) => {
                    self.removed_workers.remove(&removed.worker);
                    if let Some(name) = &removed.name {
                        self.deleted_names.mark_written(name);
                    }
                }
            }
        }
    }
}
