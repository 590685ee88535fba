//! `wasi:clocks`: clock readings are recorded in the oplog; a timer is stored as the reading at which it expires.

use crate::imports::views::{ClocksView, Views};
use crate::objects::{Object, Pollable};
use golem_model::Timestamp;
use golem_model::oplog::ClockKind;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi_io::poll::DynPollable;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    wall_clock::add_to_linker::<_, ClocksView<'_>>(linker, T::clocks)?;
    monotonic_clock::add_to_linker::<_, ClocksView<'_>>(linker, T::clocks)
}

impl wall_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        // A guest can turn off the recording of wall clock readings, but not of monotonic ones: timers are computed
        // from monotonic readings, and the clock must not go back. The file clock takes recorded readings only, because
        // a replay obtains the same ones.
        let now = if self.policy.records_reads() {
            let now = Timestamp::from_nanos(self.door.read_clock(self.objects, ClockKind::Wall)?);
            self.file_clock.set_wall(now);
            now
        } else {
            self.door.wall_unrecorded()
        };
        let nanos = now.as_nanos();
        let nanoseconds = u32::try_from(nanos % NANOS_PER_SECOND)?;
        Ok(wall_clock::Datetime { seconds: nanos / NANOS_PER_SECOND, nanoseconds })
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl ClocksView<'_> {
    fn monotonic_now(&mut self) -> Result<u64> {
        let now = self.door.read_clock(self.objects, ClockKind::Monotonic)?;
        self.file_clock.advance_to(now);
        Ok(now)
    }
}

impl monotonic_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> Result<u64> {
        self.monotonic_now()
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.objects.insert(Object::Pollable(Pollable::Timer { deadline_nanos: when }))
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        let pollable = if duration == 0 {
            Pollable::Ready
        } else {
            let now = self.monotonic_now()?;
            Pollable::Timer { deadline_nanos: now.saturating_add(duration) }
        };
        self.objects.insert(Object::Pollable(pollable))
    }
}
