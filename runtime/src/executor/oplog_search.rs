//! Reading a worker's log for people: pages of entries, with what they refer to.

use super::{Executor, ExecutorError, history};
use crate::storage::ports::{Seq, Store, StoreError};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, OplogIndex, WorkerId};
use std::collections::VecDeque;

/// Rows read at a time.
const PAGE_ROWS: usize = 500;

/// Tells which entries are wanted.
pub type EntryFilter = Box<dyn Fn(OplogIndex, &Entry) -> bool + Send>;

/// Which entries are asked for.
pub struct OplogSearch {
    /// The first index to look at.
    pub from: OplogIndex,
    /// Entries wanted, at most.
    pub count: usize,
    /// Whether an entry is wanted.
    pub wanted: EntryFilter,
}

impl std::fmt::Debug for OplogSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OplogSearch").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A part of a worker's log, ascending. Sources of queued invocations are resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct OplogPage {
    /// The entries.
    pub entries: Vec<(OplogIndex, Entry)>,
    /// Where to go on, if there are more.
    pub next: Option<OplogIndex>,
    /// The index of the last entry that is durable.
    pub end: OplogIndex,
}

impl Executor {
    /// Reads a part of a worker's log. Everything that is given is durable.
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

/// Walks the log back from `last`, and keeps no more than is asked for.
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

/// The entry with function and parameters of a queued invocation in the place of where they are.
fn resolve_source(store: &dyn Store, mut entry: Entry) -> Result<Entry, StoreError> {
    if let Entry::InvocationStarted { source, .. } = &mut entry
        && let InvocationSource::Queued { arrival } = *source
        && let Row::InboxEvent(arrived) = history::row(store, Seq(arrival))?
        && let Some(invocation) = arrived.into_invocation()
    {
        *source = invocation.source();
    }
    Ok(entry)
}
