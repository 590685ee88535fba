//! Resolves a host's name and connects to it.

use super::failure::{FailureError, from_connect_error};
use super::policy::OutboundPolicy;
use golem_host::ports::{Clock, HttpFailure};
use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

tokio::task_local! {
    /// How long the current request may wait for its connection.
    pub(super) static CONNECT_MAX: Duration;
}

/// The limit for a connection that no request has asked for.
const CONNECT_MAX_DEFAULT: Duration = Duration::from_secs(30);

/// The least time for an attempt, if the host has several addresses.
const ATTEMPT_MIN: Duration = Duration::from_millis(250);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

fn connect_max() -> Duration {
    CONNECT_MAX.try_with(|limit| *limit).unwrap_or(CONNECT_MAX_DEFAULT)
}

/// Host and port of a URI.
pub(super) fn host_and_port(uri: &Uri) -> (String, u16) {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let default_port = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    (host, uri.port_u16().unwrap_or(default_port))
}

/// Connects to hosts and addresses that the policy allows.
#[derive(Clone)]
pub(super) struct TcpConnector {
    pub(super) policy: Arc<OutboundPolicy>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Service<Uri> for TcpConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Boxed<TokioIo<TcpStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (this, limit) = (self.clone(), connect_max());
        Box::pin(async move {
            let stream = this.connect(&uri, limit).await.map_err(FailureError)?;
            Ok(TokioIo::new(stream))
        })
    }
}

impl TcpConnector {
    async fn connect(&self, uri: &Uri, limit: Duration) -> Result<TcpStream, HttpFailure> {
        let deadline = self.clock.elapsed().saturating_add(limit);
        let (host, port) = host_and_port(uri);
        let found = self.until_deadline(deadline, tokio::net::lookup_host((host.as_str(), port))).await;
        let found: Vec<SocketAddr> = found
            .ok_or(HttpFailure::DnsTimeout)?
            .map_err(|error| HttpFailure::Dns { details: error.to_string() })?
            .collect();
        let addresses: Vec<SocketAddr> = found
            .iter()
            .copied()
            .filter(|address| self.policy.check_address(&host, address.ip(), port).is_ok())
            .collect();
        if addresses.is_empty() {
            return Err(if found.is_empty() {
                HttpFailure::Dns { details: "the name has no address".to_owned() }
            } else {
                HttpFailure::AddressDenied
            });
        }
        let mut failure = HttpFailure::ConnectTimeout;
        for (tried, address) in addresses.iter().enumerate() {
            // The remaining time is divided among the remaining addresses, so one that does not respond cannot use all
            // of it.
            let left = deadline.saturating_sub(self.clock.elapsed());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let until = self.clock.elapsed() + share.max(ATTEMPT_MIN).min(left);
            failure = match self.until_deadline(until, TcpStream::connect(address)).await {
                Some(Ok(stream)) => {
                    // A request is small and its response is awaited, so it must be sent at once.
                    stream.set_nodelay(true).map_err(|error| from_connect_error(&error))?;
                    return Ok(stream);
                }
                Some(Err(error)) => from_connect_error(&error),
                None => HttpFailure::ConnectTimeout,
            };
        }
        Err(failure)
    }

    async fn until_deadline<T>(&self, deadline: Duration, done: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = done => Some(done),
            () = self.clock.sleep_until(deadline) => None,
        }
    }
}

/// Limits the time to establish a connection, including TLS.
#[derive(Clone)]
pub(super) struct TimeoutConnector<S> {
    pub(super) inner: S,
    pub(super) clock: Arc<dyn Clock>,
}

impl<S> Service<Uri> for TimeoutConnector<S>
where
    S: Service<Uri, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Boxed<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let clock = self.clock.clone();
        let deadline = clock.elapsed().saturating_add(connect_max());
        let connected = self.inner.call(uri);
        Box::pin(async move {
            tokio::select! {
                biased;
                connected = connected => connected,
                () = clock.sleep_until(deadline) => Err(FailureError(HttpFailure::ConnectTimeout).into()),
            }
        })
    }
}
