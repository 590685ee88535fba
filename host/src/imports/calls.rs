//! Calls of other workers: the implementation of client interfaces, and `golem:durability/calls`.
//!
//! [`crate::clients`] recognises the interfaces; this module has the durable calls behind them. A call is named by the
//! index of the entry that records it. The set of calls that a guest has started and not finished is determined by the
//! oplog. It is plain data here ([`OpenCalls`]), so a wrong use of a call number traps without an oplog entry.

use crate::bindings::durability::calls;
use crate::clients::{CallForm, ClientFunction};
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::imports::views::CallsView;
use crate::objects::{Object, Pollable};
use crate::ports::{AnswerState, OutgoingCall};
use golem_model::call::{
    CallAnswer, CallError, decode_answer, decode_call_receipt, encode_answer, encode_call_index,
};
use golem_model::limits::{CALL_BYTES_MAX, CALLS_OPEN_MAX};
use golem_model::oplog::wire::{DecodeError, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::value::codec::encoded_bytes;
use golem_model::{OplogIndex, PromiseId, Timestamp, Value, WorkerId, WorkerName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::DynPollable;

/// The time that a caller stays in memory while it waits for an answer. Most answers arrive sooner than the caller
/// could be rebuilt. After this time the caller is suspended, like any worker with an open-ended wait.
pub(super) const WAIT_IN_MEMORY: Duration = Duration::from_millis(50);

/// The calls that a guest has started and not finished, by their number.
pub(crate) type OpenCalls = BTreeMap<u64, OpenCall>;

/// A call that a guest has started and not finished.
#[derive(Debug, Clone)]
pub(crate) struct OpenCall {
    /// The function's full name.
    function: Arc<str>,
    /// The call's error, if it is already known that the target will not answer.
    error: Option<CallError>,
}

/// Makes a call with a reply. The request is the target worker, the function and the parameters. The store writes the
/// response.
struct MakeCall(OutgoingCall);

/// Makes a call without a reply. Request and response are those of [`MakeCall`]. The request ends
/// with the time before which the call must not run, or 0 if there is none.
struct SendCall(OutgoingCall);

fn encode_call(out: &OutgoingCall) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(out.target.template.0.as_bytes());
    put_bytes(&mut bytes, out.target.name.as_str().as_bytes());
    put_bytes(&mut bytes, out.function.as_bytes());
    put_varint(&mut bytes, out.params.len() as u64);
    for param in &out.params {
        golem_model::value::codec::encode(param, &mut bytes);
    }
    if !out.reply {
        put_varint(&mut bytes, out.not_before.map_or(0, Timestamp::as_nanos));
    }
    bytes
}

impl DurableCall for MakeCall {
    const FUNCTION: HostFunction = HostFunction::CallMake;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = (OplogIndex, Result<(), CallError>);

    fn request(&self) -> Vec<u8> {
        encode_call(&self.0)
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let (index, response) = live.make_call(call.clone(), self.0.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        Ok((index, decode_call_receipt(response)?.map(drop)))
    }
}

impl DurableCall for SendCall {
    const FUNCTION: HostFunction = HostFunction::CallSend;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = Result<(), CallError>;

    fn request(&self) -> Vec<u8> {
        encode_call(&self.0)
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let (index, response) = live.make_call(call.clone(), self.0.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        Ok(decode_call_receipt(response)?.map(drop))
    }
}

/// Waits for the answer to a call.
struct AwaitCall {
    call: OplogIndex,
    promise: PromiseId,
}

impl DurableCall for AwaitCall {
    const FUNCTION: HostFunction = HostFunction::CallAwait;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = CallAnswer;

    fn request(&self) -> Vec<u8> {
        encode_call_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let mut waited = false;
        loop {
            match live.call_answer(self.call).await? {
                AnswerState::Answered(bytes) => return Ok(CallResponse::Unrecorded(bytes.to_vec())),
                AnswerState::Unknown => return Ok(CallResponse::Unrecorded(unknown_call_answer())),
                AnswerState::Pending => {
                    let promises = vec![self.promise.clone()];
                    if std::mem::replace(&mut waited, true) {
                        live.wait(None, promises).await?;
                    } else {
                        live.wait_briefly(None, promises, WAIT_IN_MEMORY).await?;
                    }
                }
            }
        }
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<CallAnswer, DecodeError> {
        decode_answer(response)
    }
}

/// The answer to a call that the store does not know, for example because another worker made the
/// calls that this oplog records.
fn unknown_call_answer() -> Vec<u8> {
    encode_answer(&Err(CallError::NotFound("nothing is known of this call any more".to_owned())))
}

/// Reads the answer to a call without waiting. The response is 0 if there is none yet, or 1 and the answer.
struct FinishCall {
    call: OplogIndex,
}

impl DurableCall for FinishCall {
    const FUNCTION: HostFunction = HostFunction::CallFinish;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Option<CallAnswer>;

    fn request(&self) -> Vec<u8> {
        encode_call_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let answer = match live.call_answer(self.call).await? {
            AnswerState::Pending => return Ok(CallResponse::Unrecorded(vec![0])),
            AnswerState::Answered(bytes) => bytes.to_vec(),
            AnswerState::Unknown => unknown_call_answer(),
        };
        let mut response = vec![1];
        response.extend_from_slice(&answer);
        Ok(CallResponse::Unrecorded(response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Option<CallAnswer>, DecodeError> {
        match response {
            [0] => Ok(None),
            [1, answer @ ..] => decode_answer(answer).map(Some),
            _ => Err(DecodeError::Invalid("the answer of a call, or none")),
        }
    }
}

/// Cancels a call. The response is one byte, which the store writes: 0 if the call had ended before, 1 if it was
/// withdrawn before it ran, 2 if it continues and its answer will be dropped.
struct CancelCall {
    call: OplogIndex,
}

impl DurableCall for CancelCall {
    const FUNCTION: HostFunction = HostFunction::CallCancel;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = bool;

    fn request(&self) -> Vec<u8> {
        encode_call_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        let (index, response) = live.cancel_call(call.clone(), self.call).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<bool, DecodeError> {
        match response {
            [0] => Ok(false),
            [1 | 2] => Ok(true),
            _ => Err(DecodeError::Invalid("the outcome of giving up on a call")),
        }
    }
}

impl CallsView<'_> {
    /// Runs a function of a client interface and returns a value of its result type.
    pub(crate) async fn client_call(&mut self, client: &ClientFunction, params: Vec<Value>) -> Result<Value> {
        match client.form {
            CallForm::Await => {
                let answer = match self.prepare_call(client, params)? {
                    Err(error) => Err(error),
                    Ok(out) => self.call_and_wait(out).await?,
                };
                Ok(answer_value(answer))
            }
            CallForm::Send => {
                let sent = match self.prepare_call(client, params)? {
                    Err(error) => Err(error),
                    Ok(out) => self.door.call_durable(self.objects, SendCall(out)).await?,
                };
                Ok(answer_value(sent.map(|()| None)))
            }
            CallForm::Start => {
                if self.calls.len() >= CALLS_OPEN_MAX {
                    let text =
                        format!("{CALLS_OPEN_MAX} calls were started and not finished; finish some first");
                    return Err(self.door.raise(CallFailure::Trap(text)));
                }
                let (number, error) = match self.prepare_call(client, params)? {
                    Err(error) => (self.next_refused_number(), Some(error)),
                    Ok(out) => {
                        let (index, receipt) = self.door.call_durable(self.objects, MakeCall(out)).await?;
                        (index.0, receipt.err())
                    }
                };
                self.calls.insert(number, OpenCall { function: Arc::clone(&client.function), error });
                Ok(Value::U64(number))
            }
            CallForm::Finish => {
                let [Value::U64(number)] = *params.as_slice() else {
                    let text = "finish takes the number of a call".to_owned();
                    return Err(self.door.raise(CallFailure::Trap(text)));
                };
                let answer = self.finish(client, number).await?;
                Ok(Value::Option(answer.map(|answer| Box::new(answer_value(answer)))))
            }
        }
    }

    async fn call_and_wait(&mut self, out: OutgoingCall) -> Result<CallAnswer> {
        let (call, receipt) = self.door.call_durable(self.objects, MakeCall(out)).await?;
        if let Err(error) = receipt {
            return Ok(Err(error));
        }
        let promise = self.call_promise(call);
        self.door.call_durable(self.objects, AwaitCall { call, promise }).await
    }

    async fn finish(&mut self, client: &ClientFunction, number: u64) -> Result<Option<CallAnswer>> {
        let open = self.open_call(number)?.clone();
        if open.function != client.function {
            let text = format!("call {number} is one of {}, not of {}", open.function, client.function);
            return Err(self.door.raise(CallFailure::Trap(text)));
        }
        let answer = match open.error {
            Some(error) => Some(Err(error)),
            None => self.door.call_durable(self.objects, FinishCall { call: OplogIndex(number) }).await?,
        };
        if answer.is_some() {
            self.calls.remove(&number);
        }
        Ok(answer)
    }

    /// Builds the call that the parameters of a client function describe. The inner error is an answer for the guest.
    fn prepare_call(
        &mut self,
        client: &ClientFunction,
        mut params: Vec<Value>,
    ) -> Result<Result<OutgoingCall, CallError>> {
        let Some(template) = self.init.links.get(client.interface.as_ref()).copied() else {
            let text =
                format!("this template version is not linked to one that exports {}", client.interface);
            return Err(self.door.raise(CallFailure::Trap(text)));
        };
        let not_before = match client.form {
            CallForm::Send => params.pop().and_then(read_datetime),
            CallForm::Await | CallForm::Start | CallForm::Finish => None,
        };
        if params.is_empty() {
            return Err(self.door.raise(no_worker_name()));
        }
        let Value::String(name) = params.remove(0) else {
            return Err(self.door.raise(no_worker_name()));
        };
        let name = match WorkerName::new(name) {
            Ok(name) => name,
            Err(error) => return Ok(Err(CallError::Invalid(error.to_string()))),
        };
        let bytes: usize = params.iter().map(encoded_bytes).sum();
        if bytes > CALL_BYTES_MAX {
            return Ok(Err(CallError::Invalid(format!(
                "the parameters need {bytes} bytes; a call takes at most {CALL_BYTES_MAX}"
            ))));
        }
        Ok(Ok(OutgoingCall {
            target: WorkerId::new(template, name),
            function: Arc::clone(&client.function),
            param_types: Arc::clone(&client.params),
            returns: client.result.clone(),
            params,
            reply: client.form != CallForm::Send,
            not_before,
        }))
    }

    /// A number for a call that was refused before it was recorded. It differs from every oplog index, because no oplog
    /// reaches [`REFUSED_CALLS_START`].
    fn next_refused_number(&self) -> u64 {
        let used = self.calls.range(REFUSED_CALLS_START..).next_back();
        used.map_or(REFUSED_CALLS_START, |(last, _)| last + 1)
    }

    fn call_promise(&self, call: OplogIndex) -> PromiseId {
        PromiseId { worker: self.init.id.clone(), index: call }
    }

    fn open_call(&mut self, number: u64) -> Result<&OpenCall> {
        if !self.calls.contains_key(&number) {
            let text = format!("there is no call {number}: it was never made, or its answer was taken");
            return Err(self.door.raise(CallFailure::Trap(text)));
        }
        Ok(&self.calls[&number])
    }
}

/// The trap of a call without a worker's name. The types of a client interface prevent it.
fn no_worker_name() -> CallFailure {
    CallFailure::Trap("a call takes the name of a worker first".to_owned())
}

/// The first number of calls without an oplog entry.
const REFUSED_CALLS_START: u64 = 1 << 63;

/// Converts an answer to a value of `result<R, rpc-error>`.
fn answer_value(answer: CallAnswer) -> Value {
    Value::Result(match answer {
        Ok(value) => Ok(value.map(Box::new)),
        Err(error) => Err(Some(Box::new(error.to_value()))),
    })
}

/// Reads the time from a value of `option<datetime>`.
fn read_datetime(at: Value) -> Option<Timestamp> {
    let Value::Option(Some(at)) = at else { return None };
    let Value::Record(fields) = *at else { return None };
    match fields.as_slice() {
        [Value::U64(seconds), Value::U32(nanos)] => Some(Timestamp::from_nanos(
            seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(*nanos)),
        )),
        _ => None,
    }
}

impl calls::Host for CallsView<'_> {
    async fn subscribe(&mut self, call: u64) -> Result<Resource<DynPollable>> {
        let pollable = match self.open_call(call)?.error {
            Some(_) => Pollable::Ready,
            None => Pollable::Call(self.call_promise(OplogIndex(call))),
        };
        self.objects.insert(Object::Pollable(pollable))
    }

    async fn cancel(&mut self, call: u64) -> Result<()> {
        if self.open_call(call)?.error.is_none()
            && self.door.call_durable(self.objects, CancelCall { call: OplogIndex(call) }).await?
            && let Some(open) = self.calls.get_mut(&call)
        {
            open.error = Some(CallError::Cancelled);
        }
        Ok(())
    }
}
