//! HTTP requests in flight: the part of a request that lives in memory and is not part of the worker.
//!
//! Each request has its own task, so it makes progress while the guest does something else. The
//! task waits until everything recorded before is durable (rule W2 in docs/durability.md), sends
//! the request and collects the response. A body of a known and small length is collected as a
//! whole, unless it is a stream of events. Of any other body, about [`BUFFER_BYTES_MAX`] bytes are
//! buffered until the guest reads them.
//!
//! Invariant: nothing here outlives the activation. After a crash or an eviction, replay rebuilds the handles, and the
//! next activation sends an unanswered request again ([`Exchanges::send`]) or fails it ([`Exchanges::fail`]). A request
//! whose response is recorded is not sent again.

use crate::limits::HTTP_WHOLE_BYTES_MAX;
use crate::ports::{
    HttpFailure, HttpPart, HttpRequest, HttpResponse, Oplog, OutboundHttp, PortError, TaskSpawner,
};
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, abortable};
use http::{HeaderMap, header};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::Notify;

/// Bytes of a body that is read piece by piece. With more bytes in the buffer, the task waits until
/// the guest has read some.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Requests of one worker that may be in flight; the next one fails with `connection-limit-reached`.
pub(crate) const EXCHANGES_MAX: usize = 128;

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

/// The end of a body: its trailers, or the failure that cut it off.
pub(crate) type BodyEnd = Result<Option<HeaderMap>, HttpFailure>;

/// The current state of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResponseState {
    /// It has not arrived.
    Pending,
    /// There is none.
    Failed(HttpFailure),
    /// The whole response: head, body and the body's end.
    Complete(ResponseHead, Bytes, BodyEnd),
    /// The head. The body is read piece by piece.
    HeadOnly(ResponseHead),
}

impl ResponseState {
    /// Bytes of the body in this value.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Complete(_, body, _) => body.len(),
            Self::Pending | Self::Failed(_) | Self::HeadOnly(_) => 0,
        }
    }
}

/// The answer to one read of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyRead {
    /// No bytes yet.
    Pending,
    /// At least one byte.
    Data(Bytes),
    /// The end of the body.
    End(BodyEnd),
}

/// The part of a response that a guest waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponsePart {
    /// The head, with the whole body if that is small.
    Response,
    /// More of the body, or its end.
    Body,
    /// The end of the body.
    Trailers,
}

/// The requests of one activation that are in flight, by the number of the call.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    by_call: BTreeMap<u64, Exchange>,
    /// Notified when a request makes progress. The guest waits for it in [`Exchanges::changed`], one call at a time.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Exchange {
    shared: Arc<Shared>,
    task: Option<AbortHandle>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[derive(Debug)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Arc<Notify>,
    /// Notified when the guest has read, so that the task reads on.
    room: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    head: Option<ResponseHead>,
    /// Whether the guest gets the head only together with the whole body.
    waits_for_body: bool,
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    bytes: usize,
    /// Whether the guest reads nothing of the body but its end.
    discards_body: bool,
    end: Option<BodyEnd>,
    /// Why there is no response.
    failed: Option<HttpFailure>,
    /// The error of the commit before the request was sent, or a panic while it was sent. The activation must end.
    server_error: Option<PortError>,
}

impl Exchanges {
    /// Sends `request` as `call`, once everything appended to `oplog` is durable. The exchange is one of `tasks`.
    pub(crate) fn send(
        &mut self,
        call: u64,
        request: Arc<HttpRequest>,
        http: Arc<dyn OutboundHttp>,
        oplog: Arc<dyn Oplog>,
        tasks: &dyn TaskSpawner,
    ) {
        let shared = self.new_shared(Progress::default());
        let (exchange, task) = abortable(run_contained(shared.clone(), request, http, oplog));
        tasks.spawn(Box::pin(exchange.map(drop)));
        self.by_call.insert(call, Exchange { shared, task: Some(task) });
    }

