//! What is written to the store with a commit, and what the ledger may evict after it.

use super::encoded::UnwrittenRow;
use super::store_reads::RetiredItem;
use super::{CachedProjection, Ledger, PendingFlush};
use crate::executor::lock_scope::assert_unlocked;
use crate::executor::projection::WorkerProjection;
use crate::storage::ports::{Batch, DerivedPosition, Seq, WorkerNum};
use std::sync::Arc;

/// Number of rows by which derived state may lag behind the log while the node is busy. Bounds the work of the next
/// start.
const DERIVED_LAG_ROWS_MAX: u64 = 20_000;
/// Number of projections and index entries that are written together with rows. Keeps the derived tables out of the
/// latency of callers.
const DERIVED_PER_COMMIT: usize = 128;
/// Number of projections and index entries in a transaction of their own, when there are no rows to write.
const DERIVED_PER_IDLE_COMMIT: usize = 2_000;
/// Number of projections that are examined after one commit to evict some. It bounds the time under the node's lock.
const EVICT_EXAMINED_MAX: usize = 256;

/// What the next commit writes, with rows and projections that are not encoded yet. The ledger gives no [`Batch`], so
/// they are encoded without the node's lock.
#[derive(Debug)]
pub(crate) struct BatchDraft {
    /// Everything but the rows and the projections.
    batch: Batch,
    rows: Vec<UnwrittenRow>,
    projections: Vec<Arc<WorkerProjection>>,
}

impl BatchDraft {
    #[cfg(test)]
    pub(super) fn projections(&self) -> &[Arc<WorkerProjection>] {
        &self.projections
    }

    /// Encodes the rows that were composed under the node's lock, and the projections. Called without the lock.
    pub(crate) fn encode(self) -> Batch {
        assert_unlocked("a batch is encoded");
        let Self { mut batch, rows, projections } = self;
        batch.rows = rows.into_iter().map(UnwrittenRow::encode).collect();
        batch.projections = projections.iter().map(|projection| projection.to_stored()).collect();
        batch
    }
}

impl Ledger {
    /// Takes all unwritten rows and a share of the derived state. `idle` takes a larger share.
    pub(crate) fn take_batch(&mut self, idle: bool) -> BatchDraft {
        let rows = std::mem::take(&mut self.unwritten_rows);
        let (values, abandoned) = self.shared.take_unwritten();
        let mut batch = Batch { values, abandoned, ..Batch::default() };
        let mut fenced = [false; 256];
        for UnwrittenRow { row, body: _ } in &rows {
            if !std::mem::replace(&mut fenced[usize::from(row.shard.0)], true) {
                batch.fences.push((row.shard, row.epoch));
            }
        }
        let mut draft = BatchDraft { batch, rows, projections: Vec::new() };
        self.take_derived(&mut draft, idle);
        draft
    }

    fn take_derived(&mut self, draft: &mut BatchDraft, idle: bool) {
        let BatchDraft { batch, rows: _, projections } = draft;
        let mut budget = if idle { DERIVED_PER_IDLE_COMMIT } else { DERIVED_PER_COMMIT };
        let mut taken = Vec::new();
        for worker in self.keys.take_overfull() {
            self.take_projection(worker, batch, projections, &mut taken);
        }
        budget = budget.saturating_sub(projections.len() + batch.idempotency_rows.len());
        let oldest_allowed =
            if idle { self.last_seq.0 } else { self.last_seq.0.saturating_sub(DERIVED_LAG_ROWS_MAX) };
        while budget > 0 {
            let next_dirty = self.dirty.first_key_value().map(|(seq, worker)| (*seq, *worker));
            let Some((since, worker)) = next_dirty.filter(|(since, _)| since.0 <= oldest_allowed) else {
                break;
            };
            let before = batch.idempotency_rows.len();
            debug_assert!(
                self.projections.get(&worker).is_some_and(|cached| cached.dirty_since == Some(since))
            );
            self.take_projection(worker, batch, projections, &mut taken);
            budget = budget.saturating_sub(1 + batch.idempotency_rows.len() - before);
        }
        // Removed workers are written with any flush of derived state: a new worker may have the same name, and the
        // store rejects two projections with the same id.
        let lagging = self.removals.first_key_value().is_some_and(|(seq, _)| seq.0 <= oldest_allowed);
        let mut removed = Vec::new();
        if lagging || !projections.is_empty() {
            batch.removed.extend(std::mem::take(&mut self.removals).into_values());
            removed.clone_from(&batch.removed);
        }
        if projections.is_empty() && batch.removed.is_empty() {
            return;
        }
        self.flushes_taken += 1;
        for worker in &taken {
            if let Some(cached) = self.projections.get_mut(worker) {
                cached.last_flush = self.flushes_taken;
            }
        }
        self.flushes_pending.push_back(PendingFlush {
            number: self.flushes_taken,
            written: taken,
            keys: batch.idempotency_rows.clone(),
            removed,
        });
        let applied = self.dirty.first_key_value().map_or(self.last_seq, |(seq, _)| Seq(seq.0 - 1));
        batch.derived = Some(DerivedPosition { applied, worker_num_max: self.worker_num_max });
    }

