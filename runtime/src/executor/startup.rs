//! Recovery at the start of a node, or when its store becomes usable again.
//!
//! Stored projections may lag behind the log. The rows after them are folded again; nothing else has to be rebuilt.
//! Then every worker that has something to do is woken, and every worker that waits for a time is scheduled.

use super::core::Core;
use super::error::{ExecutorError, StartError};
use super::history;
use super::ledger::{Ledger, StepError, WorkerCounts};
use super::projection::WorkerProjection;
use super::state::{TimerEvent, TimerId, TimerReason, WakeCondition};
use super::{Executor, ExecutorParts};
use super::{committer, panics, scheduler, snapshot, wakes};
use crate::spawner;
use crate::storage::ports::{ROWS_BYTES, Seq, Store, StoreError, StorePosition, WorkerNum};
use golem_model::oplog::codec;
use std::sync::Arc;
use std::time::Duration;

/// Number of rows or projections that are read at a time.
const PAGE_SIZE: usize = 1_000;
/// Delay before the search for workers with work is continued after an error of the store.
const SEARCH_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Executor {
    /// Takes the store's shards and continues where the last process stopped or crashed.
    pub async fn start(parts: ExecutorParts) -> Result<Self, StartError> {
        let store = parts.store.clone();
        let opened = spawner::run_blocking(&*parts.spawner, move || {
            let position = store.position()?;
            rebuild_ledger(store.as_ref(), position)
        });
        let ledger = opened.await.map_err(|_| StartError::Interrupted)??;
        let core = Core::new(parts, ledger);
        core.run_actions(&mut core.lock());
        let committer = core.committer.track_future(panics::run_committer(core.clone()));
        core.spawner
            .spawn_thread("committer", Box::pin(committer))
            .map_err(|source| StartError::Thread { name: "committer", source })?;
        core.spawn(panics::restart_on_panic(core.clone(), "the scheduler", scheduler::run));
        core.spawn(panics::restart_on_panic(core.clone(), "the eviction of idle instances", evict_idle));
        core.spawn(panics::restart_on_panic(core.clone(), "the sweep of images", snapshot::sweep_images));
        core.spawn(panics::restart_on_panic(core.clone(), "the queue of workers to wake", wakes::run));
        core.spawn_wake_search();
        Ok(Self { core })
    }

    /// Whether requests are accepted now. An error says why not.
    pub fn health(&self) -> Result<(), ExecutorError> {
        super::core::Core::check_available(&self.core.lock())
    }

    /// Returns when another process has taken the data. This process can then never write again.
    pub async fn wait_until_fenced(&self) {
        self.core.fenced.cancelled().await;
    }

    /// Stops accepting work, writes everything that is pending, and returns when it is durable or when the store fails.
    /// Running guests are stopped as in a crash: their invocations continue after the next start.
    pub async fn shutdown(&self) {
        let slots = {
            let mut state = self.core.lock();
            state.stopping = true;
            state.idle.clear();
            std::mem::take(&mut state.slots)
        };
        for slot in slots.into_values() {
            slot.life_cycle.interrupt();
            for pending in slot.pending.into_iter().chain(slot.current) {
                committer::send_reply(pending.waiters, Err(ExecutorError::ShuttingDown));
            }
        }
        self.core.stop.cancel();
        self.core.residents.close();
        self.core.tasks.close();
        self.core.tasks.wait().await;
        self.core.record_all_stopped();
        self.core.lock().closing = true;
        self.core.commit_needed.notify_one();
        self.core.committer.close();
        self.core.committer.wait().await;
    }
}

/// Builds a ledger from the store: takes the shards, and folds the rows that are not in the stored projections yet.
pub(crate) fn rebuild_ledger(store: &dyn Store, position: StorePosition) -> Result<Ledger, StartError> {
    let epochs = store.acquire()?;
    let mut ledger = Ledger::new(position, &epochs);
    ledger.counts = WorkerCounts::new(store.projection_counts()?);
    let mut next = position.derived.applied;
    loop {
        let page = store.rows_after(next, PAGE_SIZE, ROWS_BYTES)?;
        let Some(last) = page.last() else { break };
        next = last.seq;
        for row in page {
            let damaged = |details: String| StartError::Damaged { row: row.seq.0, details };
            let body = codec::decode_row(&row.body).map_err(|error| damaged(error.to_string()))?;
            if ledger.projection(row.worker).is_none() && !ledger.is_removed(row.worker) {
                load_projection(store, &mut ledger, row.worker)?;
            }
            match ledger.replay_row(&row, &body) {
                Ok(()) => {}
                // Rows of a worker that is deleted later in the log, and whose projection is not stored any more.
                Err(StepError::UnknownWorker) if is_deleted_later(store, row.worker, row.seq)? => {}
                Err(error) => return Err(damaged(format!("{error} (worker {})", row.worker))),
            }
        }
    }
    load_callers(store, &mut ledger)?;
    ledger.recount_deleted_names(store)?;
    Ok(ledger)
}

