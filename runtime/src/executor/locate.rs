//! Finding workers by their ids, and working on them under the lock.
//!
//! A worker is found without the lock, because its projection may have to be read from the store. Until the lock is taken
//! again, the worker may be deleted, another one may be created with its id, and all in-memory state may be discarded. The
//! functions of this module compare again under the lock and repeat the search if the result differs, so no operation
//! has to.

use super::core::{Core, State};
use super::ledger::store_reads::StoreRead;
use super::panics::StateGuard;
use super::position::RowPosition;
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError};
use crate::storage::ports::{Store, StoredProjection, WorkerNum};
use golem_model::{OplogIndex, WorkerId};
use std::sync::Arc;

/// A worker that was found. Its projection stays in memory as long as this exists, unless the worker is deleted or all
/// in-memory state is discarded.
#[derive(Debug)]
pub(crate) struct LocatedWorker {
    pub(crate) worker: WorkerNum,
    /// Keeps the projection in memory.
    read: StoreRead,
}

impl LocatedWorker {
    /// Whether the ledger is still the one in which the worker was found.
    pub(crate) fn is_read_valid(&self, state: &State) -> bool {
        state.ledger.is_read_valid(&self.read)
    }
}

/// What a worker id stands for.
#[derive(Debug)]
pub(crate) enum LocatedName {
    Worker(LocatedWorker),
    Free(FreeName),
}

impl LocatedName {
    /// The worker, if there is one.
    pub(crate) fn worker(&self) -> Option<WorkerNum> {
        match self {
            Self::Worker(located) => Some(located.worker),
            Self::Free(_) => None,
        }
    }
}

/// An id that no worker had when it was located.
#[derive(Debug)]
pub(crate) struct FreeName {
    /// The last index of the deleted workers with this id, as far as the store knows.
    pub(crate) begins_after: OplogIndex,
    /// The row that deleted the last worker with this id, if the store does not have it yet.
    pub(crate) deleted_at: Option<RowPosition>,
    read: StoreRead,
}

impl FreeName {
    /// Whether a worker may be created now, under the lock, if the ledger has none with this id. If not, all in-memory
    /// state was discarded since, so the id must be located again.
    pub(crate) fn is_read_valid(&self, state: &State) -> bool {
        state.ledger.is_read_valid(&self.read)
    }
}

impl Executor {
    /// Returns what `act` returns for a worker, under the lock. The worker's projection is in memory then.
    pub(super) async fn with_worker<T>(
        &self,
        id: &WorkerId,
        act: impl FnOnce(&mut State, WorkerNum) -> T,
    ) -> Result<T, ExecutorError> {
        let (acted, _) = self.with_located_worker(id, |state, located| act(state, located.worker)).await?;
        Ok(acted)
    }

    /// Like [`Executor::with_worker`]. As long as the caller keeps the located worker, its projection stays in memory.
    pub(super) async fn with_located_worker<T>(
        &self,
        id: &WorkerId,
        act: impl FnOnce(&mut State, &LocatedWorker) -> T,
    ) -> Result<(T, LocatedWorker), ExecutorError> {
        loop {
            let located = self.find_worker(id).await?;
            let mut state = self.core.lock();
            if Core::is_still_located(&mut state, id, Some(located.worker))? {
                return Ok((act(&mut state, &located), located));
            }
        }
    }

    /// Returns what `read` returns for a worker, under the lock, and the position that it rests on.
    pub(super) async fn read_worker<T>(
        &self,
        id: &WorkerId,
        read: impl FnOnce(&State, WorkerNum, &WorkerProjection) -> T,
    ) -> Result<(T, RowPosition), ExecutorError> {
        self.with_worker(id, |state, worker| {
            let projection = state.ledger.projection(worker).expect("a located worker is in memory");
            (read(state, worker, projection), state.worker_position(worker))
        })
        .await
    }