    /// Fails `call` without sending it.
    pub(crate) fn fail(&mut self, call: u64, failure: HttpFailure) {
        let shared = self.new_shared(Progress { failed: Some(failure), ..Progress::default() });
        self.by_call.insert(call, Exchange { shared, task: None });
    }

    fn new_shared(&self, progress: Progress) -> Arc<Shared> {
        let (progress, changed, room) = (Mutex::new(progress), self.changed.clone(), Notify::new());
        Arc::new(Shared { progress, changed, room })
    }

    /// Whether another request may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.by_call.len() < EXCHANGES_MAX
    }

    /// Whether any request is in flight: it would be lost if the worker left memory.
    pub(crate) fn has_requests(&self) -> bool {
        !self.by_call.is_empty()
    }

    /// Returns once a request has made progress since the last return.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Drops `call`. Its connection is closed if it is still in use.
    pub(crate) fn forget(&mut self, call: u64) {
        self.by_call.remove(&call);
    }

    /// Whether this part of `call` can be read without waiting.
    pub(crate) fn is_ready(&self, call: u64, part: ResponsePart) -> Result<bool, PortError> {
        // A request that is not here reads as an error, which is available at once.
        let Some(exchange) = self.by_call.get(&call) else { return Ok(true) };
        let mut progress = exchange.shared.progress.lock();
        if let Some(error) = &progress.server_error {
            return Err(error.clone());
        }
        Ok(match part {
            ResponsePart::Response => progress.is_answered(),
            ResponsePart::Body => !progress.chunks.is_empty() || progress.has_ended(),
            ResponsePart::Trailers => {
                progress.discard();
                exchange.shared.room.notify_one();
                progress.has_ended()
            }
        })
    }

    /// The response of `call`. A complete or failed one is dropped here.
    pub(crate) fn take_response(&mut self, call: u64) -> ResponseState {
        let Some(exchange) = self.by_call.get(&call) else { return ResponseState::Failed(HttpFailure::Lost) };
        let answered = exchange.shared.progress.lock().answer();
        if matches!(answered, ResponseState::Complete(..) | ResponseState::Failed(_)) {
            self.forget(call);
        }
        answered
    }

    /// Up to `limit` bytes of the body of `call`. The request is dropped at the end of the body.
    pub(crate) fn read(&mut self, call: u64, limit: usize) -> BodyRead {
        let Some(exchange) = self.by_call.get(&call) else { return BodyRead::End(Err(HttpFailure::Lost)) };
        let read = exchange.shared.progress.lock().read(limit);
        match &read {
            BodyRead::Data(_) => exchange.shared.room.notify_one(),
            BodyRead::End(_) => self.forget(call),
            BodyRead::Pending => {}
        }
        read
    }

    /// The end of the body of `call`, skipping the rest of the body. The request is dropped then.
    pub(crate) fn body_end(&mut self, call: u64) -> Option<BodyEnd> {
        let Some(exchange) = self.by_call.get(&call) else { return Some(Err(HttpFailure::Lost)) };
        let end = {
            let mut progress = exchange.shared.progress.lock();
            progress.discard();
            progress.end()
        };
        exchange.shared.room.notify_one();
        if end.is_some() {
            self.forget(call);
        }
        end
    }
}

impl Progress {
    fn has_ended(&self) -> bool {
        self.end.is_some() || self.failed.is_some()
    }

    fn is_answered(&self) -> bool {
        self.failed.is_some() || (self.head.is_some() && (!self.waits_for_body || self.end.is_some()))
    }

    fn answer(&mut self) -> ResponseState {
        if let Some(failure) = &self.failed {
            return ResponseState::Failed(failure.clone());
        }
        match (&self.head, &self.end) {
            (Some(head), Some(end)) if self.bytes <= HTTP_WHOLE_BYTES_MAX => {
                let answered = (head.clone(), end.clone());
                ResponseState::Complete(answered.0, self.take_all(), answered.1)
            }
            (Some(head), _) if !self.waits_for_body || self.end.is_some() => {
                ResponseState::HeadOnly(head.clone())
            }
            _ => ResponseState::Pending,
        }
    }

