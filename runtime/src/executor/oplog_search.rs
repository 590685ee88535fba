//! Reads pages of a worker's log for operators, with the sources of queued invocations resolved.

use super::{Executor, ExecutorError, history};
use crate::storage::ports::{Seq, Store, StoreError};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, OplogIndex, WorkerId};
use std::collections::VecDeque;

/// Number of rows that are read at a time.
const PAGE_ROWS: usize = 500;

/// Decides which entries belong to the result.
pub type EntryFilter = Box<dyn Fn(OplogIndex, &Entry) -> bool + Send>;

/// A search in a worker's log.
pub struct OplogSearch {
    /// The first index of the search.
    pub from: OplogIndex,
    /// Maximum number of entries.
    pub count: usize,
    /// Whether an entry belongs to the result.
    pub wanted: EntryFilter,
}

impl std::fmt::Debug for OplogSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OplogSearch").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A page of a worker's log, ascending. The sources of queued invocations are resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct OplogPage {
    /// The entries.
    pub entries: Vec<(OplogIndex, Entry)>,
    /// The index at which the next page begins, if there are more entries.
    pub next: Option<OplogIndex>,
    /// The index of the last durable entry.
    pub end: OplogIndex,
}

impl Executor {
    /// Reads a page of a worker's log. Everything that is returned is durable.
    pub async fn oplog(&self, id: &WorkerId, search: OplogSearch) -> Result<OplogPage, ExecutorError> {
        let (last, end) = loop {
            let worker = self.find_worker(id).await?;
            if let Some(projection) = self.core.lock().ledger.projection(worker) {
                break (Seq(projection.last_row), projection.oplog_end);
            }
        };
        self.core.wait_durable(last).await?;
        self.core.read_store(move |store| build_page(store, last, end, &search)).await
    }
}

/// Reads the log backwards from `last`, and keeps at most as many entries as requested.
fn build_page(
    store: &dyn Store,
    last: Seq,
    end: OplogIndex,
    search: &OplogSearch,
) -> Result<OplogPage, StoreError> {
    let mut found: VecDeque<(OplogIndex, Entry)> = VecDeque::new();
    let mut more = None;
    let mut next = last;
    'rows: while next != Seq(0) {
        let page = store.rows_back(next, PAGE_ROWS)?;
        let Some(oldest) = page.last() else { break };
        next = oldest.prev;
        for row in page {
            let body = codec::decode_row(&row.body)
                .map_err(|error| history::corrupt_row(row.seq, &error.to_string()))?;
            let Row::Entries { first, entries } = body else { continue };
            for (offset, entry) in (0..).zip(entries).collect::<Vec<_>>().into_iter().rev() {
                let index = first.plus(offset);
                if index < search.from {
                    break 'rows;
                }
                let entry = resolve_source(store, entry)?;
                if (search.wanted)(index, &entry) {
                    found.push_front((index, entry));
                }
                if found.len() > search.count {
                    more = found.pop_back().map(|(index, _)| index);
                }
            }
        }
    }
    Ok(OplogPage { entries: found.into(), next: more, end })
}

/// Replaces the reference of a queued invocation by its function and parameters.
fn resolve_source(store: &dyn Store, mut entry: Entry) -> Result<Entry, StoreError> {
    if let Entry::InvocationStarted { source, .. } = &mut entry
        && let InvocationSource::Queued { row: accepted_row } = *source
        && let Row::InboxEvent(event) = history::row(store, Seq(accepted_row))?
        && let Some(invocation) = event.into_invocation()
    {
        *source = invocation.source();
    }
    Ok(entry)
}
