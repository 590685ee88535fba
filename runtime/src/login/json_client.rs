//! The HTTP client of the login provider. Responses are JSON, limited in size and time.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a response, at most.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A URL in the settings is invalid.
    #[error("{url:?} is not the URL of a login provider: {why}")]
    Address {
        /// The URL.
        url: String,
        /// Why it is invalid.
        why: String,
    },
    /// The provider cannot be reached.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Host of the provider.
        host: String,
        /// Description of the error.
        why: String,
    },
    /// The provider did not respond in time.
    #[error("{host} did not answer within {} ms", time_max.as_millis())]
    TooSlow {
        /// Host of the provider.
        host: String,
        /// The time limit.
        time_max: Duration,
    },
}

/// A response.
pub(super) struct JsonResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body; `null` if it is not JSON.
    pub(super) json: Value,
}

/// An HTTP client for JSON responses.
pub(super) struct JsonClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    time_max: Duration,
}

impl JsonClient {
    /// Creates a client that waits at most `time_max` for each response.
    pub(super) fn new(time_max: Duration) -> Result<Self, ProviderError> {
        // The roots of Mozilla's list, and ring as the crypto provider.
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ProviderError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        // Plain HTTP is for test servers; the URL in the settings decides.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), time_max })
    }

    /// Sends a request and reads the whole response.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<JsonResponse, ProviderError> {
        let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let unreachable = |why: String| ProviderError::Unreachable { host: host.clone(), why };
        let exchange = async {
            let response =
                self.client.request(request).await.map_err(|error| unreachable(error_chain(&error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
            let json = serde_json::from_slice(&body).unwrap_or_default();
            Ok(JsonResponse { status: parts.status, headers: parts.headers, json })
        };
        tokio::time::timeout(self.time_max, exchange)
            .await
            .map_err(|_| ProviderError::TooSlow { host: host.clone(), time_max: self.time_max })?
    }
}

/// The messages of an error and its causes, on one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    text
}
