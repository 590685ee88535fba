//! The queue of workers to wake.
//!
//! Invariant: a worker stays in the queue until it was woken or has nothing to do. Each attempt reserves the time of the
//! next one before it begins.

use crate::storage::ports::WorkerNum;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Workers that are woken at a time: from the read of a projection until its instance is loaded or there is nothing to
/// do.
pub(crate) const WAKES_MAX: usize = 64;
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
    pub(crate) is_searching: bool,
}

impl WakeQueue {
    /// Adds a worker. One that is in the queue keeps its time.
    pub(crate) fn push(&mut self, worker: WorkerNum, condition: WakeCondition, now: Duration) {
        let queued = self.by_worker.entry(worker).or_insert(QueuedWake { condition, at: now, attempts: 0 });
        queued.condition = queued.condition.max(condition);
        self.by_time.insert((queued.at, worker));
    }

    /// Number of workers in the queue.
    pub(crate) fn len(&self) -> usize {
        self.by_worker.len()
    }

    /// Begins an attempt for up to `count` workers, and reserves the time of the next attempt.
    pub(crate) fn begin(&mut self, now: Duration, count: usize) -> Vec<(WorkerNum, WakeCondition)> {
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
    pub(crate) fn finish(&mut self, worker: WorkerNum) -> Option<WakeCondition> {
        let queued = self.by_worker.remove(&worker)?;
        self.by_time.remove(&(queued.at, worker));
        Some(queued.condition)
    }

    /// The time of the next attempt.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

fn delay(attempts: u32) -> Duration {
    RETRY_MIN.saturating_mul(1 << attempts.min(16)).min(RETRY_MAX)
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