    fn take_projection(
        &mut self,
        worker: WorkerNum,
        batch: &mut Batch,
        projections: &mut Vec<Arc<WorkerProjection>>,
        taken: &mut Vec<WorkerNum>,
    ) {
        let Some(cached) = self.projections.get_mut(&worker) else { return };
        let Some(since) = cached.dirty_since.take() else { return };
        self.dirty.remove(&since);
        batch.idempotency_rows.append(&mut self.keys.take_unwritten(worker));
        projections.push(cached.projection.clone());
        taken.push(worker);
    }

    /// Marks a batch as committed, together with the flush of derived state that it contained, if any.
    pub(crate) fn mark_committed(&mut self, batch: &Batch) {
        if let Some(row) = batch.rows.last() {
            self.durable_seq = row.seq;
        }
        self.shared.mark_committed(&batch.values, self.durable_seq);
        self.drop_retired();
        let Some(derived) = batch.derived else { return };
        self.derived = derived;
        let Some(PendingFlush { number, written, keys, removed }) = self.flushes_pending.pop_front() else {
            return;
        };
        self.flushes_committed = number;
        // From now on the store answers for all of this. Reads that have begun may have missed it.
        for worker in written {
            self.pin_projection(worker);
        }
        for row in keys {
            self.store_reads.retire(RetiredItem::Key(row));
        }
        for removed in removed {
            self.store_reads.retire(RetiredItem::Worker(removed));
        }
        self.drop_retired();
    }

    /// Evicts projections that the store has, the longest unused first, until at most `keep` are left. Examines a bounded
    /// number of them: the next commit continues. Returns the evicted projections, which are dropped without the node's
    /// lock.
    pub(crate) fn evict(
        &mut self,
        keep: usize,
        in_use: impl Fn(WorkerNum) -> bool,
    ) -> Vec<Arc<WorkerProjection>> {
        let mut excess = self.projections.len().saturating_sub(keep);
        let oldest_read = self.store_reads.oldest();
        let last_use = self.use_counter;
        let mut evicted = Vec::new();
        for _ in 0..EVICT_EXAMINED_MAX {
            let Some((&used, &worker)) = self.by_use.first_key_value().filter(|_| excess > 0) else { break };
            if used > last_use {
                break;
            }
            let can_be_evicted = |cached: &CachedProjection| {
                cached.dirty_since.is_none()
                    && cached.last_flush <= self.flushes_committed
                    && cached.last_read < oldest_read
                    && cached.projection.queue.is_empty()
                    && !cached.projection.calls.expects_answer()
                    && !in_use(worker)
            };
            if !self.projections.get(&worker).is_some_and(can_be_evicted) {
                // It is in use. So the next commits examine others first.
                self.mark_used(worker);
                continue;
            }
            self.by_use.remove(&used);
            if let Some(cached) = self.projections.remove(&worker) {
                self.by_id.remove(&cached.projection.id);
                self.name_index.remove(&cached.projection.id);
                self.keys.evict_worker(worker);
                evicted.push(cached.projection);
                excess -= 1;
            }
        }
        evicted
    }
}
