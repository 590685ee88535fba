//! HTTP requests that are under way: what of them is alive, and so not part of the worker.
//!
//! A request is sent by a task of its own, so that it goes on while the guest does something else. The task waits
//! until everything that was recorded is durable (W2), sends, and gathers the response: all of a body whose length
//! is known and small, or as much of any other as [`BUFFER_BYTES_MAX`] allows, until the guest reads on.
//!
//! Invariant: nothing in here outlives the activation. What a crash or an eviction takes away is begun again or given
//! up by whoever goes on after the replay ([`Exchanges::begin`], [`Exchanges::fail`]); a response that was recorded is
//! not asked for again.

use crate::limits::HTTP_WHOLE_BYTES_MAX;
use crate::ports::{HttpFailure, HttpPart, HttpRequest, HttpResponse, Oplog, OutboundHttp, PortError};
use bytes::{Buf, Bytes};
use http::{HeaderMap, header};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// Bytes of a body of unknown length that are kept for the guest; the task reads on when it has read some.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Requests of one worker that may be under way; the next one fails with `connection-limit-reached`.
pub(crate) const EXCHANGES_MAX: usize = 128;

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

/// How a body ended: with these trailers, or not as it should.
pub(crate) type BodyEnd = Result<Option<HeaderMap>, HttpFailure>;

/// What there is of a response now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResponseState {
    /// Nothing yet.
    Pending,
    /// No response will come.
    Failed(HttpFailure),
    /// All of it.
    Complete(ResponseHead, Bytes, BodyEnd),
    /// The head; the body is read piece by piece.
    HeadOnly(ResponseHead),
}

impl ResponseState {
    /// Bytes of its body.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Complete(_, body, _) => body.len(),
            Self::Pending | Self::Failed(_) | Self::HeadOnly(_) => 0,
        }
    }
}

/// What there is of a body now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyRead {
    /// Nothing yet.
    Pending,
    /// At least one byte.
    Data(Bytes),
    /// Nothing more will come.
    End(BodyEnd),
}

/// What a guest may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponsePart {
    /// The response's head, and all of its body if that is small.
    Response,
    /// More of the body, or its end.
    Body,
    /// The end of the body.
    Trailers,
}

/// The requests of one activation that are under way, by the number of the call.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    by_call: BTreeMap<u64, Exchange>,
    /// Told whenever one of them goes on. Only the guest's own call waits for it.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Exchange {
    shared: Arc<Shared>,
    task: Option<tokio::task::AbortHandle>,
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
    /// Told when the guest has read.
    room: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    head: Option<ResponseHead>,
    /// Whether the guest is told of the head only when all of the body is there.
    waits_for_body: bool,
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    bytes: usize,
    /// Whether the guest wants nothing of the body but its end.
    discards_body: bool,
    end: Option<BodyEnd>,
    /// There is no response.
    failed: Option<HttpFailure>,
    /// What was recorded before did not become durable: the activation is over.
    commit_error: Option<PortError>,
}

impl Exchanges {
    /// Sends `request` as `call`, once all that was handed to `oplog` is durable.
    pub(crate) fn send(
        &mut self,
        call: u64,
        request: Arc<HttpRequest>,
        http: Arc<dyn OutboundHttp>,
        oplog: Arc<dyn Oplog>,
    ) {
        let shared = self.new_shared(Progress::default());
        let task = tokio::spawn(run(shared.clone(), request, http, oplog)).abort_handle();
        self.by_call.insert(call, Exchange { shared, task: Some(task) });
    }

    /// Has `call` fail without being sent.
    pub(crate) fn fail(&mut self, call: u64, failure: HttpFailure) {
        let shared = self.new_shared(Progress { failed: Some(failure), ..Progress::default() });
        self.by_call.insert(call, Exchange { shared, task: None });
    }

    fn new_shared(&self, progress: Progress) -> Arc<Shared> {
        let (progress, changed, room) = (Mutex::new(progress), self.changed.clone(), Notify::new());
        Arc::new(Shared { progress, changed, room })
    }

    /// Whether another one may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.by_call.len() < EXCHANGES_MAX
    }

    /// Whether anything is under way that would be lost if the worker left memory.
    pub(crate) fn has_requests(&self) -> bool {
        !self.by_call.is_empty()
    }

    /// Returns once one of them has gone on since this was last called.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Forgets `call`: nobody will ask for more of it, and its connection is closed if it is still in use.
    pub(crate) fn forget(&mut self, call: u64) {
        self.by_call.remove(&call);
    }

    /// Whether there is something to be had of `call`.
    pub(crate) fn is_ready(&self, call: u64, part: ResponsePart) -> Result<bool, PortError> {
        // What is not here any more is an error, and that is there at once.
        let Some(exchange) = self.by_call.get(&call) else { return Ok(true) };
        let mut progress = exchange.shared.progress.lock();
        if let Some(error) = &progress.commit_error {
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

    /// The response of `call`. What is whole or failed is forgotten here: it is the guest's now.
    pub(crate) fn take_response(&mut self, call: u64) -> ResponseState {
        let Some(exchange) = self.by_call.get(&call) else { return ResponseState::Failed(HttpFailure::Lost) };
        let answered = exchange.shared.progress.lock().answer();
        if matches!(answered, ResponseState::Complete(..) | ResponseState::Failed(_)) {
            self.forget(call);
        }
        answered
    }

    /// Up to `limit` bytes of the body of `call`; forgotten at its end.
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

    /// How the body of `call` ended, whatever of it was not read; forgotten then.
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

/// One request, from its intent to the end of its response.
async fn run(
    shared: Arc<Shared>,
    request: Arc<HttpRequest>,
    http: Arc<dyn OutboundHttp>,
    oplog: Arc<dyn Oplog>,
) {
    // W2: a crash after this finds the intent, and G4 says what becomes of it; a crash before it finds a worker that
    // has not sent anything, and nothing has left.
    if let Err(error) = oplog.commit().await {
        shared.update(|progress| progress.commit_error = Some(error));
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
        // A body that is longer than it said is the adapter's to refuse; this bounds what is held in any case.
        while shared.progress.lock().bytes > buffer_bytes_max {
            shared.room.notified().await;
        }
    }
}

/// Events are for those who read them as they come.
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
