//! The accept loop: accepts connections within a limit, serves them, and drains them at shutdown.
//!
//! Invariant: every connection that is served, including a WebSocket, holds a permit until it is closed.

use super::refuse::Refusal;
use axum::Router;
use axum::body::Body;
use golem_host::ports::Clock;
use http::{Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections at the same time.
    pub connections_max: usize,
    /// Time for a request's head to arrive, and between two requests.
    pub header_time_max: Duration,
}

/// Bytes of a request's head, at most; a longer one is answered 431.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of an HTTP/1 request, at most. Those of HTTP/2 are limited in bytes.
const HEADERS_MAX: usize = 100;
/// Concurrent requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// An HTTP/2 connection whose client does not answer a ping within this time is closed.
const PING_TIME_MAX: Duration = Duration::from_secs(20);
/// Pause after the system could not accept a connection for lack of descriptors or memory. They become available when
/// other connections close.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The first bytes of a client that uses HTTP/2 without negotiation.
const HTTP2_PREFACE: &[u8] = b"PRI";

/// Counters of the accept loop.
#[derive(Debug, Default)]
pub struct HttpCounters {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections refused because of the limit.
    pub refused: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
}

/// Counts a connection against the limit while any clone exists. A handler that keeps the connection after its request
/// (a WebSocket) takes it from the request's extensions and holds it.
#[derive(Debug, Clone)]
pub struct ConnectionPermit {
    _slot: Arc<ConnectionSlot>,
}

#[derive(Debug)]
struct ConnectionSlot {
    _permit: OwnedSemaphorePermit,
    counters: Arc<HttpCounters>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A server that accepts connections until it is drained.
#[derive(Debug)]
pub struct HttpServer {
    local_addr: SocketAddr,
    stopping: CancellationToken,
    accepting: JoinHandle<JoinSet<()>>,
}

/// Listens on `listen`, which is `host:port`.
pub async fn bind(listen: &str) -> io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves `router` on `listener`. `stopping` is cancelled when the server begins to drain, for handlers that would not
/// end by themselves.
pub fn serve(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    counters: Arc<HttpCounters>,
    stopping: CancellationToken,
) -> io::Result<HttpServer> {
    let local_addr = listener.local_addr()?;
    let stop = stopping.clone();
    let accepting = tokio::spawn(accept(listener, router, limits, counters, stop));
    Ok(HttpServer { local_addr, stopping, accepting })
}

impl HttpServer {
    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting. Idle connections are closed at once, the others after their current request.
    pub async fn drain(self) -> Draining {
        self.stopping.cancel();
        // The accept loop neither panics nor is aborted. If it were, its connections would be closed with it.
        Draining { connections: self.accepting.await.unwrap_or_default() }
    }
}

/// The remaining connections of a server that no longer accepts.
#[derive(Debug)]
pub struct Draining {
    connections: JoinSet<()>,
}

impl Draining {
    /// Waits until all connections are closed, at most `time_max`. Returns how many are still open.
    pub async fn wait(&mut self, clock: &dyn Clock, time_max: Duration) -> usize {
        let deadline = clock.elapsed() + time_max;
        tokio::select! {
            () = async { while self.connections.join_next().await.is_some() {} } => 0,
            () = clock.sleep_until(deadline) => self.connections.len(),
        }
    }

    /// Closes the remaining connections.
    pub async fn close(mut self) {
        self.connections.shutdown().await;
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    counters: Arc<HttpCounters>,
    stop: CancellationToken,
) -> JoinSet<()> {
    let permits = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let refusal = Refusal::new(limits.connections_max);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => return connections,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; retrying");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "waits for the system, not for anything a test drives"
                )]
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        // Without TCP_NODELAY, a small response would wait until the client has acknowledged the previous one.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            refusal.refuse(stream);
            continue;
        };
        counters.open.fetch_add(1, Ordering::Relaxed);
        let permit = ConnectionPermit {
            _slot: Arc::new(ConnectionSlot { _permit: permit, counters: counters.clone() }),
        };
        connections.spawn(connection(stream, router.clone(), permit, limits, stop.clone()));
    }
}

