//! The committer: one task, with a thread of its own, that makes everything durable, in order.
//!
//! It takes all pending rows, writes them in one transaction, and completes everything that waited for them. The next
//! batch gathers while this one syncs. Rows are not delayed by a timer: a single row is written at once, and many
//! concurrent rows share one sync.
//!
//! Invariant (W8): after a failed commit, no in-memory state is used any more. Every instance, projection and waiting
//! reply that may depend on the failed rows is discarded (`discard_all`), the store is opened again, and the workers
//! are loaded from what it has.

use super::core::{Core, OnDurable, State, StoreHealth};
use super::error::{ExecutorError, StartError, with_causes};
use super::ledger::{BatchDraft, Ledger};
use super::panics::Failure;
use super::startup;
use crate::storage::ports::{Batch, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// After this long without a new row, derived state is written.
const IDLE_AFTER: Duration = Duration::from_millis(200);
/// Delay between attempts to open a store that failed.
const RECOVER_EVERY: Duration = Duration::from_millis(500);
/// Number of rows of deleted workers that are removed at a time.
const TIDY_ROWS: usize = 500;

/// Completes an operation that waited for a commit.
pub(crate) fn complete(on_durable: OnDurable, outcome: Result<(), ExecutorError>) {
    // A receiver that was dropped is no error: that client can ask again with the same key.
    match (on_durable, outcome) {
        (OnDurable::Notify(tx), outcome) => drop(tx.send(outcome)),
        (OnDurable::Deliver(waiters, reply), Ok(())) => send_reply(waiters, reply),
        (OnDurable::Deliver(waiters, _), Err(error)) => send_reply(waiters, Err(error)),
        (OnDurable::PublishOutput(ring, row), Ok(())) => ring.publish(row),
        (OnDurable::PublishOutput(ring, _), Err(_)) => ring.drop_waiting(),
    }
}

/// Sends the same reply to all waiters.
pub(crate) fn send_reply(waiters: Vec<super::core::Waiter>, reply: super::core::Reply) {
    let mut waiters = waiters.into_iter();
    let Some(first) = waiters.next() else { return };
    for waiter in waiters {
        drop(waiter.send(reply.clone()));
    }
    drop(first.send(reply));
}

/// Commits until that fails. Returns `None` when the executor is closing and everything is written.
pub(super) async fn commit_until_failure(core: &Arc<Core>) -> Option<Failure> {
    let mut more_to_tidy = true;
    loop {
        let batch = match next_work(core).await {
            Work::Commit(draft) => draft.encode(),
            Work::Maintain if more_to_tidy => {
                core.block_in_place(|| more_to_tidy = run_store_maintenance(core)).await;
                continue;
            }
            Work::Maintain => continue,
            Work::Failed(failure) => return Some(failure),
            Work::Closed => return None,
        };
        more_to_tidy = true;
        let before = core.clock.elapsed();
        let mut result = Ok(());
        core.block_in_place(|| result = core.store.commit(&batch)).await;
        let took = core.clock.elapsed().saturating_sub(before);
        match result {
            Ok(()) => finish_commit(core, &batch, took),
            Err(error) => {
                core.metrics.commits_failed.fetch_add(1, Ordering::Relaxed);
                return Some(Failure::Commit(error));
            }
        }
    }
}

/// What the committer does next.
enum Work {
    Commit(BatchDraft),
    /// Nothing was appended for a while, and everything is written.
    Maintain,
    Failed(Failure),
    /// The executor is closing, and everything is written.
    Closed,
}

/// Waits for rows. If there are none for a while, returns derived state to write, or says that there is nothing to write.
async fn next_work(core: &Arc<Core>) -> Work {
    let idle_at = core.clock.elapsed() + IDLE_AFTER;
    let mut is_idle = false;
    loop {
        {
            let mut state = core.lock();
            if state.is_inconsistent {
                let details = "a panic left the state of the node inconsistent";
                return Work::Failed(Failure::Panic(details.to_owned()));
            }
            let derived = state.ledger.has_unflushed_state();
            if state.ledger.has_unwritten_rows() {
                return Work::Commit(state.ledger.take_batch(false));
            }
            match (state.closing, derived) {
                (true, false) => return Work::Closed,
                (true, true) => return Work::Commit(state.ledger.take_batch(true)),
                (false, true) if is_idle => return Work::Commit(state.ledger.take_batch(true)),
                (false, false) if is_idle => return Work::Maintain,
                (false, _) => {}
            }
        }
        is_idle = tokio::select! {
            biased;
            () = core.commit_needed.notified() => false,
            () = core.clock.sleep_until(idle_at) => true,
        };
    }
}

fn run_store_maintenance(core: &Arc<Core>) -> bool {
    match core.store.run_maintenance(TIDY_ROWS) {
        Ok(more) => more,
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "housekeeping of the store failed; it is tried again");
            false
        }
    }
}

