//! Wakes workers whose projections are not in memory: at the start, when a timer elapses, or when a promise that they
//! wait for is completed.
//!
//! Invariant: a worker stays in the [`WakeQueue`] until its projection is in memory and a task drives it, or until there
//! is nothing to do. Each attempt reserves the time of the next one before it begins, so an error of the store or a panic
//! delays a wake-up and loses none.
//!
//! Invariant: at most [`WAKES_MAX`] workers that were woken here wait for memory or are being loaded. The others cost
//! an entry of the queue each.

use super::core::{Core, State};
use super::ledger::store_reads::StoreRead;
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, panics};
use crate::storage::ports::{Store, StoredProjection, WorkerNum};
use golem_model::PromiseId;
use golem_model::promise::PromiseState;
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Workers that are woken at a time: from the read of a projection until its instance is loaded or there is nothing to
/// do.
pub(crate) const WAKES_MAX: usize = 64;
/// Projections that are read at a time.
const BATCH_MAX: usize = 32;
/// Delay before the second attempt to wake a worker. It doubles with each attempt.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// Maximum delay between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The condition under which a wake-up lets the worker continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WakeCondition {
    /// The worker can run, or a promise that it waits for was completed.
    IfReady,
    /// None: the worker continues, whatever it waits for.
    Always,
}

#[derive(Debug, Clone, Copy)]
struct QueuedWake {
    condition: WakeCondition,
    /// The elapsed time of the next attempt.
    at: Duration,
    attempts: u32,
}

/// Workers to wake.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue {
    by_worker: HashMap<WorkerNum, QueuedWake>,
    by_time: BTreeSet<(Duration, WorkerNum)>,
    /// Whether the store is searched for workers that have something to do.
    is_searching: bool,
}

impl WakeQueue {
    /// Adds a worker. One that is in the queue keeps its time.
    pub(crate) fn push(&mut self, worker: WorkerNum, condition: WakeCondition, now: Duration) {
        let queued = self.by_worker.entry(worker).or_insert(QueuedWake { condition, at: now, attempts: 0 });
        queued.condition = queued.condition.max(condition);
        self.by_time.insert((queued.at, worker));
    }

    /// Begins an attempt for up to `count` workers, and reserves the time of the next attempt.
    fn begin(&mut self, now: Duration, count: usize) -> Vec<(WorkerNum, WakeCondition)> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now).take(count);
        let due: Vec<(Duration, WorkerNum)> = due.copied().collect();
        due.into_iter()
            .filter_map(|(at, worker)| {
                self.by_time.remove(&(at, worker));
                let queued = self.by_worker.get_mut(&worker)?;
                queued.at = now + delay(queued.attempts);
                queued.attempts += 1;
                self.by_time.insert((queued.at, worker));
                Some((worker, queued.condition))
            })
            .collect()
    }

    /// The worker was woken, or has nothing to do. Returns the wake-up that was queued last, which may be a stronger one
    /// than the attempt began with.
    fn finish(&mut self, worker: WorkerNum) -> Option<WakeCondition> {
        let queued = self.by_worker.remove(&worker)?;
        self.by_time.remove(&(queued.at, worker));
        Some(queued.condition)
    }

    fn next_due(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

fn delay(attempts: u32) -> Duration {
    RETRY_MIN.saturating_mul(1 << attempts.min(16)).min(RETRY_MAX)
}

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
        state.wakes.by_worker.len() + usize::from(state.wakes.is_searching)
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
                Err(error) => Err(super::core::unavailable(&error)),
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
        if !wakes || state.ledger.projection(worker).is_none() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_worker_is_tried_again_until_it_is_woken() {
        let mut queue = WakeQueue::default();
        let (a, b) = (WorkerNum(1), WorkerNum(2));
        queue.push(a, WakeCondition::IfReady, ms(0));
        queue.push(b, WakeCondition::Always, ms(10));
        assert_eq!(queue.begin(ms(0), 10), [(a, WakeCondition::IfReady)]);
        assert_eq!(queue.begin(ms(0), 10), [], "its attempt is under way");
        queue.push(a, WakeCondition::Always, ms(1));
        assert_eq!(queue.next_due(), Some(ms(10)), "a worker in the queue keeps its time");
        assert_eq!(queue.begin(ms(600), 10), [(b, WakeCondition::Always), (a, WakeCondition::Always)]);
        assert_eq!(queue.finish(b), Some(WakeCondition::Always));
        assert_eq!(queue.finish(b), None);
        assert_eq!(queue.next_due(), Some(ms(600 + 1_000)));
        queue.finish(a);
        assert_eq!(queue.next_due(), None);
        queue.push(a, WakeCondition::IfReady, ms(700));
        assert_eq!(queue.begin(ms(700), 1), [(a, WakeCondition::IfReady)]);
    }

    #[test]
    fn delays_double_up_to_a_bound() {
        assert_eq!(
            [delay(0), delay(1), delay(5), delay(6), delay(1_000)].map(|delay| delay.as_millis()),
            [500, 1_000, 16_000, 30_000, 30_000]
        );
    }
}
