//! Timers of workers.
//!
//! A worker has one timer for each [`TimerReason`], so a retry does not replace the end of the worker's own wait.
//!
//! Invariant: a timer is only a reminder. `Core::handle_timer` decides by the worker's projection what is due, so a timer
//! that fires too early or twice does no harm.

use crate::storage::ports::WorkerNum;
use golem_model::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// Why a worker has a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TimerReason {
    /// The time is in the worker's log: the end of its wait, its next attempt, or a delayed call to it.
    Log,
    /// Work that met an error of the server is tried again. A crash forgets this timer, and the start wakes the worker.
    ServerError,
}

/// Identifies a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerId {
    /// The worker.
    pub(crate) worker: WorkerNum,
    /// The reason.
    pub(crate) reason: TimerReason,
}

/// An event for the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    /// Sets or clears a timer.
    Set(TimerId, Option<Timestamp>),
    /// Sets a timer, unless it is set.
    SetIfNone(TimerId, Timestamp),
    /// Time has passed.
    Tick,
}

/// Timers of workers.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    by_time: BTreeSet<(Timestamp, TimerId)>,
    by_id: HashMap<TimerId, Timestamp>,
}

impl Scheduler {
    /// Applies an event and returns the timers that are due. They are removed.
    pub(crate) fn step(&mut self, now: Timestamp, event: TimerEvent) -> Vec<TimerId> {
        match event {
            TimerEvent::Set(timer, at) => {
                if let Some(before) = self.by_id.remove(&timer) {
                    self.by_time.remove(&(before, timer));
                }
                if let Some(at) = at {
                    self.by_id.insert(timer, at);
                    self.by_time.insert((at, timer));
                }
                Vec::new()
            }
            TimerEvent::SetIfNone(timer, _) if self.by_id.contains_key(&timer) => Vec::new(),
            TimerEvent::SetIfNone(timer, at) => self.step(now, TimerEvent::Set(timer, Some(at))),
            TimerEvent::Tick => {
                let mut due = Vec::new();
                while let Some((at, timer)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
                    self.by_time.remove(&(at, timer));
                    self.by_id.remove(&timer);
                    due.push(timer);
                }
                due
            }
        }
    }

    /// Returns the time of the next timer.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn timers_are_due_in_order_once_and_at_their_last_time() {
        let mut scheduler = Scheduler::default();
        let of_log = |worker| TimerId { worker: WorkerNum(worker), reason: TimerReason::Log };
        let (a, b, c, d) = (of_log(1), of_log(2), of_log(3), of_log(4));
        let retry_of_a = TimerId { reason: TimerReason::ServerError, ..a };
        for (timer, time) in [
            (a, Some(at(5))),
            (b, Some(at(3))),
            (c, Some(at(4))),
            (a, Some(at(9))),
            (c, None),
            (retry_of_a, Some(at(4))),
        ] {
            assert!(scheduler.step(at(0), TimerEvent::Set(timer, time)).is_empty());
        }
        scheduler.step(at(0), TimerEvent::SetIfNone(b, at(1)));
        scheduler.step(at(0), TimerEvent::SetIfNone(d, at(40)));
        assert_eq!(scheduler.next_due(), Some(at(3)));
        assert_eq!(scheduler.step(at(2), TimerEvent::Tick), []);
        assert_eq!(scheduler.step(at(6), TimerEvent::Tick), [b, retry_of_a]);
        assert_eq!(scheduler.step(at(20), TimerEvent::Tick), [a]);
        assert_eq!(scheduler.step(at(30), TimerEvent::Tick), []);
        assert_eq!(scheduler.step(at(40), TimerEvent::Tick), [d]);
        assert_eq!(scheduler.next_due(), None);
    }
}
