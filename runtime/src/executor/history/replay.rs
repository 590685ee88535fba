//! The history of a worker for the host, read from the store while it is replayed.

use super::pages::{PageRef, scan_pages};
use super::{WorkerLog, corrupt_row, decode};
use crate::executor::error::{port_error, unavailable};
use crate::spawner::Spawner;
use crate::storage::ports::{Seq, Store, StoreError, WorkerNum};
use golem_host::ports::{HistoryPages, PortError};
use golem_host::{History, HistoryScan};
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec::Row;
use golem_model::{Entry, OplogIndex};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::runtime::{Handle, RuntimeFlavor};

/// The part of a worker's log that is replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryRange {
    pub(crate) worker: WorkerNum,
    /// The last row.
    pub(crate) last: Seq,
    /// The row that contains the entry before the first one; 0 if all rows are read.
    pub(crate) first_row: Seq,
    /// The index before the first entry.
    pub(crate) before: OplogIndex,
}

/// Scans the rows of a worker, and returns its history, which reads them again in pages of `page_bytes`. Blocks.
pub(crate) fn open_history(
    store: &Arc<dyn Store>,
    spawner: &Arc<dyn Spawner>,
    range: HistoryRange,
    page_bytes: usize,
) -> Result<History, StoreError> {
    let HistoryRange { worker, last, first_row, before } = range;
    let mut entries = HistoryScan::new(before);
    // The row after the visited ones, and the index of its first entry.
    let mut follower: Option<(Seq, OplogIndex)> = None;
    let mut oldest: Option<Vec<(Seq, Row)>> = None;
    let mut pages = scan_pages(WorkerLog::new(&**store, worker), last, first_row, page_bytes, |rows| {
        oldest = None;
        let fits = rows.iter().map(|row| row.body.len()).sum::<usize>() <= page_bytes;
        let mut decoded = Vec::with_capacity(if fits { rows.len() } else { 0 });
        for row in rows {
            let (seq, row) = (row.seq, decode(&row)?);
            if let Row::Entries { first, entries: of_row } = &row {
                check_follows(*first, of_row.len(), follower)?;
                follower = Some((seq, *first));
                for (offset, entry) in of_row.iter().enumerate().rev() {
                    let index = first.plus(offset as u64);
                    if index > before {
                        entries.visit(index, entry);
                    }
                }
            }
            if fits {
                decoded.push((seq, row));
            }
        }
        if fits {
            decoded.reverse();
            oldest = Some(decoded);
        }
        Ok(())
    })?;
    if first_row == Seq(0) {
        check_follows(before, 1, follower)?;
    }
    // The page that was scanned last is the first one to be replayed. It is not read a second time.
    let rows = match oldest {
        Some(rows) => {
            pages.pop_front();
            rows.into_iter().map(|(seq, row)| (seq, StoredRow::Decoded(row))).collect()
        }
        None => VecDeque::new(),
    };
    Ok(entries.finish(Box::new(StorePages {
        store: store.clone(),
        worker,
        spawner: spawner.clone(),
        before,
        page_bytes,
        pages,
        rows,
        accepted: BTreeMap::new(),
        prefetched: None,
    })))
}

/// Checks that the entries from `first` on end before those of the row after them.
fn check_follows(
    first: OplogIndex,
    count: usize,
    follower: Option<(Seq, OplogIndex)>,
) -> Result<(), StoreError> {
    match follower {
        Some((seq, found)) if found != first.plus(count as u64) => Err(corrupt_row(
            seq,
            &format!("it begins at oplog index {found} instead of {}", first.plus(count as u64)),
        )),
        _ => Ok(()),
    }
}

/// A row of a page. The rows of a page that was read while another one was replayed are decoded one at a time: entries
/// take many times as much memory as their bytes.
enum StoredRow {
    Encoded(Vec<u8>),
    Decoded(Row),
}

/// The rows of a page, oldest first.
type Rows = VecDeque<(Seq, StoredRow)>;

/// The entries of a history. While a page is replayed, another thread reads the next one.
struct StorePages {
    store: Arc<dyn Store>,
    worker: WorkerNum,
    spawner: Arc<dyn Spawner>,
    /// The index before the first entry.
    before: OplogIndex,
    page_bytes: usize,
    /// The pages that were not read yet.
    pages: VecDeque<PageRef>,
    /// The rest of the page that is replayed.
    rows: Rows,
    /// The invocations that were accepted in this page, by their row.
    accepted: BTreeMap<u64, InvocationSource>,
    /// The next page, which another thread reads.
    prefetched: Option<Arc<Prefetch>>,
}

