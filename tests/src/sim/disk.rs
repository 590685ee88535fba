//! A disk whose reads and recoveries fail as a plan decides. Failing commits are faults of the store in memory.

use super::history::History;
use super::locked;
use super::plan::DiskFaults;
use crate::faulty_store::{FaultyStore, StoreFault};
use crate::rng::Rng;
use golem_runtime::storage::ports::{Batch, Store, StoreError, StorePosition};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// The faults of one life of the process, and what is left of them.
#[derive(Debug)]
pub struct Disk {
    inner: Arc<dyn Store>,
    history: Arc<Mutex<History>>,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    random: Rng,
    faults: DiskFaults,
}

impl Disk {
    /// `inner` with faults.
    pub fn wrap(
        inner: Arc<dyn Store>,
        faults: DiskFaults,
        random: Rng,
        history: Arc<Mutex<History>>,
    ) -> FaultyStore<Self> {
        FaultyStore(Self { inner, history, left: Mutex::new(Left { random, faults }) })
    }
}

fn failed(operation: &'static str) -> StoreError {
    StoreError::Io { operation, path: PathBuf::from("memory"), source: "an injected fault".into() }
}

impl StoreFault for Disk {
    fn store(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.inner.commit(batch)
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        let mut left = locked(&self.left);
        if left.faults.recoveries > 0 {
            left.faults.recoveries -= 1;
            locked(&self.history).count_operation("failed recovery");
            return Err(failed("open"));
        }
        drop(left);
        self.inner.recover()
    }

    fn before_read(&self) -> Result<(), StoreError> {
        let mut left = locked(&self.left);
        let Left { random, faults } = &mut *left;
        if faults.reads > 0 && random.once_in(faults.read_once_in) {
            faults.reads -= 1;
            locked(&self.history).count_operation("failed read");
            return Err(failed("read"));
        }
        Ok(())
    }
}
