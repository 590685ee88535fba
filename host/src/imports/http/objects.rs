//! The host objects of `wasi:http` as plain data.
//!
//! Invariant: an `outgoing-body` and its owner refer to each other until one of them is dropped.
//! The owner is a request or a response, or the future or reply that it became.

use super::fields::Fields;
use crate::durable::{ResponsePart, ResponseState};
use crate::objects::{Object, Objects, Pollable, wrong_kind};
use crate::ports::{HttpFailure, HttpRequest};
use ::http::Method;
use ::http::uri::Scheme;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::Result;

/// A host object of `wasi:http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpObject {
    /// `fields`, also called headers and trailers.
    Fields(Fields),
    /// `outgoing-request`.
    Request(Request),
    /// `request-options`.
    Options(Options),
    /// `outgoing-response`.
    Response(Response),
    /// `outgoing-body`.
    Body(Body),
    /// `future-incoming-response`.
    ResponseFuture(ResponseFuture),
    /// `incoming-response`.
    ReceivedResponse(ReceivedResponse),
    /// `incoming-body`.
    ReceivedBody(ReceivedBody),
    /// `future-trailers`.
    Trailers(Trailers),
    /// `wasi:io/error.error` with an HTTP failure.
    Failure(HttpFailure),
    /// `incoming-request`.
    ReceivedRequest(ReceivedRequest),
    /// `response-outparam`.
    Outparam,
}

/// The data of an `incoming-request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRequest {
    pub(super) method: Method,
    pub(super) path_with_query: String,
    pub(super) authority: Option<String>,
    pub(super) headers: Fields,
    /// `None` once the guest has taken the body.
    pub(super) body: Option<BodySource>,
}

/// The data of an `outgoing-request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) path_with_query: Option<String>,
    pub(super) headers: Fields,
    pub(super) body: BodyState,
}

/// The data of `request-options`: time limits in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(super) connect: Option<u64>,
    pub(super) first_byte: Option<u64>,
    pub(super) between_bytes: Option<u64>,
}

/// The data of an `outgoing-response`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(super) status: u16,
    pub(super) headers: Fields,
    pub(super) body: BodyState,
}

/// The state of the body of an outgoing request or response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum BodyState {
    /// The guest has not asked for the body, so it is empty.
    #[default]
    Untouched,
    /// The guest writes the body through the `outgoing-body` at this index.
    Open(u32),
    /// The body is complete.
    Done(Content),
    /// The guest did not finish the body.
    Broken(HttpFailure),
}

/// A complete body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<Fields>,
}

/// The data of an `outgoing-body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(super) owner: BodyOwner,
    /// The length that the message's headers declare.
    pub(super) length: Option<u64>,
    pub(super) bytes: Vec<u8>,
    /// Whether the guest has taken the stream.
    pub(super) stream_taken: bool,
}

/// The owner of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyOwner {
    /// The `outgoing-request` at this index.
    Request(u32),
    /// The request of the `future-incoming-response` at this index.
    Sent(u32),
    /// The `outgoing-response` at this index.
    Response(u32),
    /// The reply of the current invocation.
    Reply,
    /// The guest dropped the owner. `response` says whether that was a response.
    Dropped { response: bool },
}

/// The data of a `future-incoming-response`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResponseFuture {
    /// The request's body is not complete yet, so nothing was sent.
    Unsent(Box<RequestHead>),
    /// The request was sent.
    Sent(UnansweredRequest),
    /// A poll has recorded a response for this call, and the guest has not taken it.
    Received(u64, Box<ResponseState>),
    /// The request failed.
    Failed(HttpFailure),
    /// The guest has taken the response or the error.
    Taken,
}

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: ::http::Uri,
    pub(super) headers: Fields,
    pub(super) options: Options,
    /// The `outgoing-body` through which the guest writes the body, if any.
    pub(super) body: Option<u32>,
}

/// A request that was sent and whose response the guest has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnansweredRequest {
    /// The number of the request among the worker's requests.
    pub(crate) call: u64,
    /// The request.
    pub(crate) request: Arc<HttpRequest>,
    /// Whether the request is sent again if a crash lost its response (G4).
    pub(crate) repeats: bool,
}

/// The data of an `incoming-response`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedResponse {
    pub(super) status: u16,
    pub(super) headers: Fields,
    /// `None` once the guest has taken the body.
    pub(super) body: Option<BodySource>,
}

/// The data of an `incoming-body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedBody {
    pub(super) source: BodySource,
    /// Whether the guest has taken the stream.
    pub(super) stream_taken: bool,
}

/// The source of the bytes of a body that the guest has not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodySource {
    /// All remaining bytes are in this object.
    Buffered { bytes: Bytes, end: TrailersResult },
    /// The response to this call, which is read in pieces.
    Call(u64),
}

/// The end of a body: its trailers, or the failure.
pub(super) type TrailersResult = Result<Option<Fields>, HttpFailure>;

/// The data of a `future-trailers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trailers {
    /// The body has ended.
    Known(TrailersResult),
    /// The body of the response to this call has not ended.
    Pending(u64),
    /// The guest has taken the trailers.
    Taken,
}