impl HistoryPages for StorePages {
    fn next_page(&mut self) -> Result<Vec<Entry>, PortError> {
        loop {
            while let Some((seq, row)) = self.rows.pop_front() {
                let entries = self.entries(seq, row);
                let entries = entries.map_err(|error| port_error(unavailable(&error)))?;
                if !entries.is_empty() {
                    self.prefetch();
                    return Ok(entries);
                }
            }
            self.accepted.clear();
            self.rows = if let Some(prefetched) = self.prefetched.take() {
                blocking(|| prefetched.take(&*self.store))?
            } else if let Some(page) = self.pages.pop_front() {
                blocking(|| read(&*self.store, page))?
            } else {
                return Ok(Vec::new());
            };
        }
    }
}

/// A page that is read by the first thread that gets to it: usually one that reads ahead, otherwise the one that needs
/// the page. So replay never waits for a thread that has not begun.
struct Prefetch {
    page: PageRef,
    /// Locked while the page is read.
    state: Mutex<PrefetchState>,
}

enum PrefetchState {
    Unread,
    Read(Result<Rows, PortError>),
    Taken,
}

impl Prefetch {
    fn new(page: PageRef) -> Arc<Self> {
        Arc::new(Self { page, state: Mutex::new(PrefetchState::Unread) })
    }

    /// Reads the page, unless another thread has.
    fn read(&self, store: &dyn Store) {
        let mut state = self.state.lock();
        if matches!(*state, PrefetchState::Unread) {
            *state = PrefetchState::Read(read(store, self.page));
        }
    }

    /// The rows of the page.
    fn take(&self, store: &dyn Store) -> Result<Rows, PortError> {
        match std::mem::replace(&mut *self.state.lock(), PrefetchState::Taken) {
            PrefetchState::Read(rows) => rows,
            PrefetchState::Unread | PrefetchState::Taken => read(store, self.page),
        }
    }
}

fn read(store: &dyn Store, page: PageRef) -> Result<Rows, PortError> {
    match page.read(store) {
        Ok(Some(rows)) => Ok(rows.into_iter().map(|row| (row.seq, StoredRow::Encoded(row.body))).collect()),
        // The worker was deleted meanwhile.
        Ok(None) => Err(PortError::Discarded),
        Err(error) => Err(port_error(unavailable(&error))),
    }
}

impl StorePages {
    /// Begins to read the next page, unless it or the rest of this one is large: a large page and another one are not in
    /// memory together.
    fn prefetch(&mut self) {
        let is_large =
            |row: &StoredRow| matches!(row, StoredRow::Encoded(body) if body.len() > self.page_bytes);
        if self.prefetched.is_none()
            && !self.rows.iter().any(|(_, row)| is_large(row))
            && let Some(page) = self.pages.pop_front_if(|page| page.bytes <= self.page_bytes)
        {
            let prefetch = Prefetch::new(page);
            self.prefetched = Some(prefetch.clone());
            let store = self.store.clone();
            self.spawner.spawn_blocking(Box::new(move || prefetch.read(&*store)));
        }
    }

    /// The entries of a row, with the sources of queued invocations resolved.
    fn entries(&mut self, seq: Seq, row: StoredRow) -> Result<Vec<Entry>, StoreError> {
        let row = match row {
            StoredRow::Encoded(body) => super::decode_body(seq, &body)?,
            StoredRow::Decoded(row) => row,
        };
        match row {
            Row::InboxEvent(event) => {
                if let Some(invocation) = event.into_invocation() {
                    self.accepted.insert(seq.0, invocation.source());
                }
                Ok(Vec::new())
            }
            Row::Entries { first, mut entries } => {
                if first <= self.before {
                    let before = usize::try_from(self.before.0 - first.0 + 1).unwrap_or(usize::MAX);
                    entries.drain(..before.min(entries.len()));
                }
                for entry in &mut entries {
                    if let Entry::InvocationStarted { source, .. } = entry
                        && let InvocationSource::Queued { row: accepted_row } = *source
                    {
                        *source = self.queued_source(seq, Seq(accepted_row))?;
                    }
                }
                Ok(entries)
            }
        }
    }

