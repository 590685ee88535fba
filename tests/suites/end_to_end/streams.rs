//! Output of workers over WebSocket, in the frames of 2023 and as events.

use crate::{TestNode, call, send, upload};
use futures_util::{SinkExt, StreamExt};
use golem_tests::http::Request;
use golem_tests::log_stream::LogStream;
use golem_tests::rest::{Api, Key, invocation, result_of, worker_path};
use golem_tests::wait;
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message};

const LINES: &str = "golem:prints/api/lines";

#[tokio::test]
async fn both_generations_of_frames_carry_what_is_printed() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "prints").await;
    api.invoke(&template, "w", LINES, &json!(["early", "wrong"])).await;
    let mut old = LogStream::open(&api, &template, "w", "").await.unwrap();
    let mut new = LogStream::open(&api, &template, "w", "?format=events").await.unwrap();
    // A new stream begins with the output from before it was opened.
    old.read_until("wrong\n").await;
    assert_eq!(old.text, "early\nwrong\n");
    api.invoke(&template, "w", LINES, &json!(["late", "worse"])).await;
    old.read_until("worse\n").await;
    assert_eq!(old.text, "early\nwrong\nlate\nworse\n");

    let (mut out, mut error) = (String::new(), String::new());
    while !error.ends_with("worse\n") {
        let frame = new.next_frame().await.unwrap();
        let event = frame["event"].as_object().unwrap_or_else(|| panic!("{frame} is not an event"));
        for (kind, body) in event {
            let message = body["message"].as_str().unwrap();
            match kind.as_str() {
                "Stdout" => out.push_str(message),
                "Stderr" => error.push_str(message),
                other => panic!("unexpected event {other}"),
            }
        }
    }
    assert_eq!((out.as_str(), error.as_str()), ("early\nlate\n", "wrong\nworse\n"));

    // The published client sends a ping every five seconds.
    old.socket.send(Message::Ping(vec![0, 1].into())).await.unwrap();
    let answer = wait::bounded("a pong", old.socket.next()).await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong(vec![0, 1].into()));

    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    assert_eq!(old.next_frame().await, None, "the stream ends with its worker");
    assert_eq!(new.next_frame().await, None, "the stream ends with its worker");
    node.stop().await;
}

#[tokio::test]
async fn log_lines_carry_their_level_and_context() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "logs").await;
    api.invoke(&template, "w", "golem:logs/api/lines", &json!(["cart", "added"])).await;
    let mut old = LogStream::open(&api, &template, "w", "").await.unwrap();
    let mut new = LogStream::open(&api, &template, "w", "?format=events").await.unwrap();
    for level in 0..6 {
        let event = json!({ "event": { "Log": { "level": level, "context": "cart", "message": "added" } } });
        assert_eq!(new.next_frame().await, Some(event));
        let frame = old.next_frame().await.unwrap();
        let message = frame["Message"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains("cart") && message.contains("added"), "{frame}");
    }

    let body = json!({ "name": "set", "args": [], "env": [["POOL_SIZE", "8"]] });
    api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&body)).await;
    let found = api.invoke(&template, "set", "golem:logs/api/setting", &json!(["pool.size"])).await;
    assert_eq!(found, json!({ "ok": "8" }));
    node.stop().await;
}

#[tokio::test]
async fn a_stream_is_refused_like_any_request() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "prints").await;
    let stranger = Api::new(api.address(), "00000000-0000-4000-8000-000000000000");
    for (api, worker, status) in [(&api, "missing", 404), (&stranger, "missing", 401), (&api, "a.b", 400)] {
        match LogStream::open(api, &template, worker, "").await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), status, "{worker}"),
            Err(error) => panic!("{worker}: {error}"),
            Ok(_) => panic!("{worker}: the stream should be refused"),
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn only_the_last_events_are_kept() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "prints").await;
    api.invoke(&template, "w", "golem:prints/api/count", &json!([500])).await;
    let mut stream = LogStream::open(&api, &template, "w", "").await.unwrap();
    stream.read_until("line 500\n").await;
    let lines: Vec<&str> = stream.text.lines().collect();
    assert!(lines.len() <= 128, "{} lines", lines.len());
    assert_eq!(lines.last(), Some(&"line 500"));
    node.stop().await;
}

/// A worker that is stopped in the middle prints again what it printed after its last entry. The stream shows each line
/// once.
#[tokio::test]
async fn a_simulated_crash_repeats_no_line() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "prints").await;
    let crash =
        |worker: &str| Request::post(worker_path(&template, worker, "interrupt?recover-immediately=true"));
    let cases = [("tick", json!([3, 1_000]), "tick"), ("compute", json!([3]), "round")];
    for (function, params, word) in cases {
        api.create(&template, function).await;
        let mut stream = LogStream::open(&api, &template, function, "").await.unwrap();
        api.ok(send(&template, function, &format!("golem:prints/api/{function}"), &params, "key")).await;
        for number in 1..=3 {
            stream.read_until(&format!("{word} {number}\n")).await;
            api.ok(crash(function)).await;
        }
        let waited = call(&template, function, &format!("golem:prints/api/{function}"), &params, "key");
        assert_eq!(result_of(&api.ok(waited).await), json!(3));
        // The end of the worker ends the stream, so everything that it printed has been read.
        api.ok(Request::new("DELETE", worker_path(&template, function, ""))).await;
        while let Some(frame) = stream.next_frame().await {
            stream.text.push_str(frame["Message"]["message"].as_str().unwrap());
        }
        assert_eq!(stream.text, format!("{word} 1\n{word} 2\n{word} 3\n"));
    }
    node.stop().await;
}

/// A worker prints the promise that it waits for, and a client reads it from the stream.
#[tokio::test]
async fn promises_are_found_in_the_stream_and_completed() {
    let node = TestNode::with(|options| options.set("workers.suspend_after_ms=60000")).await;
    let mut api = node.api();
    let template = upload(&mut api, "promises").await;
    let series = "golem:promises/api/series";
    api.create(&template, "w").await;
    api.ok(send(&template, "w", series, &json!([3]), "series")).await;
    let mut seen = String::new();
    for number in 0..3_u8 {
        // While the worker waits it may be evicted, which ends the stream. A new stream repeats the output.
        let line = loop {
            let mut stream = LogStream::open(&api, &template, "w", "").await.unwrap();
            let mut text = String::new();
            let line = loop {
                let Some(frame) = wait::within(wait::WAIT_MAX, stream.next_frame()).await.flatten() else {
                    break None;
                };
                text.push_str(frame["Message"]["message"].as_str().unwrap());
                let fresh = text.lines().find(|line| line.starts_with("promise @") && !seen.contains(*line));
                if let Some(line) = fresh.filter(|_| text.ends_with('\n')) {
                    break Some(line.to_owned());
                }
            };
            if let Some(line) = line {
                break line;
            }
        };
        seen.push_str(&line);
        seen.push('\n');
        let index: u64 = line["promise @".len()..].parse().unwrap();
        let body = json!({ "oplogIdx": index, "data": [number] });
        let complete = Request::post(worker_path(&template, "w", "complete")).json(&body);
        assert_eq!(api.ok(complete).await.json(), json!(true));
    }
    let waited = call(&template, "w", series, &json!([3]), "series");
    assert_eq!(result_of(&api.ok(waited).await), json!([[0], [1], [2]]));
    // A call without a key is a new invocation.
    let other = invocation("invoke", &template, "w", series, &json!([0]), &Key::None);
    api.ok(other).await;
    node.stop().await;
}
