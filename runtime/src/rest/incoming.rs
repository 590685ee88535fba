//! HTTP requests to workers: a worker answers the requests below `…/workers/{worker_name}/http`.
//!
//! The request is an invocation (`golem_host::IncomingRequest`), and the response is its recorded result. Keys, queue,
//! retries and errors are the same as for `invoke-and-await`.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, WorkerPath};
use super::worker::{InvokeRequest, await_invocation, worker_spec};
use crate::catalog::{Template, Version};
use crate::executor::ExecutorError;
use crate::http::read_body;
use crate::identity::{Action, Scope};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use golem_host::{HttpReply, INCOMING_HTTP, IncomingRequest};
use golem_model::invocation::Convention;
use golem_model::{Invocation, ProjectAction};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use std::sync::Arc;

/// Segments of the path before the part that the worker receives: an empty one, `v1`, `templates`, the template,
/// `workers`, the worker, `http`.
const SEGMENTS_BEFORE_PATH: usize = 7;

/// Header fields that the worker does not receive, because they are for this server or for the connection. The most
/// important is the caller's token: the worker must not be able to act as the caller.
const REQUEST_FIELDS_DROPPED: [&str; 11] = [
    "authorization",
    "connection",
    "golem-await-ms",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Header fields of a worker's response that are ignored, because the HTTP library sets them.
const RESPONSE_FIELDS_DROPPED: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// `ANY …/workers/{worker_name}/http/{path}`.
pub(super) async fn handle(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    request: Request,
) -> Result<Response, ApiError> {
    let started = services.clock.elapsed();
    let (head, body) = request.into_parts();
    let (template, scope) = services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    let invoke_request =
        InvokeRequest { services: &services, principal, worker: &worker, headers: &head.headers };
    let key = invoke_request.idempotency_key(None).await?;
    ensure_http_worker(&services, &worker, &template, &scope).await?;
    let body = read_body(body, services.limits.body).await?;
    let request = IncomingRequest {
        method: head.method.as_str().to_owned(),
        path_with_query: forwarded_path(&head.uri),
        authority: authority(&head.uri, &head.headers),
        headers: forwarded_fields(&head.headers),
        body: body.into(),
    };
    let function = Arc::from(INCOMING_HTTP);
    let convention = Convention::Component;
    let invocation = Invocation { key, function, params: vec![request.into_value()], convention };
    let result = await_invocation(&services, &worker, &head.headers, started, invocation).await?;
    match result.and_then(HttpReply::from_value) {
        Some(Ok(reply)) => to_response(reply),
        Some(Err(text)) => Err(ApiError::new(StatusCode::BAD_GATEWAY, text)),
        None => Err(ApiError::internal("the result of an HTTP request is not a response")),
    }
}

/// Fails unless the worker's version exports an HTTP handler. Creates the worker if it does not exist and the caller
/// may create it.
async fn ensure_http_worker(
    services: &Services,
    worker: &golem_model::WorkerId,
    template: &Template,
    scope: &Scope,
) -> Result<(), ApiError> {
    let serves = |version: &Version| golem_host::find_http_handler(&version.functions).is_some();
    let latest = template.latest();
    let newest_serves = serves(latest);
    // A caller that may not create workers can only call existing ones.
    let runs = if newest_serves && scope.allowed_actions().contains(ProjectAction::CreateWorker) {
        services.executor.ensure(worker_spec(worker, scope, latest)).await?
    } else {
        // A request that cannot be answered must not create a worker.
        match services.executor.version_for_invocation(worker).await {
            Ok(version) => version,
            Err(ExecutorError::WorkerNotFound { .. }) if !newest_serves => latest.row.version,
            Err(error) => return Err(error.into()),
        }
    };
    if template.version(runs).is_some_and(|version| serves(version)) {
        return Ok(());
    }
    Err(ApiError::not_found(format!(
        "version {runs} of the template answers no HTTP requests: it does not export wasi:http/incoming-handler@0.2"
    )))
}

/// Path and query that the worker receives: the part after `/http`.
fn forwarded_path(uri: &Uri) -> String {
    let rest = uri.path().splitn(SEGMENTS_BEFORE_PATH + 1, '/').nth(SEGMENTS_BEFORE_PATH).unwrap_or_default();
    match uri.query() {
        Some(query) => format!("/{rest}?{query}"),
        None => format!("/{rest}"),
    }
}

/// The host that the request names.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    uri.authority().map(|authority| authority.as_str().to_owned()).or(named)
}

fn forwarded_fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let kept = headers.iter().filter(|(name, _)| !REQUEST_FIELDS_DROPPED.contains(&name.as_str()));
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn to_response(reply: HttpReply) -> Result<Response, ApiError> {
    let bad =
        |what: &str| ApiError::new(StatusCode::BAD_GATEWAY, format!("the worker's response has {what}"));
    let status = StatusCode::from_u16(reply.status).ok().filter(|status| !status.is_informational());
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = status.ok_or_else(|| bad("an invalid status"))?;
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("an invalid header field"))?;
        if !RESPONSE_FIELDS_DROPPED.contains(&name) {
            let value = HeaderValue::from_bytes(&value).map_err(|_| bad("an invalid header field"))?;
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_receives_the_path_after_http() {
        let workers = "/v1/templates/0f5c/workers/w/http";
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a%2Fb//c/", "/a%2Fb//c/"),
            ("?q=1", "/?q=1"),
            ("/a?q=/http/", "/a?q=/http/"),
        ] {
            let uri: Uri = format!("{workers}{path}").parse().unwrap();
            assert_eq!(forwarded_path(&uri), expected, "{path}");
        }
    }

    #[test]
    fn the_token_is_not_forwarded() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("authorization", "Bearer x"), ("accept", "a"), ("host", "h"), ("accept", "b")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        let expected = [("accept".to_owned(), b"a".to_vec()), ("accept".to_owned(), b"b".to_vec())];
        assert_eq!(forwarded_fields(&headers), expected);
    }
}
