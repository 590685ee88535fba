//! Entries that are recorded and not yet appended to the store.
//!
//! Invariant: a recorded entry is appended at the latest [`EntryBuffer::progress`] after it was recorded, or after the
//! admission of the invocation that it begins. The host calls and the engine's tick check that
//! ([`super::Live::record`], [`super::Journal::flush_if_due`]), and a wait in memory that would outlast that time
//! appends the entries before it begins. So a crash loses no older entry than that, plus one commit.

use crate::limits::ANSWERS_BUFFERED_BYTES_MAX;
use golem_model::Entry;
use golem_model::limits::ENTRIES_BUFFERED_MAX;
use golem_model::oplog::{ClockKind, ClockReadings, CountedReadings};
use std::time::Duration;

/// The time after a clock reading during which further readings are counted instead of recorded, if
/// no other entry comes between them. Each counted reading is a nanosecond after the one before it.
/// The time bounds the log of a guest that polls a clock: a thousand entries per second, of at most
/// 25 bytes. It is also the error of a duration that a guest measures.
const READING_AGE_MAX: Duration = Duration::from_millis(1);

/// The entries that are recorded and not yet appended.
#[derive(Debug)]
pub(super) struct EntryBuffer {
    entries: Vec<Entry>,
    /// Clock readings after these entries. They will be one entry.
    readings: ClockReadings,
    /// The process's elapsed time of the first of these readings of the wall clock and of the monotonic clock.
    wall_since: Duration,
    monotonic_since: Duration,
    /// Bytes of the answers in `entries`.
    answer_bytes: usize,
    /// The process's elapsed time at which the entries must be appended. `None` while nothing was recorded since the
    /// last append.
    flush_deadline: Option<Duration>,
    /// The time that an entry may stay in the buffer.
    progress: Duration,
    /// Whether the entries must not be appended yet, however many and however old they are.
    is_held: bool,
}

