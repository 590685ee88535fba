//! The store of a mutant.

use super::Mutant;
use crate::faulty_store::{FaultyStore, StoreFault};
use crate::rng::Rng;
use crate::sim::locked;
use golem_runtime::storage::memory::MemoryStore;
use golem_runtime::storage::ports::{Batch, LogRow, Store, StoreError, StorePosition, StoredProjection};
use std::sync::{Arc, Mutex};

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
    /// The batch of a failed commit that is written later.
    failed: Option<Batch>,
    /// The end of the log at the start.
    first: Option<StorePosition>,
    /// An old state.
    old: Option<Arc<MemoryStore>>,
    commits: u64,
}

impl MutantStore {
    /// A store that is `inner` but for the mutant's error.
    pub fn wrap(inner: Arc<MemoryStore>, mutant: Mutant, random: Rng) -> FaultyStore<Self> {
        FaultyStore(Self {
            inner,
            mutant,
            state: Mutex::new(State { random, late: None, failed: None, old: None, commits: 0, first: None }),
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

    fn reads_old(&self) -> bool {
        matches!(self.mutant, Mutant::ReadsOldState | Mutant::ReadsOldKeys | Mutant::ReadsOldValues)
    }

    fn old_store_if(&self, reads_old: bool) -> Arc<dyn Store> {
        self.write_late();
        let old = locked(&self.state).old.clone().filter(|_| reads_old);
        old.unwrap_or_else(|| self.inner.clone())
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
                }
            }
            Mutant::ForgetsTimes => {
                batch.projections.iter_mut().for_each(|projection| projection.wake_at = None);
            }
            Mutant::ForgetsDeletedNames => batch.removed.iter_mut().for_each(|removed| removed.name = None),
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

    fn derived_store(&self) -> Arc<dyn Store> {
        self.old_store_if(self.mutant == Mutant::ReadsOldState)
    }

    fn store_for_keys(&self) -> Arc<dyn Store> {
        self.old_store_if(matches!(self.mutant, Mutant::ReadsOldState | Mutant::ReadsOldKeys))
    }

    fn store_for_values(&self) -> Arc<dyn Store> {
        self.old_store_if(matches!(self.mutant, Mutant::ReadsOldState | Mutant::ReadsOldValues))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write_late();
        if self.mutant == Mutant::AcknowledgesEarly {
            locked(&self.state).late = Some(batch.clone());
            return Ok(());
        }
        {
            let mut state = locked(&self.state);
            if state.commits.is_multiple_of(OLD_COMMITS) && self.reads_old() {
                state.old = Some(Arc::new(self.inner.snapshot()));
            }
            state.commits += 1;
        }
        let outcome = self.inner.commit(&self.mutated(batch));
        match (self.mutant, outcome) {
            (Mutant::HidesFailedCommits, Err(StoreError::Io { .. } | StoreError::Full { .. })) => {
                self.inner.recover().map(drop)
            }
            (Mutant::WritesFailedCommitsLate, Err(error)) => {
                locked(&self.state).failed = Some(batch.clone());
                Err(error)
            }
            (_, outcome) => outcome,
        }
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.write_late();
        let position = self.inner.recover()?;
        let (failed, first) = {
            let mut state = locked(&self.state);
            (state.failed.take(), state.first)
        };
        if let Some(batch) = failed {
            drop(self.inner.commit(&batch));
        }
        Ok(first.filter(|_| self.mutant == Mutant::RecoversOldPosition).unwrap_or(position))
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        let mut position = self.store().position()?;
        locked(&self.state).first.get_or_insert(position);
        if self.mutant == Mutant::SkipsRows {
            position.derived.applied = position.last;
        }
        Ok(position)
    }

    fn alter_history(&self, mut rows: Vec<LogRow>) -> Vec<LogRow> {
        match self.mutant {
            Mutant::LosesHistory => {
                let random = &mut locked(&self.state).random;
                rows.retain(|_| !random.once_in(30));
            }
            Mutant::RepeatsHistory => rows.extend(rows.last().cloned()),
            _ => {}
        }
        rows
    }

    fn alter_wake_page(&self, mut projections: Vec<StoredProjection>) -> Vec<StoredProjection> {
        if self.mutant == Mutant::SkipsWakes {
            let random = &mut locked(&self.state).random;
            projections.retain(|_| !random.once_in(3));
        }
        projections
    }
}
