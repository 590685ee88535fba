//! How often the process of the server ended while the worker's work was continued, without progress of the worker.
//!
//! The work is an invocation that has begun, a queued one, or an update, and an earlier process left it unfinished. An
//! attempt of it begins with the row `Continued`. If a later process finds that row, and after it neither progress nor an
//! orderly end of the attempt, the process ended during the attempt.
//!
//! Progress is an entry that a later attempt does not repeat. The entries of an open atomic region are none: they are
//! reverted when the next attempt begins.

use crate::storage::ports::Seq;
use golem_model::oplog::wire::Reader;
use golem_model::oplog::{Entry, HostCallRequest, HostFunction, ProcessEvent};
use golem_model::{OplogIndex, Timestamp};
use serde::{Deserialize, Serialize};

/// Attempts of a worker's work that ended with the process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessEnds {
    /// Attempts since the last progress that ended with the process.
    count: u32,
    /// The row `Continued` of the attempt that is under way, until its first progress or its orderly end.
    continued: Option<u64>,
    /// Earliest time of the next attempt.
    resume_at: Option<Timestamp>,
    /// The last row of entries, unless the attempt that wrote it was stopped in order.
    entries_row: u64,
    /// The outermost open region.
    region: Option<OplogIndex>,
}

impl ProcessEnds {
    /// Attempts since the last progress that ended with the process.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Earliest time of the next attempt.
    pub(crate) fn resume_at(&self) -> Option<Timestamp> {
        self.resume_at
    }

    /// Whether an attempt was continued that has made no progress yet and was not stopped.
    pub(crate) fn has_continued_attempt(&self) -> bool {
        self.continued.is_some()
    }

    /// Whether a process that wrote no row after `start` continued an attempt, which ended with that process.
    pub(crate) fn was_continued_before(&self, start: Seq) -> bool {
        self.continued.is_some_and(|row| row <= start.0)
    }

    /// Whether the process that began after the row `start` continued an attempt that has made no progress yet.
    pub(crate) fn was_continued_after(&self, start: Seq) -> bool {
        self.continued.is_some_and(|row| row > start.0)
    }

    /// Whether nothing in the log shows that the process that began after the row `start` runs the worker.
    pub(crate) fn lacks_record_after(&self, start: Seq) -> bool {
        self.continued.is_none() && self.entries_row <= start.0
    }

    /// The work was discarded, or other work takes its place.
    pub(super) fn reset(&mut self) {
        *self = Self { entries_row: self.entries_row, ..Self::default() };
    }

    pub(super) fn apply_event(&mut self, row: Seq, event: &ProcessEvent) {
        match event {
            ProcessEvent::Continued { at: _ } => {
                self.continued = Some(row.0);
                self.resume_at = None;
            }
            ProcessEvent::Stopped { at: _ } => self.stop(),
            ProcessEvent::Ended { at: _, resume_at } => {
                self.count = self.count.saturating_add(1);
                self.continued = None;
                self.resume_at = Some(*resume_at);
            }
        }
    }

    /// The attempt ends in order. The next one is recorded again.
    pub(super) fn stop(&mut self) {
        self.continued = None;
        self.resume_at = None;
        self.entries_row = 0;
    }

    pub(super) fn apply_entry(&mut self, row: Seq, index: OplogIndex, entry: &Entry) {
        match entry {
            // Written while an instance is created, before it runs anything.
            Entry::Created { .. } | Entry::Activated { .. } | Entry::Configured { .. } => return,
            Entry::Revert { from, .. } => {
                self.region.take_if(|region| *region >= *from);
                return;
            }
            Entry::HostCall { call, response: _ } => match (call.function, self.region) {
                (HostFunction::RegionBegin, None) => self.region = Some(index),
                (HostFunction::RegionEnd, Some(region)) if ended_region(&call.request) <= Some(region) => {
                    self.region = None;
                }
                _ => {}
            },
            Entry::ClockReadings(_) | Entry::Suspended(_) => {}
            Entry::InvocationStarted { .. }
            | Entry::InvocationCompleted { .. }
            | Entry::InvocationFailed { .. }
            | Entry::AttemptFailed { .. }
            | Entry::ProgramEnded { .. }
            | Entry::LifecycleEvent(_) => self.region = None,
        }
        self.entries_row = row.0;
        if self.region.is_none() {
            self.count = 0;
        }
        // A worker that leaves memory in a region has repeated it up to there: the attempt has ended, and in order.
        if self.region.is_none() || matches!(entry, Entry::Suspended(_)) {
            self.continued = None;
            self.resume_at = None;
        }
    }
}

