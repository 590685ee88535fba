//! What happens when a node starts, or its store comes back.
//!
//! Heads in the store may lag behind the log; the rows after them are folded again, which is all that recovery
//! rebuilds. Then every worker that has something to do, or waits for a time, is woken or scheduled.

use super::core::Core;
use super::error::{ExecutorError, StartError};
use super::history;
use super::ledger::{Ledger, StepError, WorkerCounts};
use super::projection::WorkerProjection;
use super::{Executor, ExecutorParts};
use super::{committer, scheduler, snapshot};
use crate::storage::ports::{Position, Seq, Store, StoreError, WorkerNum};
use golem_model::oplog::codec;
use std::sync::Arc;

/// Rows or heads read at a time.
const PAGE_SIZE: usize = 1_000;

impl Executor {
    /// Takes the store's shards and goes on where the last process stopped, however it stopped.
    pub async fn start(parts: ExecutorParts) -> Result<Self, StartError> {
        let store = parts.store.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let position = store.position()?;
            rebuild_ledger(store.as_ref(), position)
        });
        let ledger = opened.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let core = Core::new(parts, ledger);
        core.run_actions(&mut core.lock());
        let thread = core.clone();
        let committer = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer::run(&thread))
            .map_err(|source| StartError::Thread { name: "committer", source })?;
        *core.committer.lock() = Some(committer);
        core.tasks.spawn(scheduler::run(core.clone()));
        core.tasks.spawn(evict_idle(core.clone()));
        core.tasks.spawn(snapshot::sweep_images(core.clone()));
        if let Err(error) = wake_all(&core).await {
            tracing::error!(%error, "cannot look for workers that have something to do");
        }
        Ok(Self { core })
    }

    /// Stops taking work, writes what is pending, and returns when all is durable. Guests that run are stopped as
    /// by a crash: their invocations go on after the next start.
    pub async fn shutdown(&self) {
        let slots = {
            let mut state = self.core.lock();
            state.stopping = true;
            state.idle.clear();
            std::mem::take(&mut state.slots)
        };
        for slot in slots.into_values() {
            if let Some(interrupt_handle) = slot.interrupt_handle {
                interrupt_handle.interrupt();
            }
            for pending in slot.pending.into_iter().chain(slot.current) {
                committer::deliver(pending.waiters, Err(ExecutorError::ShuttingDown));
            }
        }
        self.core.stop.cancel();
        self.core.resident_freed.notify_waiters();
        self.core.tasks.close();
        self.core.tasks.wait().await;
        self.core.lock().closing = true;
        self.core.commit_needed.notify_all();
        let committer = self.core.committer.lock().take();
        if let Some(committer) = committer
            && !matches!(tokio::task::spawn_blocking(move || committer.join()).await, Ok(Ok(())))
        {
            tracing::error!(
                "the committer ended badly; what it had not written is rebuilt from the log at the next start"
            );
        }
    }
}

/// A ledger for what the store has: takes the shards, folds the rows that the heads do not have.
pub(crate) fn rebuild_ledger(store: &dyn Store, position: Position) -> Result<Ledger, StartError> {
    let epochs = store.acquire()?;
    let mut ledger = Ledger::new(position, &epochs);
    ledger.counts = WorkerCounts::new(store.head_counts()?);
    let mut next = position.derived.applied;
    loop {
        let page = store.rows_after(next, PAGE_SIZE)?;
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
                // Rows of a worker that was deleted since, and whose head is gone already.
                Err(StepError::UnknownWorker) if is_deleted_later(store, row.worker, row.seq)? => {}
                Err(error) => return Err(damaged(format!("{error} (worker {})", row.worker))),
            }
        }
    }
    load_callers(store, &mut ledger)?;
    Ok(ledger)
}

/// Has every worker in memory that may get an answer from another one: answers are given in a step, which reads nothing.
fn load_callers(store: &dyn Store, ledger: &mut Ledger) -> Result<(), StartError> {
    let mut after = WorkerNum(0);
    loop {
        let page = store.heads_to_wake(after, PAGE_SIZE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.no;
        for stored in page.iter().filter(|stored| stored.active) {
            if ledger.projection(stored.no).is_none() && !ledger.is_removed(stored.no) {
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
    let Some(stored) = store.head_by_no(worker)? else { return Ok(()) };
    let projection = match WorkerProjection::from_stored(&stored) {
        Ok(projection) => projection,
        Err(_) => history::rebuild_projection(store, &stored)?,
    };
    ledger.load(projection);
    Ok(())
}

/// Whether the log goes on to delete the worker: then its head may be gone from the store while older rows of it are
/// still to be folded.
fn is_deleted_later(store: &dyn Store, worker: WorkerNum, from: Seq) -> Result<bool, StoreError> {
    let mut next = from;
    loop {
        let page = store.rows_after(next, PAGE_SIZE)?;
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

/// Wakes every worker that has something to do, and schedules those that wait for a time.
pub(crate) async fn wake_all(core: &Arc<Core>) -> Result<(), ExecutorError> {
    // What the tail of the log brought into memory.
    {
        let mut state = core.lock();
        for worker in state.ledger.runnable() {
            core.wake(&mut state, worker);
        }
    }
    let mut after = WorkerNum(0);
    loop {
        let page = core.read_store(move |store| store.heads_to_wake(after, PAGE_SIZE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.no;
        let mut state = core.lock();
        Core::check_available(&state)?;
        for stored in page {
            if state.ledger.projection(stored.no).is_some() || state.ledger.is_removed(stored.no) {
                continue;
            }
            if stored.active {
                core.wake(&mut state, stored.no);
            } else if let Some(at) = stored.wake_at {
                // Its head stays in the store until then: a sleeping worker costs a timer.
                let due =
                    state.scheduler.step(core.clock.now(), scheduler::TimerEvent::Set(stored.no, Some(at)));
                debug_assert!(due.is_empty(), "setting a timer wakes nobody");
                core.timers_changed.notify_one();
            }
        }
    }
}

/// Drops instances that were idle for long.
async fn evict_idle(core: Arc<Core>) {
    let mut marker = 0;
    loop {
        tokio::select! {
            () = core.clock.sleep_until(core.clock.elapsed() + core.settings.idle_after) => {}
            () = core.stop.cancelled() => return,
        }
        let evicted = {
            let mut state = core.lock();
            // Whoever was idle at the last look and has been since.
            let old: Vec<_> = state
                .idle
                .iter()
                .take_while(|(since, _)| *since <= marker)
                .map(|(_, worker)| *worker)
                .collect();
            marker = state.idle_marker();
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
