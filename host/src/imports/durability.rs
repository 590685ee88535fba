//! `golem:durability@1.0.0`: polling promises, the position in the oplog, idempotency keys, the worker's id. Its
//! larger interfaces have files of their own.
//!
//! The rest of the package links, so that a component may be built against all of it, and traps with a text that
//! names the function: silently doing nothing would promise what is not kept.

use super::{policy, region};
use crate::bindings::api0_2_0::host::PromiseId;
use crate::bindings::durability::{calls, keys, position, promises, worker};
use crate::durable::{Live, Observe};
use crate::state::WorkerState;
use golem_model::OplogIndex;
use golem_model::oplog::HostFunction;
use golem_model::oplog::wire::DecodeError;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::{Result, format_err};
use wasmtime_wasi_io::poll::DynPollable;

/// Defines every interface of the package.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    calls::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)?;
    keys::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)?;
    policy::add_to_linker(linker)?;
    position::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)?;
    promises::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)?;
    region::add_to_linker(linker)?;
    worker::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)
}

impl promises::Host for WorkerState {
    async fn subscribe(&mut self, promise: PromiseId) -> Result<Resource<DynPollable>> {
        let promise = self.named_promise(promise)?;
        self.promise_subscribe(promise).await
    }

    async fn get(&mut self, promise: PromiseId) -> Result<Option<Vec<u8>>> {
        let promise = self.named_promise(promise)?;
        self.promise_get(promise).await
    }
}

/// The position after this call's own entry, so there is nothing to answer. Recorded, because hints in the
/// oplog make the cursor's place in a replay another than it was.
struct Position;

impl Observe for Position {
    const FUNCTION: HostFunction = HostFunction::PositionGet;
    type Answer = OplogIndex;

    fn observe(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, index: OplogIndex, _: &[u8]) -> Result<OplogIndex, DecodeError> {
        Ok(index.next())
    }
}

impl position::Host for WorkerState {
    async fn get(&mut self) -> Result<u64> {
        self.observe(&Position).map(|index| index.0)
    }

    async fn jump(&mut self, position: u64) -> Result<()> {
        Err(WorkerState::jump(self, OplogIndex(position)))
    }
}

impl keys::Host for WorkerState {
    async fn current(&mut self) -> Result<Option<String>> {
        Ok(self.current.key.as_ref().map(ToString::to_string))
    }

    /// A function of the worker's seed, the invocation and the count: the same in every replay without an entry,
    /// and never that of another worker.
    async fn next(&mut self) -> Result<String> {
        let number = self.current.keys_made;
        self.current.keys_made += 1;
        let bytes = self.random.key(number);
        Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
    }
}

impl worker::Host for WorkerState {
    async fn self_id(&mut self) -> Result<worker::WorkerId> {
        Ok(self.own_id())
    }

    async fn metadata(&mut self, _: worker::WorkerId) -> Result<Option<worker::WorkerMetadata>> {
        Err(missing("worker#metadata"))
    }

    async fn list(&mut self, _: worker::Filter, _: Option<String>) -> Result<worker::Page> {
        Err(missing("worker#list"))
    }
}

/// The trap of a function that is defined but not yet offered.
fn missing(function: &str) -> wasmtime::Error {
    format_err!("golem:durability/{function} is not offered by this version of the runtime")
}
