//! HTTP requests to the world outside, as one worker sends them.
//!
//! The host decides *when* a request may leave (after its intent is durable, W2) and what of the answer is recorded;
//! an adapter only sends and receives, and says what it refuses. Nothing here repeats a request by itself.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use std::time::Duration;

/// A request that is whole: nothing of it comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Scheme, authority, path and query; all of them present.
    pub uri: Uri,
    /// Header fields. Never those that belong to the connection (`host`, `connection`, …): the adapter sets them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Fields after the body.
    pub trailers: Option<HeaderMap>,
    /// How long to wait for what.
    pub patience: HttpTimeouts,
}

/// How long a worker wants to wait; where it says nothing, the adapter decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// Until a connection is there.
    pub connect: Option<Duration>,
    /// From then until the response's head.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the response's body.
    pub between_bytes: Option<Duration>,
}

/// A response whose body is still to come.
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header fields as they came.
    pub headers: HeaderMap,
    /// How many bytes the body has, if that is known.
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
    /// The end, and the fields after it.
    End(Option<HeaderMap>),
}

/// A body that comes piece by piece.
#[async_trait]
pub trait HttpBody: Send {
    /// The next piece. After the end or an error it is not called again.
    async fn next(&mut self) -> Result<HttpPart, HttpFailure>;
}

/// Sends requests for one activation of one worker.
#[async_trait]
pub trait OutboundHttp: Send + Sync {
    /// Whether the worker may send `request`, as far as its target's name tells. Never waits.
    fn admit(&self, request: &HttpRequest) -> Result<(), HttpFailure>;

    /// Sends `request` once, follows no redirection, and returns when the response's head is there.
    ///
    /// On an error it may or may not have reached its target. Dropping the future gives the request up.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure>;
}

/// Why there is no response, or not all of one. Most are cases of `wasi:http`'s `error-code`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// The worker may not send it there.
    #[error("the request was refused by this server's settings (section outbound_http)")]
    Denied,
    /// The name leads to an address that workers may not reach.
    #[error("the host's address may not be reached by this server's settings (section outbound_http)")]
    AddressDenied,
    /// The name was not resolved in time.
    #[error("the host's name was not resolved in time")]
    DnsTimeout,
    /// The name cannot be resolved.
    #[error("the host's name cannot be resolved: {details}")]
    Dns {
        /// What the system said.
        details: String,
    },
    /// No route leads there, or nobody is there.
    #[error("the host cannot be reached")]
    Unreachable,
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// No connection in time.
    #[error("no connection was made in time")]
    ConnectTimeout,
    /// The connection ended before the response's head.
    #[error("the connection ended before there was a response")]
    Terminated,
    /// Too many requests of the worker are under way.
    #[error("too many requests of this worker are under way at once")]
    TooMany,
    /// The peers do not agree on TLS.
    #[error("TLS failed: {details}")]
    Tls {
        /// What the library said.
        details: String,
    },
    /// The host's certificate is not to be trusted.
    #[error("the host's certificate was not accepted: {details}")]
    Certificate {
        /// What the library said.
        details: String,
    },
    /// The host ended TLS with an alert.
    #[error("the host ended TLS with alert {code}")]
    TlsAlert {
        /// The alert's number.
        code: u8,
    },
    /// No head of a response in time.
    #[error("there was no response in time")]
    ResponseTimeout,
    /// The body did not go on in time.
    #[error("the response's body did not go on in time")]
    BodyTimeout,
    /// The body ended before its end.
    #[error("the connection ended in the middle of the response's body")]
    Incomplete,
    /// More header fields than are taken.
    #[error("the response has more than {bytes} bytes of header fields")]
    HeadTooLarge {
        /// The limit.
        bytes: u32,
    },
    /// What came is not HTTP.
    #[error("the peer does not speak HTTP as it should: {details}")]
    Protocol {
        /// What was wrong.
        details: String,
    },
    /// A crash came between request and response, and the worker asked that such requests are not repeated.
    #[error(
        "a crash came between this request and its response, so it may have reached its target; it is not repeated, \
         because the worker said that its requests must not be"
    )]
    Uncertain,
    /// A crash came while the body was read; what of it had not been read is gone.
    #[error("a crash came while this response's body was read, and what had not been read is gone")]
    Lost,
    /// A body that the worker never finished.
    #[error("the request's body was dropped before it was finished")]
    Unfinished,
    /// Something else.
    #[error("{details}")]
    Other {
        /// What.
        details: String,
    },
}
