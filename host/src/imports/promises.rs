//! The durable calls on promises. All interfaces with promises use them.
//!
//! A promise is identified by its id: worker and oplog index. This module checks no permissions; the promise port
//! decides which promises exist for the calling worker.

use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::imports::views::PromisesView;
use crate::objects::{Object, Pollable};
use golem_model::limits::PROMISE_DATA_BYTES_MAX;
use golem_model::oplog::wire::{DecodeError, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::promise::{PromiseCompletion, PromiseState};
use golem_model::{OplogIndex, PromiseId};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::DynPollable;

/// Appends the bytes of a promise's id in a request: template (16 bytes), name with its length, index.
pub(super) fn put_promise(out: &mut Vec<u8>, promise: &PromiseId) {
    out.extend_from_slice(promise.worker.template.0.as_bytes());
    put_bytes(out, promise.worker.name.as_str().as_bytes());
    put_varint(out, promise.index.0);
}

fn encode_promise(promise: &PromiseId) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    put_promise(&mut out, promise);
    out
}

/// The trap of a call on a promise that does not exist.
pub(super) fn not_found(promise: &impl std::fmt::Display) -> CallFailure {
    CallFailure::Trap(format!("Promise not found: {promise}"))
}

/// Creates a promise. The response is empty, because the promise's index is the index of the entry.
struct CreatePromise {
    /// The largest index that the interface can return, and the advice in the error message beyond it.
    limit: Option<(u64, &'static str)>,
}

impl DurableCall for CreatePromise {
    const FUNCTION: HostFunction = HostFunction::PromiseCreate;
    const EFFECT: Effect = Effect::PublishesIndex;
    type Answer = OplogIndex;

    fn request(&self) -> Vec<u8> {
        Vec::new()
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let index = live.next_index();
        if let Some((limit, instead)) = self.limit
            && index.0 > limit
        {
            return Err(CallFailure::Trap(format!(
                "cannot create a promise at oplog index {index}: {call} can give none beyond {limit}; {instead}"
            )));
        }
        Ok(CallResponse::Unrecorded(Vec::new()))
    }

    fn answer(&self, index: OplogIndex, _: &[u8]) -> Result<OplogIndex, DecodeError> {
        Ok(index)
    }
}

/// Waits until a promise is completed. The response is its bytes.
struct AwaitPromise {
    promise: PromiseId,
}

impl DurableCall for AwaitPromise {
    const FUNCTION: HostFunction = HostFunction::PromiseAwait;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Vec<u8>;

    fn request(&self) -> Vec<u8> {
        encode_promise(&self.promise)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        loop {
            match live.promise(&self.promise).await? {
                PromiseState::Completed(data) => return Ok(CallResponse::Unrecorded(data.to_vec())),
                PromiseState::Unknown => return Err(not_found(&self.promise)),
                PromiseState::Pending => live.wait_for_promises(None, vec![self.promise.clone()]).await?,
            }
        }
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Ok(response.to_vec())
    }
}

/// Completes a promise. The response is one byte, which the store writes: 1 if this call completed the promise, 0 if
/// it was completed before, 2 if it does not exist.
struct CompletePromise {
    promise: PromiseId,
    data: Vec<u8>,
}

impl DurableCall for CompletePromise {
    const FUNCTION: HostFunction = HostFunction::PromiseComplete;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = PromiseCompletion;

    fn request(&self) -> Vec<u8> {
        let mut out = encode_promise(&self.promise);
        put_bytes(&mut out, &self.data);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let (index, completion) =
            live.complete_promise(call.clone(), &self.promise, self.data.clone()).await?;
        let answer = match completion {
            PromiseCompletion::AlreadyCompleted => 0,
            PromiseCompletion::Completed => 1,
            PromiseCompletion::Unknown => 2,
        };
        Ok(CallResponse::Recorded(index, vec![answer]))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<PromiseCompletion, DecodeError> {
        match response {
            [0] => Ok(PromiseCompletion::AlreadyCompleted),
            [1] => Ok(PromiseCompletion::Completed),
            [2] => Ok(PromiseCompletion::Unknown),
            _ => Err(DecodeError::Invalid("the outcome of a completion")),
        }
    }
}

/// Deletes a promise. The response is one byte, which the store writes: 1 if the promise existed, 2 if not.
struct DeletePromise {
    promise: PromiseId,
}

impl DurableCall for DeletePromise {
    const FUNCTION: HostFunction = HostFunction::PromiseDelete;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = bool;

