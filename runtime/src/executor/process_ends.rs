//! Attempts that end with the process: a worker that makes the server run out of memory must not end it forever.
//!
//! When a process loads a worker for work that an earlier process left unfinished, the row `Continued` is durable before
//! the instance exists. That is one shared commit for each such worker and process, and one for each load after a row
//! `Stopped`. If the process then ends before the worker makes progress, the next process finds the row and counts the
//! attempt (row `Ended`). The next attempt is delayed, and after as many attempts as the setting allows the work fails.
//!
//! Invariant: a shutdown, a worker outside memory, a delay, an interrupt and an error of the server are not counted: a
//! row `Stopped`, an entry or an inbox event ends the attempt in the log.

use super::core::{Core, PendingInvocation, State};
use super::ledger::LedgerEvent;
use super::position::RowPosition;
use super::projection::{PendingUpdate, StoredIdempotencyKey};
use super::retry::jitter;
use super::worker_task::{append_entries, fail_invocation};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::oplog::{FailureCause, InboxEvent, InvocationSource, LifecycleEvent, ProcessEvent};
use golem_model::{Entry, IdempotencyKey, OplogIndex, RetryPolicy};
use std::sync::Arc;
use std::time::Duration;

/// Delays before the next attempt: 1 s after the first one that ended with the process, then doubled up to a minute.
const DELAYS: RetryPolicy = RetryPolicy {
    attempts_max: u32::MAX,
    delay_min: Duration::from_secs(1),
    delay_max: Duration::from_mins(1),
    multiplier: 2.0,
};

/// Whether work that an earlier process left unfinished may be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContinueDecision {
    Ready,
    /// The worker's timer continues it.
    Later,
    /// The process ended too often. The work has failed, so the next work is another one.
    Failed,
}

impl Core {
    /// Counts the attempt of the worker's next work that ended with an earlier process, if there is one.
    pub(super) fn check_process_ends(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
    ) -> ContinueDecision {
        let Some(projection) = state.ledger.projection(worker) else { return ContinueDecision::Ready };
        let now = self.clock.now();
        let ends = &projection.process_ends;
        if !ends.was_continued_before(self.began_after) {
            let waits = ends.resume_at().is_some_and(|at| at > now);
            return if waits { ContinueDecision::Later } else { ContinueDecision::Ready };
        }
        let times = ends.count().saturating_add(1);
        let id = &projection.id;
        let index = OplogIndex(projection.last_row);
        let delay = DELAYS.delay(times, jitter(&projection.seed, index)).unwrap_or(DELAYS.delay_max);
        if times >= self.settings.process_ends_max {
            tracing::error!(worker = %id, times, "the process ended while the worker's work was continued; it fails");
            if self.fail_work(state, worker, times) {
                return ContinueDecision::Failed;
            }
            return self.delay_work(state, worker, delay);
        }
        tracing::warn!(worker = %id, times, ?delay, "the process ended while the worker's work was continued; it is delayed");
        self.delay_work(state, worker, delay)
    }

    fn delay_work(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        delay: Duration,
    ) -> ContinueDecision {
        let at = self.clock.now();
        let event = ProcessEvent::Ended { at, resume_at: at.plus(delay) };
        self.append_process_event(state, worker, event);
        ContinueDecision::Later
    }

    /// Records that this process continues work that an earlier one left unfinished, unless its log shows that already.
    /// The row must be durable before the work is continued.
    pub(super) fn record_continued(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
    ) -> Option<RowPosition> {
        let projection = state.ledger.projection(worker)?;
        let accepted = projection.queue.front().is_some_and(|(row, _)| *row <= self.began_after.0);
        let unfinished =
            projection.current.is_some() || projection.snapshot_state.update.is_some() || accepted;
        if !unfinished || !projection.process_ends.lacks_record_after(self.began_after) {
            return None;
        }
        let at = self.clock.now();
        self.append_process_event(state, worker, ProcessEvent::Continued { at });
        Some(state.worker_position(worker))
    }

    /// Records that the worker's attempt has ended and the process has not.
    pub(super) fn record_stopped(self: &Arc<Self>, state: &mut State, worker: WorkerNum) {
        let began_after = self.began_after;
        let projection = state.ledger.projection(worker);
        if projection.is_some_and(|projection| projection.process_ends.was_continued_after(began_after)) {
            let at = self.clock.now();
            self.append_process_event(state, worker, ProcessEvent::Stopped { at });
        }
    }

    /// Records at a shutdown that no attempt ends with the process.
    pub(super) fn record_all_stopped(self: &Arc<Self>) {
        let mut state = self.lock();
        for worker in state.ledger.workers_with_continued_attempt() {
            self.record_stopped(&mut state, worker);
        }
    }

    fn append_process_event(self: &Arc<Self>, state: &mut State, worker: WorkerNum, event: ProcessEvent) {
        let event = LedgerEvent::Inbox { worker, event: InboxEvent::Process(event) };
        if let Err(error) = self.step(state, event) {
            tracing::error!(worker = %worker, %error, "cannot record an attempt");
        }
    }

    /// Fails what the worker would do next. Returns false if that cannot be recorded.
    fn fail_work(self: &Arc<Self>, state: &mut State, worker: WorkerNum, times: u32) -> bool {
        let Some(projection) = state.ledger.projection(worker) else { return false };
        let at = self.clock.now();
        let cause = FailureCause::ProcessEnded { times };
        if projection.current.is_some() {
            fail_invocation(self, state, worker, cause);
            return true;
        }
        if let Some(PendingUpdate { mode, to, .. }) = projection.snapshot_state.update {
            let from = projection.template_version;
            let details = format!("the process ended {times} times while the update was tried");
            let refused = LifecycleEvent::UpdateRefused { at, from, to, mode, index: None, details };
            return append_entries(self, state, worker, vec![Entry::LifecycleEvent(refused)]).is_some();
        }
        let Some((row, StoredIdempotencyKey(key))) = projection.queue.front().cloned() else { return false };
        let Ok(key) = IdempotencyKey::from_stored(key) else { return false };
        // It begins and fails, so it has an outcome like any other invocation.
        let started = Entry::InvocationStarted { at, key, source: InvocationSource::Queued { row } };
        if append_entries(self, state, worker, vec![started]).is_none() {
            return false;
        }
        let slot = Self::slot(state, worker);
        let is_first = |pending: &PendingInvocation| pending.accepted_row == Some(Seq(row));
        if !slot.current.as_ref().is_some_and(is_first) {
            let place = slot.pending.iter().position(is_first);
            slot.current = place.and_then(|place| slot.pending.remove(place));
        }
        fail_invocation(self, state, worker, cause);
        true
    }
}
