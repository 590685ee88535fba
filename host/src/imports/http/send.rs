//! Sending requests: `outgoing-handler`, and the future of the response.
//!
//! A request is sent when it is complete: by `handle` if its body is complete, otherwise when the guest finishes the
//! body. The request is first announced in the oplog (W2) under the number of the call. It carries an idempotency key
//! that is derived from the worker, the invocation and this number, so that a receiver recognises a repeated request.

use super::failure::{error_code, put_failure, read_failure};
use super::fields::FIELDS_BYTES_MAX;
use super::objects::{
    BodySource, BodyState, Content, HttpObject, Options, ReceivedResponse, Request, RequestHead,
    ResponseFuture, TrailersResult, UnansweredRequest,
};
use super::{body, fields, wire};
use crate::durable::{BodyEnd, Effect, ImmediateCall, Live, ResponseState};
use crate::imports::views::{HttpView, IoView};
use crate::objects::{Object, Pollable};
use crate::ports::{HttpFailure, HttpRequest, HttpTimeouts};
use ::http::uri::{PathAndQuery, Scheme, Uri};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use golem_model::OplogIndex;
use golem_model::oplog::HostFunction;
use golem_model::oplog::wire::{DecodeError, Reader, put_varint};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, FutureIncomingResponse, IncomingResponse, OutgoingRequest, RequestOptions,
};
use wasmtime_wasi_http::p2::{HttpError, HttpResult};

/// The header with the request's idempotency key. A value that the guest has set is kept.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The HTTP state of a worker: the number of its requests, and the reply of the current invocation. It is determined by
/// the calls that the guest made, so replay rebuilds it.
#[derive(Debug, Default)]
pub(crate) struct HttpState {
    /// The number of requests that the worker has sent or was refused to send.
    sent_count: u64,
    /// The reply of the guest, in an invocation that handles an HTTP request.
    pub(super) reply: Option<super::serve::Reply>,
}

impl HttpState {
    /// Encodes the state for a saved state. There is no reply between two invocations.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.sent_count);
        out
    }

    /// Decodes the bytes of [`HttpState::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let calls = Self { sent_count: input.varint()?, reply: None };
        input.finish()?;
        Ok(calls)
    }
}

/// Announces and sends a request.
///
/// Request: the number of the call and the HTTP request. Response: 0 if the request was accepted for sending, or 1 and
/// the failure.
struct SendRequest {
    call: u64,
    request: Arc<HttpRequest>,
}

impl ImmediateCall for SendRequest {
    const FUNCTION: HostFunction = HostFunction::HttpSend;
    const EFFECT: Effect = Effect::AnnouncesIntent;
    type Answer = Result<(), HttpFailure>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.request.body.len());
        put_varint(&mut out, self.call);
        wire::put_request(&mut out, &self.request);
        out
    }

    fn perform(&self, live: &mut Live<'_>) -> Vec<u8> {
        match live.admit_request(&self.request) {
            Ok(()) => vec![0],
            Err(failure) => {
                let mut out = vec![1];
                put_failure(&mut out, &failure);
                out
            }
        }
    }

    fn begin(&self, response: &[u8], live: &mut Live<'_>) {
        if response == [0] {
            live.send_request(self.call, self.request.clone());
        }
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        let mut input = Reader::new(response);
        let answer = match input.byte()? {
            0 => Ok(()),
            1 => Err(read_failure(&mut input)?),
            tag => return Err(DecodeError::UnknownTag { what: "sent HTTP request", tag }),
        };
        input.finish()?;
        Ok(answer)
    }
}

/// Reads the response to a call without waiting. Request: its number. Response: [`wire::encode_response_state`].
struct GetResponse {
    call: u64,
}

impl ImmediateCall for GetResponse {
    const FUNCTION: HostFunction = HostFunction::HttpResponse;
    type Answer = ResponseState;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.call);
        out
    }

    fn perform(&self, live: &mut Live<'_>) -> Vec<u8> {
        wire::encode_response_state(&take_response(live, self.call))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<ResponseState, DecodeError> {
        wire::decode_response_state(response)
    }
}

/// Takes the current state of the response to a call. Header fields or trailers beyond the limits become a failure.
pub(crate) fn take_response(live: &mut Live<'_>, call: u64) -> ResponseState {
    match live.response(call) {
        ResponseState::Complete(head, ..) | ResponseState::HeadOnly(head) if !fits_fields(&head.headers) => {
            live.forget_request(call);
            ResponseState::Failed(too_large())
        }
        ResponseState::Complete(head, body, end) => ResponseState::Complete(head, body, limit_trailers(end)),
        other => other,
    }
}

