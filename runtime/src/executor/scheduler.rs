//! Timers of workers: a state machine, and the task that advances its time. The task also appends the acceptances of
//! invocations that are due (`progress`).
//!
//! Invariant: a timer is only a reminder. The time at which a worker must be woken is in its log, so a timer that fires
//! too early or twice does no harm.

use super::core::Core;
use crate::storage::ports::WorkerNum;
use golem_model::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Maximum time to sleep, because the wall clock may jump.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// An event for the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    /// Sets or clears a worker's timer.
    Set(WorkerNum, Option<Timestamp>),
    /// Sets a worker's timer, unless it has one.
    SetIfNone(WorkerNum, Timestamp),
    /// Time has passed.
    Tick,
}

/// Timers of workers.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    by_time: BTreeSet<(Timestamp, WorkerNum)>,
    by_worker: HashMap<WorkerNum, Timestamp>,
}

impl Scheduler {
    /// Applies an event and returns the workers that are due. Their timers are removed.
    pub(crate) fn step(&mut self, now: Timestamp, event: TimerEvent) -> Vec<WorkerNum> {
        match event {
            TimerEvent::Set(worker, at) => {
                if let Some(before) = self.by_worker.remove(&worker) {
                    self.by_time.remove(&(before, worker));
                }
                if let Some(at) = at {
                    self.by_worker.insert(worker, at);
                    self.by_time.insert((at, worker));
                }
                Vec::new()
            }
            TimerEvent::SetIfNone(worker, _) if self.by_worker.contains_key(&worker) => Vec::new(),
            TimerEvent::SetIfNone(worker, at) => self.step(now, TimerEvent::Set(worker, Some(at))),
            TimerEvent::Tick => {
                let mut woken = Vec::new();
                while let Some((at, worker)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
                    self.by_time.remove(&(at, worker));
                    self.by_worker.remove(&worker);
                    woken.push(worker);
                }
                woken
            }
        }
    }

    /// Returns the time of the next timer.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

/// Wakes workers when their timers elapse, and appends acceptances when they are due, until the core stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let changed = core.timers_changed.notified();
        let (wait, elapsed) = {
            let mut state = core.lock();
            if state.stopping {
                return;
            }
            let now = core.clock.now();
            for worker in state.scheduler.step(now, TimerEvent::Tick) {
                core.handle_timer(&mut state, worker);
            }
            core.accept_due(&mut state);
            let elapsed = core.clock.elapsed();
            let timer = state.scheduler.next_due().map(|at| at.since(now).min(SLEEP_MAX));
            let acceptance = state.acceptances.next_due().map(|due| due.saturating_sub(elapsed));
            (timer.into_iter().chain(acceptance).min(), elapsed)
        };
        match wait {
            None => tokio::select! {
                biased;
                () = core.stop.cancelled() => return,
                () = changed => {}
            },
            Some(wait) => {
                tokio::select! {
                    biased;
                    () = core.stop.cancelled() => return,
                    () = changed => {}
                    () = core.clock.sleep_until(elapsed + wait) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn workers_are_due_in_order_once_and_at_their_last_time() {
        let mut scheduler = Scheduler::default();
        let (a, b, c) = (WorkerNum(1), WorkerNum(2), WorkerNum(3));
        for (worker, time) in
            [(a, Some(at(5))), (b, Some(at(3))), (c, Some(at(4))), (a, Some(at(9))), (c, None)]
        {
            assert!(scheduler.step(at(0), TimerEvent::Set(worker, time)).is_empty());
        }
        scheduler.step(at(0), TimerEvent::SetIfNone(b, at(1)));
        scheduler.step(at(0), TimerEvent::SetIfNone(WorkerNum(4), at(40)));
        assert_eq!(scheduler.next_due(), Some(at(3)));
        assert_eq!(scheduler.step(at(2), TimerEvent::Tick), []);
        assert_eq!(scheduler.step(at(6), TimerEvent::Tick), [b]);
        assert_eq!(scheduler.step(at(20), TimerEvent::Tick), [a]);
        assert_eq!(scheduler.step(at(30), TimerEvent::Tick), []);
        assert_eq!(scheduler.step(at(40), TimerEvent::Tick), [WorkerNum(4)]);
        assert_eq!(scheduler.next_due(), None);
    }
}