/// Whether only this connection failed, because the peer is gone. The next one can be accepted at once.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn connection(
    stream: TcpStream,
    router: Router,
    permit: ConnectionPermit,
    limits: HttpLimits,
    stop: CancellationToken,
) {
    let mut start = [0; HTTP2_PREFACE.len()];
    let peeked = tokio::select! {
        peeked = tokio::time::timeout(limits.header_time_max, stream.peek(&mut start)) => peeked,
        () = stop.cancelled() => return,
    };
    if !matches!(peeked, Ok(Ok(1..))) {
        return;
    }
    let upgrade_permit = permit.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(upgrade_permit.clone());
        }
        let mut router = router.clone();
        async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    let io = TokioIo::new(stream);
    // The result is ignored: the client has disconnected or does not speak HTTP, and neither is an error of the server.
    if start == HTTP2_PREFACE {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(Some(limits.header_time_max))
            .keep_alive_timeout(PING_TIME_MAX);
        let mut served = pin!(builder.serve_connection(io, service));
        tokio::select! {
            ended = served.as_mut() => drop(ended),
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                drop(served.await);
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time_max)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX);
        let mut served = pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
            ended = served.as_mut() => drop(ended),
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                drop(served.await);
            }
        }
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    async fn start(router: Router, connections_max: usize, header_time_max: Duration) -> HttpServer {
        let limits = HttpLimits { connections_max, header_time_max };
        let listener = bind("127.0.0.1:0").await.unwrap();
        serve(listener, router, limits, Arc::default(), CancellationToken::new()).unwrap()
    }

    fn hello_router() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    /// Reads until `end` has arrived or the connection is closed.
    async fn read_to(stream: &mut TcpStream, end: &str) -> String {
        let mut all = Vec::new();
        let mut some = [0; 1024];
        while !all.ends_with(end.as_bytes()) || end.is_empty() {
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(length) => all.extend_from_slice(&some[..length]),
            }
        }
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn a_connection_serves_many_requests_and_one_beyond_the_limit_is_refused() {
        let server = start(hello_router(), 1, Duration::from_mins(1)).await;
        let mut first = TcpStream::connect(server.local_addr()).await.unwrap();
        for _ in 0..3 {
            first.write_all(REQUEST).await.unwrap();
            let answer = read_to(&mut first, "hello").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        }
        let mut second = TcpStream::connect(server.local_addr()).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        let answer = read_to(&mut second, "").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("the server has 1 connections already"), "{answer}");
        // When the first connection is closed, its permit is available again.
        drop(first);
        loop {
            let mut next = TcpStream::connect(server.local_addr()).await.unwrap();
            next.write_all(REQUEST).await.unwrap();
            if read_to(&mut next, "hello").await.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_no_request_in_time_is_disconnected() {
        let server = start(hello_router(), 10, Duration::from_millis(20)).await;
        for sent in ["", "G", "GET / HTTP/1.1\r\nhost:"] {
            let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let answer = read_to(&mut stream, "").await;
            assert!(!answer.contains("200"), "{sent:?}: {answer}");
        }
    }

    #[tokio::test]
    async fn draining_lets_requests_end_and_closes_idle_connections() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, outside) = (entered.clone(), leave.clone());
        let handler = move || async move {
            inside.notify_one();
            outside.notified().await;
            "slow"
        };
        let router = hello_router().route("/slow", get(handler));
        let server = start(router, 10, Duration::from_mins(1)).await;
        let address = server.local_addr();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(REQUEST).await.unwrap();
        read_to(&mut idle, "hello").await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        entered.notified().await;
        let drained = tokio::spawn(async move {
            server.drain().await.wait(&SystemClock::new(), Duration::from_mins(1)).await
        });
        assert_eq!(read_to(&mut idle, "").await, "");
        leave.notify_one();
        let answer = read_to(&mut slow, "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
        assert_eq!(drained.await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn draining_gives_up_after_its_time() {
        let router = Router::new().route("/", get(std::future::pending::<&'static str>));
        let server = start(router, 10, Duration::from_mins(1)).await;
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut draining = server.drain().await;
        assert!(draining.wait(&SystemClock::new(), Duration::from_millis(20)).await <= 1);
        draining.close().await;
        assert_eq!(read_to(&mut stream, "").await, "");
    }
}
