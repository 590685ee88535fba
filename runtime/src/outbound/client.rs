//! Sends one request and receives its response.

use super::connect::{CONNECT_MAX, TcpConnector, TimeoutConnector, host_and_port};
use super::failure::{HEAD_BYTES_MAX, from_body_error, from_request_error};
use super::policy::OutboundPolicy;
use super::tls::TrustedRoots;
use crate::executor::OutboundProvider;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use golem_host::ports::{Clock, HttpBody, HttpFailure, HttpPart, HttpRequest, HttpResponse, OutboundHttp};
use golem_model::ProjectId;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Idle connections are closed after this time. It is shorter than most servers' own limit: a request on a connection
/// that the server is closing fails, and it is unknown whether the server has received it.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Idle connections per host.
const IDLE_PER_HOST_MAX: usize = 32;

/// Header fields of a response, at most; a response with more fails.
const HEADERS_MAX: usize = 256;

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundLimits {
    /// Requests of all workers in flight at the same time; others wait.
    pub requests_max: usize,
    /// The longest time to establish a connection.
    pub connect_max: Duration,
    /// The longest time until a response's head arrives.
    pub first_byte_max: Duration,
    /// The longest time between two parts of a response's body.
    pub between_bytes_max: Duration,
}

/// Restricts which hosts a project's workers may reach, in addition to the settings.
pub trait ProjectOutboundPolicy: Send + Sync {
    /// Checks that workers of `project` may send requests to this host and port.
    fn check(&self, project: ProjectId, host: &str, port: u16) -> Result<(), HttpFailure>;
}

/// Restricts no project.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowEveryProject;

impl ProjectOutboundPolicy for AllowEveryProject {
    fn check(&self, _: ProjectId, _: &str, _: u16) -> Result<(), HttpFailure> {
        Ok(())
    }
}

type RequestBody = UnsyncBoxBody<Bytes, Infallible>;
type Connector = TimeoutConnector<HttpsConnector<TcpConnector>>;

/// The HTTP client of all workers, with one connection pool.
#[derive(Clone)]
pub struct OutboundClient {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client<Connector, RequestBody>,
    policy: Arc<OutboundPolicy>,
    projects: Arc<dyn ProjectOutboundPolicy>,
    limits: OutboundLimits,
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for OutboundClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundClient").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}

impl OutboundClient {
    /// Creates a client. `policy` and `projects` restrict the hosts, `roots` are the root certificates.
    pub fn new(
        policy: OutboundPolicy,
        roots: TrustedRoots,
        projects: Arc<dyn ProjectOutboundPolicy>,
        limits: OutboundLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let policy = Arc::new(policy);
        let tcp = TcpConnector { policy: policy.clone(), clock: clock.clone() };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(roots.config())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .build(TimeoutConnector { inner: https, clock: clock.clone() });
        let permits = Arc::new(Semaphore::new(limits.requests_max.min(Semaphore::MAX_PERMITS)));
        Self { shared: Arc::new(Shared { client, policy, projects, limits, clock, permits }) }
    }
}

impl OutboundProvider for OutboundClient {
    fn for_project(&self, project: ProjectId) -> Arc<dyn OutboundHttp> {
        Arc::new(ProjectClient { shared: self.shared.clone(), project })
    }
}

struct ProjectClient {
    shared: Arc<Shared>,
    project: ProjectId,
}

#[async_trait]
impl OutboundHttp for ProjectClient {
    fn admit_request(&self, request: &HttpRequest) -> Result<(), HttpFailure> {
        let (host, port) = host_and_port(&request.uri);
        let checked = self
            .shared
            .policy
            .check_host(&host, port)
            .and_then(|()| self.shared.projects.check(self.project, &host, port));
        if checked.is_err() {
            tracing::info!(
                project = %self.project, host, port,
                "refused a worker's HTTP request; the settings outbound_http.allow, .deny and .private_addresses \
                 say which hosts are allowed"
            );
        }
        checked
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let Shared { client, limits, clock, permits, .. } = &*self.shared;
        let permit = permits.clone().acquire_owned().await.map_err(|_| HttpFailure::TooMany)?;
        let connect_max = shorter_timeout(request.timeouts.connect, limits.connect_max);
        let first_byte_max = shorter_timeout(request.timeouts.first_byte, limits.first_byte_max);
        let between_bytes_max = shorter_timeout(request.timeouts.between_bytes, limits.between_bytes_max);
        let deadline = clock.elapsed().saturating_add(connect_max).saturating_add(first_byte_max);
        let sent = Box::pin(CONNECT_MAX.scope(connect_max, client.request(hyper_request(request)?)));
        let response = tokio::select! {
            biased;
            response = sent => response.map_err(|error| {
                tracing::debug!(host = request.uri.host(), ?error, "a worker's HTTP request failed");
                from_request_error(&error)
            })?,
            () = clock.sleep_until(deadline) => return Err(HttpFailure::ResponseTimeout),
        };
        let (head, body) = response.into_parts();
        let length = body.size_hint().exact();
        let body = ResponseBody { body, clock: clock.clone(), between_bytes_max, _permit: permit };
        Ok(HttpResponse { status: head.status.as_u16(), headers: head.headers, length, body: Box::new(body) })
    }
}

fn shorter_timeout(asked: Option<Duration>, limit: Duration) -> Duration {
    asked.map_or(limit, |asked| asked.min(limit))
}

/// Converts the request. The library sets what belongs to the connection: host, length, transfer encoding.
fn hyper_request(request: &HttpRequest) -> Result<http::Request<RequestBody>, HttpFailure> {
    let body = match &request.trailers {
        None => Full::new(request.body.clone()).boxed_unsync(),
        // A body without a known length is sent in chunks, and only a chunked body can have trailers.
        Some(trailers) => {
            let data = (!request.body.is_empty()).then(|| Ok(Frame::data(request.body.clone())));
            let frames = data.into_iter().chain([Ok(Frame::trailers(trailers.clone()))]);
            BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames.collect::<Vec<_>>())))
        }
    };
    let mut hyper_request = http::Request::new(body);
    *hyper_request.method_mut() = request.method.clone();
    *hyper_request.uri_mut() = request.uri.clone();
    let mut headers: HeaderMap = request.headers.clone();
    headers.remove(header::CONTENT_LENGTH);
    if let Some(trailers) = &request.trailers {
        let names: Vec<&str> = trailers.keys().map(http::HeaderName::as_str).collect();
        let names = HeaderValue::try_from(names.join(", "))
            .map_err(|error| HttpFailure::Other { details: format!("the trailers' names: {error}") })?;
        headers.insert(header::TRAILER, names);
    }
    *hyper_request.headers_mut() = headers;
    Ok(hyper_request)
}

struct ResponseBody {
    body: Incoming,
    clock: Arc<dyn Clock>,
    between_bytes_max: Duration,
    /// Released when the response is dropped.
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl HttpBody for ResponseBody {
    async fn next(&mut self) -> Result<HttpPart, HttpFailure> {
        let deadline = self.clock.elapsed().saturating_add(self.between_bytes_max);
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                () = self.clock.sleep_until(deadline) => return Err(HttpFailure::BodyTimeout),
            };
            let frame = match frame {
                None => return Ok(HttpPart::End(None)),
                Some(frame) => frame.map_err(|error| from_body_error(&error))?,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(HttpPart::Data(data)),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Ok(HttpPart::End(Some(trailers)));
                    }
                }
            }
        }
    }
}