/// Whether header fields fit into a `fields` object.
fn fits_fields(headers: &HeaderMap) -> bool {
    fields::Fields::received(headers).is_ok()
}

fn too_large() -> HttpFailure {
    HttpFailure::HeadTooLarge { bytes: u32::try_from(FIELDS_BYTES_MAX).unwrap_or(u32::MAX) }
}

/// Replaces trailers that do not fit into a `fields` object by a failure.
pub(super) fn limit_trailers(end: BodyEnd) -> BodyEnd {
    match end {
        Ok(Some(trailers)) if !fits_fields(&trailers) => Err(too_large()),
        other => other,
    }
}

impl IoView<'_> {
    /// Stores a response that a poll has recorded in the future at `rep`.
    pub(crate) fn store_response(&mut self, rep: u32, call: u64, response: ResponseState) -> Result<()> {
        self.objects.update_response_future(rep, |future| {
            if matches!(future, ResponseFuture::Sent(unanswered) if unanswered.call == call) {
                *future = ResponseFuture::Received(call, Box::new(response));
            }
        })
    }
}

impl HttpView<'_> {
    /// Announces and sends a complete request.
    pub(super) fn send(
        &mut self,
        request_head: &RequestHead,
        content: Content,
    ) -> Result<Result<UnansweredRequest, HttpFailure>> {
        let call = self.http.sent_count;
        self.http.sent_count += 1;
        let mut headers = request_head.headers.to_headers()?;
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            let key = uuid::Builder::from_custom_bytes(self.random.http_idempotency_key(call))
                .into_uuid()
                .to_string();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key)?);
        }
        let request = Arc::new(HttpRequest {
            method: request_head.method.clone(),
            uri: request_head.uri.clone(),
            headers,
            body: content.bytes,
            trailers: content.trailers.map(|trailers| trailers.to_headers()).transpose()?,
            timeouts: request_head.options.timeouts(),
        });
        // By default, a request may be sent twice: the receiver recognises it by the key.
        let repeats = self.policy.idempotent() || request_head.method.is_idempotent();
        let sent = self.door.call_immediate(self.objects, &SendRequest { call, request: request.clone() })?;
        Ok(sent.map(|()| UnansweredRequest { call, request, repeats }))
    }

    /// Creates the future of a request, which is sent now or waits for its body.
    fn handle_request(
        &mut self,
        request: Request,
        options: Options,
    ) -> HttpResult<Resource<FutureIncomingResponse>> {
        let body = match &request.body {
            BodyState::Open(body) => Some(*body),
            _ => None,
        };
        let request_head = match request_head(&request, options, body) {
            Ok(request_head) => request_head,
            Err(error) => {
                self.detach_body(&request.body, false).map_err(HttpError::trap)?;
                return Err(error.into());
            }
        };
        let future = match request.body {
            BodyState::Open(_) => ResponseFuture::Unsent(Box::new(request_head)),
            BodyState::Broken(failure) => return Err(body::body_error(&failure)),
            BodyState::Untouched | BodyState::Done(_) => {
                let content = match request.body {
                    BodyState::Done(content) => content,
                    _ => Content::default(),
                };
                match self.send(&request_head, content).map_err(HttpError::trap)? {
                    Ok(sent) => ResponseFuture::Sent(sent),
                    Err(failure) => return Err(error_code(&failure).into()),
                }
            }
        };
        let future = self
            .new_http::<FutureIncomingResponse>(HttpObject::ResponseFuture(future))
            .map_err(HttpError::trap)?;
        if let Some(body) = body {
            self.attach_body(body, future.rep()).map_err(HttpError::trap)?;
        }
        Ok(future)
    }

    fn attach_body(&mut self, body: u32, future: u32) -> Result<()> {
        self.objects.update_body(body, |body| body.owner = super::objects::BodyOwner::Sent(future))
    }
}

impl outgoing_handler::Host for HttpView<'_> {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<FutureIncomingResponse>> {
        let request = self.objects.remove_request(request.rep()).map_err(HttpError::trap)?;
        let options = match options {
            Some(options) => self.objects.remove_request_options(options.rep()).map_err(HttpError::trap)?,
            None => Options::default(),
        };
        self.handle_request(request, options)
    }
}

