//! Reads pages and entries of a worker's log for operators, with the sources of queued invocations resolved.
//!
//! Invariant: of the log, a read has one batch of rows ([`crate::storage::ports::ROWS_BYTES`]) and two decoded rows
//! in memory: the one that it visits, and that of a queued invocation. What it keeps of an entry is small, see
//! [`OplogSearch::filter_map`].

use super::history::{self, WorkerLog};
use super::{Executor, ExecutorError};
use crate::storage::ports::{LogRow, ROWS_BYTES, Seq, Store, StoreError, WorkerNum};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, OplogIndex, WorkerId};
use std::collections::VecDeque;

/// Number of rows that are read at a time.
const PAGE_ROWS: usize = 500;

/// What the result of a search keeps of an entry, and its size in bytes; `None` for an entry that is left out.
pub type EntryFilterMap<T> = Box<dyn Fn(OplogIndex, &Entry) -> Option<(T, usize)> + Send>;

/// A search in a worker's log.
pub struct OplogSearch<T> {
    /// The first index of the search.
    pub from: OplogIndex,
    /// Maximum number of entries.
    pub count: usize,
    /// Bytes of what is kept of these entries. A page ends before it has more, but has at least one entry.
    pub bytes_max: usize,
    /// Whether `filter_map` may leave entries out. If not, only the `count` entries from `from` on are visited.
    pub is_filtered: bool,
    /// What the result keeps of an entry, and its size in bytes. `None` for an entry that is not in the result.
    pub filter_map: EntryFilterMap<T>,
}

impl<T> std::fmt::Debug for OplogSearch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OplogSearch").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A page of a worker's log, ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct OplogPage<T> {
    /// What [`OplogSearch::filter_map`] returned for the entries.
    pub entries: Vec<T>,
    /// The index at which the next page begins, if there are more entries.
    pub next: Option<OplogIndex>,
    /// The index of the last durable entry.
    pub end: OplogIndex,
}

impl Executor {
    /// Reads a page of a worker's log. Everything that is returned is durable.
    pub async fn oplog<T: Send + 'static>(
        &self,
        id: &WorkerId,
        mut search: OplogSearch<T>,
    ) -> Result<OplogPage<T>, ExecutorError> {
        let LogRange { worker, begins_after, end, last } = self.durable_range(id).await?;
        // The oplog of a recreated worker does not begin at 1.
        search.from = search.from.max(begins_after.plus(1));
        let read = move |store: &dyn Store| build_page(WorkerLog::new(store, worker), last, end, &search);
        self.core.read_store(read).await
    }

    /// Reads one entry of a worker's log, if it exists.
    pub async fn oplog_entry(
        &self,
        id: &WorkerId,
        index: OplogIndex,
    ) -> Result<Option<Entry>, ExecutorError> {
        let LogRange { worker, last, .. } = self.durable_range(id).await?;
        self.core
            .read_store(move |store| {
                let mut found = None;
                visit_back(WorkerLog::new(store, worker), last, index, index, &mut |_, entry| {
                    found = Some(entry);
                    Ok(())
                })?;
                Ok(found)
            })
            .await
    }

    /// Waits until a worker's log is durable.
    async fn durable_range(&self, id: &WorkerId) -> Result<LogRange, ExecutorError> {
        let read = self.read_worker(id, |_, worker, projection| LogRange {
            worker,
            begins_after: projection.begins_after,
            end: projection.oplog_end,
            last: Seq(projection.last_row),
        });
        let (range, position) = read.await?;
        self.core.wait_until_durable(position).await?;
        Ok(range)
    }
}

/// A worker's log.
struct LogRange {
    worker: WorkerNum,
    /// The index before its first entry.
    begins_after: OplogIndex,
    /// The index of its last entry.
    end: OplogIndex,
    /// Its last row.
    last: Seq,
}

/// Reads the log backwards from `last`, and keeps the first entries of the result.
fn build_page<T>(
    log: WorkerLog<'_>,
    last: Seq,
    end: OplogIndex,
    search: &OplogSearch<T>,
) -> Result<OplogPage<T>, StoreError> {
    let mut found: VecDeque<(OplogIndex, T, usize)> = VecDeque::new();
    let mut bytes = 0;
    let mut next = None;
    let mut to = end;
    if !search.is_filtered {
        let beyond = OplogIndex(search.from.0.saturating_add(search.count as u64));
        if beyond <= end {
            next = Some(beyond);
            to = OplogIndex(beyond.0 - 1);
        }
    }
    visit_back(log, last, search.from, to, &mut |index, entry| {
        if let Some((shown, size)) = (search.filter_map)(index, &entry) {
            found.push_front((index, shown, size));
            bytes += size;
        }
        while found.len() > search.count || (bytes > search.bytes_max && found.len() > 1) {
            if let Some((index, _, size)) = found.pop_back() {
                bytes -= size;
                next = Some(index);
            }
        }
        Ok(())
    })?;
    Ok(OplogPage { entries: found.into_iter().map(|(_, shown, _)| shown).collect(), next, end })
}