fn finish_commit(core: &Arc<Core>, batch: &Batch, took: Duration) {
    let metrics = &core.metrics;
    metrics.commits.fetch_add(1, Ordering::Relaxed);
    metrics.rows.fetch_add(batch.rows.len() as u64, Ordering::Relaxed);
    metrics.commit_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    let (ready, evicted) = {
        let mut guard = core.lock();
        let state: &mut State = &mut guard;
        state.ledger.mark_committed(batch);
        let slots = &state.slots;
        let evicted =
            state.ledger.evict(core.settings.heads_cached_max, |worker| slots.contains_key(&worker));
        let projections = i64::try_from(state.ledger.projections_cached()).unwrap_or(i64::MAX);
        metrics.heads_cached.store(projections, Ordering::Relaxed);
        let durable = state.ledger.durable_seq();
        let ready = state.on_durable.partition_point(|(seq, _)| *seq <= durable);
        (state.on_durable.drain(..ready).collect::<Vec<_>>(), evicted)
    };
    drop(evicted);
    for (_, on_durable) in ready {
        complete(on_durable, Ok(()));
    }
}

/// Discards all in-memory state, then retries until the store can be used again. Returns false if this process can
/// never use it again.
pub(super) async fn recover_store(core: &Arc<Core>, failure: &Failure) -> bool {
    let (details, reason): (_, Arc<str>) = match failure {
        Failure::Commit(error) => (with_causes(error), error.for_callers().into()),
        Failure::Panic(text) => {
            (text.as_str().into(), "a part of the server panicked; the server's log has the cause".into())
        }
    };
    tracing::error!(reason = %details, "commits stopped: all in-memory state is discarded");
    discard_all(core, &reason);
    if let Failure::Commit(StoreError::Fenced { .. }) = failure {
        tracing::error!("another process owns the data now; this process accepts no more work");
        core.fenced.cancel();
        return false;
    }
    loop {
        if core.lock().stopping {
            return false;
        }
        tokio::select! {
            biased;
            () = core.stop.cancelled() => return false,
            () = core.clock.sleep_until(core.clock.elapsed() + RECOVER_EVERY) => {}
        }
        let mut reopened = None;
        core.block_in_place(|| reopened = Some(reopen(core.store.as_ref()))).await;
        match reopened.expect("the job has run") {
            Ok(ledger) => {
                let mut state = core.lock();
                state.ledger = ledger;
                state.health = StoreHealth::Up;
                core.run_actions(&mut state);
                drop(state);
                tracing::info!("the store can be used again");
                core.spawn_wake_search();
                return true;
            }
            Err(error) => {
                tracing::warn!(reason = %with_causes(&error), "the store cannot be used yet");
                core.lock().health = StoreHealth::Down(error.for_callers().into());
            }
        }
    }
}

/// Opens the store again and builds a ledger from it.
fn reopen(store: &dyn Store) -> Result<Ledger, StartError> {
    let position = store.recover()?;
    startup::rebuild_ledger(store, position)
}

fn discard_all(core: &Arc<Core>, reason: &Arc<str>) {
    let error = ExecutorError::Unavailable { reason: reason.clone() };
    let (on_durable, slots) = {
        let mut state = core.lock();
        state.health = StoreHealth::Down(reason.clone());
        state.generation += 1;
        state.is_inconsistent = false;
        state.idle.clear();
        state.scheduler = super::state::Scheduler::default();
        state.acceptances = super::state::AcceptanceQueue::default();
        state.wakes = super::state::WakeQueue::default();
        state.server_errors.clear();
        // Nothing may read this ledger any more. Replacing it with an empty one makes sure of that.
        state.ledger = super::ledger::Ledger::new(crate::storage::ports::StorePosition::default(), &[]);
        state.answers = super::state::AnswerCache::default();
        (std::mem::take(&mut state.on_durable), std::mem::take(&mut state.slots))
    };
    for (_, on_durable) in on_durable {
        complete(on_durable, Err(error.clone()));
    }
    for (_, slot) in slots.into_iter().collect::<std::collections::BTreeMap<_, _>>() {
        slot.life_cycle.interrupt();
        for pending in slot.pending.into_iter().chain(slot.current) {
            send_reply(pending.waiters, Err(error.clone()));
        }
    }
}
