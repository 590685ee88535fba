//! Tests of the client against a server that records requests and sends prepared responses.

use super::*;
use crate::connect::{ConnectFormat, ConnectFrame, EventFrame, MessageFrame, WorkerEvent};
use crate::template::Links;
use crate::worker::{InvocationKey, WorkerCreationRequest, WorkerListQuery};
use futures_util::SinkExt;
use golem_model::{FailureOptions, IdempotencyKey, TemplateId, WorkerId, WorkerName};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response as Upgrade};

const TEMPLATE_ID: &str = "11111111-2222-4333-8444-555555555555";

fn template() -> TemplateId {
    TEMPLATE_ID.parse().unwrap()
}

fn worker() -> WorkerId {
    WorkerId::new(template(), WorkerName::new("Ünal").unwrap())
}

/// Receives a request: its head and its body.
async fn receive(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < head_end + length.unwrap_or(0usize) {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, String::from_utf8_lossy(&bytes[head_end..]).into_owned()))
}

/// Starts a server that gives every request the same response. Returns a client of it, and the received requests, each
/// as `METHOD target body`.
async fn server(status: &'static str, answer: &'static str) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/base", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let seen = seen.clone();
            tokio::spawn(async move {
                while let Some((head, body)) = receive(&mut socket).await {
                    assert!(head.to_ascii_lowercase().contains("authorization: bearer secret\r\n"), "{head}");
                    let first = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
                    let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
                    let key = key.map(|key| format!(" key={key}")).unwrap_or_default();
                    seen.lock().unwrap().push(format!("{first}{key} {body}").trim_end().to_owned());
                    let answer =
                        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (Client::new(&base, "secret\n").unwrap(), requests)
}

#[tokio::test]
async fn every_method_sends_the_request_of_2023() {
    let (client, requests) = server("200 OK", "{}").await;
    let (w, params) = (worker(), json!([1]));
    let keyed = InvokeOptions {
        key: Some(InvokeKey::Issued(InvocationKey("k&".to_owned()))),
        calling_convention: Some(crate::worker::CallingConvention::Stdio),
    };
    let idempotent = InvokeOptions {
        key: Some(InvokeKey::Client(IdempotencyKey::new("mine").unwrap())),
        calling_convention: None,
    };
    let creation = WorkerCreationRequest {
        name: "w".to_owned(),
        args: vec!["a".to_owned()],
        env: vec![("K".to_owned(), "v".to_owned())],
        retry_policy: None,
        on_failure: None,
    };
    // The response matches none of the types. This test checks only the requests.
    drop(client.healthcheck().await);
    drop(client.version().await);
    drop(client.token_current().await);
    drop(client.project_default().await);
    drop(client.project_list(Some("p q")).await);
    drop(client.template_list(None, Some("n")).await);
    drop(client.template_get(template()).await);
    drop(client.template_latest(template()).await);
    drop(client.template_download(template(), None).await);
    drop(client.template_download(template(), Some(2)).await);
    let links = Links::new();
    let update =
        client.template_update(template(), FailureOptions::default(), b"wasm".to_vec(), None, &links);
    drop(update.await);
    drop(client.worker_create(template(), &creation).await);
    let query = WorkerListQuery {
        filters: vec!["name startswith a".to_owned(), "status = Idle".to_owned()],
        cursor: Some("ab".to_owned()),
        count: Some(7),
    };
    drop(client.worker_list(template(), &query).await);
    drop(client.worker_get(&w).await);
    drop(client.worker_version(&w).await);
    drop(client.worker_delete(&w).await);
    drop(client.worker_key(&w).await);
    drop(client.worker_invoke_and_await(&w, "a:b/c/d", &params, &keyed).await);
    drop(client.worker_invoke_and_await(&w, "f", &params, &idempotent).await);
    drop(client.worker_invoke(&w, "f", &params, &InvokeOptions::default()).await);
    drop(client.worker_complete(&w, 7, vec![1, 2]).await);
    drop(client.worker_interrupt(&w, true).await);
    drop(client.worker_resume(&w).await);
    drop(client.worker_recover(&w).await);
    let template_path = format!("/base/v1/templates/{TEMPLATE_ID}");
    let worker_path = format!("{template_path}/workers/%C3%9Cnal");
    let expected = [
        "GET /base/healthcheck".to_owned(),
        "GET /base/v1/version".to_owned(),
        "GET /base/v1/login/token".to_owned(),
        "GET /base/v1/projects/default".to_owned(),
        "GET /base/v1/projects?project-name=p+q".to_owned(),
        "GET /base/v1/templates?template-name=n".to_owned(),
        format!("GET {template_path}"),
        format!("GET {template_path}/latest"),
        format!("GET {template_path}/download"),
        format!("GET {template_path}/download?version=2"),
        format!("PUT {template_path}/upload wasm"),
        format!("POST {template_path}/workers {{\"name\":\"w\",\"args\":[\"a\"],\"env\":[[\"K\",\"v\"]]}}"),
        format!(
            "GET {template_path}/workers?filter=name+startswith+a&filter=status+%3D+Idle&cursor=ab&count=7"
        ),
        format!("GET {worker_path}"),
        format!("GET /base/v1/templates/workers/{TEMPLATE_ID}.%C3%9Cnal"),
        format!("DELETE {worker_path}"),
        format!("POST {worker_path}/key"),
        format!(
            "POST {worker_path}/invoke-and-await?function=a%3Ab%2Fc%2Fd&invocation-key=k%26&calling-convention=stdio \
             {{\"params\":[1]}}"
        ),
        format!("POST {worker_path}/invoke-and-await?function=f key=mine {{\"params\":[1]}}"),
        format!("POST {worker_path}/invoke?function=f {{\"params\":[1]}}"),
        format!("POST {worker_path}/complete {{\"oplogIdx\":7,\"data\":[1,2]}}"),
        format!("POST {worker_path}/interrupt?recover-immediately=true"),
        format!("POST {worker_path}/resume"),
        format!("POST {worker_path}/recover"),
    ];
    let requests = requests.lock().unwrap().clone();
    for (request, expected) in requests.iter().zip(&expected) {
        assert_eq!(request, expected);
    }
    assert_eq!(requests.len(), expected.len());
}

#[tokio::test]
async fn an_upload_contains_query_and_component() {
    let (client, requests) = server("200 OK", "{}").await;
    let (options, links) = (FailureOptions::default(), Links::new());
    let create = client.template_create(None, "cart", options, b"\0asm".to_vec(), None, &links);
    drop(create.await);
    let request = requests.lock().unwrap()[0].clone();
    for part in [
        "POST /base/v1/templates ",
        "name=\"field0\"\r\nContent-Type: application/json\r\n\r\n{\"componentName\":\"cart\"}\r\n",
        "name=\"template\"; filename=\"template.wasm\"\r\nContent-Type: application/octet-stream\r\n\r\n\0asm\r\n",
    ] {
        assert!(request.contains(part), "{part:?} is missing in {request:?}");
    }
}

#[tokio::test]
async fn responses_are_parsed() {
    let (client, _) = server("200 OK", r#"{"result":[{"a":1}]}"#).await;
    let result = client.worker_invoke_and_await(&worker(), "f", &json!([]), &InvokeOptions::default()).await;
    assert_eq!(result.unwrap(), json!([{"a": 1}]));
    let error = client.worker_key(&worker()).await.unwrap_err().to_string();
    assert!(error.contains("is it a Golem server"), "{error}");
}

#[tokio::test]
async fn error_responses_keep_status_and_body() {
    for (status, answer, text) in [
        ("404 Not Found", r#"{"error":"no worker"}"#, "the server answered with status 404: no worker"),
        ("400 Bad Request", r#"{"errors":["a","b"]}"#, "the server answered with status 400: a, b"),
        (
            "500 Oh",
            r#"{"golemError":{"RuntimeError":{"details":"trap"}}}"#,
            "the server answered with status 500: Runtime error: trap",
        ),
        ("504 Late", "", "the server answered with status 504"),
        ("502 Bad Gateway", "<html>proxy", "the server answered with status 502: <html>proxy"),
    ] {
        let (client, _) = server(status, answer).await;
        let error = client.worker_get(&worker()).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.status(), status[..3].parse().ok());
        assert!(error.body().is_some());
    }
    let (client, _) = server("500 Oh", r#"{"golemError":{"InvalidAccount":{}}}"#).await;
    let error = client.worker_get(&worker()).await.unwrap_err();
    let golem = error.body().and_then(|body| body.golem_error.clone());
    assert_eq!(golem, Some(crate::error::GolemError::InvalidAccount {}));
}

#[test]
fn addresses_and_tokens_are_checked() {
    let error = |base: &str, token: &str| Client::new(base, token).unwrap_err().to_string();
    assert!(error("localhost:9881", "t").contains("the scheme is localhost"));
    assert!(error("nonsense", "t").contains("relative URL without a base"));
    assert!(error("http://localhost", "a\nb").contains("should be a UUID"));
    let client = Client::new("https://example.com/golem?x#y", "secret").unwrap();
    assert_eq!(client.base_url(), "https://example.com/golem/");
    assert!(!format!("{client:?}").contains("secret"));
}

#[tokio::test]
async fn log_streams_are_followed_to_their_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()), "secret").unwrap();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let check = |request: &Request, response: Upgrade| {
            let target = request.uri().to_string();
            assert_eq!(
                target,
                format!("/v1/templates/{TEMPLATE_ID}/workers/%C3%9Cnal/connect?format=events")
            );
            assert_eq!(request.headers()["authorization"], "Bearer secret");
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(socket, check).await.unwrap();
        socket.send(Message::text(r#"{"event":{"Stdout":{"message":"a"}}}"#)).await.unwrap();
        socket.send(Message::binary(r#"{"Message":{"message":"b"}}"#.as_bytes().to_vec())).await.unwrap();
        socket.close(None).await.unwrap();
    });
    let mut stream = client.worker_connect(&worker(), ConnectFormat::Events).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap(),
        ConnectFrame::Event(EventFrame { event: WorkerEvent::Stdout { message: "a".to_owned() } })
    );
    assert_eq!(
        stream.next().await.unwrap().unwrap(),
        ConnectFrame::Message(MessageFrame::Message { message: "b".to_owned() })
    );
    assert!(stream.next().await.is_none());
    server.await.unwrap();
}

#[tokio::test]
async fn a_rejected_log_stream_is_an_ordinary_error_response() {
    let (client, _) = server("404 Not Found", r#"{"error":"no worker"}"#).await;
    let error = client.worker_connect(&worker(), ConnectFormat::Messages).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered with status 404: no worker");
}
