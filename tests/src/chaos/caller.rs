//! One client: repeats a request until it is answered, through restarts of the server.

use crate::http::{Connection, Request, Response};
use crate::wait;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Time before a request is sent again.
const RETRY_DELAY: Duration = Duration::from_millis(5);

/// The current process of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Number of the start.
    pub(super) generation: u64,
    /// Its address.
    pub(super) address: SocketAddr,
    /// Its token.
    pub(super) token: String,
}

/// The progress of all clients together.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    answers: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
    repeated: Arc<AtomicU64>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { answers: watch::channel(0).0, stopped: watch::channel(false).0, repeated: Arc::default() }
    }

    /// Number of answers so far.
    pub(super) fn answers(&self) -> u64 {
        *self.answers.borrow()
    }

    /// Number of retries so far.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Returns when there are `wanted` answers, or after [`Self::stop`].
    pub(super) async fn wait_for_answers(&self, wanted: u64) {
        let (mut answers, mut stopped) = (self.answers.subscribe(), self.stopped.subscribe());
        tokio::select! {
            // The channels cannot be closed: `self` holds the senders.
            _ = answers.wait_for(|answers| *answers >= wanted) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    /// Asks the clients to finish their open requests and to start no others.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether clients should start no more requests.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    endpoint_rx: watch::Receiver<Option<Endpoint>>,
    connection: CachedConnection,
    /// Shared by all clients.
    pub(super) progress: Progress,
}

/// A connection and the number of the server start that it belongs to. A clone has no connection.
#[derive(Debug, Default)]
struct CachedConnection(Option<(u64, Connection)>);

impl Clone for CachedConnection {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// An answer and the number of attempts.
#[derive(Debug)]
pub(super) struct Answer {
    /// The response.
    pub(super) response: Response,
    /// Requests sent. If there are two or more, an earlier one may have had its effect already.
    pub(super) attempts: u64,
}

impl Caller {
    pub(super) fn new(endpoint_rx: watch::Receiver<Option<Endpoint>>, progress: Progress) -> Self {
        Self { endpoint_rx, connection: CachedConnection(None), progress }
    }

    /// Sends `request` until the answer is neither 429 nor 503.
    pub(super) async fn call_until_answered(&mut self, request: &Request) -> Answer {
        let line = request.line();
        let asking = async {
            let mut attempts = 0;
            loop {
                attempts += 1;
                if attempts > 1 {
                    self.progress.repeated.fetch_add(1, Ordering::Relaxed);
                }
                // 503: the store is unavailable or the server is stopping. 429: the queue of the worker is full.
                match self.call_once(request).await {
                    Some(response) if !matches!(response.status, 429 | 503) => {
                        return Answer { response, attempts };
                    }
                    _ => wait::pause(RETRY_DELAY).await,
                }
            }
        };
        wait::bounded(&format!("an answer to {line}"), asking).await
    }

    /// Sends `request` once, as soon as there is a server. `None` means that the connection broke: the request may or
    /// may not have had its effect.
    pub(super) async fn call_once(&mut self, request: &Request) -> Option<Response> {
        let endpoint = self.endpoint_rx.wait_for(Option::is_some).await.ok()?.clone()?;
        let mut connection = match self.connection.0.take() {
            Some((generation, connection)) if generation == endpoint.generation => connection,
            _ => Connection::open(endpoint.address).await.ok()?,
        };
        let response = connection.call(&request.clone().bearer(&endpoint.token)).await.ok()?;
        if response.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.connection.0 = Some((endpoint.generation, connection));
        }
        if response.status == 200 {
            self.progress.answers.send_modify(|answers| *answers += 1);
        }
        Some(response)
    }
}
