//! What goes to the store with a commit, and what the ledger may forget after it.

use super::{Ledger, PendingFlush};
use crate::storage::ports::{Batch, Derived, Seq, WorkerNum};

/// Rows that derived state may lag behind the log while the node is busy: bounds the work of the next start.
const DERIVED_LAG_ROWS_MAX: u64 = 20_000;
/// Heads and index entries that ride with a commit of rows; keeps the derived tables out of the latency of callers.
const DERIVED_PER_COMMIT: usize = 128;
/// Heads and index entries in one transaction of their own, when nothing else is to be done.
const DERIVED_PER_IDLE_COMMIT: usize = 2_000;

impl Ledger {
    /// Takes everything that waits to be written, with a share of what is derived; `idle` takes more of that.
    pub(crate) fn take_batch(&mut self, idle: bool) -> Batch {
        let rows = std::mem::take(&mut self.rows);
        let (values, abandoned) = self.values.take();
        let mut batch = Batch { rows, values, abandoned, ..Batch::default() };
        let mut fenced = [false; 256];
        for row in &batch.rows {
            if !std::mem::replace(&mut fenced[usize::from(row.shard.0)], true) {
                batch.fences.push((row.shard, row.epoch));
            }
        }
        self.take_derived(&mut batch, idle);
        batch
    }

    fn take_derived(&mut self, batch: &mut Batch, idle: bool) {
        let mut budget = if idle { DERIVED_PER_IDLE_COMMIT } else { DERIVED_PER_COMMIT };
        let mut taken = Vec::new();
        for no in std::mem::take(&mut self.overfull) {
            self.take_head(no, batch, &mut taken);
        }
        budget = budget.saturating_sub(batch.heads.len() + batch.idem.len());
        let oldest_allowed =
            if idle { self.last.0 } else { self.last.0.saturating_sub(DERIVED_LAG_ROWS_MAX) };
        while budget > 0 {
            let next_head = self.dirty.first_key_value().map(|(seq, no)| (*seq, *no));
            let Some((since, no)) = next_head.filter(|(since, _)| since.0 <= oldest_allowed) else { break };
            let before = batch.idem.len();
            debug_assert!(self.heads.get(&no).is_some_and(|cached| cached.dirty_since == Some(since)));
            self.take_head(no, batch, &mut taken);
            budget = budget.saturating_sub(1 + batch.idem.len() - before);
        }
        // Removed workers go out with any derived write: a new worker may have the same name, which the heads must
        // not see twice.
        let lagging = self.removed.first_key_value().is_some_and(|(seq, _)| seq.0 <= oldest_allowed);
        let mut gone = Vec::new();
        if lagging || !batch.heads.is_empty() {
            for (seq, no) in std::mem::take(&mut self.removed) {
                batch.removed.push((no, seq));
                gone.push(no);
            }
        }
        if batch.heads.is_empty() && batch.removed.is_empty() {
            return;
        }
        self.flushes_taken += 1;
        for no in taken {
            if let Some(cached) = self.heads.get_mut(&no) {
                cached.flush = self.flushes_taken;
            }
        }
        self.flushing.push_back(PendingFlush { number: self.flushes_taken, keys: batch.idem.clone(), gone });
        let applied = self.dirty.first_key_value().map_or(self.last, |(seq, _)| Seq(seq.0 - 1));
        batch.derived = Some(Derived { applied, worker_no_max: self.worker_no_max });
    }

    fn take_head(&mut self, no: WorkerNum, batch: &mut Batch, taken: &mut Vec<WorkerNum>) {
        let Some(cached) = self.heads.get_mut(&no) else { return };
        let Some(since) = cached.dirty_since.take() else { return };
        self.dirty.remove(&since);
        cached.stored_keys |= !cached.unwritten.is_empty();
        batch.idem.append(&mut cached.unwritten);
        batch.heads.push(cached.head.to_stored());
        taken.push(no);
    }

    /// The batch up to `durable` is committed, and with it `flush` if it carried derived state.
    pub(crate) fn committed(&mut self, batch: &Batch) {
        if let Some(row) = batch.rows.last() {
            self.durable = row.seq;
        }
        self.values.committed(&batch.values);
        let Some(derived) = batch.derived else { return };
        self.derived = derived;
        let Some(PendingFlush { number, keys, gone }) = self.flushing.pop_front() else { return };
        self.flushes_committed = number;
        for row in keys {
            let entry = (row.worker, row.key_hash);
            // The store answers for it from now on.
            if self.keys.get(&entry).is_some_and(|record| record.outcome == Some(row.outcome)) {
                self.keys.remove(&entry);
            }
        }
        for no in gone {
            self.removed_nos.remove(&no);
        }
        self.forgotten += 1;
    }

    /// Forgets heads that the store has, the longest unused first, until at most `keep` are left.
    pub(crate) fn forget(&mut self, keep: usize, in_use: impl Fn(WorkerNum) -> bool) {
        if self.heads.len() <= keep + keep / 8 {
            return;
        }
        let mut candidates: Vec<(u64, WorkerNum)> = self
            .heads
            .iter()
            .filter(|(no, cached)| {
                cached.dirty_since.is_none()
                    && cached.flush <= self.flushes_committed
                    && cached.head.queue.is_empty()
                    && !cached.head.calls.expects()
                    && !in_use(**no)
            })
            .map(|(no, cached)| (cached.used, *no))
            .collect();
        candidates.sort_unstable();
        let excess = self.heads.len().saturating_sub(keep);
        for (_, no) in candidates.into_iter().take(excess) {
            if let Some(cached) = self.heads.remove(&no) {
                self.by_id.remove(&cached.head.id);
                self.names.remove(&cached.head.id);
            }
        }
        self.forgotten += 1;
    }
}
