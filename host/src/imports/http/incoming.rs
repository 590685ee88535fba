//! What guests receive: responses, their bodies and trailers.
//!
//! A body that was recorded with its head is data of the object, and reading it needs no entry. Any other is read
//! piece by piece, and each piece is recorded; when a crash comes in between, the guest has again what it had, and then
//! a stream error.

use super::failure::code;
use super::objects::{Http, Incoming, Received, Source, Trailers};
use super::send::ended;
use super::{send, wire};
use crate::durable::{
    BodyEnd, BodyRead, CallFailure, CallResponse, DurableCall, Effect, Live, ObserveCall, ResponsePart,
};
use crate::objects::{Input, Object, Pollable};
use crate::state::WorkerState;
use bytes::Bytes;
use golem_model::OplogIndex;
use golem_model::oplog::wire::{DecodeError, put_varint};
use golem_model::oplog::{Call, HostFunction};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynPollable};
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, FutureTrailers, IncomingBody, IncomingResponse,
};
use wasmtime_wasi_io::streams::{StreamError, StreamResult};

/// Bytes that one read gives at most: the host copies them, and they are one answer in the oplog.
const READ_BYTES_MAX: u64 = 64 << 10;

/// Reads the body of the response to a call. Request: the number of the call, the bytes wanted, and 1 if it waits for
/// some, else 0. Response: [`wire::read_bytes`].
struct ReadBody {
    call: u64,
    limit: usize,
    waits: bool,
}

impl ReadBody {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        put_varint(&mut out, self.call);
        put_varint(&mut out, self.limit as u64);
        out.push(u8::from(self.waits));
        out
    }

    fn read(&self, live: &mut Live<'_>) -> Vec<u8> {
        let read = match live.read_body(self.call, self.limit) {
            BodyRead::End(end) => BodyRead::End(send::bounded(end)),
            other => other,
        };
        wire::read_bytes(&read)
    }
}

impl ObserveCall for ReadBody {
    const FUNCTION: HostFunction = HostFunction::HttpBodyRead;
    type Answer = BodyRead;

    fn request(&self) -> Vec<u8> {
        self.bytes()
    }

    fn observe(&self, live: &mut Live<'_>) -> Vec<u8> {
        self.read(live)
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<BodyRead, DecodeError> {
        wire::read_read(response)
    }
}

impl DurableCall for ReadBody {
    const FUNCTION: HostFunction = HostFunction::HttpBodyRead;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = BodyRead;

    fn request(&self) -> Vec<u8> {
        self.bytes()
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
        while !live.is_request_ready(self.call, ResponsePart::Body)? {
            live.wait(None, Vec::new()).await?;
        }
        Ok(CallResponse::Unrecorded(self.read(live)))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<BodyRead, DecodeError> {
        wire::read_read(response)
    }
}

/// Looks how the body of the response to a call ended, whatever of it was not read. Request: the number of the call.
/// Response: [`wire::end_bytes`].
struct GetTrailers {
    call: u64,
}

impl ObserveCall for GetTrailers {
    const FUNCTION: HostFunction = HostFunction::HttpTrailers;
    type Answer = Option<BodyEnd>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.call);
        out
    }

    fn observe(&self, live: &mut Live<'_>) -> Vec<u8> {
        wire::end_bytes(live.body_end(self.call).map(send::bounded).as_ref())
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Option<BodyEnd>, DecodeError> {
        wire::read_end_bytes(response)
    }
}

impl WorkerState {
    /// Reads from the stream of the body at `body` what is there.
    pub(crate) fn http_body_read(&mut self, body: u32, length: u64) -> StreamResult<Vec<u8>> {
        let limit = limit(length);
        match self.http_body_call(body)? {
            Some(call) if limit > 0 => {
                let read = self.observe(&ReadBody { call, limit, waits: false });
                self.http_body_took(body, read.map_err(StreamError::Trap)?)
            }
            _ => self.http_body_rest(body, limit),
        }
    }

    /// Reads from the stream of the body at `body`; waits until there is something.
    pub(crate) async fn http_body_blocking_read(&mut self, body: u32, length: u64) -> StreamResult<Vec<u8>> {
        let limit = limit(length);
        match self.http_body_call(body)? {
            Some(call) if limit > 0 => {
                let read = self.durable(ReadBody { call, limit, waits: true }).await;
                self.http_body_took(body, read.map_err(StreamError::Trap)?)
            }
            _ => self.http_body_rest(body, limit),
        }
    }

    /// What a pollable of the stream of the body at `body` waits for.
    pub(crate) fn http_body_awaited(&self, body: u32) -> Result<Pollable> {
        Ok(match self.objects.incoming(body)?.source {
            Source::Here { .. } => Pollable::Ready,
            Source::Call(call) => Pollable::Http { call, part: ResponsePart::Body },
        })
    }

    fn http_body_call(&self, body: u32) -> StreamResult<Option<u64>> {
        match self.objects.incoming(body).map_err(StreamError::Trap)?.source {
            Source::Here { .. } => Ok(None),
            Source::Call(call) => Ok(Some(call)),
        }
    }

