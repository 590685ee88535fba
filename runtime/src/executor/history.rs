//! Reads a worker's log from the store, a page at a time.
//!
//! Invariant: the memory of a reader does not depend on the length of the log. A reader has at most two pages in
//! memory, and beside them single rows: one that is larger than a page, and that of a queued invocation.

mod pages;
mod replay;
mod worker_log;

pub(crate) use replay::{HistoryRange, open_history};
pub(crate) use worker_log::WorkerLog;

use self::pages::scan_pages;
use super::projection::WorkerProjection;
use crate::storage::ports::{LogRow, ROWS_BYTES, Seq, Store, StoreError, StoredProjection};
use golem_model::Entry;
use golem_model::oplog::codec::{self, Row};
use std::path::PathBuf;

/// Number of rows that are read at a time.
const PAGE_ROWS: usize = 1_000;

/// Returns the error of the last attempt of the invocation at the end of a worker's log, whose last row is `last`.
/// `None` if no attempt failed.
pub(crate) fn last_failure(log: WorkerLog<'_>, last: Seq) -> Result<Option<String>, StoreError> {
    let mut next = last;
    while next != Seq(0) {
        let page = log.rows_back(next, PAGE_ROWS, ROWS_BYTES)?;
        next = page.last().ok_or_else(|| missing_row(next))?.prev;
        for row in page {
            let Row::Entries { first: _, entries } = decode(&row)? else { continue };
            for entry in entries.into_iter().rev() {
                match entry {
                    Entry::AttemptFailed { details, .. } => return Ok(Some(details)),
                    Entry::InvocationStarted { .. } => return Ok(None),
                    _ => {}
                }
            }
        }
    }
    Ok(None)
}

/// Folds a projection from all rows of its worker.
pub(crate) fn rebuild_projection(
    store: &dyn Store,
    stored: &StoredProjection,
) -> Result<WorkerProjection, StoreError> {
    let mut projection: Option<WorkerProjection> = None;
    let mut effects = Vec::new();
    // The rows are linked backwards and folded forwards.
    let log = WorkerLog::new(store, stored.worker);
    for page in scan_pages(log, stored.applied, Seq(0), ROWS_BYTES, |_| Ok(()))? {
        for stored_row in page.read(store)?.ok_or_else(|| missing_row(page.last))? {
            let (seq, row) = (stored_row.seq, decode(&stored_row)?);
            if projection.is_none()
                && let Row::Entries { first, entries } = &row
            {
                projection = entries
                    .first()
                    .and_then(|entry| WorkerProjection::from_created(stored.worker, *first, entry));
            }
            let Some(projection) = &mut projection else {
                return Err(corrupt_row(seq, "it should create the worker, and does not"));
            };
            projection.apply_row(seq, &row, &mut effects);
            // They were applied when the rows were written.
            effects.clear();
        }
    }
    projection.ok_or_else(|| corrupt_row(stored.applied, "the worker has no rows"))
}

fn decode(row: &LogRow) -> Result<Row, StoreError> {
    decode_body(row.seq, &row.body)
}

fn decode_body(seq: Seq, body: &[u8]) -> Result<Row, StoreError> {
    codec::decode_row(body).map_err(|error| corrupt_row(seq, &error.to_string()))
}

fn missing_row(seq: Seq) -> StoreError {
    corrupt_row(seq, "the row is missing")
}

pub(crate) fn corrupt_row(seq: Seq, details: &str) -> StoreError {
    StoreError::Corrupt {
        path: PathBuf::from("golem.db"),
        place: format!("row {seq} of the log"),
        details: details.to_owned(),
    }
}
