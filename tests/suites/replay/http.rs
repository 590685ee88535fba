//! HTTP requests: an answered request is not sent again; an unanswered one is sent again with the same idempotency
//! key.

use super::{check, text};
use golem_host::{HttpReply, INCOMING_HTTP, IncomingRequest};
use golem_testing::{
    Failure, FakeAnswer, FakeHttp, FakeResponse, HttpFailure, HttpRequest, Options, TestWorker, Value,
};
use golem_tests::guests;
use std::sync::atomic::{AtomicUsize, Ordering};

fn with_http(http: &FakeHttp) -> Options {
    Options { http: http.clone(), ..Options::default() }
}

async fn worker(http: &FakeHttp) -> TestWorker {
    TestWorker::start_with(&guests::bytes(guests::FETCHES), with_http(http))
        .await
        .expect("the guest is a component")
}

/// Parameters of `fetch`.
fn fetch(method: &str, path: &str, body: Option<&str>, late: bool) -> Vec<Value> {
    let header = Value::Tuple(vec![text("x-from"), text("worker")]);
    let body = Value::Option(body.map(|body| Box::new(text(body))));
    let url = text(&format!("http://example.com{path}"));
    vec![text(method), url, Value::List(vec![header]), body, Value::Bool(late)]
}

async fn invoke(
    worker: &mut TestWorker,
    function: &str,
    params: Vec<Value>,
) -> Result<Option<Value>, Failure> {
    worker.invoke(&format!("golem:fetches/api/{function}"), params).await
}

/// A result of the guest: status, headers, body, end, trailers.
fn answer(status: u16, headers: &[(&str, &str)], body: &str, end: &str, trailers: &[(&str, &str)]) -> Value {
    let pairs = |pairs: &[(&str, &str)]| {
        let pair = |(name, value): &(&str, &str)| Value::Tuple(vec![text(name), text(value)]);
        Value::List(pairs.iter().map(pair).collect())
    };
    let record =
        Value::Record(vec![Value::U16(status), pairs(headers), text(body), text(end), pairs(trailers)]);
    Value::Result(Ok(Some(Box::new(record))))
}

fn error(said: &str) -> Value {
    Value::Result(Err(Some(Box::new(text(said)))))
}

fn key(request: &HttpRequest) -> String {
    request.headers["idempotency-key"].to_str().expect("a key is text").to_owned()
}

/// Regression: the guest waited for the response without an end.
#[tokio::test]
async fn a_panic_while_a_request_is_sent_ends_the_activation_and_the_request_is_repeated() {
    let asked = AtomicUsize::new(0);
    let http = FakeHttp::new(move |_, _| {
        // The request is admitted first, and then sent.
        assert!(asked.fetch_add(1, Ordering::Relaxed) != 1, "an injected panic");
        FakeAnswer::Responds(FakeResponse::new(200, "body"))
    });
    let mut worker = worker(&http).await;
    let failed = invoke(&mut worker, "fetch", fetch("POST", "/", Some("x"), false)).await;
    assert!(matches!(failed, Err(Failure::Port(_))), "{failed:?}");
    let result = worker.resume().await;
    assert!(matches!(result, Ok(Some(Value::Result(Ok(_))))), "{result:?}");
    let sent = http.sent();
    assert_eq!((sent.len(), key(&sent[0])), (2, key(&sent[1])));
}

