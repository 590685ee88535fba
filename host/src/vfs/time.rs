//! The file clock.
//!
//! A write to a file needs a time, and reading a clock would record a call for every write. So files take the time of
//! the newest event that the guest has reached and that has a time in the oplog. A replay reaches the same events, so
//! it computes the same times.

use golem_model::Timestamp;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A time of a file, since the Unix epoch. Its range is wider than that of [`Timestamp`], because guests can set any
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct FileTime {
    /// Whole seconds; at most `i64::MAX`.
    pub(crate) seconds: u64,
    /// Nanoseconds within the second.
    pub(crate) nanos: u32,
}

impl From<Timestamp> for FileTime {
    fn from(time: Timestamp) -> Self {
        Self::from_nanos(time.as_nanos())
    }
}

impl FileTime {
    fn from_nanos(nanos: u64) -> Self {
        let rest = u32::try_from(nanos % NANOS_PER_SECOND).expect("below a second fits");
        Self { seconds: nanos / NANOS_PER_SECOND, nanos: rest }
    }

    /// A time that a guest has passed; `None` if it exceeds the range of a system's clock.
    pub(crate) fn new(seconds: u64, nanos: u32) -> Option<Self> {
        let carried = u64::from(nanos) / NANOS_PER_SECOND;
        let seconds = seconds.checked_add(carried).filter(|seconds| i64::try_from(*seconds).is_ok())?;
        let nanos = u32::try_from(u64::from(nanos) % NANOS_PER_SECOND).ok()?;
        Some(Self { seconds, nanos })
    }
}

/// The clock for the times of files.
///
/// Invariant: it is never ahead of the wall clock that the guest would read, as long as the wall clock does not go
/// back. After each wall time, only the time between readings of the monotonic clock is added; the time before the
/// first of these readings is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileClock {
    wall_nanos: u64,
    /// The last reading of the monotonic clock since `wall_nanos` was set.
    monotonic_nanos: Option<u64>,
}

impl FileClock {
    /// Creates a clock that shows `at`, for example the time of the worker's creation.
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { wall_nanos: at.as_nanos(), monotonic_nanos: None }
    }

    /// The current time for files.
    pub(crate) fn now(&self) -> FileTime {
        FileTime::from_nanos(self.wall_nanos)
    }

    /// Sets the clock: the guest has reached an event with this time (the begin of an invocation, or a reading of the
    /// wall clock).
    pub(crate) fn set_wall(&mut self, at: Timestamp) {
        *self = Self::new(at);
    }

    /// Advances the clock: the guest has reached this reading of the monotonic clock (it read the clock, or it waited).
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
    fn waits_advance_the_file_clock_but_not_beyond_the_wall_clock() {
        let mut clock = FileClock::new(Timestamp::from_nanos(1_000));
        clock.advance_to(5);
        assert_eq!(
            clock.now().nanos,
            1_000,
            "the time between the creation and the first reading is unknown"
        );
        clock.advance_to(25);
        assert_eq!(clock.now().nanos, 1_020);
        // An invocation an hour later: its wall time includes the time that the monotonic clock advanced before.
        clock.set_wall(Timestamp::from_nanos(3_600_000_000_000));
        clock.advance_to(3_600_000_000_000);
        assert_eq!(clock.now(), FileTime { seconds: 3_600, nanos: 0 });
        clock.advance_to(3_600_000_000_007);
        assert_eq!(clock.now(), FileTime { seconds: 3_600, nanos: 7 });
    }

    #[test]
    fn times_beyond_the_range_of_a_system_clock_are_refused() {
        assert_eq!(FileTime::new(1, 2_500_000_000), Some(FileTime { seconds: 3, nanos: 500_000_000 }));
        assert_eq!(FileTime::new(i64::MAX as u64, 999_999_999).map(|time| time.nanos), Some(999_999_999));
        assert_eq!(FileTime::new(i64::MAX as u64, 1_000_000_000), None);
        assert_eq!(FileTime::new(u64::MAX, 0), None);
    }
}