impl HttpObject {
    /// Approximate bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Fields(fields) => fields.bytes(),
            Self::Request(request) => {
                let texts = [&request.authority, &request.path_with_query];
                request.headers.bytes()
                    + request.body.bytes()
                    + texts.into_iter().flatten().map(String::len).sum::<usize>()
            }
            Self::Response(response) => response.headers.bytes() + response.body.bytes(),
            Self::Body(body) => body.bytes.len(),
            Self::ResponseFuture(ResponseFuture::Unsent(request_head)) => request_head.headers.bytes(),
            Self::ResponseFuture(ResponseFuture::Sent(sent)) => sent.request.body.len(),
            Self::ResponseFuture(ResponseFuture::Received(_, answered)) => answered.bytes(),
            Self::ReceivedResponse(received) => {
                received.headers.bytes() + received.body.as_ref().map_or(0, BodySource::bytes)
            }
            Self::ReceivedBody(incoming) => incoming.source.bytes(),
            Self::ReceivedRequest(received_request) => {
                received_request.headers.bytes()
                    + received_request.path_with_query.len()
                    + received_request.body.as_ref().map_or(0, BodySource::bytes)
            }
            Self::Options(_)
            | Self::Outparam
            | Self::ResponseFuture(ResponseFuture::Failed(_) | ResponseFuture::Taken)
            | Self::Trailers(_)
            | Self::Failure(_) => 0,
        }
    }
}

impl BodyState {
    fn bytes(&self) -> usize {
        match self {
            Self::Done(content) => content.bytes.len(),
            Self::Untouched | Self::Open(_) | Self::Broken(_) => 0,
        }
    }
}

impl BodySource {
    fn bytes(&self) -> usize {
        match self {
            Self::Buffered { bytes, .. } => bytes.len(),
            Self::Call(_) => 0,
        }
    }
}

impl Body {
    pub(super) fn new(owner: BodyOwner, headers: &Fields) -> Self {
        Self { owner, length: headers.content_length(), bytes: Vec::new(), stream_taken: false }
    }
}

impl Objects {
    /// Removes the `response-outparam` at `rep`.
    pub(super) fn remove_outparam(&mut self, rep: u32) -> Result<()> {
        match self.remove(rep)? {
            Object::Http(HttpObject::Outparam) => Ok(()),
            other => Err(wrong_kind(&other, "a response-outparam")),
        }
    }

    /// The sent requests whose responses the guest has not taken.
    pub(crate) fn unanswered_requests(&self) -> Vec<UnansweredRequest> {
        let sent = self.iter().filter_map(|object| match object {
            Object::Http(HttpObject::ResponseFuture(ResponseFuture::Sent(unanswered))) => {
                Some(unanswered.clone())
            }
            _ => None,
        });
        sent.collect()
    }

    /// The event that a pollable of the `future-incoming-response` at `rep` waits for now.
    pub(crate) fn response_pollable(&self, rep: u32) -> Result<Pollable> {
        Ok(match self.response_future(rep)? {
            ResponseFuture::Unsent(_) => Pollable::Never,
            ResponseFuture::Sent(unanswered) => {
                Pollable::Http { call: unanswered.call, part: ResponsePart::Response }
            }
            ResponseFuture::Received(..) | ResponseFuture::Failed(_) | ResponseFuture::Taken => {
                Pollable::Ready
            }
        })
    }
}

/// Defines access to one kind of object: a getter (if an import needs it), a function that updates the object, and one
/// that removes it.
macro_rules! access {
    ($($kind:ident: $($name:ident)?, $update:ident, $remove:ident, $what:literal;)*) => {
        impl Objects {
            $(
                $(pub(super) fn $name(&self, rep: u32) -> Result<&$kind> {
                    match self.get(rep)? {
                        Object::Http(HttpObject::$kind(object)) => Ok(object),
                        other => Err(wrong_kind(other, $what)),
                    }
                })?

                pub(super) fn $update<R>(
                    &mut self,
                    rep: u32,
                    change: impl FnOnce(&mut $kind) -> R,
                ) -> Result<R> {
                    self.update(rep, |object| match object {
                        Object::Http(HttpObject::$kind(object)) => Ok(change(object)),
                        other => Err(wrong_kind(other, $what)),
                    })?
                }

                pub(super) fn $remove(&mut self, rep: u32) -> Result<$kind> {
                    match self.remove(rep)? {
                        Object::Http(HttpObject::$kind(object)) => Ok(object),
                        other => Err(wrong_kind(&other, $what)),
                    }
                }
            )*
        }
    };
}

access! {
    Fields: fields, update_fields, remove_fields, "HTTP fields";
    Request: request, update_request, remove_request, "an outgoing HTTP request";
    Options: request_options, update_request_options, remove_request_options, "HTTP request options";
    Response: response, update_response, remove_response, "an outgoing HTTP response";
    Body: , update_body, remove_body, "an outgoing HTTP body";
    ResponseFuture: response_future, update_response_future, remove_response_future, "a future HTTP response";
    ReceivedResponse: received_response, update_received_response, remove_received_response, "an incoming HTTP response";
    ReceivedBody: received_body, update_received_body, remove_received_body, "an incoming HTTP body";
    ReceivedRequest: received_request, update_received_request, remove_received_request, "an incoming HTTP request";
    Trailers: trailers, update_trailers, remove_trailers, "future HTTP trailers";
}
