//! A store that acknowledges a commit before it is durable: the negative control `reply-before-commit`.
//!
//! A commit is acknowledged when it is queued. Another thread performs it on the real store after `DELAY`. Without
//! a crash the difference is invisible, because every read waits until the queue is empty. A crash loses the queued
//! commits, and the checker must detect that.

use crate::faulty_store::{FaultyStore, StoreFault};
use crate::wait;
use golem_runtime::storage::ports::{Batch, Store, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Time between the acknowledgement and the commit.
const DELAY: Duration = Duration::from_millis(20);

/// Commits that the queue holds. When it is full, the acknowledgement waits.
const QUEUE_MAX: usize = 1_024;

/// Acknowledges commits early.
#[derive(Debug)]
pub struct EarlyAck {
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

impl EarlyAck {
    /// A store on `inner` that acknowledges early.
    pub fn wrap(inner: Arc<dyn Store>) -> FaultyStore<Self> {
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
        FaultyStore(Self { inner, queue, counts })
    }

    /// Waits until the wrapped store holds every commit that is acknowledged now.
    fn wait_until_drained(&self) {
        let acknowledged = self.counts.acknowledged.load(Ordering::SeqCst);
        let performed = lock(&self.counts.performed);
        let waited = self.counts.progressed.wait_while(performed, |performed| *performed < acknowledged);
        drop(waited.expect(UNPOISONED));
    }
}

const UNPOISONED: &str = "a failed commit ends the process";

fn lock(count: &Mutex<u64>) -> MutexGuard<'_, u64> {
    count.lock().expect(UNPOISONED)
}

impl StoreFault for EarlyAck {
    fn store(&self) -> Arc<dyn Store> {
        self.wait_until_drained();
        self.inner.clone()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.queue.send(batch.clone()).expect("the thread lives as long as the store");
        self.counts.acknowledged.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
