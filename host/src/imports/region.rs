//! `golem:durability/region`: atomic regions.
//!
//! A region is named by the index of the entry that records its beginning. The set of open regions
//! is determined by the calls that the guest made, so replay rebuilds it. After a crash, the scan
//! of the oplog (`RegionScan` in `durable::reverted`) decides which open region is repeated.

use crate::bindings::durability::region;
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, ImmediateCall, Live};
use crate::imports::views::{RegionView, Views};
use golem_model::OplogIndex;
use golem_model::oplog::wire::{DecodeError, put_varint};
use golem_model::oplog::{Entry, HostCall, HostFunction};
use wasmtime::Result;
use wasmtime::component::Linker;

/// Regions that may be open at the same time; the call that would open one more traps. A guest with that many open
/// regions does not close them.
const REGIONS_OPEN_MAX: usize = 1_000;

pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    region::add_to_linker::<_, RegionView<'_>>(linker, T::region)
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

impl region::Host for RegionView<'_> {
    async fn begin(&mut self) -> Result<u64> {
        if self.current.start.is_none() {
            return Err(self.door.raise(CallFailure::Trap(
                "an atomic region cannot begin while nothing is being invoked".to_owned(),
            )));
        }
        if self.current.regions.len() >= REGIONS_OPEN_MAX {
            return Err(self.door.raise(CallFailure::Trap(format!(
                "{REGIONS_OPEN_MAX} atomic regions are open, which is the limit"
            ))));
        }
        let region = self.door.call_immediate(self.objects, &BeginRegion)?;
        self.current.regions.push(region);
        Ok(region.0)
    }

    async fn end(&mut self, region: u64) -> Result<()> {
        let region = OplogIndex(region);
        let Some(depth) = self.current.regions.iter().position(|open| *open == region) else {
            return Err(self.door.raise(CallFailure::Trap(format!("no atomic region {region} is open"))));
        };
        self.door.call_durable(self.objects, EndRegion { region, outermost: depth == 0 }).await?;
        self.current.regions.truncate(depth);
        Ok(())
    }
}