/// Reads the log backwards from `last`, and calls `visit` with the entries from `to` down to `from`.
fn visit_back(
    log: WorkerLog<'_>,
    last: Seq,
    from: OplogIndex,
    to: OplogIndex,
    visit: &mut dyn FnMut(OplogIndex, Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut next = last;
    while next != Seq(0) {
        let page = log.rows_back(next, PAGE_ROWS, ROWS_BYTES)?;
        let Some(oldest) = page.last() else { break };
        next = oldest.prev;
        for row in page {
            if is_after(&row, to) {
                continue;
            }
            let body = codec::decode_row(&row.body)
                .map_err(|error| history::corrupt_row(row.seq, &error.to_string()))?;
            let Row::Entries { first, entries } = body else { continue };
            for (offset, entry) in (0..).zip(entries).collect::<Vec<_>>().into_iter().rev() {
                let index = first.plus(offset);
                if index < from {
                    return Ok(());
                }
                if index <= to {
                    visit(index, resolve_source(log, entry)?)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether the row has only entries after `to`. Such rows are not decoded.
fn is_after(row: &LogRow, to: OplogIndex) -> bool {
    codec::first_entry_index(&row.body).is_some_and(|first| first > to)
}

/// Replaces the reference of a queued invocation by its function and parameters.
fn resolve_source(log: WorkerLog<'_>, mut entry: Entry) -> Result<Entry, StoreError> {
    if let Entry::InvocationStarted { source, .. } = &mut entry
        && let InvocationSource::Queued { row: accepted_row } = *source
        && let Row::InboxEvent(event) = log.row(Seq(accepted_row))?
        && let Some(invocation) = event.into_invocation()
    {
        *source = invocation.source();
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::MemoryStore;
    use crate::storage::ports::Batch;
    use golem_model::{Epoch, ShardId, Timestamp};

    /// A store with entries 1 to 10 of one worker, three in each row.
    fn store() -> (MemoryStore, Seq) {
        let store = MemoryStore::new();
        let (shard, epoch) = store.acquire().unwrap()[0];
        let mut last = Seq(0);
        for first in [1, 4, 7, 10] {
            let count = if first == 10 { 1 } else { 3 };
            let entry = Entry::Activated { at: Timestamp::from_nanos(first), engine: "e".to_owned() };
            let body = codec::encode_entries(OplogIndex(first), &vec![entry; count]);
            let row = log_row(last, shard, epoch, body);
            last = row.seq;
            store.commit(&Batch { rows: vec![row], ..Batch::default() }).unwrap();
        }
        (store, last)
    }

    fn log_row(prev: Seq, shard: ShardId, epoch: Epoch, body: Vec<u8>) -> LogRow {
        LogRow { seq: prev.next(), worker: WorkerNum(1), prev, shard, epoch, body }
    }

    /// Shows each entry whose index is wanted as its index, of ten bytes.
    fn check(
        (from, count, bytes_max): (u64, usize, usize),
        wanted: Option<fn(u64) -> bool>,
        indexes: &[u64],
        next: Option<u64>,
    ) {
        let (store, last) = store();
        let search = OplogSearch {
            from: OplogIndex(from),
            count,
            bytes_max,
            is_filtered: wanted.is_some(),
            filter_map: Box::new(move |index, _| {
                wanted.is_none_or(|wanted| wanted(index.0)).then_some((index.0, 10))
            }),
        };
        let page = build_page(WorkerLog::new(&store, WorkerNum(1)), last, OplogIndex(10), &search).unwrap();
        let expected =
            OplogPage { entries: indexes.to_vec(), next: next.map(OplogIndex), end: OplogIndex(10) };
        assert_eq!(page, expected, "from {from}, {count} entries, {bytes_max} bytes");
    }

    #[test]
    fn a_page_has_the_first_entries_within_its_bounds() {
        check((1, 100, 1_000), None, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None);
        check((1, 10, 1_000), None, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None);
        check((1, 2, 1_000), None, &[1, 2], Some(3));
        check((3, 5, 1_000), None, &[3, 4, 5, 6, 7], Some(8));
        check((9, 5, 1_000), None, &[9, 10], None);
        check((11, 5, 1_000), None, &[], None);
        check((u64::MAX, 5, 1_000), None, &[], None);
        // Bounded by bytes. A page has at least one entry.
        check((1, 100, 30), None, &[1, 2, 3], Some(4));
        check((4, 100, 39), None, &[4, 5, 6], Some(7));
        check((5, 2, 30), None, &[5, 6], Some(7));
        check((6, 100, 1), None, &[6], Some(7));
        check((10, 100, 1), None, &[10], None);
    }

    #[test]
    fn a_search_has_the_first_entries_that_are_wanted() {
        let even: fn(u64) -> bool = |index| index % 2 == 0;
        check((1, 100, 1_000), Some(even), &[2, 4, 6, 8, 10], None);
        check((3, 2, 1_000), Some(even), &[4, 6], Some(8));
        check((3, 100, 20), Some(even), &[4, 6], Some(8));
        check((1, 100, 1_000), Some(|_| false), &[], None);
    }

    #[test]
    fn one_entry_is_found_by_its_index() {
        let (store, last) = store();
        for (index, found) in [(1, true), (5, true), (10, true), (0, false), (11, false)] {
            let mut visited = Vec::new();
            let index = OplogIndex(index);
            visit_back(WorkerLog::new(&store, WorkerNum(1)), last, index, index, &mut |index, _| {
                visited.push(index);
                Ok(())
            })
            .unwrap();
            assert_eq!(visited, if found { vec![index] } else { vec![] });
        }
    }
}
