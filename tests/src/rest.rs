//! A REST client for the suites: requests in the shapes of 2023; the caller checks the status.
//!
//! It does not use the client of `golem-api` on purpose: the requests are written by hand as a published client of
//! 2023 sends them.

use crate::http::{Connection, Request, Response};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;

/// The boundary of our multipart bodies.
const BOUNDARY: &str = "golem-tests-boundary";

/// A client with one connection, which it opens on first use.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    token: String,
    connection: Option<Connection>,
}

/// The key of an invocation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The request has no key.
    None,
    /// An invocation key that the server issued, in the query.
    Invocation(String),
    /// A key chosen by the caller, in the header `Idempotency-Key`.
    Idempotency(String),
}

/// `/v1/templates/{template}/workers/{worker}/{operation}`.
pub fn worker_path(template: &str, worker: &str, operation: &str) -> String {
    let mut path = format!("/v1/templates/{template}/workers/{worker}");
    if !operation.is_empty() {
        path.push('/');
        path.push_str(operation);
    }
    path
}

/// Percent-encodes a text for a query parameter.
pub fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// A request that calls a function; `operation` is `invoke` or `invoke-and-await`.
pub fn invocation(
    operation: &str,
    template: &str,
    worker: &str,
    function: &str,
    params: &Value,
    key: &Key,
) -> Request {
    let mut path = worker_path(template, worker, operation);
    path.push_str("?function=");
    path.push_str(&percent_encoded(function));
    if let Key::Invocation(key) = key {
        path.push_str("&invocation-key=");
        path.push_str(key);
    }
    let request = Request::post(path).json(&json!({ "params": params }));
    match key {
        Key::Idempotency(key) => request.header("Idempotency-Key", key.clone()),
        Key::None | Key::Invocation(_) => request,
    }
}

/// One part of a multipart body.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Its field name.
    pub name: &'a str,
    /// Its content type; `None` omits the header.
    pub content_type: Option<&'a str>,
    /// Its content.
    pub content: &'a [u8],
}

/// A multipart request to `POST /v1/templates`.
pub fn multipart(parts: &[Part<'_>]) -> Request {
    with_form(Request::post("/v1/templates"), parts)
}

/// Adds a multipart form as the body of `request`.
#[must_use]
pub fn with_form(request: Request, parts: &[Part<'_>]) -> Request {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        body.extend_from_slice(
            format!("Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n", part.name, part.name)
                .as_bytes(),
        );
        if let Some(content_type) = part.content_type {
            body.extend_from_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    request.body(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// An upload request as clients of 2023 send it.
pub fn upload(name: &str, wasm: &[u8]) -> Request {
    let query = json!({ "componentName": name }).to_string();
    multipart(&[
        Part { name: "field0", content_type: Some("application/json"), content: query.as_bytes() },
        Part { name: "template", content_type: Some("application/octet-stream"), content: wasm },
    ])
}

/// No error may show where the server keeps its data. The data folders of the tests are temporary folders.
fn assert_no_server_path(line: &str, response: &Response) {
    let folders = std::env::temp_dir().join(".tmp");
    let shown = response.status >= 400 && response.text().contains(&*folders.to_string_lossy());
    assert!(!shown, "{line} shows a path of the server: {}", response.text());
}

impl Api {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr, token: impl Into<String>) -> Self {
        Self { address, token: token.into(), connection: None }
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that requests carry.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The id of the token's account.
    pub async fn account(&mut self) -> String {
        let token = self.ok(Request::get("/v1/login/token")).await.json();
        text_of(&token["accountId"])
    }

    /// The id of the default project.
    pub async fn default_project(&mut self) -> String {
        let project = self.ok(Request::get("/v1/projects/default")).await.json();
        text_of(&project["projectId"])
    }

    /// Creates an account with our token, and returns a client with a token of the new account.
    pub async fn new_account(&mut self, name: &str) -> Self {
        let body = json!({ "name": name, "email": format!("{name}@example.com") });
        let account = self.ok(Request::post("/v1/accounts").json(&body)).await.json();
        let tokens = format!("/v1/accounts/{}/tokens", text_of(&account["id"]));
        let body = json!({ "expiresAt": "2100-01-01T00:00:00Z" });
        let token = self.ok(Request::post(tokens).json(&body)).await.json();
        Self::new(self.address, text_of(&token["secret"]["value"]))
    }

    /// Grants actions in a project to an account; returns the grant's id.
    pub async fn grant(&mut self, project: &str, account: &str, actions: &[&str]) -> String {
        let body = json!({ "granteeAccountId": account, "projectActions": actions });
        let grants = format!("/v1/projects/{project}/grants");
        text_of(&self.ok(Request::post(grants).json(&body)).await.json()["id"])
    }

    /// Adds our token, unless the request has the header `Authorization`.
    #[must_use]
    pub fn with_token(&self, request: Request) -> Request {
        if request.has_header("Authorization") { request } else { request.bearer(&self.token) }
    }

    /// Sends a request with our token once. When the connection breaks, the caller decides about a retry.
    pub async fn try_call(&mut self, request: Request) -> io::Result<Response> {
        let request = self.with_token(request);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let response = connection.call(&request).await?;
        assert_no_server_path(&request.line(), &response);
        if response.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// Sends a request with our token.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn call(&mut self, request: Request) -> Response {
        let line = request.line();
        self.try_call(request).await.unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends a request that must succeed.
    ///
    /// # Panics
    /// When the answer is not 200.
    pub async fn ok(&mut self, request: Request) -> Response {
        let line = request.line();
        let response = self.call(request).await;
        assert_eq!(response.status, 200, "{line}: {}", response.text());
        response
    }

    /// Uploads a component; returns the template's id.
    pub async fn upload(&mut self, name: &str, wasm: &[u8]) -> String {
        let template = self.ok(upload(name, wasm)).await.json();
        template["versionedTemplateId"]["rawTemplateId"]
            .as_str()
            .unwrap_or_else(|| panic!("{template} contains no template id"))
            .to_owned()
    }

    /// Creates a worker.
    pub async fn create(&mut self, template: &str, worker: &str) {
        let body = json!({ "name": worker, "args": [], "env": [] });
        self.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&body)).await;
    }

    /// A worker's metadata.
    pub async fn metadata(&mut self, template: &str, worker: &str) -> Value {
        self.ok(Request::get(worker_path(template, worker, ""))).await.json()
    }

    /// A worker's status.
    pub async fn status(&mut self, template: &str, worker: &str) -> String {
        self.metadata(template, worker).await["status"].as_str().unwrap_or_default().to_owned()
    }

    /// A fresh invocation key.
    pub async fn key(&mut self, template: &str, worker: &str) -> String {
        let key = self.ok(Request::post(worker_path(template, worker, "key"))).await.json();
        key["value"].as_str().unwrap_or_else(|| panic!("{key} is not an invocation key")).to_owned()
    }

    /// Calls a function and returns its one result.
    pub async fn invoke(&mut self, template: &str, worker: &str, function: &str, params: &Value) -> Value {
        let request = invocation("invoke-and-await", template, worker, function, params, &Key::None);
        result_of(&self.ok(request).await)
    }
}

/// The text in a JSON string.
fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

/// The one result of an invocation; `null` if the function has none.
pub fn result_of(response: &Response) -> Value {
    match response.json()["result"].take() {
        Value::Array(mut results) => results.pop().unwrap_or_default(),
        other => panic!("the result {other} is not an array"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_names_are_encoded() {
        assert_eq!(percent_encoded("golem:counter/api/get"), "golem%3Acounter%2Fapi%2Fget");
    }
}
