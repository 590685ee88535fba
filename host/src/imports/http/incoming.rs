//! Received messages: responses, their bodies and trailers.
//!
//! A body that was recorded together with its head is buffered in the host object, and reading it needs no oplog entry.
//! Any other body is read in pieces, and each piece is recorded. After a crash between two pieces, the guest reads the
//! recorded pieces again and then gets a stream error.

use super::failure::error_code;
use super::objects::{BodySource, HttpObject, ReceivedBody, ReceivedResponse, Trailers};
use super::send::to_trailers_result;
use super::{send, wire};
use crate::durable::{
    BodyEnd, BodyRead, CallFailure, CallResponse, DurableCall, Effect, ImmediateCall, Live, ResponsePart,
};
use crate::imports::views::{HttpView, IoView};
use crate::objects::{Input, Object, Pollable};
use bytes::Bytes;
use golem_model::OplogIndex;
use golem_model::oplog::wire::{DecodeError, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynPollable};
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, FutureTrailers, IncomingBody, IncomingResponse,
};
use wasmtime_wasi_io::streams::{StreamError, StreamResult};

/// Bytes that one read returns at most. The host copies them, and they are one response in the oplog.
const READ_BYTES_MAX: u64 = 64 << 10;

/// Reads the body of the response to a call. Request: the number of the call, the bytes wanted, and 1 if it waits for
/// some, else 0. Response: [`wire::encode_body_read`].
struct ReadBody {
    call: u64,
    limit: usize,
    waits: bool,
}

impl ReadBody {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        put_varint(&mut out, self.call);
        put_varint(&mut out, self.limit as u64);
        out.push(u8::from(self.waits));
        out
    }

    fn read(&self, live: &mut Live<'_>) -> Vec<u8> {
        let read = match live.read_body(self.call, self.limit) {
            BodyRead::End(end) => BodyRead::End(send::limit_trailers(end)),
            other => other,
        };
        wire::encode_body_read(&read)
    }
}

impl ImmediateCall for ReadBody {
    const FUNCTION: HostFunction = HostFunction::HttpBodyRead;
    type Answer = BodyRead;

    fn request(&self) -> Vec<u8> {
        self.encode()
    }

    fn perform(&self, live: &mut Live<'_>) -> Vec<u8> {
        self.read(live)
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<BodyRead, DecodeError> {
        wire::decode_body_read(response)
    }
}

impl DurableCall for ReadBody {
    const FUNCTION: HostFunction = HostFunction::HttpBodyRead;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = BodyRead;

    fn request(&self) -> Vec<u8> {
        self.encode()
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        while !live.is_request_ready(self.call, ResponsePart::Body)? {
            live.wait(None, Vec::new()).await?;
        }
        Ok(CallResponse::Unrecorded(self.read(live)))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<BodyRead, DecodeError> {
        wire::decode_body_read(response)
    }
}

/// Reads how the body of the response to a call ended; the guest need not have read the body to its end. Request: the
/// number of the call. Response: [`wire::encode_body_end`].
struct GetTrailers {
    call: u64,
}

impl ImmediateCall for GetTrailers {
    const FUNCTION: HostFunction = HostFunction::HttpTrailers;
    type Answer = Option<BodyEnd>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.call);
        out
    }

    fn perform(&self, live: &mut Live<'_>) -> Vec<u8> {
        wire::encode_body_end(live.body_end(self.call).map(send::limit_trailers).as_ref())
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Option<BodyEnd>, DecodeError> {
        wire::decode_body_end(response)
    }
}

impl IoView<'_> {
    /// Reads the available bytes from the stream of the body at `body`.
    pub(crate) fn http_body_read(&mut self, body: u32, length: u64) -> StreamResult<Vec<u8>> {
        let limit = read_limit(length);
        match self.http_body_call(body)? {
            Some(call) if limit > 0 => {
                let read = self.door.call_immediate(self.objects, &ReadBody { call, limit, waits: false });
                self.apply_body_read(body, read.map_err(StreamError::Trap)?)
            }
            _ => self.take_buffered(body, limit),
        }
    }

    /// Reads from the stream of the body at `body`. Waits until bytes are available or the body has ended.
    pub(crate) async fn http_body_blocking_read(&mut self, body: u32, length: u64) -> StreamResult<Vec<u8>> {
        let limit = read_limit(length);
        match self.http_body_call(body)? {
            Some(call) if limit > 0 => {
                let read = self.door.call_durable(self.objects, ReadBody { call, limit, waits: true }).await;
                self.apply_body_read(body, read.map_err(StreamError::Trap)?)
            }
            _ => self.take_buffered(body, limit),
        }
    }

    /// The event that a pollable of the stream of the body at `body` waits for.
    pub(crate) fn http_body_pollable(&self, body: u32) -> Result<Pollable> {
        Ok(match self.objects.received_body(body)?.source {
            BodySource::Buffered { .. } => Pollable::Ready,
            BodySource::Call(call) => Pollable::Http { call, part: ResponsePart::Body },
        })
    }