    fn take_all(&mut self) -> Bytes {
        self.bytes = 0;
        match self.chunks.len() {
            0 => Bytes::new(),
            1 => self.chunks.pop_front().unwrap_or_default(),
            _ => self.chunks.drain(..).flatten().collect(),
        }
    }

    fn read(&mut self, limit: usize) -> BodyRead {
        if let Some(chunk) = self.chunks.front_mut() {
            let data = chunk.split_to(limit.min(chunk.len()));
            if !chunk.has_remaining() {
                self.chunks.pop_front();
            }
            self.bytes -= data.len();
            return BodyRead::Data(data);
        }
        self.end().map_or(BodyRead::Pending, BodyRead::End)
    }

    fn end(&self) -> Option<BodyEnd> {
        self.failed.clone().map(Err).or_else(|| self.end.clone())
    }

    fn discard(&mut self) {
        self.discards_body = true;
        self.chunks.clear();
        self.bytes = 0;
    }
}

/// One request. If its task panics, the guest does not wait for it any more: the activation ends, and the next one sends
/// the request again or fails it, as after a crash.
async fn run_contained(
    shared: Arc<Shared>,
    request: Arc<HttpRequest>,
    http: Arc<dyn OutboundHttp>,
    oplog: Arc<dyn Oplog>,
) {
    let exchange = AssertUnwindSafe(run(shared.clone(), request, http, oplog));
    if exchange.catch_unwind().await.is_err() {
        let reason = "the server panicked while it sent an HTTP request; its log has the details";
        shared.update(|progress| {
            progress.server_error = Some(PortError::Unavailable { reason: reason.into() });
        });
    }
}

/// One request, from its recorded intent to the end of its response.
async fn run(
    shared: Arc<Shared>,
    request: Arc<HttpRequest>,
    http: Arc<dyn OutboundHttp>,
    oplog: Arc<dyn Oplog>,
) {
    // W2: after a crash below this line, the oplog holds the intent, and G4 determines whether the
    // request is repeated. After a crash above it, nothing was sent.
    if let Err(error) = oplog.commit().await {
        shared.update(|progress| progress.server_error = Some(error));
        return;
    }
    match http.send(&request).await {
        Err(failure) => shared.update(|progress| progress.failed = Some(failure)),
        Ok(response) => receive(&shared, response).await,
    }
}

async fn receive(shared: &Shared, response: HttpResponse) {
    let HttpResponse { status, headers, length, mut body } = response;
    let waits_for_body =
        length.is_some_and(|length| length <= HTTP_WHOLE_BYTES_MAX as u64) && !is_event_stream(&headers);
    let buffer_bytes_max = if waits_for_body { HTTP_WHOLE_BYTES_MAX } else { BUFFER_BYTES_MAX };
    shared.update(|progress| {
        progress.head = Some(ResponseHead { status, headers });
        progress.waits_for_body = waits_for_body;
    });
    loop {
        match body.next().await {
            Ok(HttpPart::Data(data)) => shared.update(|progress| {
                if !progress.discards_body && !data.is_empty() {
                    progress.bytes += data.len();
                    progress.chunks.push_back(data);
                }
            }),
            Ok(HttpPart::End(trailers)) => {
                return shared.update(|progress| progress.end = Some(Ok(trailers)));
            }
            Err(failure) => return shared.update(|progress| progress.end = Some(Err(failure))),
        }
        // The adapter rejects a body that is longer than announced. This bounds the buffer in any case.
        while shared.progress.lock().bytes > buffer_bytes_max {
            shared.room.notified().await;
        }
    }
}

/// Whether the body is a stream of events. The guest must see each event as it arrives.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock());
        self.changed.notify_one();
    }
}
