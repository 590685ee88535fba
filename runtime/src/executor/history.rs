//! Reading a worker's log back from the store.

use super::head::Head;
use crate::storage::ports::{Seq, Store, StoreError, StoredHead};
use golem_model::Entry;
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Rows read at a time.
const PAGE_ROWS: usize = 1_000;

/// All rows of a worker up to `last`, oldest first.
pub(crate) fn rows(store: &dyn Store, last: Seq) -> Result<Vec<(Seq, Row)>, StoreError> {
    let mut rows = Vec::new();
    let mut next = last;
    while next != Seq(0) {
        let page = store.rows_back(next, PAGE_ROWS)?;
        let Some(oldest) = page.last() else {
            return Err(damaged(next, "the row is missing"));
        };
        next = oldest.prev;
        for row in page {
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
    let mut arrivals = BTreeMap::new();
    let mut all = Vec::new();
    for (seq, row) in rows(store, last)? {
        match row {
            Row::Arrival(arrival) => {
                if let Some(invocation) = arrival.into_invocation() {
                    arrivals.insert(seq.0, invocation.source());
                }
            }
            Row::Entries { first, entries } => {
                if first.0 != all.len() as u64 + 1 {
                    return Err(damaged(
                        seq,
                        &format!("it begins at oplog index {first}, {} was due", all.len() + 1),
                    ));
                }
                for mut entry in entries {
                    if let Entry::InvocationStarted { source, .. } = &mut entry
                        && let InvocationSource::Queued { arrival } = *source
                    {
                        *source = arrivals.remove(&arrival).ok_or_else(|| {
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

/// A head folded anew from all of its worker's rows.
pub(crate) fn rebuild_head(store: &dyn Store, stored: &StoredHead) -> Result<Head, StoreError> {
    let mut head: Option<Head> = None;
    let mut facts = Vec::new();
    for (seq, row) in rows(store, stored.applied)? {
        if head.is_none()
            && let Row::Entries { entries, .. } = &row
        {
            head = entries.first().and_then(|entry| Head::create(stored.no, entry));
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
