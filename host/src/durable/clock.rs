//! The worker's monotonic clock, which continues across restarts.
//!
//! Invariant: it never goes back, even if the wall clock did while the worker was not in memory.

use crate::SnapshotBase;
use crate::ports::Clock;
use golem_model::Timestamp;
use golem_model::oplog::wire::{DecodeError, Reader};
use golem_model::oplog::{Entry, HostFunction};
use std::time::Duration;

/// The last known reading of the worker's clock, and its time.
#[derive(Debug)]
pub(crate) struct WorkerClock {
    /// The last reading in the oplog, in nanoseconds.
    nanos: u64,
    /// A wall time at or after that reading. The time from there until the worker is live again counts as passed. The
    /// short time between the reading and this wall time is lost; a program cannot notice that.
    at: Option<Timestamp>,
    /// The process's elapsed time at which the clock showed `nanos`, once the worker is live.
    since: Option<Duration>,
}

/// Derives the last known reading from a worker's entries, the last one first. Reverted entries count too: their time
/// did pass.
#[derive(Debug, Default)]
pub(crate) struct ClockScan {
    nanos: u64,
    /// The time of the first entry after the reading that has one; of the reading itself, if it has one.
    at: Option<Timestamp>,
    /// Whether the last reading was visited.
    is_complete: bool,
}

impl ClockScan {
    /// Visits an entry.
    pub(crate) fn visit(&mut self, entry: &Entry) {
        match entry {
            Entry::HostCall { call, response } => {
                // The answers of both functions begin with the clock's reading. Replay reports an answer that cannot be
                // decoded as a divergence.
                if matches!(call.function, HostFunction::MonotonicClockNow | HostFunction::Poll)
                    && let Ok(nanos) = Reader::new(response).varint()
                {
                    self.nanos = self.nanos.max(nanos);
                    self.is_complete = true;
                }
            }
            Entry::ClockReadings(readings) => {
                if let Some(nanos) = readings.monotonic.last() {
                    self.nanos = self.nanos.max(nanos);
                    self.is_complete = true;
                }
            }
            Entry::Suspended(parked) => self.visit_reading(parked.monotonic_nanos, parked.at),
            Entry::LifecycleEvent(event) => match event.saved_state() {
                Some(state) => self.visit_reading(state.monotonic_nanos, event.at()),
                None => self.visit_time(event.at()),
            },
            Entry::Created { at, .. }
            | Entry::Activated { at, .. }
            | Entry::InvocationStarted { at, .. }
            | Entry::InvocationCompleted { at, .. }
            | Entry::AttemptFailed { at, .. }
            | Entry::InvocationFailed { at, .. }
            | Entry::ProgramEnded { at }
            | Entry::Configured { at, .. }
            | Entry::Revert { at, .. } => self.visit_time(*at),
        }
    }

    fn visit_reading(&mut self, nanos: u64, at: Timestamp) {
        self.visit_time(at);
        self.nanos = self.nanos.max(nanos);
        self.is_complete = true;
    }

    fn visit_time(&mut self, at: Timestamp) {
        if !self.is_complete {
            self.at = Some(at);
        }
    }
}

impl WorkerClock {
    /// The clock after the scanned entries, and after the snapshot before them, if there is one.
    pub(crate) fn new(base: Option<&SnapshotBase>, scan: &ClockScan) -> Self {
        let (mut nanos, mut at) = (scan.nanos, scan.at);
        if let Some(base) = base {
            nanos = nanos.max(base.state.monotonic_nanos);
            if !scan.is_complete {
                at = Some(base.at);
            }
        }
        Self { nanos, at, since: None }
    }

    /// The current reading, in nanoseconds.
    pub(crate) fn now(&mut self, clock: &dyn Clock) -> u64 {
        let elapsed = clock.elapsed();
        let since = if let Some(since) = self.since {
            since
        } else {
            if let Some(at) = self.at {
                self.nanos = self.nanos.saturating_add(nanos(clock.now().since(at)));
            }
            self.since = Some(elapsed);
            elapsed
        };
        self.nanos.saturating_add(nanos(elapsed.saturating_sub(since)))
    }

    /// The process's elapsed time at which this clock will show `reading`.
    pub(crate) fn elapsed_at(&mut self, clock: &dyn Clock, reading: u64) -> Duration {
        let now = self.now(clock);
        clock.elapsed().saturating_add(Duration::from_nanos(reading.saturating_sub(now)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Decodes a reading.
pub(crate) fn decode(bytes: &[u8]) -> Result<u64, DecodeError> {
    let mut input = Reader::new(bytes);
    let nanos = input.varint()?;
    input.finish()?;
    Ok(nanos)
}
