//! Atomic regions and jumps back, on a server that is killed.

use crate::workers::until_status;
use crate::{TestNode, call, send, upload};
use golem_tests::rest::{Api, result_of};
use serde_json::json;

const REGIONS: &str = "regions";

fn api_function(function: &str) -> String {
    format!("golem:regions/api/{function}")
}

#[tokio::test]
async fn a_region_is_repeated_when_its_attempt_fails() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, REGIONS).await;
    let flaky = call(&template, "w", &api_function("flaky"), &json!([]), "flaky");
    let answer = result_of(&api.ok(flaky.clone()).await);
    assert_eq!(answer[0], 1, "memory should be restored to its state before the first attempt: {answer}");
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(result_of(&api.ok(flaky).await), answer);
    assert_eq!(api.invoke(&template, "w", &api_function("entered"), &json!([])).await, json!(1));
    node.stop().await;
}

#[tokio::test]
async fn a_region_is_repeated_when_the_server_is_killed_in_it() {
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, REGIONS).await;
    // The function sleeps twice in a region and once after it. The sleeps are short, so the worker stays in memory.
    api.ok(send(&template, "w", &api_function("nested"), &json!([1_000]), "nested")).await;
    until_status(&api, &template, "w", "Running").await;
    for _ in 0..2 {
        node = node.crash().await;
        api = node.api();
    }
    let nested = call(&template, "w", &api_function("nested"), &json!([1_000]), "nested");
    assert_eq!(result_of(&api.ok(nested.clone()).await), json!(1));
    node = node.crash().await;
    let mut api: Api = node.api();
    assert_eq!(result_of(&api.ok(nested).await), json!(1));
    assert_eq!(api.invoke(&template, "w", &api_function("entered"), &json!([])).await, json!(1));
    node.stop().await;
}

#[tokio::test]
async fn a_jump_back_survives_a_crash() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, REGIONS).await;
    for count in 1..4 {
        assert_eq!(api.invoke(&template, "w", &api_function("go-back"), &json!([])).await, json!(count));
    }
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(api.invoke(&template, "w", &api_function("entered"), &json!([])).await, json!(3));
    // A jump to an invalid position fails with an error that names the position. After all retries the invocation
    // fails.
    let refused = api.call(call(&template, "w", &api_function("go-to"), &json!([1]), "go-to")).await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("cannot jump to position 1: "), "{}", refused.text());
    node.stop().await;
}
