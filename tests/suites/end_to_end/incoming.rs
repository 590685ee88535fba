//! HTTP requests that workers answer.

use crate::{TestNode, call, upload};
use golem_tests::guests::{COUNTER, SERVES};
use golem_tests::http::{Request, Response};
use golem_tests::rest::{Key, invocation, worker_path};
use serde_json::json;

fn http_request(template: &str, worker: &str, method: &str, path: &str) -> Request {
    Request::new(method, worker_path(template, worker, &format!("http{path}")))
}

/// The number of requests that the worker has answered, this one included.
fn request_number(response: &Response) -> &str {
    response.header("x-number").unwrap_or_else(|| panic!("{} {}", response.status, response.text()))
}

#[tokio::test]
async fn a_worker_answers_requests_and_remembers_them() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SERVES).await;
    let post =
        http_request(&template, "w", "POST", "/a/b%20c?d=e").header("X-One", "1").body("text/plain", "hello");
    let first = api.ok(post).await;
    let text = first.text();
    assert!(text.starts_with("Method::Post /a/b%20c?d=e at golem\n"), "{text}");
    assert!(text.contains("\nx-one: 1\n") && text.contains("\ncontent-type: text/plain\n"), "{text}");
    assert!(text.ends_with("\n5 bytes: hello"), "{text}");
    assert!(!text.to_lowercase().contains("bearer"), "the worker must not see the token: {text}");
    assert_eq!(request_number(&first), "1");
    for (path, seen) in [("", "/"), ("/", "/"), ("?q", "/?q"), ("//x", "//x")] {
        let response = api.ok(http_request(&template, "w", "GET", path)).await;
        assert!(response.text().starts_with(&format!("Method::Get {seen} at ")), "{}", response.text());
    }
    let response = api.call(http_request(&template, "w", "DELETE", "/status/418")).await;
    assert_eq!((response.status, request_number(&response)), (418, "6"));
    let large =
        http_request(&template, "w", "PUT", "/").body("application/octet-stream", vec![b'x'; 5_000_000]);
    assert!(api.ok(large).await.text().contains("5000000 bytes: xxx"));

    // A request with a used key gets the recorded answer.
    let keyed = || http_request(&template, "w", "GET", "/status/201").header("Idempotency-Key", "once");
    let once = api.call(keyed()).await;
    let node = node.crash().await;
    let mut api = node.api();
    let again = api.call(keyed()).await;
    assert_eq!(
        (once.status, once.text(), request_number(&once)),
        (again.status, again.text(), request_number(&again))
    );
    let other = http_request(&template, "w", "GET", "/status/202").header("Idempotency-Key", "once");
    assert_eq!(api.call(other).await.status, 409);
    let next = api.ok(http_request(&template, "w", "GET", "/")).await;
    assert_eq!(request_number(&next), "9", "the worker's memory survives the crash");
    node.stop().await;
}

/// Regression: an account that may call workers but not create them could create them with an HTTP request.
#[tokio::test]
async fn a_caller_without_create_permission_reaches_existing_workers_only() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SERVES).await;
    let mut other = api.new_account("other").await;
    let (project, account) = (api.default_project().await, other.account().await);
    api.grant(&project, &account, &["ViewComponent", "ViewInstance", "UpdateInstance"]).await;
    let missing = other.call(http_request(&template, "w", "GET", "/")).await;
    assert_eq!(missing.status, 404, "{}", missing.text());
    assert_eq!(api.call(Request::get(worker_path(&template, "w", ""))).await.status, 404);
    api.create(&template, "w").await;
    assert_eq!(request_number(&other.ok(http_request(&template, "w", "GET", "/")).await), "1");
    node.stop().await;
}

#[tokio::test]
async fn handler_errors_are_reported() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SERVES).await;
    for (path, said) in [
        ("/silent", "gave no response"),
        ("/error", "ConfigurationError"),
        ("/unfinished", "did not finish the body"),
    ] {
        let response = api.call(http_request(&template, "w", "GET", path)).await;
        assert_eq!(response.status, 502, "{path}: {}", response.text());
        assert!(response.text().contains(said), "{path}: {}", response.text());
    }
    assert_eq!(request_number(&api.ok(http_request(&template, "w", "GET", "/")).await), "4");
    let trapped = api.call(http_request(&template, "fails", "GET", "/trap")).await;
    assert_eq!(trapped.status, 500);
    assert!(trapped.text().contains("asked to"), "{}", trapped.text());

    // The handler cannot be called with JSON, under neither of its names.
    for function in ["wasi:http/incoming-handler/handle", "wasi:http/incoming-handler@0.2.12/handle"] {
        let json = invocation("invoke-and-await", &template, "w", function, &json!([]), &Key::None);
        let refused = api.call(json).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("/http/PATH"), "{}", refused.text());
    }
    // A component without a handler answers 404, and no worker is created.
    let counter = upload(&mut api, COUNTER).await;
    let response = api.call(http_request(&counter, "c", "GET", "/")).await;
    assert_eq!(response.status, 404);
    assert!(response.text().contains("answers no HTTP requests"), "{}", response.text());
    assert_eq!(api.call(Request::get(worker_path(&counter, "c", ""))).await.status, 404);
    let known = call(&counter, "c", golem_tests::guests::INCREMENT, &json!([]), "one");
    api.ok(known).await;
    let unsigned = http_request(&template, "w", "GET", "/").header("Authorization", "Bearer wrong");
    assert_eq!(api.call(unsigned).await.status, 401);
    node.stop().await;
}