    /// Changes a worker under the lock. Returns when its rows are durable, also if `change` refuses because of them.
    pub(super) async fn change_worker<T>(
        &self,
        id: &WorkerId,
        change: impl FnOnce(&mut State, WorkerNum) -> Result<T, ExecutorError>,
    ) -> Result<T, ExecutorError> {
        let changed =
            self.with_worker(id, |state, worker| (change(state, worker), state.worker_position(worker)));
        let (outcome, position) = changed.await?;
        match outcome {
            Ok(changed) => self.core.wait_until_durable(position).await.map(|()| changed),
            Err(error) => Err(self.core.durable_error(position, error).await),
        }
    }

    /// Finds a worker. If it was deleted, waits until that is durable before it returns the error.
    pub(super) async fn find_worker(&self, id: &WorkerId) -> Result<LocatedWorker, ExecutorError> {
        match self.core.locate_name(id).await? {
            LocatedName::Worker(located) => Ok(located),
            LocatedName::Free(free) => {
                if let Some(deleted_at) = free.deleted_at {
                    self.core.wait_until_durable(deleted_at).await?;
                }
                Err(ExecutorError::WorkerNotFound { worker: id.clone() })
            }
        }
    }
}

impl Core {
    /// Returns what `act` returns for the worker with this id, under the lock. `None` says that there is no such worker.
    pub(crate) async fn with_worker_if_exists<T>(
        self: &Arc<Self>,
        id: &WorkerId,
        act: impl FnOnce(&mut State, Option<WorkerNum>) -> T,
    ) -> Result<T, ExecutorError> {
        loop {
            let located = self.locate_name(id).await?;
            let mut state = self.lock();
            if Self::is_still_located(&mut state, id, located.worker())? {
                return Ok(act(&mut state, located.worker()));
            }
        }
    }

    /// Whether the id still stands for the worker that was found without the lock, or for none.
    fn is_still_located(
        state: &mut StateGuard<'_>,
        id: &WorkerId,
        located: Option<WorkerNum>,
    ) -> Result<bool, ExecutorError> {
        Self::check_available(state)?;
        Ok(state.ledger.worker_num(id) == located)
    }

    /// Finds a worker and loads its projection into memory. If there is no such worker, returns what is needed to create
    /// it. Reads the store at most once.
    pub(crate) async fn locate_name(self: &Arc<Self>, id: &WorkerId) -> Result<LocatedName, ExecutorError> {
        let read = {
            let mut state = self.lock();
            Self::check_available(&state)?;
            let read = state.ledger.begin_store_read();
            if let Some(worker) = state.ledger.worker_num(id) {
                return Ok(LocatedName::Worker(LocatedWorker { worker, read }));
            }
            read
        };
        let wanted = id.clone();
        let from_store = move |store: &dyn Store| match store.projection(&wanted)? {
            Some(stored) => Ok((Some(stored), None)),
            None => Ok((None, store.deleted_name(&wanted)?)),
        };
        let (stored, deleted) = self.read_store(from_store).await?;
        let projection = match stored {
            None => None,
            Some(stored) => Some(self.decode_projection(stored).await?),
        };
        let mut state = self.lock();
        Self::check_read_valid(&state, &read)?;
        if let Some(worker) = state.ledger.worker_num(id) {
            return Ok(LocatedName::Worker(LocatedWorker { worker, read }));
        }
        let Some(projection) =
            projection.filter(|projection| !state.ledger.is_removed(WorkerNum(projection.worker)))
        else {
            // The ledger has the end of a worker whose removal is not in the store yet.
            let begins_after = deleted.unwrap_or(OplogIndex::START);
            let deleted_at = state.deletion_position(id);
            return Ok(LocatedName::Free(FreeName { begins_after, deleted_at, read }));
        };
        let worker = state.ledger.load(projection);
        self.run_actions(&mut state);
        Ok(LocatedName::Worker(LocatedWorker { worker, read }))
    }

    /// Decodes a stored projection. One of another format version is rebuilt from the log.
    pub(crate) async fn decode_projection(
        &self,
        stored: StoredProjection,
    ) -> Result<WorkerProjection, ExecutorError> {
        match WorkerProjection::from_stored(&stored) {
            Ok(projection) => Ok(projection),
            Err(error) => {
                tracing::info!(%error, "rebuilding a projection from the log");
                self.read_store(move |store| super::history::rebuild_projection(store, &stored)).await
            }
        }
    }
}