    fn request(&self) -> Vec<u8> {
        encode_promise(&self.promise)
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let (index, existed) = live.delete_promise(call.clone(), &self.promise).await?;
        Ok(CallResponse::Recorded(index, vec![if existed { 1 } else { 2 }]))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<bool, DecodeError> {
        match response {
            [1] => Ok(true),
            [2] => Ok(false),
            _ => Err(DecodeError::Invalid("the outcome of a deletion")),
        }
    }
}

/// Reads the state of a promise without waiting. The response is 0 if it is pending, 1 and its bytes if it is
/// completed, 2 if it does not exist.
struct GetPromise {
    promise: PromiseId,
}

impl DurableCall for GetPromise {
    const FUNCTION: HostFunction = HostFunction::PromiseGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = PromiseState;

    fn request(&self) -> Vec<u8> {
        encode_promise(&self.promise)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        Ok(CallResponse::Unrecorded(match live.promise(&self.promise).await? {
            PromiseState::Pending => vec![0],
            PromiseState::Completed(data) => {
                let mut out = Vec::with_capacity(1 + data.len());
                out.push(1);
                out.extend_from_slice(&data);
                out
            }
            PromiseState::Unknown => vec![2],
        }))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<PromiseState, DecodeError> {
        match response {
            [0] => Ok(PromiseState::Pending),
            [1, data @ ..] => Ok(PromiseState::Completed(data.into())),
            [2] => Ok(PromiseState::Unknown),
            _ => Err(DecodeError::Invalid("the state of a promise")),
        }
    }
}

impl PromisesView<'_> {
    /// Creates a promise. Traps if its index would be beyond `limit`.
    pub(super) async fn promise_create(&mut self, limit: Option<(u64, &'static str)>) -> Result<PromiseId> {
        let index = self.door.call_durable(self.objects, CreatePromise { limit }).await?;
        Ok(PromiseId { worker: self.worker.clone(), index })
    }

    /// Waits until a promise is completed and returns its bytes.
    pub(super) async fn promise_await(&mut self, promise: PromiseId) -> Result<Vec<u8>> {
        self.door.call_durable(self.objects, AwaitPromise { promise }).await
    }

    /// Completes a promise. Returns false if it was completed before.
    pub(super) async fn promise_complete(&mut self, promise: PromiseId, data: Vec<u8>) -> Result<bool> {
        if data.len() > PROMISE_DATA_BYTES_MAX {
            return Err(self.door.raise(CallFailure::Trap(format!(
                "cannot complete promise {promise} with {} bytes; at most {PROMISE_DATA_BYTES_MAX} are possible",
                data.len()
            ))));
        }
        let missing = not_found(&promise);
        match self.door.call_durable(self.objects, CompletePromise { promise, data }).await? {
            PromiseCompletion::Completed => Ok(true),
            PromiseCompletion::AlreadyCompleted => Ok(false),
            PromiseCompletion::Unknown => Err(self.door.raise(missing)),
        }
    }

    /// Deletes a promise, if it exists.
    pub(super) async fn promise_delete(&mut self, promise: PromiseId) -> Result<()> {
        self.door.call_durable(self.objects, DeletePromise { promise }).await.map(drop)
    }

    /// The bytes of a promise, if it is completed.
    pub(super) async fn promise_get(&mut self, promise: PromiseId) -> Result<Option<Vec<u8>>> {
        let missing = not_found(&promise);
        match self.door.call_durable(self.objects, GetPromise { promise }).await? {
            PromiseState::Pending => Ok(None),
            PromiseState::Completed(data) => Ok(Some(data.to_vec())),
            PromiseState::Unknown => Err(self.door.raise(missing)),
        }
    }

    /// Creates a pollable that is ready once the promise is no longer pending. Traps if the promise does not exist.
    pub(super) async fn promise_subscribe(&mut self, promise: PromiseId) -> Result<Resource<DynPollable>> {
        self.promise_get(promise.clone()).await?;
        self.objects.insert(Object::Pollable(Pollable::Promise(promise)))
    }
}
