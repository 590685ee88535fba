//! HTTP requests that workers send, to a test server that records them.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{FETCH, FETCHES};
use golem_tests::rest::{Api, Key, invocation, result_of};
use golem_tests::wait;
use golem_tests::web::{ReceivedRequest, WebServer};
use serde_json::{Value, json};

/// Parameters of `fetch`.
fn get(url: &str) -> Value {
    json!(["GET", url, [], null, false])
}

fn post(url: &str, body: &str) -> Value {
    json!(["POST", url, [["x-from", "worker"]], body, true])
}

fn key(seen: &ReceivedRequest) -> &str {
    seen.header("idempotency-key").expect("every request has an idempotency key")
}

async fn status(api: &mut Api, template: &str, worker: &str) -> String {
    api.status(template, worker).await
}

#[tokio::test]
async fn requests_go_out_and_answers_come_back() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, FETCHES).await;
    let result = api.invoke(&template, "w", FETCH, &post(&web.url("/echo?a=b"), "hello")).await;
    let seen = web.received().pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str(), seen.body.as_slice()),
        ("POST", "/echo?a=b", &b"hello"[..])
    );
    assert_eq!(seen.header("x-from"), Some("worker"));
    assert_eq!(seen.header("host"), Some(web.address().to_string().as_str()));
    let answer = &result["ok"];
    assert_eq!(answer["status"], json!(200));
    assert_eq!(answer["body"], json!(format!("POST\n/echo?a=b\n{}\nhello", key(&seen))));
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-answer", "yes"])));

    // A chunked body with trailers; then a request with trailers.
    let chunks = api.invoke(&template, "w", FETCH, &get(&web.url("/chunks/3"))).await;
    assert_eq!(chunks["ok"]["body"], json!("chunk 0\nchunk 1\nchunk 2\n"));
    assert_eq!(chunks["ok"]["trailers"], json!([["x-chunks", "3"]]));
    let before = json!(["POST", web.url("/echo"), [], "sent whole", false]);
    api.invoke(&template, "w", FETCH, &before).await;
    let seen = web.received().pop().unwrap();
    assert_eq!(seen.body, b"sent whole");
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "10".to_owned())]);

    // Redirections are not followed.
    let redirect = api.invoke(&template, "w", FETCH, &get(&web.url("/redirect"))).await;
    assert_eq!((&redirect["ok"]["status"], &redirect["ok"]["body"]), (&json!(302), &json!("elsewhere")));
    for number in [204, 404, 500] {
        let said = api.invoke(&template, "w", FETCH, &get(&web.url(&format!("/status/{number}")))).await;
        assert_eq!(said["ok"]["status"], json!(number));
    }
    // Several requests at the same time, one of which takes longer.
    let paths = ["/status/201", "/held", "/status/202"].map(|path| web.url(path));
    let together = call(&template, "w", "golem:fetches/api/together", &json!([paths]), "together");
    let mut second = node.api();
    let (together, ()) = tokio::join!(second.ok(together), async {
        let before = web.received().len();
        wait::until("the held request was received", || async {
            let held = web
                .received()
                .iter()
                .skip(before.saturating_sub(3))
                .filter(|seen| seen.path == "/held")
                .count();
            (held > 0).then_some(())
        })
        .await;
        web.release();
    });
    assert_eq!(result_of(&together), json!({ "ok": [201, 200, 202] }));
    node.stop().await;
}

#[tokio::test]
async fn long_bodies_are_complete() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, FETCHES).await;
    // Lengths below and above the limit for bodies that are recorded together with the head.
    for length in [0_u64, 1, 1_000_000, 9_000_000] {
        let sum: u64 = (0..=250_u64).cycle().take(usize::try_from(length).unwrap()).sum();
        let url = web.url(&format!("/bytes/{length}"));
        let result = api.invoke(&template, "w", "golem:fetches/api/sum", &json!([url])).await;
        assert_eq!(result, json!({ "ok": [length, sum] }), "{length}");
    }
    let uploaded = json!([web.url("/echo"), 5_000_000]);
    api.invoke(&template, "w", "golem:fetches/api/upload", &uploaded).await;
    assert_eq!(web.received().pop().unwrap().body.len(), 5_000_000);
    let count = web.received().len();
    let node = node.crash().await;
    let mut api = node.api();
    api.invoke(&template, "w", FETCH, &get(&web.url("/echo"))).await;
    assert_eq!(web.received().len(), count + 1, "replay sends no requests");
    node.stop().await;
}

