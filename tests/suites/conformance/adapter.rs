//! The storage adapters under test, and builders for the rows that the cases write.

use golem_model::oplog::codec::encode_inbox_event;
use golem_model::{Epoch, InboxEvent, ProjectId, ShardId, TemplateId, Timestamp, WorkerId, WorkerName};
use golem_runtime::storage::embedded::{EmbeddedStore, OpenOptions};
use golem_runtime::storage::memory::MemoryStore;
use golem_runtime::storage::ports::{Batch, Catalog, LogRow, Seq, Store, StoredProjection, WorkerNum};
use tempfile::TempDir;
use uuid::Uuid;

/// A store that is also a catalog.
pub(crate) trait StoreAndCatalog: Store + Catalog {}

impl<T: Store + Catalog> StoreAndCatalog for T {}

/// A storage adapter that can be opened repeatedly.
pub(crate) trait Adapter {
    /// Opens the store as a process does at its start. The store that was opened before must have been dropped.
    fn open(&self) -> Box<dyn StoreAndCatalog>;

    /// Opens the store while it is open elsewhere, as a second node does with a shared database.
    fn open_second(&self) -> Box<dyn StoreAndCatalog>;
}

/// The store in memory.
#[derive(Default)]
pub(crate) struct Memory(MemoryStore);

impl Adapter for Memory {
    fn open(&self) -> Box<dyn StoreAndCatalog> {
        Box::new(self.0.reopen())
    }

    fn open_second(&self) -> Box<dyn StoreAndCatalog> {
        Box::new(self.0.reopen())
    }
}

/// The embedded store in a temporary folder.
pub(crate) struct Embedded(TempDir);

impl Default for Embedded {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Embedded {
    /// Options with a small write-ahead log, so that opening is fast.
    pub(crate) fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new(self.0.path().join("data"));
        options.wal_bytes = 64 << 10;
        options
    }
}

impl Adapter for Embedded {
    fn open(&self) -> Box<dyn StoreAndCatalog> {
        Box::new(EmbeddedStore::open(self.options()).unwrap())
    }

    fn open_second(&self) -> Box<dyn StoreAndCatalog> {
        let mut options = self.options();
        options.exclusive = false;
        Box::new(EmbeddedStore::open(options).unwrap())
    }
}

/// Defines a test for each case and each adapter.
macro_rules! over_all_adapters {
    ($($case:ident)*) => {
        mod memory {
            $(#[test] fn $case() { super::$case(&crate::adapter::Memory::default()); })*
        }
        mod embedded {
            $(#[test] fn $case() { super::$case(&crate::adapter::Embedded::default()); })*
        }
    };
}
pub(crate) use over_all_adapters;

/// The only shard that the cases use.
pub(crate) const SHARD: ShardId = ShardId(7);

/// Acquires all shards and returns the epoch of [`SHARD`].
pub(crate) fn acquire(store: &dyn StoreAndCatalog) -> Epoch {
    let shards = store.acquire().unwrap();
    shards.iter().find(|(shard, _)| *shard == SHARD).expect("all shards are acquired").1
}

/// Builds a log. It tracks the last row of the store and of each worker.
pub(crate) struct Writer<'a> {
    pub(crate) store: &'a dyn StoreAndCatalog,
    pub(crate) epoch: Epoch,
    pub(crate) last: Seq,
    ends: std::collections::BTreeMap<u64, Seq>,
}

impl<'a> Writer<'a> {
    /// Acquires the shards of a store, which may contain rows.
    pub(crate) fn new(store: &'a dyn StoreAndCatalog) -> Self {
        Self::with_epoch(store, acquire(store))
    }

    /// Continues under an epoch that was acquired before.
    pub(crate) fn with_epoch(store: &'a dyn StoreAndCatalog, epoch: Epoch) -> Self {
        let last = store.position().unwrap().last;
        let mut ends = std::collections::BTreeMap::new();
        for row in store.rows_after(Seq(0), usize::MAX, usize::MAX).unwrap() {
            ends.insert(row.worker.0, row.seq);
        }
        Self { store, epoch, last, ends }
    }

    /// The last row of a worker.
    pub(crate) fn end(&self, worker: u64) -> Seq {
        self.ends.get(&worker).copied().unwrap_or_default()
    }

    /// A batch with the next rows, one for each of `workers`.
    pub(crate) fn batch(&mut self, workers: &[u64]) -> Batch {
        let rows = workers
            .iter()
            .map(|&worker| {
                self.last = self.last.next();
                let prev = self.ends.insert(worker, self.last).unwrap_or_default();
                row(self.last, worker, prev, self.epoch)
            })
            .collect();
        Batch { fences: vec![(SHARD, self.epoch)], rows, ..Batch::default() }
    }

    /// Commits the next rows.
    pub(crate) fn commit(&mut self, workers: &[u64]) {
        let batch = self.batch(workers);
        self.store.commit(&batch).unwrap();
    }
}

/// A row whose body is determined by its position.
pub(crate) fn row(seq: Seq, worker: u64, prev: Seq, epoch: Epoch) -> LogRow {
    let body = encode_inbox_event(&InboxEvent::PromiseCompleted {
        at: Timestamp::from_nanos(seq.0),
        promise: golem_model::OplogIndex(worker),
        // Bodies of various sizes, some of them longer than a page.
        data: vec![0x5A; usize::try_from(seq.0 * 37 % 9_000).unwrap()],
    });
    LogRow { seq, worker: WorkerNum(worker), prev, shard: SHARD, epoch, body }
}

/// The template with a small number as its id.
pub(crate) fn template(number: u128) -> TemplateId {
    TemplateId(Uuid::from_u128(number))
}

/// The projection of an idle worker.
pub(crate) fn head(number: u64, template: TemplateId, name: &str) -> StoredProjection {
    StoredProjection {
        worker: WorkerNum(number),
        id: WorkerId::new(template, WorkerName::new(name).unwrap()),
        project: ProjectId(Uuid::from_u128(99)),
        shard: SHARD,
        applied: Seq(0),
        active: false,
        wake_at: None,
        encoded: format!("head of {name}").into_bytes(),
    }
}
