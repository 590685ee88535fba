//! The keys of invocations: the rows with which repeated requests are answered.
//!
//! Invariant: of a worker in memory, the index has each key whose invocation has not ended, and each outcome that the
//! store does not have. The store answers for the other keys ([`KeyIndex::may_be_in_store`]).
//!
//! Anonymous invocations cannot be looked up, so they are not indexed. Their keys begin with a space.

use super::encoded::InvocationDigest;
use crate::executor::projection::WorkerProjection;
use crate::storage::ports::{IdempotencyRow, Seq, WorkerNum};
use golem_model::IdempotencyKey;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Outcomes of one worker that may wait to be written. When a worker has this many, they are written with the next
/// commit.
const UNWRITTEN_MAX: usize = 256;

/// The rows of a key's invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The row with its function and parameters.
    pub(crate) started: Seq,
    /// The row with its outcome.
    pub(crate) outcome: Option<Seq>,
    /// Its function and digest, if it was recorded in this process. Otherwise the row `started` must be read.
    pub(crate) invocation: Option<InvocationDigest>,
}

/// The keys of all workers in memory.
#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    records: BTreeMap<(WorkerNum, [u8; 16]), KeyRecord>,
    /// Outcomes that the store does not have yet.
    unwritten: HashMap<WorkerNum, Vec<IdempotencyRow>>,
    /// Workers with many of them.
    overfull: Vec<WorkerNum>,
    /// Workers of which the store has no key.
    complete: HashSet<WorkerNum>,
}

fn parse(key: &str) -> Option<IdempotencyKey> {
    if key.starts_with(' ') { None } else { IdempotencyKey::new(key).ok() }
}

impl KeyIndex {
    pub(super) fn get(&self, worker: WorkerNum, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.get_by_hash(worker, key.index_hash())
    }

    pub(super) fn get_by_hash(&self, worker: WorkerNum, key_hash: [u8; 16]) -> Option<&KeyRecord> {
        self.records.get(&(worker, key_hash))
    }

    /// Whether the store may have keys of the worker that the index does not have.
    pub(super) fn may_be_in_store(&self, worker: WorkerNum) -> bool {
        !self.complete.contains(&worker)
    }

    /// Adds the keys whose invocations have not ended of a worker whose projection is in memory from now on. `is_new` says
    /// that the store has no key of it.
    pub(super) fn insert_worker(&mut self, projection: &WorkerProjection, is_new: bool) {
        let worker = WorkerNum(projection.worker);
        let current = projection.current.iter().map(|current| (current.started, &current.key));
        let queued = projection.queue.iter().map(|(row, key)| (*row, key));
        for (started, key) in current.chain(queued) {
            if let Some(key) = parse(&key.0) {
                let record = KeyRecord { started: Seq(started), outcome: None, invocation: None };
                self.records.entry((worker, key.index_hash())).or_insert(record);
            }
        }
        if is_new {
            self.complete.insert(worker);
        }
    }

    /// The worker's projection is not in memory any more. The outcomes that reads of the store may miss stay.
    pub(super) fn evict_worker(&mut self, worker: WorkerNum) {
        self.complete.remove(&worker);
        for key in self.keys_of(worker) {
            if self.records.get(&key).is_some_and(|record| record.outcome.is_none()) {
                self.records.remove(&key);
            }
        }
    }

    /// The worker was deleted, with all its keys.
    pub(super) fn remove_worker(&mut self, worker: WorkerNum) {
        self.complete.remove(&worker);
        self.unwritten.remove(&worker);
        for key in self.keys_of(worker) {
            self.records.remove(&key);
        }
    }

    fn keys_of(&self, worker: WorkerNum) -> Vec<(WorkerNum, [u8; 16])> {
        let of_worker = (worker, [0; 16])..=(worker, [u8::MAX; 16]);
        self.records.range(of_worker).map(|(key, _)| *key).collect()
    }

    /// An invocation was accepted, or began. `recorded` has the keys and invocations in its row.
    pub(super) fn begin(
        &mut self,
        worker: WorkerNum,
        key: &str,
        started: Seq,
        recorded: &[(IdempotencyKey, InvocationDigest)],
    ) {
        let Some(key) = parse(key) else { return };
        let new = KeyRecord { started, outcome: None, invocation: None };
        let record = self.records.entry((worker, key.index_hash())).or_insert(new);
        record.outcome = None;
        if let Some((_, digest)) = recorded.iter().find(|(of, _)| *of == key) {
            record.invocation = Some(digest.clone());
        }
    }

    /// An invocation has ended.
    pub(super) fn end(&mut self, worker: WorkerNum, key: &str, started: Seq, outcome: Seq) {
        let Some(key) = parse(key) else { return };
        let key_hash = key.index_hash();
        let new = KeyRecord { started, outcome: None, invocation: None };
        self.records.entry((worker, key_hash)).or_insert(new).outcome = Some(outcome);
        let unwritten = self.unwritten.entry(worker).or_default();
        unwritten.push(IdempotencyRow { worker, key_hash, started, outcome });
        if unwritten.len() == UNWRITTEN_MAX {
            self.overfull.push(worker);
        }
    }

    /// Takes the workers with many unwritten outcomes.
    pub(super) fn take_overfull(&mut self) -> Vec<WorkerNum> {
        std::mem::take(&mut self.overfull)
    }

    /// Takes the worker's outcomes that the store does not have.
    pub(super) fn take_unwritten(&mut self, worker: WorkerNum) -> Vec<IdempotencyRow> {
        let unwritten = self.unwritten.remove(&worker).unwrap_or_default();
        if !unwritten.is_empty() {
            self.complete.remove(&worker);
        }
        unwritten
    }

    /// The keys whose invocations have not ended.
    #[cfg(test)]
    pub(super) fn unfinished(&self) -> std::collections::BTreeSet<(WorkerNum, [u8; 16])> {
        let unfinished = self.records.iter().filter(|(_, record)| record.outcome.is_none());
        unfinished.map(|(key, _)| *key).collect()
    }

    /// From now on the store answers for this outcome.
    pub(super) fn retire(&mut self, row: &IdempotencyRow) {
        let key = (row.worker, row.key_hash);
        if self.records.get(&key).is_some_and(|record| record.outcome == Some(row.outcome)) {
            self.records.remove(&key);
        }
    }
}