#[tokio::test]
async fn requests_and_their_answers() {
    let http = FakeHttp::new(|request, _| match request.uri.path() {
        "/denied" => FakeAnswer::Refused(HttpFailure::Denied),
        "/refused" => FakeAnswer::Fails(HttpFailure::Refused),
        path => {
            let body = [path.as_bytes(), &request.body].concat();
            let response = FakeResponse::new(207, body).header("x-a", "1").header("connection", "close");
            FakeAnswer::Responds(response.header("x-a", "2").trailer("x-t", "end"))
        }
    });
    let calls = vec![
        ("fetch", fetch("GET", "/one?q=1", None, false)),
        ("fetch", fetch("POST", "/two", Some("written before"), false)),
        ("fetch", fetch("BREW", "/three", Some("written after"), true)),
        ("fetch", fetch("GET", "/denied", None, false)),
        ("fetch", fetch("POST", "/denied", Some("late"), true)),
        ("fetch", fetch("GET", "/refused", None, false)),
        ("together", vec![Value::List((0..5).map(|n| text(&format!("http://example.com/{n}"))).collect())]),
        ("upload", vec![text("http://example.com/"), Value::U32(100_000)]),
    ];
    let mut worker = check(guests::FETCHES, with_http(&http), calls).await;
    let sent = http.sent();
    let first = &sent[0];
    assert_eq!(
        (first.method.as_str(), first.uri.to_string().as_str()),
        ("GET", "http://example.com/one?q=1")
    );
    assert_eq!(first.headers["x-from"], "worker");
    assert_eq!(sent[1].trailers.as_ref().unwrap()["x-sum"], "14");
    let expected = answer(207, &[("x-a", "1"), ("x-a", "2")], "/threewritten after", "ok", &[("x-t", "end")]);
    let again = invoke(&mut worker, "fetch", fetch("BREW", "/three", Some("written after"), true)).await;
    assert_eq!(again.unwrap(), Some(expected));
    for (path, late, said) in [
        ("/denied", false, "ErrorCode::HttpRequestDenied"),
        ("/denied", true, "ErrorCode::HttpRequestDenied"),
        ("/refused", false, "ErrorCode::ConnectionRefused"),
    ] {
        let refused = invoke(&mut worker, "fetch", fetch("POST", path, Some("x"), late)).await.unwrap();
        assert_eq!(refused, Some(error(said)), "{path}");
    }
    let keys: std::collections::BTreeSet<String> = http.sent().iter().map(key).collect();
    assert!(keys.len() > 10, "each request has a key of its own");
}

#[tokio::test]
async fn an_answered_request_is_not_sent_again() {
    let http = FakeHttp::responding(FakeResponse::new(200, "body"));
    let mut worker = worker(&http).await;
    let first = invoke(&mut worker, "fetch", fetch("POST", "/", Some("x"), false)).await.unwrap();
    assert_eq!(http.sent().len(), 1);
    for _ in 0..3 {
        worker.crash();
        invoke(&mut worker, "idle", vec![]).await.unwrap();
    }
    worker.crash();
    let second = invoke(&mut worker, "fetch", fetch("POST", "/", Some("x"), false)).await.unwrap();
    assert_eq!(first, second);
    let sent = http.sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(key(&sent[0]), key(&sent[1]), "another call is a new request with another key");
}

/// All entries before a request are durable when it is sent (rule W2 in docs/durability.md). After a crash it is sent
/// again with the same key.
#[tokio::test]
async fn a_request_without_an_answer_is_sent_again_after_a_crash() {
    let http = FakeHttp::new(|_, before| {
        if before == 0 { FakeAnswer::Hangs } else { FakeAnswer::Responds(FakeResponse::new(200, "at last")) }
    });
    let mut worker = worker(&http).await;
    let interrupt_handle = worker.interrupt_handle();
    let (cut, ()) = tokio::join!(invoke(&mut worker, "fetch", fetch("POST", "/", Some("x"), true)), async {
        while http.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        interrupt_handle.interrupt();
    });
    assert!(matches!(cut, Err(Failure::Interrupted)), "{cut:?}");
    let committed = worker.store().oplog_committed(worker.id());
    worker.crash();
    assert_eq!(worker.oplog(), committed);
    assert_eq!(worker.resume().await.unwrap(), Some(answer(200, &[], "at last", "ok", &[])));
    let sent = http.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1], "the repeated request is identical, including its key");
    worker.crash();
    invoke(&mut worker, "fetch", fetch("GET", "/", None, false)).await.unwrap();
    assert_eq!(http.sent().len(), 3, "the first request is not sent again");
}

/// With the policy that requests must not be repeated, an interrupted request returns an error: its outcome is
/// unknown.
#[tokio::test]
async fn a_worker_may_forbid_that_requests_are_repeated() {
    for (method, sent, said) in [("POST", 1, "it may have reached its target"), ("GET", 2, "at last")] {
        let http = FakeHttp::new(|_, before| {
            if before == 0 {
                FakeAnswer::Hangs
            } else {
                FakeAnswer::Responds(FakeResponse::new(200, "at last"))
            }
        });
        let mut worker = worker(&http).await;
        let interrupt_handle = worker.interrupt_handle();
        let params = vec![text(method), text("http://example.com/")];
        let (cut, ()) = tokio::join!(invoke(&mut worker, "once", params), async {
            while http.sent().is_empty() {
                tokio::task::yield_now().await;
            }
            interrupt_handle.interrupt();
        });
        assert!(matches!(cut, Err(Failure::Interrupted)), "{cut:?}");
        worker.crash();
        let resumed = format!("{:?}", worker.resume().await.unwrap());
        assert!(resumed.contains(said), "{method}: {resumed}");
        assert_eq!(http.sent().len(), sent, "{method}");
    }
}

