//! A disk whose reads and recoveries fail as a plan decides. Failing commits are faults of the store in memory.

use super::history::History;
use super::locked;
use super::plan::DiskFaults;
use crate::faulty_store::{FaultyStore, StoreFault};
use crate::rng::Rng;
use golem_runtime::storage::ports::{Batch, Store, StoreError, StorePosition};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// The store of one incarnation of the process, with the faults that remain to be injected.
#[derive(Debug)]
pub struct Disk {
    inner: Arc<dyn Store>,
    history: Arc<Mutex<History>>,
    remaining: Mutex<RemainingFaults>,
}

#[derive(Debug)]
struct RemainingFaults {
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
        FaultyStore(Self { inner, history, remaining: Mutex::new(RemainingFaults { random, faults }) })
    }
}

fn injected_error(operation: &'static str) -> StoreError {
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
        let mut remaining = locked(&self.remaining);
        if remaining.faults.recoveries > 0 {
            remaining.faults.recoveries -= 1;
            locked(&self.history).count_operation("failed recovery");
            return Err(injected_error("open"));
        }
        drop(remaining);
        self.inner.recover()
    }

    fn before_read(&self) -> Result<(), StoreError> {
        let mut remaining = locked(&self.remaining);
        let RemainingFaults { random, faults } = &mut *remaining;
        if faults.reads > 0 && random.once_in(faults.read_once_in) {
            faults.reads -= 1;
            locked(&self.history).count_operation("failed read");
            return Err(injected_error("read"));
        }
        Ok(())
    }
}
