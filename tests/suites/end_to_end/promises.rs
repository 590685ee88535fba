//! Promises that are completed from outside.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{AWAIT_PROMISE, CREATE_PROMISE, PROMISES};
use golem_tests::http::Request;
use golem_tests::rest::{Api, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};

async fn until_status(api: &mut Api, template: &str, worker: &str, status: &str) {
    let (address, token) = (api.address(), api.token().to_owned());
    wait::until(&format!("{worker} is {status}"), || {
        let mut api = Api::new(address, token.clone());
        async move { (api.status(template, worker).await == status).then_some(()) }
    })
    .await;
}

/// The request of the documentation of 2023: the path without a version, the index as a string.
#[tokio::test]
async fn the_documented_request_of_2023_completes_a_promise() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, PROMISES).await;
    // The documented index is 10. Promises are created until one has the index 10 or more.
    let mut promise = Value::Null;
    while promise["oplog-idx"].as_i64().unwrap_or_default() < 10 {
        promise = api.invoke(&template, "cart", CREATE_PROMISE, &json!([])).await;
    }
    let index = promise["oplog-idx"].as_i64().unwrap();
    api.ok(send(&template, "cart", AWAIT_PROMISE, &json!([promise]), "waits")).await;
    until_status(&mut api, &template, "cart", "Suspended").await;

    let path = format!("/templates/{template}/workers/cart/complete");
    let body = format!("{{\"oplogIdx\" : \"{index}\", \"data\": [72, 101, 108, 108, 111]}}");
    let complete = Request::post(path).body("application/json", body);
    assert_eq!(api.ok(complete.clone()).await.json(), json!(true));
    assert_eq!(api.ok(complete).await.json(), json!(false), "the promise is already completed");
    let waited = call(&template, "cart", AWAIT_PROMISE, &json!([promise]), "waits");
    assert_eq!(result_of(&api.ok(waited).await), json!([72, 101, 108, 108, 111]));
    node.stop().await;
}

#[tokio::test]
async fn a_promise_waits_over_crashes() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, PROMISES).await;
    let create = call(&template, "w", CREATE_PROMISE, &json!([]), "create");
    let promise = result_of(&api.ok(create).await);
    api.ok(send(&template, "w", AWAIT_PROMISE, &json!([promise]), "waits")).await;
    until_status(&mut api, &template, "w", "Suspended").await;

    // The displayed status may be ahead of the durable state. If the wait was not durable before the crash, the
    // worker runs to it again.
    let node = node.crash().await;
    let mut api = node.api();
    until_status(&mut api, &template, "w", "Suspended").await;
    let complete = Request::post(worker_path(&template, "w", "complete"))
        .json(&json!({ "oplogIdx": promise["oplog-idx"], "data": [1] }));
    assert_eq!(api.ok(complete.clone()).await.json(), json!(true));
    // The crash follows at once, possibly before the worker has seen the completion.
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(api.ok(complete).await.json(), json!(false), "an acknowledged completion survives the crash");
    let waited = call(&template, "w", AWAIT_PROMISE, &json!([promise]), "waits");
    assert_eq!(result_of(&api.ok(waited).await), json!([1]));
    node.stop().await;
}

#[tokio::test]
async fn any_worker_completes_any_promise_once() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, PROMISES).await;
    let promise = api.invoke(&template, "owner", CREATE_PROMISE, &json!([])).await;
    let api_function = |function: &str| format!("golem:promises/api/{function}");
    let complete = json!([promise, [7]]);
    assert_eq!(api.invoke(&template, "other", &api_function("complete"), &complete).await, json!(true));
    assert_eq!(api.invoke(&template, "third", &api_function("complete"), &complete).await, json!(false));
    let outside = Request::post(worker_path(&template, "owner", "complete"))
        .json(&json!({ "oplogIdx": promise["oplog-idx"], "data": [8] }));
    assert_eq!(api.ok(outside).await.json(), json!(false));
    for worker in ["owner", "other"] {
        assert_eq!(api.invoke(&template, worker, AWAIT_PROMISE, &json!([promise])).await, json!([7]));
    }
    node.stop().await;
}

/// The first index of a worker's oplog, and the last one.
async fn oplog_range(api: &mut Api, template: &str, worker: &str) -> (u64, u64) {
    let page = api.ok(Request::get(worker_path(template, worker, "oplog?from=1&count=1000"))).await.json();
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries[0]["kind"], "created", "{page}");
    let indexes: Vec<u64> = entries.iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert!(indexes.windows(2).all(|pair| pair[1] == pair[0] + 1), "{indexes:?}");
    assert_eq!(page["end"].as_u64(), indexes.last().copied());
    (indexes[0], *indexes.last().unwrap())
}

/// Regression: a worker that was created under the name of a deleted one gave its promises the same ids, so a late
/// completion of an old promise completed a new one.
#[tokio::test]
async fn a_promise_of_a_deleted_worker_does_not_complete_one_of_a_new_worker() {
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, PROMISES).await;
    let mut old: Vec<Value> = Vec::new();
    let mut end = 0;
    for round in 0..4 {
        let promise = api.invoke(&template, "w", CREATE_PROMISE, &json!([])).await;
        let (first, last) = oplog_range(&mut api, &template, "w").await;
        assert_eq!(first, end + 1, "the worker continues after the deleted one");
        end = last;
        for stale in &old {
            assert!(stale["oplog-idx"].as_u64() < promise["oplog-idx"].as_u64());
            let body = json!({ "oplogIdx": stale["oplog-idx"], "data": [1] });
            let complete = Request::post(worker_path(&template, "w", "complete")).json(&body);
            assert_eq!(api.call(complete).await.status, 404, "the promise {stale} was deleted");
        }
        let body = json!({ "oplogIdx": promise["oplog-idx"], "data": [round] });
        let complete = Request::post(worker_path(&template, "w", "complete")).json(&body);
        assert_eq!(api.ok(complete).await.json(), json!(true), "the new promise is still pending");
        assert_eq!(api.invoke(&template, "w", AWAIT_PROMISE, &json!([promise])).await, json!([round]));
        end = end.max(oplog_range(&mut api, &template, "w").await.1);
        api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
        old.push(promise);
        // The end of the deleted oplog is in memory, in the log or in its table.
        node = match round {
            0 => node,
            1 => node.crash().await,
            _ => node.restart().await,
        };
        api = node.api();
    }
    node.stop().await;
}
