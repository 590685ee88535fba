//! The queue of workers with admitted invocations whose acceptance is not in the log yet (`progress`).

use crate::storage::ports::WorkerNum;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// Due times are rounded down to this, so acceptances wake the scheduler at most 100 times per second, with any number
/// of workers.
const TICK_MS: u64 = 10;

/// Returns the time at which the acceptance of an invocation must be in the log.
pub(crate) fn acceptance_deadline(admitted: Duration, progress: Duration) -> Duration {
    let due = admitted.saturating_add(progress).as_millis();
    let due = u64::try_from(due).unwrap_or(u64::MAX);
    Duration::from_millis(due - due % TICK_MS)
}

/// Workers whose acceptances are due.
#[derive(Debug, Default)]
pub(crate) struct DueWorkers {
    /// Each worker once.
    pub(crate) workers: Vec<WorkerNum>,
    /// Number of their places in the queue.
    pub(crate) count: usize,
}

/// The workers that have admitted invocations without a row, in the order in which the rows are due.
#[derive(Debug, Default)]
pub(crate) struct AcceptanceQueue {
    by_time: VecDeque<(Duration, WorkerNum)>,
}

impl AcceptanceQueue {
    /// Adds a worker with an invocation that was admitted last. Returns true if the queue was empty.
    pub(crate) fn push(&mut self, due: Duration, worker: WorkerNum) -> bool {
        let was_empty = self.by_time.is_empty();
        if self.by_time.back() != Some(&(due, worker)) {
            self.by_time.push_back((due, worker));
        }
        was_empty
    }

    /// Number of places in the queue.
    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// The workers whose time has come, each once: all due invocations of a worker are accepted together, also those of
    /// several ticks that the scheduler has missed. They stay in the queue until they are removed, so that a scheduler that
    /// panics in between finds them again.
    pub(crate) fn due(&self, now: Duration) -> DueWorkers {
        let count = self.by_time.partition_point(|(due, _)| *due <= now);
        let mut seen = HashSet::new();
        let due = self.by_time.range(..count).map(|(_, worker)| *worker);
        DueWorkers { workers: due.filter(|worker| seen.insert(*worker)).collect(), count }
    }

    /// Removes the workers whose rows were appended. Nothing else has removed a worker since they were due.
    pub(crate) fn remove_due(&mut self, count: usize) {
        self.by_time.drain(..count.min(self.by_time.len()));
    }

    /// The time at which the next row is due, after `now`.
    pub(crate) fn next_due_after(&self, now: Duration) -> Option<Duration> {
        let due = self.by_time.partition_point(|(due, _)| *due <= now);
        self.by_time.get(due).map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn take_due(queue: &mut AcceptanceQueue, now: u64) -> Vec<WorkerNum> {
        let due = queue.due(ms(now));
        queue.remove_due(due.count);
        due.workers
    }

    #[test]
    fn due_times_are_rounded_down_to_ticks() {
        for (admitted, progress, due) in
            [(1_000, 50, 1_050), (1_009, 50, 1_050), (1_010, 50, 1_060), (1_004, 1, 1_000)]
        {
            assert_eq!(acceptance_deadline(ms(admitted), ms(progress)), ms(due), "{admitted} + {progress}");
        }
        assert!(acceptance_deadline(Duration::MAX, ms(50)) > ms(1_000_000));
    }

    #[test]
    fn workers_are_due_in_order_and_once_per_tick() {
        let mut queue = AcceptanceQueue::default();
        let (a, b) = (WorkerNum(1), WorkerNum(2));
        assert!(queue.push(ms(50), a), "the scheduler must learn of the first one");
        assert!(!queue.push(ms(50), a) && !queue.push(ms(50), b) && !queue.push(ms(60), a));
        assert_eq!(queue.next_due_after(ms(49)), Some(ms(50)));
        assert_eq!(take_due(&mut queue, 49), []);
        assert_eq!(queue.next_due_after(ms(50)), Some(ms(60)));
        assert_eq!(take_due(&mut queue, 50), [a, b]);
        assert_eq!(take_due(&mut queue, 70), [a]);
        assert_eq!(queue.next_due_after(ms(0)), None);
    }

    /// Regression: each acceptance was encoded once for each tick that had passed.
    #[test]
    fn a_worker_is_due_once_after_ticks_that_were_missed() {
        let mut queue = AcceptanceQueue::default();
        let (a, b) = (WorkerNum(1), WorkerNum(2));
        for (due, worker) in [(50, b), (50, a), (60, b), (70, a), (80, a)] {
            queue.push(ms(due), worker);
        }
        assert_eq!(take_due(&mut queue, 75), [b, a]);
        assert_eq!(take_due(&mut queue, 80), [a]);
    }

    /// Regression: the scheduler took the due workers and lost them when it panicked before it had appended the rows.
    #[test]
    fn a_worker_stays_due_until_it_is_removed() {
        let mut queue = AcceptanceQueue::default();
        let (a, b) = (WorkerNum(1), WorkerNum(2));
        queue.push(ms(50), a);
        assert_eq!(queue.due(ms(50)).workers, [a]);
        let due = queue.due(ms(50));
        assert_eq!(due.workers, [a]);
        // Admitted while the rows are encoded, in a tick that has begun.
        queue.push(ms(50), b);
        queue.remove_due(due.count);
        assert_eq!(take_due(&mut queue, 50), [b]);
    }
}