/// Loads every worker that may receive an answer from another one, because replies are appended without reading the
/// store.
fn load_callers(store: &dyn Store, ledger: &mut Ledger) -> Result<(), StartError> {
    let mut after = WorkerNum(0);
    loop {
        let page = store.projections_to_wake(after, PAGE_SIZE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.worker;
        for stored in page.iter().filter(|stored| stored.active) {
            if ledger.projection(stored.worker).is_none() && !ledger.is_removed(stored.worker) {
                let projection = match WorkerProjection::from_stored(stored) {
                    Ok(projection) => projection,
                    Err(_) => history::rebuild_projection(store, stored)?,
                };
                if projection.calls.expects_answer() {
                    ledger.load(projection);
                }
            }
        }
    }
}

fn load_projection(store: &dyn Store, ledger: &mut Ledger, worker: WorkerNum) -> Result<(), StoreError> {
    let Some(stored) = store.projection_by_num(worker)? else { return Ok(()) };
    let projection = match WorkerProjection::from_stored(&stored) {
        Ok(projection) => projection,
        Err(_) => history::rebuild_projection(store, &stored)?,
    };
    ledger.load(projection);
    Ok(())
}

/// Whether the worker is deleted later in the log. Its projection may then be removed from the store while older rows
/// of it are still to be folded.
fn is_deleted_later(store: &dyn Store, worker: WorkerNum, from: Seq) -> Result<bool, StoreError> {
    let mut next = from;
    loop {
        let page = store.rows_after(next, PAGE_SIZE, ROWS_BYTES)?;
        let Some(last) = page.last() else { return Ok(false) };
        next = last.seq;
        let deleted = page.iter().any(|row| {
            row.worker == worker
                && matches!(
                    codec::decode_row(&row.body),
                    Ok(codec::Row::InboxEvent(golem_model::InboxEvent::Deleted { .. }))
                )
        });
        if deleted {
            return Ok(true);
        }
    }
}

/// Queues every worker that has something to do, and schedules the workers that wait for a time. Tries again while the
/// store cannot be read, until all in-memory state is discarded: the recovery begins another search.
pub(crate) async fn run_wake_search(core: &Arc<Core>, generation: u64) {
    // Workers whose projections were loaded by folding the end of the log.
    {
        let mut state = core.lock();
        for worker in state.ledger.workers_to_wake() {
            core.wake_later(&mut state, worker, WakeCondition::IfReady);
        }
    }
    let mut after = WorkerNum(0);
    loop {
        match wake_page(core, generation, after).await {
            Ok(Some(last)) => after = last,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "cannot find the workers that have something to do; the search is continued");
                tokio::select! {
                    biased;
                    () = core.stop.cancelled() => return,
                    () = core.clock.sleep_until(core.clock.elapsed() + SEARCH_RETRY_AFTER) => {}
                }
            }
        }
    }
}

/// Queues and schedules the workers of one page. Returns the last worker on it, or `None` if it was the last page.
async fn wake_page(
    core: &Arc<Core>,
    generation: u64,
    after: WorkerNum,
) -> Result<Option<WorkerNum>, ExecutorError> {
    if core.lock().generation != generation {
        return Ok(None);
    }
    let page = core.read_store(move |store| store.projections_to_wake(after, PAGE_SIZE)).await?;
    let mut state = core.lock();
    if state.generation != generation || state.stopping {
        return Ok(None);
    }
    for stored in &page {
        if state.ledger.is_removed(stored.worker) {
            continue;
        }
        // A request may have loaded the projection since the start, and may have changed it.
        let is_loaded = state.ledger.projection(stored.worker).is_some();
        if stored.active || is_loaded {
            core.wake_later(&mut state, stored.worker, WakeCondition::IfReady);
        }
        if let Some(at) = stored.wake_at.filter(|_| !is_loaded) {
            // Its projection stays in the store until then, so a sleeping worker costs only a timer. A worker that has
            // a timer was in memory since the page was read.
            let timer = TimerId { worker: stored.worker, reason: TimerReason::Log };
            core.change_timer(&mut state, TimerEvent::SetIfNone(timer, at));
        }
    }
    Ok(page.last().map(|last| last.worker))
}

/// Drops instances that have been idle for long.
async fn evict_idle(core: Arc<Core>) {
    let mut marker = 0;
    loop {
        tokio::select! {
            biased;
            () = core.stop.cancelled() => return,
            () = core.clock.sleep_until(core.clock.elapsed() + core.settings.idle_after) => {}
        }
        let evicted = {
            let mut state = core.lock();
            // Instances that were idle at the last check and have been idle since.
            let old: Vec<_> = state
                .idle
                .iter()
                .take_while(|(since, _)| *since <= marker)
                .map(|(_, worker)| *worker)
                .collect();
            marker = state.idle_high_watermark();
            let mut evicted = Vec::new();
            for worker in old {
                evicted.extend(Core::take_idle(&mut state, worker));
                Core::remove_slot_if_empty(&mut state, worker);
            }
            evicted
        };
        drop(evicted);
    }
}