    fn http_body_call(&self, body: u32) -> StreamResult<Option<u64>> {
        match self.objects.received_body(body).map_err(StreamError::Trap)?.source {
            BodySource::Buffered { .. } => Ok(None),
            BodySource::Call(call) => Ok(Some(call)),
        }
    }

    fn apply_body_read(&mut self, body: u32, read: BodyRead) -> StreamResult<Vec<u8>> {
        match read {
            BodyRead::Pending => Ok(Vec::new()),
            BodyRead::Data(data) => Ok(data.into()),
            BodyRead::End(end) => {
                let end = to_trailers_result(end).map_err(StreamError::Trap)?;
                let source = BodySource::Buffered { bytes: Bytes::new(), end };
                let set = self.objects.update_received_body(body, |incoming| incoming.source = source);
                set.map_err(StreamError::Trap)?;
                self.take_buffered(body, 1)
            }
        }
    }

    /// Takes up to `limit` bytes of a buffered body.
    fn take_buffered(&mut self, body: u32, limit: usize) -> StreamResult<Vec<u8>> {
        let taken = self.objects.update_received_body(body, |incoming| match &mut incoming.source {
            BodySource::Buffered { bytes, .. } if !bytes.is_empty() => {
                Ok(bytes.split_to(limit.min(bytes.len())))
            }
            BodySource::Buffered { end: Err(failure), .. } => Err(Some(failure.clone())),
            BodySource::Buffered { end: Ok(_), .. } => Err(None),
            BodySource::Call(_) => Ok(Bytes::new()),
        });
        match taken.map_err(StreamError::Trap)? {
            Ok(data) => Ok(data.into()),
            Err(None) => Err(StreamError::Closed),
            Err(Some(failure)) => Err(StreamError::LastOperationFailed(failure.into())),
        }
    }
}

impl HttpView<'_> {
    /// Cancels the request in flight of a body that the guest has dropped.
    fn release_source(&mut self, source: Option<&BodySource>) {
        if let Some(BodySource::Call(call)) = source {
            self.door.forget_request(*call);
        }
    }
}

fn read_limit(length: u64) -> usize {
    usize::try_from(length.min(READ_BYTES_MAX)).unwrap_or(0)
}

impl types::HostIncomingResponse for HttpView<'_> {
    fn status(&mut self, response: Resource<IncomingResponse>) -> Result<u16> {
        Ok(self.objects.received_response(response.rep())?.status)
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> Result<Resource<types::Fields>> {
        let headers = self.objects.received_response(response.rep())?.headers.clone();
        self.new_fields(headers)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> Result<Result<Resource<IncomingBody>, ()>> {
        let source =
            self.objects.update_received_response(response.rep(), |received| received.body.take())?;
        let Some(source) = source else { return Ok(Err(())) };
        self.new_http(HttpObject::ReceivedBody(ReceivedBody { source, stream_taken: false })).map(Ok)
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> Result<()> {
        let ReceivedResponse { body, .. } = self.objects.remove_received_response(response.rep())?;
        self.release_source(body.as_ref());
        Ok(())
    }
}

impl types::HostIncomingBody for HttpView<'_> {
    fn stream(&mut self, body: Resource<IncomingBody>) -> Result<Result<Resource<DynInputStream>, ()>> {
        let rep = body.rep();
        if self.objects.update_received_body(rep, |body| std::mem::replace(&mut body.stream_taken, true))? {
            return Ok(Err(()));
        }
        self.objects.insert_child(Object::Input(Input::HttpBody(rep)), rep).map(Ok)
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> Result<Resource<FutureTrailers>> {
        let ReceivedBody { source, .. } = self.objects.remove_received_body(body.rep())?;
        let trailers = match source {
            BodySource::Buffered { end, .. } => Trailers::Known(end),
            BodySource::Call(call) => Trailers::Pending(call),
        };
        self.new_http(HttpObject::Trailers(trailers))
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> Result<()> {
        let ReceivedBody { source, .. } = self.objects.remove_received_body(body.rep())?;
        self.release_source(Some(&source));
        Ok(())
    }
}

impl types::HostFutureTrailers for HttpView<'_> {
    fn subscribe(&mut self, trailers: Resource<FutureTrailers>) -> Result<Resource<DynPollable>> {
        let pollable = match self.objects.trailers(trailers.rep())? {
            Trailers::Known(_) | Trailers::Taken => Pollable::Ready,
            Trailers::Pending(call) => Pollable::Http { call: *call, part: ResponsePart::Trailers },
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
            Trailers::Pending(call) => {
                let call = *call;
                match self.door.call_immediate(self.objects, &GetTrailers { call })? {
                    None => return Ok(None),
                    Some(end) => to_trailers_result(end)?,
                }
            }
        };
        self.objects.update_trailers(trailers.rep(), |trailers| *trailers = Trailers::Taken)?;
        Ok(Some(Ok(match end {
            Ok(None) => Ok(None),
            Ok(Some(fields)) => Ok(Some(self.new_fields(fields)?)),
            Err(failure) => Err(error_code(&failure)),
        })))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> Result<()> {
        if let Trailers::Pending(call) = self.objects.remove_trailers(trailers.rep())? {
            self.door.forget_request(call);
        }
        Ok(())
    }
}