    /// The invocation that was accepted in the row `accepted_row`, and that the row `seq` begins.
    fn queued_source(&mut self, seq: Seq, accepted_row: Seq) -> Result<InvocationSource, StoreError> {
        if let Some(found) = self.accepted.remove(&accepted_row.0) {
            return Ok(found);
        }
        // It was accepted before the first row of this page.
        match blocking(|| WorkerLog::new(&*self.store, self.worker).row(accepted_row))? {
            Row::InboxEvent(event) => event.into_invocation().map(|invocation| invocation.source()),
            Row::Entries { .. } => None,
        }
        .ok_or_else(|| {
            let details = format!("it begins an invocation from row {accepted_row}, which holds none");
            corrupt_row(seq, &details)
        })
    }
}

/// Runs `wait`, which blocks the thread. Tasks that share the thread continue on another one meanwhile.
fn blocking<T>(wait: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) { tokio::task::block_in_place(wait) } else { wait() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawner::TokioSpawner;
    use crate::storage::memory::MemoryStore;
    use crate::storage::ports::{Batch, DerivedPosition, LogRow, RemovedWorker};
    use golem_model::oplog::codec;
    use golem_model::oplog::{HostCall, HostCallRequest, HostFunction, InboxEvent};
    use golem_model::{IdempotencyKey, Timestamp, Value};

    const AT: Timestamp = Timestamp::from_nanos(7);

    /// Appends rows of one worker.
    struct Log {
        store: Arc<MemoryStore>,
        last: Seq,
        /// All entries as replay gets them.
        entries: Vec<Entry>,
    }

    impl Log {
        fn new() -> Self {
            Self { store: Arc::new(MemoryStore::new()), last: Seq(0), entries: Vec::new() }
        }

        fn append(&mut self, body: Vec<u8>) -> Seq {
            self.append_for(WorkerNum(1), self.last, body)
        }

        /// Appends a row of `worker` that is linked to `prev`.
        fn append_for(&mut self, worker: WorkerNum, prev: Seq, body: Vec<u8>) -> Seq {
            let (shard, epoch) = self.store.acquire().unwrap()[0];
            let row = LogRow { seq: self.last.next(), worker, prev, shard, epoch, body };
            self.last = row.seq;
            self.store.commit(&Batch { rows: vec![row], ..Batch::default() }).unwrap();
            self.last
        }

        fn append_entries(&mut self, entries: &[Entry]) -> Seq {
            let first = OplogIndex(self.entries.len() as u64 + 1);
            self.entries.extend_from_slice(entries);
            self.append(codec::encode_entries(first, entries))
        }

        /// An invocation that was accepted by an event, after `rows` rows of entries.
        fn append_queued(&mut self, number: u64, rows: u8) {
            let key = IdempotencyKey::anonymous(number.into());
            let (function, params) = (Arc::from("run"), vec![Value::U64(number)]);
            let source = InvocationSource::Inline { function: Arc::clone(&function), params: params.clone() };
            let event = InboxEvent::Invocation { at: AT, key: key.clone(), function, params };
            let row = self.append(codec::encode_inbox_event(&event)).0;
            for number in 0..rows {
                self.append_entries(&[answer(usize::from(number)), answer(3)]);
            }
            let queued = Entry::InvocationStarted {
                at: AT,
                key: key.clone(),
                source: InvocationSource::Queued { row },
            };
            self.append_entries(&[queued, answer(2)]);
            let started = self.entries.len() - 2;
            self.entries[started] = Entry::InvocationStarted { at: AT, key, source };
        }

        fn open(&self, first_row: Seq, before: u64, page_bytes: usize) -> Result<History, StoreError> {
            let store: Arc<dyn Store> = self.store.clone();
            let (worker, last, before) = (WorkerNum(1), self.last, OplogIndex(before));
            let range = HistoryRange { worker, last, first_row, before };
            let spawner: Arc<dyn Spawner> = TokioSpawner::current();
            open_history(&store, &spawner, range, page_bytes)
        }
    }

    fn answer(bytes: usize) -> Entry {
        let request = HostCallRequest::Inline(Vec::new());
        let call = HostCall { function: HostFunction::WallClockNow, request };
        Entry::HostCall { call, response: vec![7; bytes] }
    }

    fn read_all(history: History) -> Vec<Vec<Entry>> {
        let mut pages = history.into_pages();
        let mut read = Vec::new();
        loop {
            let page = pages.next_page().unwrap();
            if page.is_empty() {
                assert!(pages.next_page().unwrap().is_empty(), "the end stays");
                return read;
            }
            read.push(page);
        }
    }

    fn sample() -> Log {
        let mut log = Log::new();
        log.append_entries(&[answer(1), answer(2), answer(3)]);
        log.append_queued(1, 0);
        log.append_queued(2, 5);
        log.append_entries(&[answer(5_000)]);
        log.append_queued(3, 40);
        log
    }

    #[tokio::test]
    async fn a_history_has_all_entries_whatever_the_size_of_its_pages() {
        let log = sample();
        for page_bytes in [1, 20, 100, 1_000, 1 << 20] {
            let history = log.open(Seq(0), 0, page_bytes).unwrap();
            assert_eq!(history.entry_count(), log.entries.len() as u64);
            let pages = read_all(history);
            assert!(pages.concat() == log.entries, "{page_bytes} bytes");
            assert!(pages.iter().all(|entries| entries.len() <= 3), "one row at a time");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_history_begins_inside_a_row() {
        let mut log = Log::new();
        log.append_entries(&[answer(1), answer(2)]);
        let row = log.append_entries(&[answer(3), answer(4), answer(5)]);
        log.append_queued(1, 200);
        for page_bytes in [1, 100, 1 << 20] {
            for before in 2..=5 {
                let pages = read_all(log.open(row, before, page_bytes).unwrap());
                let expected = &log.entries[usize::try_from(before).unwrap()..];
                assert!(pages.concat() == expected, "after {before}, {page_bytes} bytes");
            }
        }
    }

    #[tokio::test]
    async fn a_gap_between_two_rows_is_damage() {
        let mut log = Log::new();
        log.append_entries(&[answer(1)]);
        log.append(codec::encode_entries(OplogIndex(3), &[answer(1)]));
        for page_bytes in [1, 1_000] {
            let error = log.open(Seq(0), 0, page_bytes).unwrap_err().to_string();
            assert!(error.contains("it begins at oplog index 3 instead of 2"), "{error}");
            let error = log.open(Seq(0), 1, page_bytes).unwrap_err().to_string();
            assert!(error.contains("instead of 2"), "{error}");
        }
    }

    /// Regression: an invocation that was accepted by another worker was replayed.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_of_another_worker_is_damage() {
        let key = IdempotencyKey::anonymous(1);
        let accepted = InboxEvent::Invocation {
            at: AT,
            key: key.clone(),
            function: Arc::from("run"),
            params: Vec::new(),
        };
        let accepted = codec::encode_inbox_event(&accepted);
        for page_bytes in [1, 1_000] {
            let mut log = Log::new();
            log.append_entries(&[answer(1)]);
            log.append_for(WorkerNum(2), log.last, accepted.clone());
            log.append_entries(&[answer(2)]);
            let error = log.open(Seq(0), 0, page_bytes).unwrap_err().to_string();
            assert!(error.contains("it belongs to worker #2 and not to worker #1"), "{error}");

            // The links are right, and an entry names the row of another worker.
            let mut log = Log::new();
            let row = log.append_for(WorkerNum(2), Seq(0), accepted.clone()).0;
            let source = InvocationSource::Queued { row };
            let begun = Entry::InvocationStarted { at: AT, key: key.clone(), source };
            let body = codec::encode_entries(OplogIndex(1), &[begun]);
            log.append_for(WorkerNum(1), Seq(0), body);
            let mut pages = log.open(Seq(0), 0, page_bytes).unwrap().into_pages();
            let error = pages.next_page().unwrap_err();
            let PortError::Damaged { details } = &error else { panic!("{error}") };
            assert!(details.contains("row 1 of the log"), "{details}");
        }
    }

    #[tokio::test]
    async fn rows_that_are_removed_during_a_replay_end_it() {
        let log = sample();
        let mut pages = log.open(Seq(0), 0, 20).unwrap().into_pages();
        assert!(!pages.next_page().unwrap().is_empty());
        let removed = vec![RemovedWorker { worker: WorkerNum(1), last: log.last, name: None }];
        let derived = Some(DerivedPosition { applied: log.last, worker_num_max: 1 });
        log.store.commit(&Batch { removed, derived, ..Batch::default() }).unwrap();
        log.store.run_maintenance(usize::MAX).unwrap();
        let error = std::iter::repeat_with(|| pages.next_page()).find_map(Result::err).unwrap();
        assert!(matches!(error, PortError::Discarded), "{error}");
    }
}
