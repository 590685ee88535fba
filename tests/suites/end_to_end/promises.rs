//! Promises, completed from outside.

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

/// The request as the page on promises printed it: the path without a version, the index as a text.
#[tokio::test]
async fn the_documented_request_of_2023_completes_a_promise() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, PROMISES).await;
    // The printed index is 10. Promises are made until one has it; should none, the first after it stands in for it.
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
    assert_eq!(api.ok(complete).await.json(), json!(false), "it is filled already");
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

    // What is shown of a worker may be ahead of what is durable: if the crash came before its wait was, it runs to that
    // wait again.
    let node = node.crash().await;
    let mut api = node.api();
    until_status(&mut api, &template, "w", "Suspended").await;
    let complete = Request::post(worker_path(&template, "w", "complete"))
        .json(&json!({ "oplogIdx": promise["oplog-idx"], "data": [1] }));
    assert_eq!(api.ok(complete.clone()).await.json(), json!(true));
    // At once, before the worker may have seen it.
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(
        api.ok(complete).await.json(),
        json!(false),
        "a completion that was acknowledged is not forgotten"
    );
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
