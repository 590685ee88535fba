//! One client: asks until it is answered, through restarts of the server.

use crate::http::{Connection, Request, Response};
use crate::wait;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Before the same request goes to the same server again.
const RETRY_DELAY: Duration = Duration::from_millis(5);

/// Where the server is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Counts the starts.
    pub(super) generation: u64,
    /// Its address.
    pub(super) address: SocketAddr,
    /// Its token.
    pub(super) token: String,
}

/// How far all clients together are.
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

    /// Answers so far.
    pub(super) fn answers(&self) -> u64 {
        *self.answers.borrow()
    }

    /// Requests that were sent again.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Returns once there are `wanted` answers, or the storm is over.
    pub(super) async fn wait_for_answers(&self, wanted: u64) {
        let (mut answers, mut stopped) = (self.answers.subscribe(), self.stopped.subscribe());
        tokio::select! {
            // A closed channel cannot be: we hold its sender.
            _ = answers.wait_for(|answers| *answers >= wanted) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    /// Asks the clients to finish what they began.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether clients should begin nothing new.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    endpoint_rx: watch::Receiver<Option<Endpoint>>,
    connection: CachedConnection,
    /// Shared by all.
    pub(super) progress: Progress,
}

/// A connection, and the start of the server that it belongs to. A clone begins without one.
#[derive(Debug, Default)]
struct CachedConnection(Option<(u64, Connection)>);

impl Clone for CachedConnection {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// An answer, and how often it was asked for.
#[derive(Debug)]
pub(super) struct Answer {
    /// What came back.
    pub(super) response: Response,
    /// Requests sent; from two on, an earlier one may have had its effect already.
    pub(super) attempts: u64,
}

impl Caller {
    pub(super) fn new(endpoint_rx: watch::Receiver<Option<Endpoint>>, progress: Progress) -> Self {
        Self { endpoint_rx, connection: CachedConnection(None), progress }
    }

    /// Sends `request` again and again until there is an answer that is not "come again".
    pub(super) async fn call_until_answered(&mut self, request: &Request) -> Answer {
        let line = request.line();
        let asking = async {
            let mut attempts = 0;
            loop {
                attempts += 1;
                if attempts > 1 {
                    self.progress.repeated.fetch_add(1, Ordering::Relaxed);
                }
                // 503: the store is not there just now, or the server is going. 429: too many wait for the worker.
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

    /// Sends `request` once, as soon as there is a server. `None` when the connection broke: nobody knows then.
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
