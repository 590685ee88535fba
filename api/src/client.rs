//! A client for the REST interface.
//!
//! Each resource has a file with an `impl Client`: `template`, `worker`, `project` (with policies and grants),
//! `account` (with roles, tokens and the whitelist), `login`, and `connect` for a worker's log stream.
//!
//! A method sends one request and does not retry it. Only the caller knows whether a request may be sent twice; an
//! invocation with a key may.
//!
//! Invariant: a response that is not a success becomes [`ClientError::Status`], with its status and
//! its error texts. A body that is not from Golem is cut. Invariant: every socket sets TCP_NODELAY,
//! so that requests do not wait 40 ms for an acknowledgement.

mod account;
mod connect;
mod error;
mod login;
mod project;
mod template;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

pub use connect::Connection;
pub use error::ClientError;
pub use worker::{InvokeKey, InvokeOptions};

use crate::error::ErrorBody;
use crate::info::VersionInfo;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// Time limit for connecting. The response has no time limit, because it may take as long as the invocation.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server. It is cheap to clone, and clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    allow_insecure: bool,
}

impl fmt::Debug for Client {
    /// Prints the client without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Options of a client.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// The secret of the token to authenticate with.
    pub token: Option<String>,
    /// Accept any certificate. For tests against servers with a self-signed certificate.
    pub allow_insecure: bool,
}

impl fmt::Debug for ClientOptions {
    /// Prints the options without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions").field("allow_insecure", &self.allow_insecure).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client of the server at `base_url` that authenticates with the secret of a token.
    pub fn new(base_url: &str, token: impl Into<String>) -> Result<Self, ClientError> {
        Self::with_options(base_url, ClientOptions { token: Some(token.into()), ..ClientOptions::default() })
    }

    /// Creates a client of the server at `base_url`.
    pub fn with_options(base_url: &str, options: ClientOptions) -> Result<Self, ClientError> {
        tls::install_provider();
        let base = parse_base_url(base_url)?;
        let authorization = options.token.map(|token| authorization_header(&token)).transpose()?;
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .danger_accept_invalid_certs(options.allow_insecure)
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self { http, base, authorization, allow_insecure: options.allow_insecure })
    }

    /// The address of the server. Its path ends in `/`.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// `GET /healthcheck`: whether the server answers.
    pub async fn healthcheck(&self) -> Result<(), ClientError> {
        self.send(self.request(Method::GET, &["healthcheck"])).await.map(drop)
    }

    /// `GET /v1/version`.
    pub async fn version(&self) -> Result<VersionInfo, ClientError> {
        self.json(self.request(Method::GET, &["v1", "version"])).await
    }

    /// The URL of a path. Segments may contain any character.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url(segments));
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    /// Sends a request. A response that is not a success is an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|source| ClientError::Transport { url: self.base.to_string(), source })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(ClientError::from_answer(status.as_u16(), &text))
    }

    /// Sends a request and parses the response as JSON.
    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let bytes = self.bytes(request).await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Decode)
    }

    /// Sends a request and returns the body of the response.
    async fn bytes(&self, request: RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await;
        bytes.map(Vec::from).map_err(|source| ClientError::Transport { url: self.base.to_string(), source })
    }
}

fn parse_base_url(text: &str) -> Result<Url, ClientError> {
    let error = |reason: String| ClientError::BaseUrl { url: text.to_owned(), reason };
    let mut url = Url::parse(text).map_err(|e| error(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(error(format!("the scheme is {}", url.scheme())));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn authorization_header(token: &str) -> Result<HeaderValue, ClientError> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

impl ClientError {
    fn from_answer(status: u16, text: &str) -> Self {
        /// Maximum number of characters of a body that is not a Golem error body, for example from a proxy.
        const FOREIGN_BODY_CHARS_MAX: usize = 400;
        let body = serde_json::from_str::<ErrorBody>(text).ok().filter(|body| !body.messages().is_empty());
        let body = body.unwrap_or_else(|| match text.trim() {
            "" => ErrorBody::default(),
            foreign => ErrorBody::from_text(foreign.chars().take(FOREIGN_BODY_CHARS_MAX).collect::<String>()),
        });
        Self::Status { status, body: Box::new(body) }
    }
}
