//! The host objects of `wasi:http` as plain data.

use super::fields::Fields;
use crate::objects::{Object, Objects, mistaken};
use ::http::Method;
use ::http::uri::Scheme;
use wasmtime::Result;

/// A host object of `wasi:http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Http {
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
}

/// The data of an `outgoing-request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) path_with_query: Option<String>,
    pub(super) headers: Fields,
    /// Whether the guest took the body.
    pub(super) body_taken: bool,
}

/// The data of `request-options`: time limits in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Whether the guest took the body.
    pub(super) body_taken: bool,
}

/// The data of an `outgoing-body`. Its bytes go nowhere and are not kept, only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(super) of: Message,
    /// The length that the message's headers promise.
    pub(super) length: Option<u64>,
    pub(super) written: u64,
    /// Whether the guest took the stream.
    pub(super) stream_taken: bool,
}

/// What a body belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// A request.
    Request,
    /// A response.
    Response,
}

impl Http {
    /// Bytes on the heap, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Fields(fields) => fields.bytes(),
            Self::Request(request) => {
                let texts = [&request.authority, &request.path_with_query];
                request.headers.bytes() + texts.into_iter().flatten().map(String::len).sum::<usize>()
            }
            Self::Response(response) => response.headers.bytes(),
            Self::Options(_) | Self::Body(_) => 0,
        }
    }
}

impl Body {
    pub(super) fn new(of: Message, headers: &Fields) -> Self {
        Self { of, length: headers.content_length(), written: 0, stream_taken: false }
    }
}

/// Defines access to one kind: shared (if any import needs that), changing, and taking it away.
macro_rules! access {
    ($($kind:ident: $($name:ident)?, $update:ident, $remove:ident, $what:literal;)*) => {
        impl Objects {
            $(
                $(pub(super) fn $name(&self, rep: u32) -> Result<&$kind> {
                    match self.get(rep)? {
                        Object::Http(Http::$kind(object)) => Ok(object),
                        other => Err(mistaken(other, $what)),
                    }
                })?

                pub(super) fn $update<R>(
                    &mut self,
                    rep: u32,
                    change: impl FnOnce(&mut $kind) -> R,
                ) -> Result<R> {
                    self.update(rep, |object| match object {
                        Object::Http(Http::$kind(object)) => Ok(change(object)),
                        other => Err(mistaken(other, $what)),
                    })?
                }

                pub(super) fn $remove(&mut self, rep: u32) -> Result<$kind> {
                    match self.remove(rep)? {
                        Object::Http(Http::$kind(object)) => Ok(object),
                        other => Err(mistaken(&other, $what)),
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
}