impl types::HostFutureIncomingResponse for HttpView<'_> {
    fn subscribe(&mut self, future: Resource<FutureIncomingResponse>) -> Result<Resource<DynPollable>> {
        let rep = future.rep();
        self.objects.insert_child(Object::Pollable(Pollable::HttpResponse(rep)), rep)
    }

    fn get(
        &mut self,
        future: Resource<FutureIncomingResponse>,
    ) -> Result<Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>> {
        let rep = future.rep();
        let (call, response) = match self.objects.response_future(rep)? {
            ResponseFuture::Unsent(_) => return Ok(None),
            ResponseFuture::Taken => return Ok(Some(Err(()))),
            ResponseFuture::Sent(unanswered) => {
                let call = unanswered.call;
                (call, self.door.call_immediate(self.objects, &GetResponse { call })?)
            }
            ResponseFuture::Received(call, response) => (*call, (**response).clone()),
            ResponseFuture::Failed(failure) => (0, ResponseState::Failed(failure.clone())),
        };
        let (head, source) = match response {
            ResponseState::Pending => return Ok(None),
            ResponseState::Failed(failure) => {
                self.objects.update_response_future(rep, |future| *future = ResponseFuture::Taken)?;
                return Ok(Some(Ok(Err(error_code(&failure)))));
            }
            ResponseState::Complete(head, bytes, end) => {
                (head, BodySource::Buffered { bytes, end: to_trailers_result(end)? })
            }
            ResponseState::HeadOnly(head) => (head, BodySource::Call(call)),
        };
        self.objects.update_response_future(rep, |future| *future = ResponseFuture::Taken)?;
        let headers = fields::Fields::received(&head.headers)?;
        let received = ReceivedResponse { status: head.status, headers, body: Some(source) };
        Ok(Some(Ok(Ok(self.new_http(HttpObject::ReceivedResponse(received))?))))
    }

    fn drop(&mut self, future: Resource<FutureIncomingResponse>) -> Result<()> {
        match self.objects.remove_response_future(future.rep())? {
            ResponseFuture::Sent(UnansweredRequest { call, .. }) | ResponseFuture::Received(call, _) => {
                self.door.forget_request(call);
            }
            ResponseFuture::Unsent(request_head) => {
                if let Some(body) = request_head.body {
                    self.detach_body(&BodyState::Open(body), false)?;
                }
            }
            ResponseFuture::Failed(_) | ResponseFuture::Taken => {}
        }
        Ok(())
    }
}

/// Converts the end of a body for a host object.
pub(super) fn to_trailers_result(end: BodyEnd) -> Result<TrailersResult> {
    Ok(match end {
        Ok(trailers) => Ok(trailers.as_ref().map(fields::Fields::received).transpose()?),
        Err(failure) => Err(failure),
    })
}

impl Options {
    fn timeouts(self) -> HttpTimeouts {
        let limit = |nanos: Option<u64>| nanos.map(Duration::from_nanos);
        HttpTimeouts {
            connect: limit(self.connect),
            first_byte: limit(self.first_byte),
            between_bytes: limit(self.between_bytes),
        }
    }
}

/// Checks that a request can be sent, and returns it without its body.
fn request_head(request: &Request, options: Options, body: Option<u32>) -> Result<RequestHead, ErrorCode> {
    if request.method == Method::CONNECT {
        return Err(ErrorCode::HttpRequestMethodInvalid);
    }
    // The default scheme is HTTPS, as in other hosts of `wasi:http`.
    let scheme = request.scheme.clone().unwrap_or(Scheme::HTTPS);
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(ErrorCode::HttpProtocolError);
    }
    let authority = request.authority.clone().ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let path = match request.path_with_query.as_deref() {
        None | Some("") => PathAndQuery::from_static("/"),
        Some(path) => path.parse().map_err(|_| ErrorCode::HttpRequestUriInvalid)?,
    };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    let uri = uri.map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let host_is_named = uri.host().is_some_and(|host| !host.is_empty());
    // User name and password belong into a header. In the authority they would be dropped silently.
    if !host_is_named || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(ErrorCode::HttpRequestUriInvalid);
    }
    let declared_length = request.headers.content_length().unwrap_or(0);
    if declared_length > 0 && request.body == BodyState::Untouched {
        return Err(ErrorCode::HttpRequestBodySize(Some(0)));
    }
    Ok(RequestHead { method: request.method.clone(), uri, headers: request.headers.clone(), options, body })
}
