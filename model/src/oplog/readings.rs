//! Clock readings that are recorded together.

use super::entry::{Entry, HostCall, HostCallRequest, HostFunction};
use super::wire::put_varint;

/// A clock that a guest reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// The wall clock: nanoseconds since the Unix epoch.
    Wall,
    /// The worker's monotonic clock, in nanoseconds.
    Monotonic,
}

impl ClockKind {
    /// The function that reads the clock.
    pub fn function(self) -> HostFunction {
        match self {
            Self::Wall => HostFunction::WallClockNow,
            Self::Monotonic => HostFunction::MonotonicClockNow,
        }
    }
}

/// Readings of the clocks with no other entry between them. The order of the readings of the two clocks is not recorded:
/// a replay asks for them in the same order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockReadings {
    /// Readings of the wall clock.
    pub wall: CountedReadings,
    /// Readings of the monotonic clock.
    pub monotonic: CountedReadings,
}

/// Readings of one clock. The first one is a reading; each further one is a nanosecond after the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountedReadings {
    /// The first reading; 0 if there is none.
    pub first: u64,
    /// Number of readings.
    pub count: u64,
}

impl CountedReadings {
    /// The last reading.
    pub fn last(self) -> Option<u64> {
        self.count.checked_sub(1).map(|further| self.first.saturating_add(further))
    }

    /// Takes the first reading.
    pub fn take_first(&mut self) -> Option<u64> {
        self.count = self.count.checked_sub(1)?;
        let first = self.first;
        self.first = if self.count == 0 { 0 } else { first.saturating_add(1) };
        Some(first)
    }
}

impl ClockReadings {
    /// The readings of a clock.
    pub fn of(&self, clock: ClockKind) -> CountedReadings {
        match clock {
            ClockKind::Wall => self.wall,
            ClockKind::Monotonic => self.monotonic,
        }
    }

    /// The readings of a clock.
    pub fn of_mut(&mut self, clock: ClockKind) -> &mut CountedReadings {
        match clock {
            ClockKind::Wall => &mut self.wall,
            ClockKind::Monotonic => &mut self.monotonic,
        }
    }

    /// Whether there are no readings.
    pub fn is_empty(&self) -> bool {
        self.wall.count == 0 && self.monotonic.count == 0
    }

    /// The entry that records the readings: a host call for a single one. `None` if there are none.
    pub fn into_entry(self) -> Option<Entry> {
        let Self { wall, monotonic } = self;
        let (clock, first) = match (wall.count, monotonic.count) {
            (0, 0) => return None,
            (1, 0) => (ClockKind::Wall, wall.first),
            (0, 1) => (ClockKind::Monotonic, monotonic.first),
            _ => return Some(Entry::ClockReadings(self)),
        };
        let call = HostCall { function: clock.function(), request: HostCallRequest::Inline(Vec::new()) };
        let mut response = Vec::with_capacity(9);
        put_varint(&mut response, first);
        Some(Entry::HostCall { call, response })
    }
}
