//! Reads a worker's log from the store.

use super::projection::WorkerProjection;
use crate::storage::ports::{Seq, Store, StoreError, StoredProjection};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, OplogIndex};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Number of rows that are read at a time.
const PAGE_ROWS: usize = 1_000;
/// Number of rows of the first read where few are expected.
const PAGE_ROWS_FIRST: usize = 100;

/// Returns all rows of a worker up to `last`, oldest first.
pub(crate) fn rows(store: &dyn Store, last: Seq) -> Result<Vec<(Seq, Row)>, StoreError> {
    rows_from(store, last, Seq(0))
}

/// Returns the rows of a worker from `first` up to `last`, oldest first.
fn rows_from(store: &dyn Store, last: Seq, first: Seq) -> Result<Vec<(Seq, Row)>, StoreError> {
    let mut rows = Vec::new();
    let mut next = last;
    // Few rows follow a snapshot.
    let mut limit = if first == Seq(0) { PAGE_ROWS } else { PAGE_ROWS_FIRST };
    while next != Seq(0) && next >= first {
        let page = store.rows_back(next, limit)?;
        limit = PAGE_ROWS;
        let Some(oldest) = page.last() else {
            return Err(corrupt_row(next, "the row is missing"));
        };
        next = oldest.prev;
        for row in page.into_iter().take_while(|row| row.seq >= first) {
            let body =
                codec::decode_row(&row.body).map_err(|error| corrupt_row(row.seq, &error.to_string()))?;
            rows.push((row.seq, body));
        }
    }
    rows.reverse();
    Ok(rows)
}

/// Returns the decoded row at `seq`.
pub(crate) fn row(store: &dyn Store, seq: Seq) -> Result<Row, StoreError> {
    let row = store.row(seq)?.ok_or_else(|| corrupt_row(seq, "the row is missing"))?;
    codec::decode_row(&row.body).map_err(|error| corrupt_row(seq, &error.to_string()))
}

/// Returns the error of the last attempt of the invocation at the end of a worker's log, whose last row is `last`.
/// `None` if no attempt failed.
pub(crate) fn last_failure(store: &dyn Store, last: Seq) -> Result<Option<String>, StoreError> {
    let mut next = last;
    while next != Seq(0) {
        let page = store.rows_back(next, PAGE_ROWS)?;
        let Some(oldest) = page.last() else { return Err(corrupt_row(next, "the row is missing")) };
        next = oldest.prev;
        for row in page {
            let body =
                codec::decode_row(&row.body).map_err(|error| corrupt_row(row.seq, &error.to_string()))?;
            let Row::Entries { first: _, entries } = body else { continue };
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

/// Returns all entries of a worker, which begin after `begins_after`, with the sources of queued invocations resolved.
pub(crate) fn entries(
    store: &dyn Store,
    last: Seq,
    begins_after: OplogIndex,
) -> Result<Vec<Entry>, StoreError> {
    entries_after(store, last, Seq(0), begins_after)
}

/// Returns a worker's entries after `index`, which is in the row `first_row` (0 for the index before the first entry),
/// with the sources of queued invocations resolved.
pub(crate) fn entries_after(
    store: &dyn Store,
    last: Seq,
    first_row: Seq,
    index: OplogIndex,
) -> Result<Vec<Entry>, StoreError> {
    let mut queued_sources = BTreeMap::new();
    let mut all = Vec::new();
    let mut expected_first: Option<u64> = (first_row == Seq(0)).then_some(index.next().0);
    for (seq, row) in rows_from(store, last, first_row)? {
        match row {
            Row::InboxEvent(event) => {
                if let Some(invocation) = event.into_invocation() {
                    queued_sources.insert(seq.0, invocation.source());
                }
            }
            Row::Entries { first, entries } => {
                if expected_first.is_some_and(|expected_first| first.0 != expected_first) {
                    let expected_first = expected_first.unwrap_or_default();
                    return Err(corrupt_row(
                        seq,
                        &format!("it begins at oplog index {first} instead of {expected_first}"),
                    ));
                }
                expected_first = Some(first.0 + entries.len() as u64);
                for (offset, mut entry) in (0..).zip(entries) {
                    if first.plus(offset) <= index {
                        continue;
                    }
                    if let Entry::InvocationStarted { source, .. } = &mut entry
                        && let InvocationSource::Queued { row: accepted_row } = *source
                    {
                        // An invocation that was accepted before the first of these rows is read separately.
                        let found = match queued_sources.remove(&accepted_row) {
                            Some(found) => Some(found),
                            None => queued_source(store, Seq(accepted_row))?,
                        };
                        *source = found.ok_or_else(|| {
                            corrupt_row(
                                seq,
                                &format!("it begins an invocation from row {accepted_row}, which holds none"),
                            )
                        })?;
                    }
                    all.push(entry);
                }
            }
        }
    }
    Ok(all)
}

/// Returns the invocation in the row of an inbox event.
fn queued_source(store: &dyn Store, accepted_row: Seq) -> Result<Option<InvocationSource>, StoreError> {
    Ok(match row(store, accepted_row)? {
        Row::InboxEvent(event) => event.into_invocation().map(|invocation| invocation.source()),
        Row::Entries { .. } => None,
    })
}

/// Folds a projection from all rows of its worker.
pub(crate) fn rebuild_projection(
    store: &dyn Store,
    stored: &StoredProjection,
) -> Result<WorkerProjection, StoreError> {
    let mut projection: Option<WorkerProjection> = None;
    let mut effects = Vec::new();
    for (seq, row) in rows(store, stored.applied)? {
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
    }
    projection.ok_or_else(|| corrupt_row(stored.applied, "the worker has no rows"))
}

pub(crate) fn corrupt_row(seq: Seq, details: &str) -> StoreError {
    StoreError::Corrupt {
        path: PathBuf::from("golem.db"),
        place: format!("log row {seq}"),
        details: details.to_owned(),
    }
}
