//! `golem:durability/region` (atomic regions), and the implementation of `golem:durability/position#jump`.
//!
//! A region is named by the index of the entry that records its beginning. The set of open regions
//! is determined by the calls that the guest made, so replay rebuilds it. After a crash, the scan
//! of the oplog (`RegionScan` in `durable::reverted`) decides which open region is repeated.
//!
//! A jump is one of the two host calls that inspect the replay state: see [`WorkerState::jump`].

use crate::bindings::durability::region;
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, ImmediateCall, Live};
use crate::state::WorkerState;
use golem_model::OplogIndex;
use golem_model::oplog::wire::{DecodeError, put_varint};
use golem_model::oplog::{Entry, HostCall, HostFunction, RevertReason};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

/// Regions that may be open at the same time; the call that would open one more traps. A guest with that many open
/// regions does not close them.
const REGIONS_OPEN_MAX: usize = 1_000;

pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    region::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)
}

/// Opens a region. The response is empty: the region is named by the index of this entry.
struct BeginRegion;

impl ImmediateCall for BeginRegion {
    const FUNCTION: HostFunction = HostFunction::RegionBegin;
    type Answer = OplogIndex;

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, index: OplogIndex, _: &[u8]) -> Result<OplogIndex, DecodeError> {
        Ok(index)
    }
}

/// Closes a region. The response is empty.
struct EndRegion {
    region: OplogIndex,
    /// Whether no other region is open once this one is closed.
    outermost: bool,
}

impl DurableCall for EndRegion {
    const FUNCTION: HostFunction = HostFunction::RegionEnd;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = ();

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9);
        put_varint(&mut out, self.region.0);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let entry = Entry::HostCall { call: call.clone(), response: Vec::new() };
        let index = live.record(entry)?;
        // Once the guest continues, no crash may repeat the region, so its end must be durable. If no entry of the
        // region has been handed to the store, no commit is needed: a crash that loses the end also loses the
        // beginning, and nothing of the region was visible outside.
        if self.outermost && live.last_appended() >= self.region {
            live.commit().await?;
        }
        Ok(CallResponse::Recorded(index, Vec::new()))
    }

    fn answer(&self, _: OplogIndex, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl region::Host for WorkerState {
    async fn begin(&mut self) -> Result<u64> {
        if self.current.start.is_none() {
            return Err(self.raise(CallFailure::Trap(
                "an atomic region cannot begin while nothing is being invoked".to_owned(),
            )));
        }
        if self.current.regions.len() >= REGIONS_OPEN_MAX {
            return Err(self.raise(CallFailure::Trap(format!(
                "{REGIONS_OPEN_MAX} atomic regions are open, which is the limit"
            ))));
        }
        let region = self.call_immediate(&BeginRegion)?;
        self.current.regions.push(region);
        Ok(region.0)
    }

    async fn end(&mut self, region: u64) -> Result<()> {
        let region = OplogIndex(region);
        let Some(depth) = self.current.regions.iter().position(|open| *open == region) else {
            return Err(self.raise(CallFailure::Trap(format!("no atomic region {region} is open"))));
        };
        self.call_durable(EndRegion { region, outermost: depth == 0 }).await?;
        self.current.regions.truncate(depth);
        Ok(())
    }
}

impl WorkerState {
    /// Stops this instance. The next instance continues from `position`.
    ///
    /// This call inspects the replay state: a jump while recorded entries remain is a divergence,
    /// and a live jump must not go to a reverted position.
    pub(super) fn jump(&mut self, position: OplogIndex) -> wasmtime::Error {
        let failure = self.try_jump(position);
        self.raise(failure)
    }

    fn try_jump(&mut self, position: OplogIndex) -> CallFailure {
        if self.interrupt_handle.is_interrupted() {
            return CallFailure::Stop(crate::StopReason::Interrupted);
        }
        // Between two invocations, `save` must not revert the last one: its result is visible already.
        if let Some(text) = self.phase.deny_reason("golem:durability/position#jump", false) {
            return CallFailure::Trap(text);
        }
        let Some(start) = self.current.start else {
            return CallFailure::Trap(format!(
                "cannot jump to position {position} while nothing is being invoked"
            ));
        };
        // Replay does not visit the entries that a recorded jump reverted. So a jump while recorded entries remain is a
        // divergence.
        if let Some(diverged) = self.journal.replay().unexpected_end(format!("a jump to position {position}"))
        {
            return CallFailure::Stop(diverged);
        }
        let is_reverted = self.journal.replay().is_state_reverted(position);
        let Some(mut live) = self.journal.live() else {
            return CallFailure::Trap("the oplog has neither ended nor another entry".to_owned());
        };
        let next = live.next_index();
        if position <= start.index || position > next || is_reverted {
            return CallFailure::Trap(format!(
                "cannot jump to position {position}: the current invocation goes from {} to {next}, and a reverted \
                 position in it is no target",
                start.index.next()
            ));
        }
        live.revert_to(position, RevertReason::Jump)
    }
}
