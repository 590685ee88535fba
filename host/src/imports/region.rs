//! `golem:durability/region`, and the way back of `golem:durability/position#jump`.
//!
//! A region is named by the index of the entry that records its beginning. Which regions are open is a function of the
//! calls made, so replay rebuilds it; what happens to an open one after a crash is decided when the oplog is loaded
//! (`durable::region_to_repeat`).

use crate::bindings::durability::region;
use crate::durable::{Done, Durable, Effect, Failure, Live, Observe};
use crate::state::WorkerState;
use golem_model::OplogIndex;
use golem_model::oplog::wire::{DecodeError, put_varint};
use golem_model::oplog::{Call, Entry, HostFunction, RevertReason};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

/// Regions that may be open at the same time; the call that would open one more traps. A guest with that many
/// forgets to close them.
const REGIONS_OPEN_MAX: usize = 1_000;

pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    region::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)
}

/// Opens a region, which is named by the index of this entry: there is nothing to answer.
struct Begin;

impl Observe for Begin {
    const FUNCTION: HostFunction = HostFunction::RegionBegin;
    type Answer = OplogIndex;

    fn observe(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, index: OplogIndex, _: &[u8]) -> Result<OplogIndex, DecodeError> {
        Ok(index)
    }
}

/// Closes a region. Nothing to answer.
struct End {
    region: OplogIndex,
    /// Whether no region is open after it.
    outermost: bool,
}

impl Durable for End {
    const FUNCTION: HostFunction = HostFunction::RegionEnd;
    const EFFECT: Effect = Effect::Learns;
    type Answer = ();

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9);
        put_varint(&mut out, self.region.0);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, call: &Call) -> Result<Done, Failure> {
        let entry = Entry::HostCall { call: call.clone(), response: Vec::new() };
        let index = live.record(entry)?;
        // Once the guest goes on, no crash may repeat the region. If nothing of it has been handed over, nothing
        // of it can have been seen: a crash that loses its end loses its beginning too.
        if self.outermost && live.handed_over() >= self.region {
            live.commit().await?;
        }
        Ok(Done::Recorded(index, Vec::new()))
    }

    fn answer(&self, _: OplogIndex, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl region::Host for WorkerState {
    async fn begin(&mut self) -> Result<u64> {
        if self.current.begun.is_none() {
            return Err(self.raise(Failure::Trap(
                "an atomic region cannot begin while nothing is being invoked".to_owned(),
            )));
        }
        if self.current.regions.len() >= REGIONS_OPEN_MAX {
            return Err(self.raise(Failure::Trap(format!(
                "{REGIONS_OPEN_MAX} atomic regions are open, which is the limit"
            ))));
        }
        let region = self.observe(&Begin)?;
        self.current.regions.push(region);
        Ok(region.0)
    }

    async fn end(&mut self, region: u64) -> Result<()> {
        let region = OplogIndex(region);
        let Some(place) = self.current.regions.iter().position(|open| *open == region) else {
            return Err(self.raise(Failure::Trap(format!("no atomic region {region} is open"))));
        };
        self.durable(End { region, outermost: place == 0 }).await?;
        self.current.regions.truncate(place);
        Ok(())
    }
}

impl WorkerState {
    /// Ends this instance; the next one goes on from `position`.
    pub(super) fn jump(&mut self, position: OplogIndex) -> wasmtime::Error {
        let failure = self.try_jump(position);
        self.raise(failure)
    }

    fn try_jump(&mut self, position: OplogIndex) -> Failure {
        if self.control.is_interrupted() {
            return Failure::StopReason(crate::StopReason::Interrupted);
        }
        let Some(begun) = self.current.begun else {
            return Failure::Trap(format!(
                "cannot jump to position {position} while nothing is being invoked"
            ));
        };
        // One that is recorded is not made again: what it left is not replayed.
        if let Some(diverged) = self.journal.replay().left(format!("a jump to position {position}")) {
            return Failure::StopReason(diverged);
        }
        let hidden = self.journal.replay().hides(position);
        let Some(mut live) = self.journal.live() else {
            return Failure::Trap("the oplog has neither ended nor another entry".to_owned());
        };
        let next = live.next_index();
        if position <= begun.index || position > next || hidden {
            return Failure::Trap(format!(
                "cannot jump to position {position}: the current invocation goes from {} to {next}, and what was set \
                 aside in it cannot be gone back to",
                begun.index.next()
            ));
        }
        live.go_back(position, RevertReason::Jump)
    }
}
