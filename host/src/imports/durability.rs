//! `golem:durability@1.0.0`: polling promises, the position in the oplog, idempotency keys. The larger interfaces of
//! the package are in their own files: `calls`, `policy`, `region` and `workers`.

use super::{policy, region, workers};
use crate::bindings::api0_2_0::host::PromiseId;
use crate::bindings::durability::{calls, keys, position, promises};
use crate::durable::{ImmediateCall, Live};
use crate::imports::views::{CallsView, KeysView, PromisesView, RegionView, Views};
use golem_model::OplogIndex;
use golem_model::oplog::HostFunction;
use golem_model::oplog::wire::DecodeError;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_io::poll::DynPollable;

/// Defines every interface of the package.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    calls::add_to_linker::<_, CallsView<'_>>(linker, T::calls)?;
    keys::add_to_linker::<_, KeysView<'_>>(linker, T::keys)?;
    policy::add_to_linker(linker)?;
    position::add_to_linker::<_, RegionView<'_>>(linker, T::region)?;
    promises::add_to_linker::<_, PromisesView<'_>>(linker, T::promises)?;
    region::add_to_linker(linker)?;
    workers::add_to_linker(linker)
}

impl promises::Host for PromisesView<'_> {
    async fn subscribe(&mut self, promise: PromiseId) -> Result<Resource<DynPollable>> {
        let promise = self.checked_promise_id(promise)?;
        self.promise_subscribe(promise).await
    }

    async fn get(&mut self, promise: PromiseId) -> Result<Option<Vec<u8>>> {
        let promise = self.checked_promise_id(promise)?;
        self.promise_get(promise).await
    }
}

/// Reads the position in the oplog. The response is empty: the position is the index after this call's own entry.
///
/// The call is recorded, because replay skips hints: without an entry, the cursor could stand at another index during
/// the replay than during the live call.
struct GetPosition;

impl ImmediateCall for GetPosition {
    const FUNCTION: HostFunction = HostFunction::PositionGet;
    type Answer = OplogIndex;

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, index: OplogIndex, _: &[u8]) -> Result<OplogIndex, DecodeError> {
        Ok(index.next())
    }
}

impl position::Host for RegionView<'_> {
    async fn get(&mut self) -> Result<u64> {
        self.door.call_immediate(self.objects, &GetPosition).map(|index| index.0)
    }

    async fn jump(&mut self, position: u64) -> Result<()> {
        Err(self.door.jump(self.current.start, OplogIndex(position)))
    }
}

impl keys::Host for KeysView<'_> {
    async fn current(&mut self) -> Result<Option<String>> {
        Ok(self.current.key.as_ref().map(ToString::to_string))
    }

    /// Derives the key from the worker's seed, the invocation and the number of keys made before. Every replay derives
    /// the same key without an oplog entry. Workers have different seeds, so their keys differ.
    async fn next(&mut self) -> Result<String> {
        let number = self.current.keys_generated;
        self.current.keys_generated += 1;
        let bytes = self.random.idempotency_key(number);
        Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
    }
}
