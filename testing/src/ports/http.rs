//! Fake HTTP: a test defines the responses and reads the requests that were sent.

use async_trait::async_trait;
use bytes::Bytes;
use golem_host::ports::{HttpBody, HttpFailure, HttpPart, HttpRequest, HttpResponse, OutboundHttp};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Answers HTTP requests in place of the outside world. Clones share one state. By default every request is denied.
#[derive(Clone)]
pub struct FakeHttp {
    shared: Arc<Shared>,
}

type AnswerFn = dyn Fn(&HttpRequest, usize) -> FakeAnswer + Send + Sync;

struct Shared {
    answer: Box<AnswerFn>,
    sent: Mutex<Vec<HttpRequest>>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum FakeAnswer {
    /// Denied before it is sent.
    Refused(HttpFailure),
    /// Sent, and fails.
    Fails(HttpFailure),
    /// Sent, and never answered.
    Hangs,
    /// Sent and answered.
    Responds(FakeResponse),
}

/// A response as a test describes it.
#[derive(Debug, Clone)]
pub struct FakeResponse {
    status: u16,
    headers: HeaderMap,
    chunks: Vec<Bytes>,
    end: Option<Result<Option<HeaderMap>, HttpFailure>>,
    says_length: bool,
}

impl FakeResponse {
    /// A response whose body has a known length.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let chunks = if body.is_empty() { Vec::new() } else { vec![body] };
        Self { status, headers: HeaderMap::new(), chunks, end: Some(Ok(None)), says_length: true }
    }

    /// A response whose body arrives in chunks, with an unknown length.
    pub fn chunked(status: u16, chunks: &[&'static [u8]]) -> Self {
        let chunks = chunks.iter().copied().map(Bytes::from_static).collect();
        Self { chunks, says_length: false, ..Self::new(status, Bytes::new()) }
    }

    /// Adds a header field.
    ///
    /// # Panics
    ///
    /// If name or value are not valid.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Sets a trailer field.
    ///
    /// # Panics
    ///
    /// If name or value are not valid.
    #[must_use]
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self.end = Some(Ok(Some(trailers)));
        self
    }

    /// Ends the body with this failure.
    #[must_use]
    pub fn broken(mut self, failure: HttpFailure) -> Self {
        self.end = Some(Err(failure));
        self
    }

    /// Never ends the body.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.end = None;
        self
    }
}

impl FakeHttp {
    /// Answers each request with `answer`, which also gets the number of requests sent before.
    pub fn new(answer: impl Fn(&HttpRequest, usize) -> FakeAnswer + Send + Sync + 'static) -> Self {
        let shared = Shared { answer: Box::new(answer), sent: Mutex::new(Vec::new()) };
        Self { shared: Arc::new(shared) }
    }

    /// Answers each request with this response.
    pub fn responding(response: FakeResponse) -> Self {
        Self::new(move |_, _| FakeAnswer::Responds(response.clone()))
    }

    /// The requests sent so far.
    pub fn sent(&self) -> Vec<HttpRequest> {
        self.shared.sent.lock().clone()
    }
}

impl Default for FakeHttp {
    fn default() -> Self {
        Self::new(|_, _| FakeAnswer::Refused(HttpFailure::Denied))
    }
}

impl fmt::Debug for FakeHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHttp").field("sent", &self.shared.sent.lock().len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl OutboundHttp for FakeHttp {
    fn admit_request(&self, request: &HttpRequest) -> Result<(), HttpFailure> {
        let before = self.shared.sent.lock().len();
        match (self.shared.answer)(request, before) {
            FakeAnswer::Refused(failure) => Err(failure),
            FakeAnswer::Fails(_) | FakeAnswer::Hangs | FakeAnswer::Responds(_) => Ok(()),
        }
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let before = {
            let mut sent = self.shared.sent.lock();
            sent.push(request.clone());
            sent.len() - 1
        };
        match (self.shared.answer)(request, before) {
            FakeAnswer::Refused(failure) | FakeAnswer::Fails(failure) => Err(failure),
            FakeAnswer::Hangs => std::future::pending().await,
            FakeAnswer::Responds(response) => {
                let FakeResponse { status, headers, chunks, end, says_length } = response;
                let length = says_length.then(|| chunks.iter().map(|chunk| chunk.len() as u64).sum());
                let body = Box::new(FakeBody { chunks: chunks.into(), end });
                Ok(HttpResponse { status, headers, length, body })
            }
        }
    }
}

struct FakeBody {
    chunks: VecDeque<Bytes>,
    end: Option<Result<Option<HeaderMap>, HttpFailure>>,
}

#[async_trait]
impl HttpBody for FakeBody {
    async fn next(&mut self) -> Result<HttpPart, HttpFailure> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(HttpPart::Data(chunk));
        }
        match &self.end {
            None => std::future::pending().await,
            Some(end) => end.clone().map(HttpPart::End),
        }
    }
}
