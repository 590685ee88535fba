//! Wakes workers whose projections are not in memory: at the start, when a timer elapses, or when a promise that they
//! wait for is completed.
//!
//! Invariant: a worker stays in the `WakeQueue` until its projection is in memory and a task drives it, or until there
//! is nothing to do. Each attempt reserves the time of the next one before it begins, so an error of the store or a panic
//! delays a wake-up and loses none.
//!
//! Invariant: at most `WAKES_MAX` workers that were woken here wait for memory or are being loaded. The others cost
//! an entry of the queue each.

use super::core::{Core, State};
use super::error::unavailable;
use super::ledger::store_reads::StoreRead;
use super::projection::WorkerProjection;
use super::state::WakeCondition;
use super::{Executor, ExecutorError, panics};
use crate::storage::ports::{Store, StoredProjection, WorkerNum};
use golem_model::PromiseId;
use golem_model::promise::PromiseState;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Projections that are read at a time.
const BATCH_MAX: usize = 32;
/// Wakes the workers in the queue until the core stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let mut changed = pin!(core.wakes_changed.notified());
        changed.as_mut().enable();
        let (elapsed, next) = {
            let state = core.lock();
            if state.stopping {
                return;
            }
            (core.clock.elapsed(), state.wakes.next_due())
        };
        match next {
            Some(at) if at <= elapsed => {
                let permit = tokio::select! {
                    biased;
                    () = core.stop.cancelled() => return,
                    permit = core.wake_permits.clone().acquire_owned() => permit,
                };
                let Ok(first) = permit else { return };
                let mut permits = vec![first];
                while permits.len() < BATCH_MAX
                    && let Ok(permit) = core.wake_permits.clone().try_acquire_owned()
                {
                    permits.push(permit);
                }
                wake_batch(&core, permits).await;
            }
            next => tokio::select! {
                biased;
                () = core.stop.cancelled() => return,
                () = changed => {}
                () = core.clock.sleep_until(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
            },
        }
    }
}

/// Wakes as many workers as there are permits.
async fn wake_batch(core: &Arc<Core>, permits: Vec<OwnedSemaphorePermit>) {
    let (batch, to_read, read) = {
        let mut state = core.lock();
        let read = state.ledger.begin_store_read();
        let batch = state.wakes.begin(core.clock.elapsed(), permits.len());
        let mut to_read = Vec::new();
        for (worker, _) in &batch {
            state.ledger.pin_projection(*worker);
            if state.ledger.projection(*worker).is_none() {
                to_read.push(*worker);
            }
        }
        (batch, to_read, read)
    };
    let mut failed = core.load_projections(to_read, &read).await;
    for ((worker, condition), permit) in batch.into_iter().zip(permits) {
        let woken = match failed.remove(&worker) {
            Some(error) => Err(error),
            None => core.wake_loaded(worker, condition, permit).await,
        };
        if let Err(error) = woken {
            tracing::warn!(worker = %worker, %error, "cannot wake a worker; it is tried again");
        }
    }
}

impl Executor {
    /// Number of workers that are to be woken and are not in memory yet. While the store is searched for such workers,
    /// the search counts as one.
    pub fn wakes_waiting(&self) -> usize {
        let state = self.core.lock();
        state.wakes.len() + usize::from(state.wakes.is_searching)
    }
}

impl Core {
    /// Makes the worker continue, whatever it waits for. If its projection is not in memory, it is loaded first.
    pub(crate) fn wake(self: &Arc<Self>, state: &mut State, worker: WorkerNum) {
        if state.ledger.projection(worker).is_some() {
            self.spawn_if_idle(state, worker);
            Self::slot(state, worker).life_cycle.wake();
        } else if !state.ledger.is_removed(worker) {
            self.wake_later(state, worker, WakeCondition::Always);
        }
    }

    /// Adds the worker to the queue of workers to wake.
    pub(crate) fn wake_later(&self, state: &mut State, worker: WorkerNum, condition: WakeCondition) {
        state.wakes.push(worker, condition, self.clock.elapsed());
        self.wakes_changed.notify_one();
    }