#[tokio::test]
async fn a_body_that_a_crash_cuts_off_ends_in_an_error() {
    let http = FakeHttp::responding(FakeResponse::chunked(200, &[b"one ", b"two "]).endless());
    let mut worker = worker(&http).await;
    let interrupt_handle = worker.interrupt_handle();
    let store = worker.store().clone();
    let (cut, ()) = tokio::join!(invoke(&mut worker, "fetch", fetch("GET", "/", None, false)), async {
        while http.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        // Yields until the guest has read the available bytes and waits for more.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        interrupt_handle.interrupt();
    });
    assert!(matches!(cut, Err(Failure::Interrupted)), "{cut:?}");
    store.commit();
    worker.crash();
    let resumed = worker.resume().await.unwrap();
    let lost = answer(200, &[], "one two ", "ErrorCode::ConnectionTerminated", &[]);
    assert_eq!(resumed, Some(lost));
    assert_eq!(http.sent().len(), 1, "the head was recorded, so the request is not sent again");
    worker.crash();
    invoke(&mut worker, "idle", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_broken_body_is_delivered_up_to_its_end() {
    for response in [
        FakeResponse::new(200, "half").broken(HttpFailure::Incomplete),
        FakeResponse::chunked(200, &[b"ha", b"lf"]).broken(HttpFailure::Incomplete),
    ] {
        let http = FakeHttp::responding(response);
        let mut worker = worker(&http).await;
        let given = invoke(&mut worker, "fetch", fetch("GET", "/", None, false)).await.unwrap();
        assert_eq!(given, Some(answer(200, &[], "half", "ErrorCode::HttpResponseIncomplete", &[])));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_send_is_refused_at_the_write() {
    let http = FakeHttp::responding(FakeResponse::new(200, "taken"));
    let mut worker = worker(&http).await;
    let limit = u32::try_from(golem_model::limits::HTTP_BODY_BYTES_MAX).unwrap();
    let url = || text("http://example.com/");
    let taken = invoke(&mut worker, "upload", vec![url(), Value::U32(limit)]).await.unwrap();
    assert_eq!(taken, Some(Value::Result(Ok(Some(Box::new(text("taken")))))));
    let refused = invoke(&mut worker, "upload", vec![url(), Value::U32(limit + 1)]).await.unwrap();
    let said = format!("{refused:?}");
    assert!(said.contains(&format!("can have at most {limit} bytes")), "{said}");
    assert_eq!(http.sent().len(), 1, "an incomplete request is not sent");
}

#[tokio::test]
async fn waiting_for_the_response_to_an_unfinished_request_traps() {
    let http = FakeHttp::responding(FakeResponse::new(200, ""));
    let mut worker = worker(&http).await;
    match invoke(&mut worker, "forget-body", vec![text("http://example.com/")]).await {
        Err(Failure::Trapped { details, .. }) => {
            assert!(details.contains("whose body it has not finished"), "{details}");
        }
        other => panic!("{other:?}"),
    }
    assert!(http.sent().is_empty());
}

/// A request that a worker answers is an invocation, which is replayed.
#[tokio::test]
async fn incoming_requests_are_replayed() {
    let request = |path: &str, body: &str| {
        let request = IncomingRequest {
            method: "POST".to_owned(),
            path_with_query: path.to_owned(),
            authority: Some("example.com".to_owned()),
            headers: vec![("x-a".to_owned(), b"1".to_vec()), ("connection".to_owned(), b"close".to_vec())],
            body: body.as_bytes().to_vec(),
        };
        vec![request.into_value()]
    };
    let mut worker = TestWorker::start(&guests::bytes(guests::SERVES)).await.unwrap();
    for (path, status) in [("/", 200), ("/status/404", 404), ("/silent", 0), ("/unfinished", 0)] {
        let given = worker.invoke(INCOMING_HTTP, request(path, "hello")).await.unwrap();
        match HttpReply::from_value(given.unwrap()).unwrap() {
            Ok(response) => {
                assert_eq!(response.status, status);
                let text = String::from_utf8(response.body).unwrap();
                let expected = format!("Method::Post {path} at example.com\nx-a: 1\n5 bytes: hello");
                assert_eq!(text, expected);
            }
            Err(_) => assert_eq!(status, 0, "{path}"),
        }
    }
    worker.replay_from_every_prefix().await.unwrap();
    // A component without a handler cannot replay this oplog.
    worker.replace_component(&guests::bytes("counter")).unwrap();
    worker.invoke("golem:counter/api/get", vec![]).await.unwrap_err();
}
