//! Delays before the next attempt.

use super::core::{Core, State, WorkerSlot};
use super::projection::WorkerProjection;
use super::state::{TimerEvent, TimerId, TimerReason};
use crate::storage::ports::WorkerNum;
use golem_model::OplogIndex;
use std::time::Duration;

/// Delay before work is retried after an error of the server, such as a component that does not load or a store that
/// does not answer. It doubles with each error until something else happens.
const RETRY_WORK_MIN: Duration = Duration::from_secs(2);
/// Maximum delay between two attempts after errors of the server.
const RETRY_WORK_MAX: Duration = Duration::from_mins(1);

impl State {
    /// Whether the worker's work met errors of the server, and its timer starts the next attempt.
    pub(super) fn retries_after_server_error(
        &self,
        worker: WorkerNum,
        projection: &WorkerProjection,
    ) -> bool {
        let is_driven = self.slots.get(&worker).is_some_and(WorkerSlot::drives_invocation);
        let has_work = projection.runs_invocations() && projection.has_unfinished_work();
        !is_driven && has_work && self.server_errors.contains_key(&worker)
    }
}

impl Core {
    /// Sets the timer with which work that met an error of the server is tried again.
    pub(super) fn retry_after_server_error(&self, state: &mut State, worker: WorkerNum) {
        let errors = state.server_errors.entry(worker).or_insert(0);
        let delay = RETRY_WORK_MIN.saturating_mul(1 << (*errors).min(16)).min(RETRY_WORK_MAX);
        *errors += 1;
        let now = self.clock.now();
        let retry_at = now.plus(delay);
        let timer = TimerId { worker, reason: TimerReason::ServerError };
        self.change_timer(state, TimerEvent::Set(timer, Some(retry_at)));
        // The row `Stopped` has set the worker's own timer again. If its time has passed, it would end this delay at once.
        let Some(projection) = state.ledger.projection(worker) else { return };
        if projection.resumes_at().is_some_and(|at| at <= now) {
            let first_call = projection.calls.first_due().unwrap_or(retry_at);
            let timer = TimerId { worker, reason: TimerReason::Log };
            self.change_timer(state, TimerEvent::Set(timer, Some(first_call.min(retry_at))));
        }
    }
}

/// Returns a number from 0 to 1 that depends only on the worker's seed and the oplog index, so it is the same in every
/// run.
pub(crate) fn jitter(seed: &[u8; 32], index: OplogIndex) -> f64 {
    let hash = blake3::keyed_hash(seed, &index.0.to_le_bytes());
    let (bytes, _) = hash.as_bytes().split_first_chunk::<4>().expect("a hash has 32 bytes");
    f64::from(u32::from_le_bytes(*bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_differs_between_workers_and_attempts_but_not_between_runs() {
        let of = |seed: u8, index| jitter(&[seed; 32], OplogIndex(index));
        let all: Vec<f64> = (0..50_u8).map(|n| of(n, 7)).chain((0..50).map(|n| of(7, n))).collect();
        assert!(all.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        let different: std::collections::BTreeSet<u64> = all.iter().map(|jitter| jitter.to_bits()).collect();
        assert_eq!(different.len(), 99, "worker 7 at index 7 occurs twice");
        assert!(all.iter().any(|jitter| *jitter < 0.2) && all.iter().any(|jitter| *jitter > 0.8));
    }
}
