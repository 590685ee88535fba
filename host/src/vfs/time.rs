//! The time of files.
//!
//! A file that is written needs a time, and asking for one would be a recorded call for every write. So files take
//! the time that the worker knows without asking: that of the newest event in its oplog that has one and that the
//! guest has come to. All of them are in the oplog anyway, so a replay has the same times.

use golem_model::Timestamp;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A time of a file, since the Unix epoch. Wider than [`Timestamp`]: guests may set any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Time {
    /// Whole seconds; at most `i64::MAX`.
    pub(crate) seconds: u64,
    /// The rest, below a second.
    pub(crate) nanos: u32,
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self::from_nanos(time.as_nanos())
    }
}

impl Time {
    fn from_nanos(nanos: u64) -> Self {
        let rest = u32::try_from(nanos % NANOS_PER_SECOND).expect("below a second fits");
        Self { seconds: nanos / NANOS_PER_SECOND, nanos: rest }
    }

    /// A time that a guest gave; `None` beyond what a system's clock can show.
    pub(crate) fn new(seconds: u64, nanos: u32) -> Option<Self> {
        let carried = u64::from(nanos) / NANOS_PER_SECOND;
        let seconds = seconds.checked_add(carried).filter(|seconds| i64::try_from(*seconds).is_ok())?;
        let nanos = u32::try_from(u64::from(nanos) % NANOS_PER_SECOND).ok()?;
        Some(Self { seconds, nanos })
    }
}

/// The time that files take.
///
/// Invariant: it is never ahead of the wall clock as the guest would have read it, however long that went unread,
/// as long as that clock does not go back: after each wall time, the monotonic clock counts from its next reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileClock {
    wall_nanos: u64,
    /// The monotonic clock's last reading since `wall_nanos` was set.
    monotonic_nanos: Option<u64>,
}

impl FileClock {
    /// Stands at `at`, the worker's creation.
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { wall_nanos: at.as_nanos(), monotonic_nanos: None }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Time {
        Time::from_nanos(self.wall_nanos)
    }

    /// The guest has come to an event of this time: an invocation began, or it read the wall clock.
    pub(crate) fn wall(&mut self, at: Timestamp) {
        *self = Self::new(at);
    }

    /// The guest has come to this reading of the worker's monotonic clock: it read it, or waited.
    pub(crate) fn advance_to(&mut self, reading_nanos: u64) {
        let passed = self.monotonic_nanos.map_or(0, |last| reading_nanos.saturating_sub(last));
        self.wall_nanos = self.wall_nanos.saturating_add(passed);
        self.monotonic_nanos = Some(reading_nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_move_the_time_of_files_and_never_beyond_the_wall_clock() {
        let mut clock = FileClock::new(Timestamp::from_nanos(1_000));
        clock.advance_to(5);
        assert_eq!(clock.now().nanos, 1_000, "how long ago the worker was created is not known");
        clock.advance_to(25);
        assert_eq!(clock.now().nanos, 1_020);
        // An invocation an hour later: what the monotonic clock did in between is in the wall time already.
        clock.wall(Timestamp::from_nanos(3_600_000_000_000));
        clock.advance_to(3_600_000_000_000);
        assert_eq!(clock.now(), Time { seconds: 3_600, nanos: 0 });
        clock.advance_to(3_600_000_000_007);
        assert_eq!(clock.now(), Time { seconds: 3_600, nanos: 7 });
    }

    #[test]
    fn times_beyond_a_systems_clock_are_none() {
        assert_eq!(Time::new(1, 2_500_000_000), Some(Time { seconds: 3, nanos: 500_000_000 }));
        assert_eq!(Time::new(i64::MAX as u64, 999_999_999).map(|time| time.nanos), Some(999_999_999));
        assert_eq!(Time::new(i64::MAX as u64, 1_000_000_000), None);
        assert_eq!(Time::new(u64::MAX, 0), None);
    }
}
