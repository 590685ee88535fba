//! The rows of one worker in the store.
//!
//! Invariant: no row of another worker is returned. A link of a row, or a number in a projection or an entry, may be wrong
//! in a damaged store, and the entries of another worker may belong to another account.

use super::{corrupt_row, decode, missing_row};
use crate::storage::ports::{LogRow, Seq, Store, StoreError, WorkerNum};
use golem_model::oplog::codec::Row;

/// Reads the rows of one worker.
#[derive(Clone, Copy)]
pub(crate) struct WorkerLog<'a> {
    store: &'a dyn Store,
    worker: WorkerNum,
}

impl<'a> WorkerLog<'a> {
    pub(crate) fn new(store: &'a dyn Store, worker: WorkerNum) -> Self {
        Self { store, worker }
    }

    /// Returns the decoded row at `seq`.
    pub(crate) fn row(self, seq: Seq) -> Result<Row, StoreError> {
        let row = self.store.row(seq)?.ok_or_else(|| missing_row(seq))?;
        self.check_owner(&row)?;
        decode(&row)
    }

    /// The rows from `last` backwards, see [`Store::rows_back`].
    pub(crate) fn rows_back(
        self,
        last: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        let rows = self.store.rows_back(last, limit, bytes_max)?;
        rows.iter().try_for_each(|row| self.check_owner(row))?;
        Ok(rows)
    }

    pub(super) fn worker(self) -> WorkerNum {
        self.worker
    }

    fn check_owner(self, row: &LogRow) -> Result<(), StoreError> {
        if row.worker == self.worker {
            return Ok(());
        }
        let details = format!("it belongs to worker {} and not to worker {}", row.worker, self.worker);
        Err(corrupt_row(row.seq, &details))
    }
}