    fn http_body_took(&mut self, body: u32, read: BodyRead) -> StreamResult<Vec<u8>> {
        match read {
            BodyRead::Pending => Ok(Vec::new()),
            BodyRead::Data(data) => Ok(data.into()),
            BodyRead::End(end) => {
                let end = ended(end).map_err(StreamError::Trap)?;
                let source = Source::Here { bytes: Bytes::new(), end };
                let set = self.objects.update_incoming(body, |incoming| incoming.source = source);
                set.map_err(StreamError::Trap)?;
                self.http_body_rest(body, 1)
            }
        }
    }

    /// Takes up to `limit` bytes of a body that is here.
    fn http_body_rest(&mut self, body: u32, limit: usize) -> StreamResult<Vec<u8>> {
        let taken = self.objects.update_incoming(body, |incoming| match &mut incoming.source {
            Source::Here { bytes, .. } if !bytes.is_empty() => Ok(bytes.split_to(limit.min(bytes.len()))),
            Source::Here { end: Err(failure), .. } => Err(Some(failure.clone())),
            Source::Here { end: Ok(_), .. } => Err(None),
            Source::Call(_) => Ok(Bytes::new()),
        });
        match taken.map_err(StreamError::Trap)? {
            Ok(data) => Ok(data.into()),
            Err(None) => Err(StreamError::Closed),
            Err(Some(failure)) => Err(StreamError::LastOperationFailed(failure.into())),
        }
    }

    /// What is alive of a body that the guest has dropped is given up.
    fn give_up(&mut self, source: Option<&Source>) {
        if let Some(Source::Call(call)) = source {
            self.journal.forget_request(*call);
        }
    }
}

fn limit(length: u64) -> usize {
    usize::try_from(length.min(READ_BYTES_MAX)).unwrap_or(0)
}

impl types::HostIncomingResponse for WorkerState {
    fn status(&mut self, response: Resource<IncomingResponse>) -> Result<u16> {
        Ok(self.objects.received(response.rep())?.status)
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> Result<Resource<types::Fields>> {
        let headers = self.objects.received(response.rep())?.headers.clone();
        self.new_fields(headers)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> Result<Result<Resource<IncomingBody>, ()>> {
        let source = self.objects.update_received(response.rep(), |received| received.body.take())?;
        let Some(source) = source else { return Ok(Err(())) };
        self.new_http(Http::Incoming(Incoming { source, stream_taken: false })).map(Ok)
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> Result<()> {
        let Received { body, .. } = self.objects.remove_received(response.rep())?;
        self.give_up(body.as_ref());
        Ok(())
    }
}

impl types::HostIncomingBody for WorkerState {
    fn stream(&mut self, body: Resource<IncomingBody>) -> Result<Result<Resource<DynInputStream>, ()>> {
        let rep = body.rep();
        if self.objects.update_incoming(rep, |body| std::mem::replace(&mut body.stream_taken, true))? {
            return Ok(Err(()));
        }
        self.objects.insert_child(Object::Input(Input::HttpBody(rep)), rep).map(Ok)
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> Result<Resource<FutureTrailers>> {
        let Incoming { source, .. } = self.objects.remove_incoming(body.rep())?;
        let trailers = match source {
            Source::Here { end, .. } => Trailers::Known(end),
            Source::Call(call) => Trailers::Of(call),
        };
        self.new_http(Http::Trailers(trailers))
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> Result<()> {
        let Incoming { source, .. } = self.objects.remove_incoming(body.rep())?;
        self.give_up(Some(&source));
        Ok(())
    }
}

impl types::HostFutureTrailers for WorkerState {
    fn subscribe(&mut self, trailers: Resource<FutureTrailers>) -> Result<Resource<DynPollable>> {
        let pollable = match self.objects.trailers(trailers.rep())? {
            Trailers::Known(_) | Trailers::Taken => Pollable::Ready,
            Trailers::Of(call) => Pollable::Http { call: *call, part: ResponsePart::Trailers },
        };
        self.objects.insert_child(Object::Pollable(pollable), trailers.rep())
    }

    fn get(
        &mut self,
        trailers: Resource<FutureTrailers>,
    ) -> Result<Option<Result<Result<Option<Resource<types::Fields>>, ErrorCode>, ()>>> {
        let end = match self.objects.trailers(trailers.rep())? {
            Trailers::Taken => return Ok(Some(Err(()))),
            Trailers::Known(end) => end.clone(),
            Trailers::Of(call) => {
                let call = *call;
                match self.observe(&GetTrailers { call })? {
                    None => return Ok(None),
                    Some(end) => ended(end)?,
                }
            }
        };
        self.objects.update_trailers(trailers.rep(), |trailers| *trailers = Trailers::Taken)?;
        Ok(Some(Ok(match end {
            Ok(None) => Ok(None),
            Ok(Some(fields)) => Ok(Some(self.new_fields(fields)?)),
            Err(failure) => Err(code(&failure)),
        })))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> Result<()> {
        if let Trailers::Of(call) = self.objects.remove_trailers(trailers.rep())? {
            self.journal.forget_request(call);
        }
        Ok(())
    }
}