#[tokio::test]
async fn request_failures_map_to_error_codes() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, FETCHES).await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, name) in [
        (web.url("/reset"), "ConnectionTerminated"),
        (web.url("/noise"), "HttpProtocolError"),
        (web.url("/wide"), "HttpResponseHeaderSectionSize"),
        (format!("http://{unused}/"), "ConnectionRefused"),
        // A server that does not speak TLS.
        (format!("https://{}/", web.address()), "ConnectionTerminated"),
        ("http://no-such-name.invalid/".to_owned(), "DnsError"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "HttpRequestDenied"),
    ] {
        let result = api.invoke(&template, "w", FETCH, &get(&url)).await;
        let said = result["err"].as_str().unwrap_or_else(|| panic!("{url}: {result}"));
        assert!(said.contains(name), "{url}: {said}");
    }
    let cut = api.invoke(&template, "w", FETCH, &get(&web.url("/cut"))).await;
    assert_eq!(cut["ok"]["body"], json!("only this"));
    assert!(cut["ok"]["end"].as_str().unwrap().contains("HttpResponseIncomplete"), "{cut}");
    let impatient = json!([web.url("/held"), 200]);
    let late = api.invoke(&template, "w", "golem:fetches/api/impatient", &impatient).await;
    assert!(late["err"].as_str().unwrap().contains("ConnectionReadTimeout"), "{late}");
    let still = json!([web.url("/events"), 200]);
    let still = api.invoke(&template, "w", "golem:fetches/api/impatient", &still).await;
    assert_eq!(still["ok"]["body"], json!("data: one\n\n"));
    assert!(still["ok"]["end"].as_str().unwrap().contains("ConnectionReadTimeout"), "{still}");
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_a_crash_interrupts_is_sent_exactly_once_more() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, FETCHES).await;
    api.ok(send(&template, "w", FETCH, &post(&web.url("/held"), "x"), "held")).await;
    web.wait_for_requests(1).await;
    assert_eq!(status(&mut api, &template, "w").await, "Running", "it is not evicted during a request");
    let node = node.crash().await;
    let seen = web.wait_for_requests(2).await;
    assert_eq!(key(&seen[0]), key(&seen[1]));
    assert_eq!(seen[0].body, seen[1].body);
    web.release();
    let mut api = node.api();
    let asked = call(&template, "w", FETCH, &post(&web.url("/held"), "x"), "held");
    let result = result_of(&api.ok(asked.clone()).await);
    assert_eq!(result["ok"]["body"], json!("released"));
    assert_eq!(web.received().len(), 2);

    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(result_of(&api.ok(asked).await), result, "the same key, the same answer");
    let another = api.invoke(&template, "w", FETCH, &get(&web.url("/echo"))).await;
    assert_eq!(another["ok"]["status"], json!(200));
    let seen = web.received();
    assert_eq!(seen.len(), 3, "an answered request is not sent again");
    assert_ne!(key(&seen[2]), key(&seen[0]));
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_a_crash_interrupts_ends_in_an_error_and_is_not_requested_again() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, FETCHES).await;
    let events = get(&web.url("/events"));
    api.ok(send(&template, "w", FETCH, &events, "events")).await;
    web.wait_for_requests(1).await;
    // The commit of another worker's answer includes the entries that the first worker has recorded by then.
    api.invoke(&template, "other", FETCH, &get(&web.url("/echo"))).await;
    let node = node.crash().await;
    let mut api = node.api();
    let asked =
        invocation("invoke-and-await", &template, "w", FETCH, &events, &Key::Idempotency("events".into()));
    // If the head was not recorded before the crash, the request is sent again, and the body is complete.
    web.release();
    let result = result_of(&api.ok(asked).await);
    let count = web.received().iter().filter(|seen| seen.path == "/events").count();
    match count {
        1 => {
            assert!(result["ok"]["end"].as_str().unwrap().contains("ConnectionTerminated"), "{result}");
            assert!("data: one\n\n".starts_with(result["ok"]["body"].as_str().unwrap()), "{result}");
        }
        2 => assert_eq!(result["ok"]["body"], json!("data: one\n\ndata: two\n\n")),
        more => panic!("it was sent {more} times"),
    }
    node.stop().await;
}

#[tokio::test]
async fn settings_restrict_request_targets() {
    let web = WebServer::start().await;
    for (setting, error) in [
        ("outbound_http.enabled=false", "HttpRequestDenied"),
        ("outbound_http.private_addresses=refuse", "HttpRequestDenied"),
        ("outbound_http.deny=127.0.0.0/8", "HttpRequestDenied"),
        ("outbound_http.allow=example.com,*.example.org", "HttpRequestDenied"),
    ] {
        let node = TestNode::with(|options| options.set(setting)).await;
        let mut api = node.api();
        let template = upload(&mut api, FETCHES).await;
        let result = api.invoke(&template, "w", FETCH, &get(&web.url("/echo"))).await;
        assert!(result["err"].as_str().unwrap().contains(error), "{setting}: {result}");
        node.stop().await;
    }
    assert!(web.received().is_empty());
    let port = web.address().port();
    for setting in
        ["outbound_http.allow=127.0.0.1", &format!("outbound_http.allow=10.0.0.1,127.0.0.0/8:{port}")]
    {
        let node =
            TestNode::with(|options| options.set("outbound_http.private_addresses=refuse").set(setting))
                .await;
        let mut api = node.api();
        let template = upload(&mut api, FETCHES).await;
        let result = api.invoke(&template, "w", FETCH, &get(&web.url("/echo"))).await;
        assert_eq!(result["ok"]["status"], json!(200), "{setting}: {result}");
        node.stop().await;
    }
}

/// An unmodified client library from the registry works.
#[tokio::test]
async fn a_published_client_library_works() {
    let (node, web) = (TestNode::new().await, WebServer::start().await);
    let mut api = node.api();
    let template = upload(&mut api, "published_client").await;
    let api_function = |function: &str| format!("golem:published-client/api/{function}");
    let got = api.invoke(&template, "w", &api_function("get"), &json!([web.url("/echo?a=b")])).await;
    let seen = web.received().pop().unwrap();
    assert_eq!(seen.header("x-from"), Some("waki"));
    assert_eq!(got["ok"], json!([200, "yes", format!("GET\n/echo?a=b\n{}\n", key(&seen))]));
    let posted = api.invoke(&template, "w", &api_function("post"), &json!([web.url("/echo"), "text"])).await;
    let seen = web.received().pop().unwrap();
    assert_eq!(seen.body, b"text");
    assert_eq!(posted["ok"], json!([200, format!("POST\n/echo\n{}\ntext", key(&seen))]));
    let chunks = api.invoke(&template, "w", &api_function("get"), &json!([web.url("/chunks/3")])).await;
    assert_eq!(chunks["ok"][2], json!("chunk 0\nchunk 1\nchunk 2\n"));
    node.stop().await;
}