    /// Lets a worker that was resumed continue if a promise of another worker that it waits for was settled while it was
    /// interrupted: the wake-up at that time had no effect, and none follows.
    pub(crate) fn wake_if_promise_was_settled(&self, state: &mut State, worker: WorkerNum) {
        if state.ledger.projection(worker).is_some_and(WorkerProjection::waits_for_foreign_promise) {
            self.wake_later(state, worker, WakeCondition::IfReady);
        }
    }

    /// Loads projections into memory. Returns an error for each that could not be loaded. The projections stay in memory as
    /// long as the read is held.
    async fn load_projections(
        self: &Arc<Self>,
        workers: Vec<WorkerNum>,
        read: &StoreRead,
    ) -> HashMap<WorkerNum, ExecutorError> {
        let mut failed = HashMap::new();
        if workers.is_empty() {
            return failed;
        }
        let wanted = workers.clone();
        let from_store = move |store: &dyn Store| {
            Ok(wanted.iter().map(|worker| store.projection_by_num(*worker)).collect::<Vec<_>>())
        };
        let found = match self.read_store(from_store).await {
            Ok(found) => found,
            Err(error) => return workers.into_iter().map(|worker| (worker, error.clone())).collect(),
        };
        for (worker, stored) in workers.into_iter().zip(found) {
            let loaded = match stored {
                Ok(None) => Ok(()),
                Ok(Some(stored)) => self.load_stored(stored, read).await,
                Err(error) => Err(unavailable(&error)),
            };
            if let Err(error) = loaded {
                failed.insert(worker, error);
            }
        }
        failed
    }

    async fn load_stored(
        self: &Arc<Self>,
        stored: StoredProjection,
        read: &StoreRead,
    ) -> Result<(), ExecutorError> {
        let projection = self.decode_projection(stored).await?;
        let mut state = self.lock();
        Self::check_read_valid(&state, read)?;
        state.ledger.load(projection);
        self.run_actions(&mut state);
        Ok(())
    }

    /// Wakes a worker whose projection is in memory. The worker leaves the queue, unless this fails. The task keeps
    /// `permit` until it has an instance or nothing to do.
    async fn wake_loaded(
        self: &Arc<Self>,
        worker: WorkerNum,
        condition: WakeCondition,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), ExecutorError> {
        let awaited = {
            let state = self.lock();
            state.ledger.projection(worker).map(|projection| {
                (condition == WakeCondition::IfReady && !projection.is_runnable())
                    .then(|| projection.foreign_awaited_promises())
            })
        };
        let wakes = match awaited {
            // It was deleted.
            None => false,
            Some(None) => true,
            Some(Some(promises)) => self.any_settled(worker, &promises).await?,
        };
        let mut state = self.lock();
        // A timer may have elapsed since the attempt began.
        let wakes = state.wakes.finish(worker) == Some(WakeCondition::Always) || wakes;
        let Some(projection) = state.ledger.projection(worker) else { return Ok(()) };
        if !wakes {
            // Its work may have been cancelled while it waited after an error of the server.
            if !projection.has_unfinished_work() {
                self.forget_server_errors(&mut state, worker);
            }
            return Ok(());
        }
        let is_driven = Self::slot(&mut state, worker).life_cycle.has_task();
        self.spawn_if_idle(&mut state, worker);
        let life_cycle = &mut Self::slot(&mut state, worker).life_cycle;
        life_cycle.wake();
        if !is_driven {
            life_cycle.set_wake_permit(permit);
        }
        Ok(())
    }

    /// Whether one of these promises of other workers is not pending.
    async fn any_settled(
        self: &Arc<Self>,
        worker: WorkerNum,
        promises: &[PromiseId],
    ) -> Result<bool, ExecutorError> {
        for promise in promises {
            if self.promise_state(worker, promise).await? != PromiseState::Pending {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Searches the store for workers that have something to do, in the background, until it has read all of them.
    pub(crate) fn spawn_wake_search(self: &Arc<Self>) {
        let generation = {
            let mut state = self.lock();
            state.wakes.is_searching = true;
            state.generation
        };
        let search = move |core: Arc<Self>| async move {
            super::startup::run_wake_search(&core, generation).await;
            let mut state = core.lock();
            if state.generation == generation {
                state.wakes.is_searching = false;
            }
        };
        self.spawn(panics::restart_on_panic(
            self.clone(),
            "the search for workers that have something to do",
            search,
        ));
    }
}