impl EntryBuffer {
    /// A buffer that begins with `entries`. They need no append of their own: the next activation would begin with the
    /// same ones.
    pub(super) fn new(entries: Vec<Entry>, progress: Duration) -> Self {
        Self {
            entries,
            readings: ClockReadings::default(),
            wall_since: Duration::ZERO,
            monotonic_since: Duration::ZERO,
            answer_bytes: 0,
            flush_deadline: None,
            progress,
            is_held: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.readings.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64 + u64::from(!self.readings.is_empty())
    }

    /// Adds an entry at the elapsed time `now`.
    pub(super) fn push(&mut self, entry: Entry, now: Duration) {
        self.close_readings();
        if let Entry::HostCall { response, .. } = &entry {
            self.answer_bytes += response.len();
        }
        self.entries.push(entry);
        self.arm_flush_deadline(now);
    }

    /// Counts a reading of `clock` at the elapsed time `now`, and returns it. `None` if the first one after the last entry
    /// is too old, if there is none, or if the counted reading would be ahead of the time that has passed since.
    pub(super) fn count_reading(&mut self, clock: ClockKind, now: Duration) -> Option<u64> {
        let age = now.saturating_sub(match clock {
            ClockKind::Wall => self.wall_since,
            ClockKind::Monotonic => self.monotonic_since,
        });
        let readings = self.readings.of_mut(clock);
        if readings.count == 0 || age >= READING_AGE_MAX || age < Duration::from_nanos(readings.count) {
            return None;
        }
        readings.count += 1;
        readings.last()
    }

    /// Adds a reading of `clock` at the elapsed time `now`. Further readings may be counted.
    pub(super) fn push_reading(&mut self, clock: ClockKind, first: u64, now: Duration) {
        if self.readings.of(clock).count > 0 {
            self.close_readings();
        }
        match clock {
            ClockKind::Wall => self.wall_since = now,
            ClockKind::Monotonic => self.monotonic_since = now,
        }
        *self.readings.of_mut(clock) = CountedReadings { first, count: 1 };
        self.arm_flush_deadline(now);
    }

    /// Makes an entry of the readings after the last entry.
    fn close_readings(&mut self) {
        self.entries.extend(std::mem::take(&mut self.readings).into_entry());
    }

    /// Makes the entries due: an entry or printed text waits for an append since the elapsed time
    /// `now`.
    pub(super) fn arm_flush_deadline(&mut self, now: Duration) {
        self.flush_deadline.get_or_insert_with(|| now.saturating_add(self.progress));
    }

    /// The entries must be appended by `due` already, if they would be later.
    pub(super) fn limit_flush_deadline(&mut self, due: Duration) {
        self.flush_deadline = self.flush_deadline.map(|by| by.min(due));
    }

    /// While `is_held`, the entries are not appended.
    pub(super) fn set_held(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether the buffer is full, or its entries are due at the elapsed time that `now` returns.
    pub(super) fn must_flush(&self, now: impl FnOnce() -> Duration) -> bool {
        if self.is_held {
            return false;
        }
        let full =
            self.entries.len() >= ENTRIES_BUFFERED_MAX || self.answer_bytes >= ANSWERS_BUFFERED_BYTES_MAX;
        full || self.flush_deadline.is_some_and(|by| by <= now())
    }

    /// Whether the entries become due before `until`, or before an end that is not known.
    pub(super) fn is_due_before(&self, until: Option<Duration>) -> bool {
        !self.is_held && self.flush_deadline.is_some_and(|by| until.is_none_or(|until| by < until))
    }

    /// Takes the entries.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        self.close_readings();
        self.answer_bytes = 0;
        self.flush_deadline = None;
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::Timestamp;

    const PROGRESS: Duration = Duration::from_millis(50);

    fn entry() -> Entry {
        Entry::ProgramEnded { at: Timestamp::default() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn entries_are_due_after_the_oldest_one() {
        let mut buffer = EntryBuffer::new(vec![entry()], PROGRESS);
        assert!(!buffer.must_flush(|| ms(1_000)), "an entry that every activation begins with is not due");
        buffer.push(entry(), ms(1_000));
        buffer.push(entry(), ms(1_049));
        assert!(!buffer.must_flush(|| ms(1_049)));
        assert!(buffer.must_flush(|| ms(1_050)));
        assert!(!buffer.is_due_before(Some(ms(1_050))), "a wait that ends in time needs no append");
        assert!(buffer.is_due_before(Some(ms(1_051))) && buffer.is_due_before(None));
        assert_eq!(buffer.take().len(), 3);
        assert!(!buffer.must_flush(|| ms(2_000)) && !buffer.is_due_before(None));
    }

    #[test]
    fn an_earlier_time_counts_and_a_later_one_does_not() {
        for (due, by) in [(1_020, 1_020), (1_070, 1_050)] {
            let mut buffer = EntryBuffer::new(Vec::new(), PROGRESS);
            buffer.push(entry(), ms(1_000));
            buffer.limit_flush_deadline(ms(due));
            assert!(!buffer.must_flush(|| ms(by - 1)), "{due}");
            assert!(buffer.must_flush(|| ms(by)), "{due}");
        }
    }

    #[test]
    fn readings_are_counted_until_they_are_old_or_another_entry_follows() {
        let mut buffer = EntryBuffer::new(Vec::new(), PROGRESS);
        let micros = Duration::from_micros;
        let (wall, monotonic) = (ClockKind::Wall, ClockKind::Monotonic);
        assert_eq!(buffer.count_reading(wall, micros(10)), None, "there is none yet");
        buffer.push_reading(wall, 500, micros(10));
        assert_eq!(buffer.count_reading(wall, micros(10)), None, "ahead of the clock");
        assert_eq!(buffer.count_reading(wall, micros(20)), Some(501));
        assert_eq!(buffer.count_reading(monotonic, micros(20)), None, "of the other clock");
        buffer.push_reading(monotonic, 70, micros(20));
        assert_eq!(buffer.count_reading(wall, micros(1_009)), Some(502));
        assert_eq!(buffer.count_reading(wall, micros(1_010)), None, "too old");
        assert_eq!(buffer.count_reading(monotonic, micros(1_019)), Some(71));
        assert_eq!(buffer.len(), 1);
        assert_eq!(buffer.count_reading(monotonic, micros(1_020)), None, "too old");
        buffer.push_reading(monotonic, 80, micros(1_020));
        assert_eq!(buffer.len(), 2);
        buffer.push(entry(), micros(1_030));
        assert_eq!(buffer.count_reading(monotonic, micros(1_040)), None, "after another entry");
        assert!(!buffer.must_flush(|| micros(50_009)) && buffer.must_flush(|| micros(50_010)));
        let counted = |first, count| CountedReadings { first, count };
        let both = ClockReadings { wall: counted(500, 3), monotonic: counted(70, 2) };
        let single = ClockReadings { monotonic: counted(80, 1), ..ClockReadings::default() }.into_entry();
        assert!(matches!(single, Some(Entry::HostCall { .. })), "{single:?}");
        assert_eq!(buffer.take(), [Entry::ClockReadings(both), single.unwrap(), entry()]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_held_buffer_is_never_due_and_a_full_one_always() {
        let mut buffer = EntryBuffer::new(Vec::new(), PROGRESS);
        buffer.set_held(true);
        for _ in 0..ENTRIES_BUFFERED_MAX {
            buffer.push(entry(), ms(0));
        }
        assert!(!buffer.must_flush(|| ms(1_000)) && !buffer.is_due_before(None));
        buffer.set_held(false);
        assert!(buffer.must_flush(|| ms(0)));
    }
}