/// The region that a call of `region#end` closes, with the regions in it.
fn ended_region(request: &HostCallRequest) -> Option<OplogIndex> {
    match request {
        HostCallRequest::Inline(bytes) => Reader::new(bytes).varint().ok().map(OplogIndex),
        HostCallRequest::Digest { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::oplog::{HostCall, RevertReason, Suspension};
    use golem_model::{IdempotencyKey, oplog::InvocationSource};

    const AT: Timestamp = Timestamp::from_nanos(1);

    fn started() -> Entry {
        let source = InvocationSource::Queued { row: 1 };
        Entry::InvocationStarted { at: AT, key: IdempotencyKey::new("k").unwrap(), source }
    }

    fn call(function: HostFunction, request: &[u8]) -> Entry {
        let request = HostCallRequest::Inline(request.to_vec());
        Entry::HostCall { call: HostCall { function, request }, response: Vec::new() }
    }

    fn now() -> Entry {
        call(HostFunction::WallClockNow, &[])
    }

    /// What a log contains, one row each.
    enum Logged {
        Entry(Entry),
        Continued,
        Stopped,
        Ended,
        /// The process ends, and another one continues the work.
        Restart,
    }
    use Logged::{Continued, Ended, Restart, Stopped};

    /// Folds a log, in which the first row has the number 1 and the first entry the index 1.
    fn fold(log: Vec<Logged>) -> (ProcessEnds, Seq) {
        let mut ends = ProcessEnds::default();
        let (mut row, mut index, mut start) = (Seq(0), OplogIndex(0), Seq(0));
        for logged in log {
            if matches!(logged, Restart) {
                start = row;
                continue;
            }
            row = row.next();
            match logged {
                Logged::Entry(entry) => {
                    index = index.next();
                    ends.apply_entry(row, index, &entry);
                }
                Continued => ends.apply_event(row, &ProcessEvent::Continued { at: AT }),
                Stopped => ends.apply_event(row, &ProcessEvent::Stopped { at: AT }),
                Ended => ends.apply_event(row, &ProcessEvent::Ended { at: AT, resume_at: AT }),
                Restart => unreachable!("handled above"),
            }
        }
        (ends, start)
    }

    fn entry(entry: Entry) -> Logged {
        Logged::Entry(entry)
    }

    #[test]
    fn an_attempt_has_ended_with_the_process_if_nothing_follows_it() {
        let (begin, end) = (call(HostFunction::RegionBegin, &[]), call(HostFunction::RegionEnd, &[2]));
        let parked =
            Entry::Suspended(Suspension { at: AT, monotonic_nanos: 0, wake_at: None, promises: Vec::new() });
        let revert = Entry::Revert { at: AT, from: OplogIndex(3), reason: RevertReason::RegionRetry };
        for (about, log, ended, count) in [
            ("the first attempt has begun", vec![entry(started()), Restart], false, 0),
            ("nothing follows", vec![entry(started()), Restart, Continued, Restart], true, 0),
            (
                "the second time",
                vec![entry(started()), Restart, Continued, Restart, Ended, Continued, Restart],
                true,
                1,
            ),
            ("a shutdown", vec![entry(started()), Restart, Continued, Stopped, Restart], false, 0),
            (
                "during the delay",
                vec![entry(started()), Restart, Continued, Restart, Ended, Restart],
                false,
                1,
            ),
            (
                "progress",
                vec![entry(started()), Restart, Continued, Restart, Ended, Continued, entry(now()), Restart],
                false,
                0,
            ),
            (
                "a region that is repeated",
                vec![
                    entry(started()),
                    entry(begin.clone()),
                    entry(now()),
                    Restart,
                    Continued,
                    entry(revert.clone()),
                    entry(now()),
                    Restart,
                    Ended,
                    Continued,
                    entry(revert),
                    entry(now()),
                    Restart,
                ],
                true,
                1,
            ),
            (
                "the end of a region",
                vec![entry(started()), entry(begin.clone()), Restart, Continued, entry(end), Restart],
                false,
                0,
            ),
            (
                "leaving memory in a region",
                vec![entry(started()), entry(begin), Restart, Continued, entry(parked), Restart],
                false,
                0,
            ),
        ] {
            let (ends, start) = fold(log);
            assert_eq!((ends.was_continued_before(start), ends.count()), (ended, count), "{about}: {ends:?}");
        }
    }

    #[test]
    fn each_process_records_an_attempt_until_it_is_stopped() {
        for (about, log, unrecorded) in [
            ("this process began it", vec![entry(started())], false),
            ("an earlier process began it", vec![entry(started()), Restart], true),
            ("it is recorded", vec![entry(started()), Restart, Continued], false),
            ("it has made progress", vec![entry(started()), Restart, Continued, entry(now())], false),
            ("it was stopped and continues", vec![entry(started()), Restart, Continued, Stopped], true),
        ] {
            let (ends, start) = fold(log);
            assert_eq!(ends.lacks_record_after(start), unrecorded, "{about}: {ends:?}");
        }
    }
}
