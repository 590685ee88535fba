//! Calls of other workers: what the functions of a client interface do, and `golem:durability/calls`.
//!
//! The interfaces themselves are recognised in [`crate::clients`]; here are the durable calls behind them. A call is
//! named by the index of the entry that makes it. Which calls a guest has made and not finished is a function of the
//! oplog, so it is plain data here ([`OpenCalls`]) and a mistake of the guest is told without an entry.

use crate::bindings::durability::calls;
use crate::clients::{CallForm, ClientFunction};
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::objects::{Object, Pollable};
use crate::ports::{AnswerState, OutgoingCall};
use crate::state::WorkerState;
use crate::value::encoded_bytes;
use golem_model::call::{
    CallAnswer, CallError, decode_answer, decode_call_receipt, encode_answer, encode_index,
};
use golem_model::limits::{CALL_BYTES_MAX, CALLS_OPEN_MAX};
use golem_model::oplog::wire::{DecodeError, put_bytes, put_varint};
use golem_model::oplog::{Call, HostFunction};
use golem_model::{OplogIndex, PromiseId, Timestamp, Value, WorkerId, WorkerName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::DynPollable;

/// A caller stays in memory for so long: most answers come sooner than it could be rebuilt. Then it leaves memory, as any
/// worker that waits for something of which nobody knows when it comes.
pub(super) const WAIT_IN_MEMORY: Duration = Duration::from_millis(50);

/// Calls that a guest has made without waiting and not finished, by their number.
pub(crate) type OpenCalls = BTreeMap<u64, OpenCall>;

/// Such a call.
#[derive(Debug, Clone)]
pub(crate) struct OpenCall {
    /// The function's full name.
    function: Arc<str>,
    /// Why there will be no answer, if that is known.
    error: Option<CallError>,
}

/// Makes a call. The request is the other worker, the function, the parameters, and for a call whose answer nobody wants
/// the time. The response is written by the store.
struct MakeCall(OutgoingCall);

/// As [`Make`], for a call whose answer nobody wants.
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

    async fn perform(&self, live: &mut Live<'_>, call: &Call) -> Result<CallResponse, CallFailure> {
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

    async fn perform(&self, live: &mut Live<'_>, call: &Call) -> Result<CallResponse, CallFailure> {
        let (index, response) = live.make_call(call.clone(), self.0.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        Ok(decode_call_receipt(response)?.map(drop))
    }
}

/// Waits for the answer of a call.
struct AwaitCall {
    call: OplogIndex,
    promise: PromiseId,
}

impl DurableCall for AwaitCall {
    const FUNCTION: HostFunction = HostFunction::CallAwait;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = CallAnswer;

    fn request(&self) -> Vec<u8> {
        encode_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
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

/// What a call comes to of which the store knows nothing: this worker was made from another one's oplog.
fn unknown_call_answer() -> Vec<u8> {
    encode_answer(&Err(CallError::NotFound("nothing is known of this call any more".to_owned())))
}

/// Looks for the answer of a call. The response is 0, or 1 and the answer.
struct FinishCall {
    call: OplogIndex,
}

impl DurableCall for FinishCall {
    const FUNCTION: HostFunction = HostFunction::CallFinish;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Option<CallAnswer>;

    fn request(&self) -> Vec<u8> {
        encode_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
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

/// Gives up on a call. The response is one byte, which the store writes: 0 if it was over, 1 if it was taken back, 2 if
/// it goes on.
struct CancelCall {
    call: OplogIndex,
}

impl DurableCall for CancelCall {
    const FUNCTION: HostFunction = HostFunction::CallCancel;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = bool;

    fn request(&self) -> Vec<u8> {
        encode_index(self.call)
    }

    async fn perform(&self, live: &mut Live<'_>, call: &Call) -> Result<CallResponse, CallFailure> {
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

impl WorkerState {
    /// What a function of a client interface gives for these parameters, as a value of its result type.
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
                    Ok(out) => self.durable(SendCall(out)).await?,
                };
                Ok(answer_value(sent.map(|()| None)))
            }
            CallForm::Start => {
                if self.calls.len() >= CALLS_OPEN_MAX {
                    let text =
                        format!("{CALLS_OPEN_MAX} calls were started and not finished; finish some first");
                    return Err(self.raise(CallFailure::Trap(text)));
                }
                let (number, error) = match self.prepare_call(client, params)? {
                    Err(error) => (self.next_refused_number(), Some(error)),
                    Ok(out) => {
                        let (index, receipt) = self.durable(MakeCall(out)).await?;
                        (index.0, receipt.err())
                    }
                };
                self.calls.insert(number, OpenCall { function: Arc::clone(&client.function), error });
                Ok(Value::U64(number))
            }
            CallForm::Finish => {
                let number = match params.as_slice() {
                    [Value::U64(number)] => *number,
                    _ => {
                        return Err(
                            self.raise(CallFailure::Trap("finish takes the number of a call".to_owned()))
                        );
                    }
                };
                let answer = self.finish(client, number).await?;
                Ok(Value::Option(answer.map(|answer| Box::new(answer_value(answer)))))
            }
        }
    }

    async fn call_and_wait(&mut self, out: OutgoingCall) -> Result<CallAnswer> {
        let (call, receipt) = self.durable(MakeCall(out)).await?;
        if let Err(error) = receipt {
            return Ok(Err(error));
        }
        let promise = self.call_promise(call);
        self.durable(AwaitCall { call, promise }).await
    }

    async fn finish(&mut self, client: &ClientFunction, number: u64) -> Result<Option<CallAnswer>> {
        let open = self.open_call(number)?.clone();
        if open.function != client.function {
            let text = format!("call {number} is one of {}, not of {}", open.function, client.function);
            return Err(self.raise(CallFailure::Trap(text)));
        }
        let answer = match open.error {
            Some(error) => Some(Err(error)),
            None => self.durable(FinishCall { call: OplogIndex(number) }).await?,
        };
        if answer.is_some() {
            self.calls.remove(&number);
        }
        Ok(answer)
    }

    /// The call that the parameters of a client function describe, or why there can be none.
    fn prepare_call(
        &mut self,
        client: &ClientFunction,
        mut params: Vec<Value>,
    ) -> Result<Result<OutgoingCall, CallError>> {
        let Some(template) = self.init.links.get(client.interface.as_ref()).copied() else {
            let text =
                format!("this template version is not linked to one that exports {}", client.interface);
            return Err(self.raise(CallFailure::Trap(text)));
        };
        let not_before = match client.form {
            CallForm::Send => params.pop().and_then(read_datetime),
            CallForm::Await | CallForm::Start | CallForm::Finish => None,
        };
        if params.is_empty() {
            return Err(self.raise(CallFailure::Trap("a call takes the name of a worker first".to_owned())));
        }
        let Value::String(name) = params.remove(0) else {
            return Err(self.raise(CallFailure::Trap("a call takes the name of a worker first".to_owned())));
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

    /// A number for a call that was never made: unlike that of any entry, since no oplog gets so long.
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
            return Err(self.raise(CallFailure::Trap(text)));
        }
        Ok(&self.calls[&number])
    }
}

/// Where numbers of calls begin that have no entry.
const REFUSED_CALLS_START: u64 = 1 << 63;

/// The answer as a value of `result<R, rpc-error>`.
fn answer_value(answer: CallAnswer) -> Value {
    Value::Result(match answer {
        Ok(value) => Ok(value.map(Box::new)),
        Err(error) => Err(Some(Box::new(error.to_value()))),
    })
}

/// The time in an `option<datetime>`.
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

impl calls::Host for WorkerState {
    async fn subscribe(&mut self, call: u64) -> Result<Resource<DynPollable>> {
        let pollable = match self.open_call(call)?.error {
            Some(_) => Pollable::Ready,
            None => Pollable::Call(self.call_promise(OplogIndex(call))),
        };
        self.objects.insert(Object::Pollable(pollable))
    }

    async fn cancel(&mut self, call: u64) -> Result<()> {
        if self.open_call(call)?.error.is_none()
            && self.durable(CancelCall { call: OplogIndex(call) }).await?
            && let Some(open) = self.calls.get_mut(&call)
        {
            open.error = Some(CallError::Cancelled);
        }
        Ok(())
    }
}
