//! A store that acknowledges a commit before it is durable: the negative control `reply-before-commit`.
//!
//! A commit is acknowledged when it is queued. Another thread performs it on the real store after `DELAY`. Without
//! a crash the difference is invisible, because every read waits until the queue is empty. A crash loses the queued
//! commits, and the checker must detect that.

use crate::wait;
use golem_model::shared::{KeySpace, ScopedKey};
use golem_model::{Epoch, OplogIndex, ProjectId, ShardId, TemplateId, WorkerId};
use golem_runtime::storage::ports::{
    Batch, IdempotencyRow, LogRow, Seq, Store, StoreError, StorePosition, StoredProjection, ValueRow,
    WorkerNum,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Time between the acknowledgement and the commit.
const DELAY: Duration = Duration::from_millis(20);

/// Commits that the queue holds. When it is full, the acknowledgement waits.
const QUEUE_MAX: usize = 1_024;

/// The store that acknowledges commits early.
#[derive(Debug)]
pub struct EarlyAckStore {
    inner: Arc<dyn Store>,
    queue: SyncSender<Batch>,
    counts: Arc<Counts>,
}

/// Numbers of commits since the store was opened.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicU64,
    performed: Mutex<u64>,
    progressed: Condvar,
}

impl EarlyAckStore {
    /// Wraps the store `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let (queue, commits) = sync_channel::<Batch>(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let (store, done) = (inner.clone(), counts.clone());
        std::thread::spawn(move || {
            while let Ok(first) = commits.recv() {
                wait::pause_thread(DELAY);
                for batch in std::iter::once(first).chain(commits.try_iter()) {
                    store
                        .commit(&batch)
                        .expect("the wrapped store has no faults, and the commit is acknowledged already");
                    *lock(&done.performed) += 1;
                    done.progressed.notify_all();
                }
            }
        });
        Self { inner, queue, counts }
    }

    /// Waits until the wrapped store holds every commit that is acknowledged now, and returns that store.
    fn drained(&self) -> &dyn Store {
        let acknowledged = self.counts.acknowledged.load(Ordering::SeqCst);
        let performed = lock(&self.counts.performed);
        let waited = self.counts.progressed.wait_while(performed, |performed| *performed < acknowledged);
        drop(waited.expect(UNPOISONED));
        &*self.inner
    }
}

const UNPOISONED: &str = "a failed commit ends the process";

fn lock(count: &Mutex<u64>) -> MutexGuard<'_, u64> {
    count.lock().expect(UNPOISONED)
}

impl Store for EarlyAckStore {
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError> {
        self.drained().acquire()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.queue.send(batch.clone()).expect("the thread lives as long as the store");
        self.counts.acknowledged.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.drained().recover()
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        self.drained().position()
    }

    fn rows_back(&self, last: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.drained().rows_back(last, limit, bytes_max)
    }

    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError> {
        self.drained().row(seq)
    }

    fn rows_after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.drained().rows_after(seq, limit, bytes_max)
    }

    fn projection(&self, id: &WorkerId) -> Result<Option<StoredProjection>, StoreError> {
        self.drained().projection(id)
    }

    fn projection_by_num(&self, no: WorkerNum) -> Result<Option<StoredProjection>, StoreError> {
        self.drained().projection_by_num(no)
    }

    fn projections_to_wake(
        &self,
        after: WorkerNum,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.drained().projections_to_wake(after, limit)
    }

    fn projections_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.drained().projections_named(template, prefix, after, limit)
    }

    fn projection_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError> {
        self.drained().projection_count(template)
    }

    fn projection_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.drained().projection_counts()
    }

    fn deleted_name(&self, id: &WorkerId) -> Result<Option<OplogIndex>, StoreError> {
        self.drained().deleted_name(id)
    }

    fn deleted_name_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.drained().deleted_name_counts()
    }

    fn idempotency_row(
        &self,
        worker: WorkerNum,
        key_hash: [u8; 16],
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        self.drained().idempotency_row(worker, key_hash)
    }

    fn value(&self, project: ProjectId, place: &ScopedKey) -> Result<Option<ValueRow>, StoreError> {
        self.drained().value(project, place)
    }

    fn keys(
        &self,
        project: ProjectId,
        space: KeySpace,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.drained().keys(project, space, bucket, after, limit)
    }

    fn run_maintenance(&self, limit: usize) -> Result<bool, StoreError> {
        self.drained().run_maintenance(limit)
    }

    fn syncs(&self) -> u64 {
        self.inner.syncs()
    }
}
