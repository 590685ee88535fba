//! The worker's monotonic clock, which continues across restarts.
//!
//! Invariant: it never goes back, even if the wall clock did while the worker was not in memory.

use crate::SnapshotBase;
use crate::ports::Clock;
use golem_model::Timestamp;
use golem_model::oplog::wire::{DecodeError, Reader, put_varint};
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

impl WorkerClock {
    /// Derives the reading from `history` and from the snapshot before it, if there is one. Reverted entries count too:
    /// their time did pass.
    pub(crate) fn new(base: Option<&SnapshotBase>, history: &[Entry]) -> Self {
        let mut clock = Self { nanos: 0, at: None, since: None };
        if let Some(base) = base {
            clock.set_reading(base.state.monotonic_nanos, base.at);
        }
        for entry in history {
            clock.observe_entry(entry);
        }
        clock
    }

    fn observe_entry(&mut self, entry: &Entry) {
        match entry {
            Entry::HostCall { call, response } => {
                // The answers of both functions begin with the clock's reading. Replay reports an answer that cannot be
                // decoded as a divergence.
                if matches!(call.function, HostFunction::MonotonicClockNow | HostFunction::Poll)
                    && let Ok(nanos) = Reader::new(response).varint()
                {
                    self.nanos = self.nanos.max(nanos);
                    self.at = None;
                }
            }
            Entry::Suspended(parked) => self.set_reading(parked.monotonic_nanos, parked.at),
            Entry::LifecycleEvent(event) => match event.saved_state() {
                Some(state) => self.set_reading(state.monotonic_nanos, event.at()),
                None => {
                    self.at.get_or_insert(event.at());
                }
            },
            Entry::Created { at, .. }
            | Entry::Activated { at, .. }
            | Entry::InvocationStarted { at, .. }
            | Entry::InvocationCompleted { at, .. }
            | Entry::AttemptFailed { at, .. }
            | Entry::InvocationFailed { at, .. }
            | Entry::ProgramEnded { at }
            | Entry::Configured { at, .. }
            | Entry::Revert { at, .. } => {
                self.at.get_or_insert(*at);
            }
        }
    }

    fn set_reading(&mut self, nanos: u64, at: Timestamp) {
        self.nanos = self.nanos.max(nanos);
        self.at = Some(at);
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

/// Encodes a reading.
pub(crate) fn encode(nanos: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    put_varint(&mut out, nanos);
    out
}

/// Decodes a reading.
pub(crate) fn decode(bytes: &[u8]) -> Result<u64, DecodeError> {
    let mut input = Reader::new(bytes);
    let nanos = input.varint()?;
    input.finish()?;
    Ok(nanos)
}
