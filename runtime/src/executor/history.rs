//! Reading a worker's log back from the store.

use super::projection::WorkerProjection;
use crate::storage::ports::{Seq, Store, StoreError, StoredHead};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, OplogIndex};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;
/// Rows read at first where few are expected.
const PAGE_ROWS_FIRST: usize = 100;

/// All rows of a worker up to `last`, oldest first.
pub(crate) fn rows(store: &dyn Store, last: Seq) -> Result<Vec<(Seq, Row)>, StoreError> {
    rows_from(store, last, Seq(0))
}

/// The rows of a worker from `first` up to `last`, oldest first.
fn rows_from(store: &dyn Store, last: Seq, first: Seq) -> Result<Vec<(Seq, Row)>, StoreError> {
    let mut rows = Vec::new();
    let mut next = last;
    // What follows a snapshot is short.
    let mut limit = if first == Seq(0) { PAGE_ROWS } else { PAGE_ROWS_FIRST };
    while next != Seq(0) && next >= first {
        let page = store.rows_back(next, limit)?;
        limit = PAGE_ROWS;
        let Some(oldest) = page.last() else {
            return Err(damaged(next, "the row is missing"));
        };
        next = oldest.prev;
        for row in page.into_iter().take_while(|row| row.seq >= first) {
            let body = codec::decode_row(&row.body).map_err(|error| damaged(row.seq, &error.to_string()))?;
            rows.push((row.seq, body));
        }
    }
    rows.reverse();
    Ok(rows)
}

/// The row at `seq`, decoded.
pub(crate) fn row(store: &dyn Store, seq: Seq) -> Result<Row, StoreError> {
    let row = store.row(seq)?.ok_or_else(|| damaged(seq, "the row is missing"))?;
    codec::decode_row(&row.body).map_err(|error| damaged(seq, &error.to_string()))
}

/// The error of the last attempt of the invocation in which a worker's log, whose last row is `last`, ends; none if no
/// attempt failed.
pub(crate) fn last_failure(store: &dyn Store, last: Seq) -> Result<Option<String>, StoreError> {
    let mut next = last;
    while next != Seq(0) {
        let page = store.rows_back(next, PAGE_ROWS)?;
        let Some(oldest) = page.last() else { return Err(damaged(next, "the row is missing")) };
        next = oldest.prev;
        for row in page {
            let body = codec::decode_row(&row.body).map_err(|error| damaged(row.seq, &error.to_string()))?;
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

/// A worker's entries from index 1, with the sources of queued invocations resolved.
pub(crate) fn entries(store: &dyn Store, last: Seq) -> Result<Vec<Entry>, StoreError> {
    entries_after(store, last, Seq(0), OplogIndex(0))
}

/// A worker's entries after `index`, which is in the row `first_row`, with the sources of queued invocations resolved.
pub(crate) fn entries_after(
    store: &dyn Store,
    last: Seq,
    first_row: Seq,
    index: OplogIndex,
) -> Result<Vec<Entry>, StoreError> {
    let mut arrivals = BTreeMap::new();
    let mut all = Vec::new();
    let mut due: Option<u64> = (first_row == Seq(0)).then_some(1);
    for (seq, row) in rows_from(store, last, first_row)? {
        match row {
            Row::InboxEvent(arrival) => {
                if let Some(invocation) = arrival.into_invocation() {
                    arrivals.insert(seq.0, invocation.source());
                }
            }
            Row::Entries { first, entries } => {
                if due.is_some_and(|due| first.0 != due) {
                    let due = due.unwrap_or_default();
                    return Err(damaged(seq, &format!("it begins at oplog index {first}, {due} was due")));
                }
                due = Some(first.0 + entries.len() as u64);
                for (offset, mut entry) in (0..).zip(entries) {
                    if first.plus(offset) <= index {
                        continue;
                    }
                    if let Entry::InvocationStarted { source, .. } = &mut entry
                        && let InvocationSource::Queued { arrival } = *source
                    {
                        // One that arrived before the first of these rows is read by itself.
                        let found = match arrivals.remove(&arrival) {
                            Some(found) => Some(found),
                            None => arrived(store, Seq(arrival))?,
                        };
                        *source = found.ok_or_else(|| {
                            damaged(seq, &format!("it begins the invocation of row {arrival}, which is none"))
                        })?;
                    }
                    all.push(entry);
                }
            }
        }
    }
    Ok(all)
}

/// What the invocation that arrived in a row calls.
fn arrived(store: &dyn Store, arrival: Seq) -> Result<Option<InvocationSource>, StoreError> {
    Ok(match row(store, arrival)? {
        Row::InboxEvent(arrival) => arrival.into_invocation().map(|invocation| invocation.source()),
        Row::Entries { .. } => None,
    })
}

/// A head folded anew from all of its worker's rows.
pub(crate) fn rebuild_head(store: &dyn Store, stored: &StoredHead) -> Result<WorkerProjection, StoreError> {
    let mut head: Option<WorkerProjection> = None;
    let mut facts = Vec::new();
    for (seq, row) in rows(store, stored.applied)? {
        if head.is_none()
            && let Row::Entries { entries, .. } = &row
        {
            head = entries.first().and_then(|entry| WorkerProjection::create(stored.no, entry));
        }
        let Some(head) = &mut head else {
            return Err(damaged(seq, "it should make the worker, and does not"));
        };
        head.apply(seq, &row, &mut facts);
    }
    head.ok_or_else(|| damaged(stored.applied, "the worker has no rows"))
}

pub(crate) fn damaged(seq: Seq, details: &str) -> StoreError {
    StoreError::Corrupt {
        path: PathBuf::from("golem.db"),
        place: format!("log row {seq}"),
        details: details.to_owned(),
    }
}
