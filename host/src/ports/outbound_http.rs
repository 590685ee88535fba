//! HTTP requests of one worker to the outside.
//!
//! The host decides *when* a request may be sent (after its intent is durable, W2) and which parts of the response are
//! recorded. An adapter only sends and receives, and reports what it refuses. It does not repeat a request.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use std::time::Duration;

/// A complete request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Scheme, authority, path and query; all of them present.
    pub uri: Uri,
    /// Header fields, without those of the connection (`host`, `connection`, …): the adapter sets them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Fields after the body.
    pub trailers: Option<HeaderMap>,
    /// The worker's timeouts.
    pub timeouts: HttpTimeouts,
}

/// The timeouts that a worker has set; for `None` the adapter decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// For the connection.
    pub connect: Option<Duration>,
    /// From the connection to the response's head.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the response's body.
    pub between_bytes: Option<Duration>,
}

/// The head of a response, and its body to be read.
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header fields as received.
    pub headers: HeaderMap,
    /// Bytes of the body, if known.
    pub length: Option<u64>,
    /// The body.
    pub body: Box<dyn HttpBody>,
}

impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The next piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpPart {
    /// Bytes, at least one.
    Data(Bytes),
    /// The end, with the trailers.
    End(Option<HeaderMap>),
}

/// A body that is read piece by piece.
#[async_trait]
pub trait HttpBody: Send {
    /// The next piece. Not called again after the end or an error.
    async fn next(&mut self) -> Result<HttpPart, HttpFailure>;
}

/// Sends requests for one activation of one worker.
#[async_trait]
pub trait OutboundHttp: Send + Sync {
    /// Whether the worker may send `request`, as far as the target's name determines it. Never waits.
    fn admit_request(&self, request: &HttpRequest) -> Result<(), HttpFailure>;

    /// Sends `request` once, follows no redirects, and returns with the response's head.
    ///
    /// On an error, the request may or may not have reached its target. Dropping the future cancels it.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure>;
}

/// Why a response is missing or incomplete. Most are cases of `wasi:http`'s `error-code`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// The settings do not allow this target.
    #[error("the request was refused by this server's settings (section outbound_http)")]
    Denied,
    /// The name resolves to an address that workers may not reach.
    #[error("the host's address may not be reached by this server's settings (section outbound_http)")]
    AddressDenied,
    /// The name was not resolved in time.
    #[error("the host's name was not resolved in time")]
    DnsTimeout,
    /// The name cannot be resolved.
    #[error("the host's name cannot be resolved: {details}")]
    Dns {
        /// The system's message.
        details: String,
    },
    /// No route leads there, or the host does not answer.
    #[error("the host cannot be reached")]
    Unreachable,
    /// No process listens there.
    #[error("the connection was refused")]
    Refused,
    /// The connection took too long.
    #[error("no connection was made in time")]
    ConnectTimeout,
    /// The connection ended before the response's head.
    #[error("the connection ended before there was a response")]
    Terminated,
    /// Too many requests of the worker are in flight.
    #[error("too many requests of this worker are under way at once")]
    TooMany,
    /// The peers do not agree on TLS.
    #[error("TLS failed: {details}")]
    Tls {
        /// The library's message.
        details: String,
    },
    /// The host's certificate is not trusted.
    #[error("the host's certificate was not accepted: {details}")]
    Certificate {
        /// The library's message.
        details: String,
    },
    /// The host ended TLS with an alert.
    #[error("the host ended TLS with alert {code}")]
    TlsAlert {
        /// The alert's number.
        code: u8,
    },
    /// The head of the response took too long.
    #[error("there was no response in time")]
    ResponseTimeout,
    /// The next piece of the body took too long.
    #[error("the response's body did not go on in time")]
    BodyTimeout,
    /// The connection ended before the end of the body.
    #[error("the connection ended in the middle of the response's body")]
    Incomplete,
    /// The response has too many bytes of header fields.
    #[error("the response has more than {bytes} bytes of header fields")]
    HeadTooLarge {
        /// The limit.
        bytes: u32,
    },
    /// The peer's bytes are not valid HTTP.
    #[error("the peer does not speak HTTP as it should: {details}")]
    Protocol {
        /// The error.
        details: String,
    },
    /// A crash happened between request and response, and the worker has disabled the repetition of such requests.
    #[error(
        "a crash came between this request and its response, so it may have reached its target; it is not repeated, \
         because the worker said that its requests must not be"
    )]
    Uncertain,
    /// A crash happened while the body was read; the rest of the body is lost.
    #[error("a crash came while this response's body was read, and what had not been read is gone")]
    Lost,
    /// The worker dropped the body before it finished it.
    #[error("the request's body was dropped before it was finished")]
    Unfinished,
    /// Any other failure.
    #[error("{details}")]
    Other {
        /// Its description.
        details: String,
    },
}
