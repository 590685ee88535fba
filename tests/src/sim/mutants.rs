//! Mutants: the simulation with one part replaced by a wrong one. Each must be detected, which shows that the model and
//! the plans find such an error.
//!
//! A mutant is a part of the simulator. The product has no switch for any of them.

use super::locked;
use crate::faulty_store::{FaultyStore, StoreFault};
use crate::rng::Rng;
use golem_runtime::storage::memory::MemoryStore;
use golem_runtime::storage::ports::{Batch, Store, StoreError, StorePosition};
use std::sync::{Arc, Mutex};

/// A wrong part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// A commit is acknowledged before it is durable. A crash loses the last one.
    AcknowledgesEarly,
    /// Everything that is derived from the rows of one commit in fifty is not stored, although it counts as applied.
    ForgetsDerivedRows,
    /// Entries of the idempotency index are not stored.
    ForgetsKeys,
    /// The executor does not recognise repeated keys.
    IgnoresKeys,
    /// One value in ten of a bucket is not stored.
    ForgetsValues,
    /// Stored projections do not say that the worker has work or waits for a time.
    ForgetsWork,
    /// One projection in five is not stored, although the rows that it includes count as applied.
    KeepsOldProjections,
    /// The projections of deleted workers are not removed.
    KeepsDeletedWorkers,
    /// At a start, all rows count as included in the stored projections.
    SkipsRows,
    /// Reads of projections, keys and values see a state that is up to ten commits old.
    ReadsOldState,
    /// One wait of the executor in two hundred does not end.
    LosesTimers,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AcknowledgesEarly,
        Self::ForgetsDerivedRows,
        Self::ForgetsKeys,
        Self::IgnoresKeys,
        Self::ForgetsValues,
        Self::ForgetsWork,
        Self::KeepsOldProjections,
        Self::KeepsDeletedWorkers,
        Self::SkipsRows,
        Self::ReadsOldState,
        Self::LosesTimers,
    ];
}

/// Number of commits by which a mutant reads too old a state.
const OLD_COMMITS: u64 = 10;

/// The store of a mutant.
#[derive(Debug)]
pub struct MutantStore {
    inner: Arc<MemoryStore>,
    mutant: Mutant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Rng,
    /// The acknowledged batch that is not written.
    late: Option<Batch>,
    /// An old state.
    old: Option<Arc<MemoryStore>>,
    commits: u64,
}

impl MutantStore {
    /// A store that is `inner` but for the mutant's error.
    pub fn store_on(inner: Arc<MemoryStore>, mutant: Mutant, random: Rng) -> FaultyStore<Self> {
        FaultyStore(Self {
            inner,
            mutant,
            state: Mutex::new(State { random, late: None, old: None, commits: 0 }),
        })
    }

    /// Writes what was acknowledged, because a read must see it.
    fn write_late(&self) {
        let late = locked(&self.state).late.take();
        if let Some(batch) = late {
            // It was acknowledged, so an error has no receiver.
            drop(self.inner.commit(&batch));
        }
    }

    fn mutated(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        let random = &mut locked(&self.state).random;
        match self.mutant {
            Mutant::ForgetsKeys => batch.idempotency_rows.clear(),
            Mutant::ForgetsDerivedRows if random.once_in(50) => {
                batch.projections.clear();
                batch.values.clear();
                batch.idempotency_rows.clear();
            }
            Mutant::ForgetsValues => batch.values.retain(|_| !random.once_in(10)),
            Mutant::ForgetsWork => {
                for projection in &mut batch.projections {
                    projection.active = false;
                    projection.wake_at = None;
                }
            }
            Mutant::KeepsOldProjections => batch.projections.retain(|_| !random.once_in(5)),
            Mutant::KeepsDeletedWorkers => batch.removed.clear(),
            _ => {}
        }
        batch
    }
}

impl StoreFault for MutantStore {
    fn store(&self) -> Arc<dyn Store> {
        self.write_late();
        self.inner.clone()
    }

    fn derived(&self) -> Arc<dyn Store> {
        self.write_late();
        let old = locked(&self.state).old.clone();
        old.unwrap_or_else(|| self.inner.clone())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write_late();
        if self.mutant == Mutant::AcknowledgesEarly {
            locked(&self.state).late = Some(batch.clone());
            return Ok(());
        }
        if self.mutant == Mutant::ReadsOldState {
            let mut state = locked(&self.state);
            if state.commits.is_multiple_of(OLD_COMMITS) {
                state.old = Some(Arc::new(self.inner.snapshot()));
            }
            state.commits += 1;
        }
        self.inner.commit(&self.mutated(batch))
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        let mut position = self.store().position()?;
        if self.mutant == Mutant::SkipsRows {
            position.derived.applied = position.last;
        }
        Ok(position)
    }
}
