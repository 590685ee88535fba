//! Wrong requests: each gets the exact status and message, and the server continues to work.
//!
//! The cases are data (module `cases`). This file sends each request and compares the answer. In an expected message
//! `*` matches any text, for example ids and messages of libraries.

mod cases;

use cases::{Case, TestData};
use golem_tests::http::{Connection, Request, Response};
use golem_tests::rest::{Api, upload};
use golem_tests::server::ServerOptions;
use golem_tests::{guests, wait};
use serde_json::json;

/// Limit for the body of a request, in bytes. It is small, so that a larger body is cheap to create.
const BODY_BYTES_MAX: usize = 100_000;
/// Limit for an upload, in bytes.
const UPLOAD_BYTES_MAX: usize = 2_000_000;

/// Whether `text` matches `pattern`, where each `*` matches any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pattern.contains('*').then(|| pieces.next_back()).flatten() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The error message in the body of a response.
fn message(response: &Response) -> String {
    if response.body.is_empty() {
        return String::new();
    }
    let body = response.json();
    let texts = [&body["errors"][0], &body["error"], &body["message"]];
    let text = texts.into_iter().find_map(|text| text.as_str());
    text.unwrap_or_else(|| panic!("{body} contains no error message")).to_owned()
}

/// Sends a request on a new connection. If `with_token`, our token is added, unless the request has a header
/// `Authorization`.
async fn send(api: &Api, request: &Request, with_token: bool) -> Response {
    let request = if with_token { api.with_token(request.clone()) } else { request.clone() };
    let mut connection = Connection::open(api.address()).await.expect("the server accepts connections");
    wait::bounded("an answer", connection.call(&request)).await.expect("the server answers")
}

#[tokio::test]
async fn every_mistake_gets_its_status_and_message() {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data"))
        .set(format!("http.body_bytes_max={BODY_BYTES_MAX}"))
        .set(format!("http.upload_bytes_max={UPLOAD_BYTES_MAX}"))
        .set("log=warn");
    let server = options.start().await;
    let mut api = server.api();
    let data = TestData::prepare(&mut api).await;

    let mut wrong = Vec::new();
    let mut count = 0_u64;
    let cases = cases::all(&data);
    for Case { name, request, with_token, status, message: expected } in &cases {
        let response = send(&api, request, *with_token).await;
        let found = message(&response);
        if response.status != *status || !matches(expected, &found) {
            wrong.push(format!(
                "{name}: {}\n  expected {status} {expected}\n  found    {} {found}",
                request.line(),
                response.status
            ));
        }
        // The server and the worker still work.
        count += 1;
        let counted = api.invoke(&data.counter, cases::WORKER, guests::INCREMENT, &json!([])).await;
        assert_eq!(counted, json!(count + data.increments), "after {name}");
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 40, "only {} cases", cases.len());

    // Refused requests created nothing, and correct requests still succeed.
    let templates = api.ok(Request::get("/v1/templates")).await.json();
    assert_eq!(templates.as_array().map(Vec::len), Some(2), "{templates}");
    api.ok(upload("another", &guests::bytes(guests::COUNTER))).await;
    assert!(server.stop().await.success());
}

/// Sends bytes that are not HTTP or an incomplete request. The server may close the connection, but it must continue
/// to run.
#[tokio::test]
async fn broken_http_does_not_affect_other_connections() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerOptions::new(folder.path().join("data")).set("log=warn").start().await;
    for bytes in [
        &b"\0\0\0\0\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/templates HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/templates HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthcheck HTTP/1.1\r\nHost golem\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.address).await.unwrap();
        connection.send(bytes).await.unwrap();
        // Both an answer and the end of the connection are correct, but the server must not hang.
        if let Ok(response) = wait::bounded("the end of a broken request", connection.receive()).await {
            assert!((400..600).contains(&response.status), "{bytes:?}: {}", response.status);
        }
    }
    // An incomplete request occupies its own connection only.
    let mut half = Connection::open(server.address).await.unwrap();
    half.send(b"POST /v1/templates HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    assert_eq!(server.api().call(Request::get("/healthcheck")).await.status, 200);
    drop(half);
    assert!(server.stop().await.success());
}

#[test]
fn patterns_match_whole_texts() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
        ("*", "", true),
        ("", "", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} and {text}");
    }
}
