//! The pages of a worker's log.
//!
//! The rows of a worker are linked backwards, so reading them forwards takes two passes: the first one finds the pages,
//! from the last to the first.

use super::{PAGE_ROWS, WorkerLog, missing_row};
use crate::storage::ports::{LogRow, Seq, Store, StoreError, WorkerNum};
use std::collections::VecDeque;

/// Number of rows of the first read where few are expected, because they follow a snapshot.
const FEW_ROWS: usize = 100;

/// Names consecutive rows of a worker that are read together. It does not hold them.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRef {
    worker: WorkerNum,
    /// The last row.
    pub(super) last: Seq,
    /// Number of rows.
    rows: usize,
    /// Bytes of their bodies.
    pub(super) bytes: usize,
}

impl PageRef {
    /// Reads the rows, oldest first. `None` if they were removed, because the worker was deleted.
    pub(super) fn read(self, store: &dyn Store) -> Result<Option<Vec<LogRow>>, StoreError> {
        let mut rows = WorkerLog::new(store, self.worker).rows_back(self.last, self.rows, usize::MAX)?;
        rows.reverse();
        Ok((rows.len() == self.rows).then_some(rows))
    }
}

/// Reads the rows of a worker from `last` back to `first` (0 for the oldest one). Calls `visit` with each page of them,
/// newest row first. Returns the pages, oldest page first. A page has at most `page_bytes`, or one row.
pub(super) fn scan_pages(
    log: WorkerLog<'_>,
    last: Seq,
    first: Seq,
    page_bytes: usize,
    mut visit: impl FnMut(Vec<LogRow>) -> Result<(), StoreError>,
) -> Result<VecDeque<PageRef>, StoreError> {
    let mut pages = VecDeque::new();
    let mut add = |rows: Vec<LogRow>| {
        if let Some(newest) = rows.first() {
            let bytes = rows.iter().map(|row| row.body.len()).sum();
            pages.push_front(PageRef { worker: log.worker(), last: newest.seq, rows: rows.len(), bytes });
            visit(rows)?;
        }
        Ok::<_, StoreError>(())
    };
    let mut next = last;
    let mut rows_max = if first == Seq(0) { PAGE_ROWS } else { FEW_ROWS };
    while next != Seq(0) && next >= first {
        let mut rows = log.rows_back(next, rows_max, page_bytes)?;
        rows_max = PAGE_ROWS;
        next = rows.last().ok_or_else(|| missing_row(next))?.prev;
        while rows.pop_if(|row| row.seq < first).is_some() {}
        // The read ends with the row that exceeds the limit.
        let bytes: usize = rows.iter().map(|row| row.body.len()).sum();
        let large = if bytes > page_bytes && rows.len() > 1 { rows.pop() } else { None };
        add(rows)?;
        add(large.into_iter().collect())?;
    }
    Ok(pages)
}
