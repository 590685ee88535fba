//! Workers and the objects of other projects. The principal of a host call is the owner account of the calling worker's
//! project, and an object that it may not use behaves like one that does not exist.
//!
//! docs/architecture.md ("Host calls on other objects") lists the rules that these tests check.

use crate::workers::until_status;
use crate::{TestNode, call, send, upload};
use golem_tests::guests::{self, AWAIT_PROMISE, CALLS, COUNTER, CREATE_PROMISE, KEY_VALUE, PROMISES};
use golem_tests::http::{Request, Response};
use golem_tests::rest::{Api, Part, multipart, result_of, worker_path};
use serde_json::{Value, json};

const COMPLETE: &str = "golem:promises/api/complete";
const DELETE: &str = "golem:promises/api/delete";

/// A failed invocation is not retried, so its caller gets the error at once.
async fn node() -> TestNode {
    TestNode::with(|options| options.set("workers.retry_attempts_max=1")).await
}

/// Calls a function of a worker that no other call uses: the call may fail the worker.
async fn call_once(api: &mut Api, template: &str, worker: &str, function: &str, params: Value) -> Response {
    api.call(call(template, worker, function, &params, worker)).await
}

/// Checks that the call failed because the promise is unknown to the worker.
fn assert_unknown(response: &Response, promise: &Value) {
    assert_ne!(response.status, 200, "{}", response.text());
    let index = &promise["oplog-idx"];
    let name = promise["worker-id"]["worker-name"].as_str().unwrap();
    let text = response.text();
    assert!(text.contains("Promise not found: ") && text.contains(&format!("/{name}@{index}")), "{text}");
}

/// Completes a promise over REST, as the owner of its project.
async fn complete_as_owner(api: &mut Api, template: &str, promise: &Value, data: &[u8]) -> Value {
    let worker = promise["worker-id"]["worker-name"].as_str().unwrap();
    let body = json!({ "oplogIdx": promise["oplog-idx"], "data": data });
    api.ok(Request::post(worker_path(template, worker, "complete")).json(&body)).await.json()
}

#[tokio::test]
async fn promises_of_another_project_need_a_grant() {
    let node = node().await;
    let mut root = node.api();
    let (mut ada, mut bob) = (root.new_account("ada").await, root.new_account("bob").await);
    let (project, bob_id) = (ada.default_project().await, bob.account().await);
    let hers = upload(&mut ada, PROMISES).await;
    let his = upload(&mut bob, PROMISES).await;
    let promise = ada.invoke(&hers, "p", CREATE_PROMISE, &json!([])).await;
    let mut missing = promise.clone();
    missing["oplog-idx"] = json!(1_000_000);

    // Without a grant, the promise behaves like one that does not exist.
    for (name, function, data) in
        [("await", AWAIT_PROMISE, json!([])), ("complete", COMPLETE, json!([[1, 2]]))]
    {
        let mut texts = Vec::new();
        for promise in [&promise, &missing] {
            let mut params = vec![promise.clone()];
            params.extend(data.as_array().unwrap().iter().cloned());
            let worker = format!("stranger-{name}-{}", promise["oplog-idx"]);
            let response = call_once(&mut bob, &his, &worker, function, json!(params)).await;
            assert_unknown(&response, promise);
            let index = format!("@{}", promise["oplog-idx"]);
            texts.push((response.status, response.text().replace(&index, "@N")));
        }
        assert_eq!(texts[0], texts[1], "{name}: the answers differ only in the index");
    }
    assert_eq!(call_once(&mut bob, &his, "stranger-delete", DELETE, json!([promise])).await.status, 200);

    // ViewInstance allows to await it, and nothing else.
    let view = ada.grant(&project, &bob_id, &["ViewInstance"]).await;
    bob.ok(send(&his, "reader", AWAIT_PROMISE, &json!([promise]), "read")).await;
    until_status(&bob, &his, "reader", "Suspended").await;
    let refused = call_once(&mut bob, &his, "viewer-complete", COMPLETE, json!([promise, [3]])).await;
    assert_unknown(&refused, &promise);
    assert_eq!(call_once(&mut bob, &his, "viewer-delete", DELETE, json!([promise])).await.status, 200);

    // UpdateInstance allows to complete it. No grant allows to delete it.
    let update = ada.grant(&project, &bob_id, &["UpdateInstance"]).await;
    assert_eq!(call_once(&mut bob, &his, "updater-delete", DELETE, json!([promise])).await.status, 200);
    let completed = call_once(&mut bob, &his, "updater", COMPLETE, json!([promise, [4]])).await;
    assert_eq!(result_of(&completed), json!(true), "{}", completed.text());
    let read = call(&his, "reader", AWAIT_PROMISE, &json!([promise]), "read");
    assert_eq!(result_of(&bob.ok(read.clone()).await), json!([4]));
    let second = call_once(&mut bob, &his, "updater-2", COMPLETE, json!([promise, [5]])).await;
    assert_eq!(result_of(&second), json!(false));
    assert_eq!(ada.invoke(&hers, "p", AWAIT_PROMISE, &json!([promise])).await, json!([4]));

    // The answers are recorded: after the grants are revoked, a replay still has them, and a new call does not.
    for grant in [view, update] {
        ada.ok(Request::new("DELETE", format!("/v1/projects/{project}/grants/{grant}"))).await;
    }
    let node = node.crash().await;
    let mut bob = Api::new(node.server.address, bob.token());
    assert_eq!(result_of(&bob.ok(read).await), json!([4]));
    let uri = bob.invoke(&his, "reader", "golem:promises/api/self-uri", &json!(["f"])).await;
    assert_eq!(uri, json!(format!("worker://{his}/reader/f")), "the worker is rebuilt by replay");
    let revoked = call_once(&mut bob, &his, "reader", AWAIT_PROMISE, json!([promise])).await;
    assert_unknown(&revoked, &promise);
    node.stop().await;
}

#[tokio::test]
async fn a_worker_whose_grant_is_revoked_while_it_waits_does_not_get_the_value() {
    let node = node().await;
    let mut root = node.api();
    let (mut ada, mut bob) = (root.new_account("ada").await, root.new_account("bob").await);
    let (project, bob_id) = (ada.default_project().await, bob.account().await);
    let hers = upload(&mut ada, PROMISES).await;
    let his = upload(&mut bob, PROMISES).await;
    let promise = ada.invoke(&hers, "p", CREATE_PROMISE, &json!([])).await;
    let grant = ada.grant(&project, &bob_id, &["ViewInstance"]).await;
    bob.ok(send(&his, "waits", AWAIT_PROMISE, &json!([promise]), "waits")).await;
    until_status(&bob, &his, "waits", "Suspended").await;
    ada.ok(Request::new("DELETE", format!("/v1/projects/{project}/grants/{grant}"))).await;
    assert_eq!(complete_as_owner(&mut ada, &hers, &promise, &[7]).await, json!(true));
    let waited = bob.call(call(&his, "waits", AWAIT_PROMISE, &json!([promise]), "waits")).await;
    assert_unknown(&waited, &promise);
    node.stop().await;
}

#[tokio::test]
async fn an_account_may_use_promises_over_the_border_of_its_own_projects() {
    let node = node().await;
    let mut ada = node.api().new_account("ada").await;
    let account = ada.account().await;
    let new = json!({ "name": "second", "ownerAccountId": account, "description": "" });
    let second = ada.ok(Request::post("/v1/projects").json(&new)).await.json();
    let first = upload(&mut ada, PROMISES).await;
    let query = json!({ "projectId": second["projectId"], "componentName": PROMISES }).to_string();
    let wasm = guests::bytes(PROMISES);
    let part = |name, content| Part { name, content_type: None, content };
    let uploaded = ada.ok(multipart(&[part("field0", query.as_bytes()), part("template", &wasm)])).await;
    let other = uploaded.json()["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();

    let promise = ada.invoke(&first, "p", CREATE_PROMISE, &json!([])).await;
    ada.invoke(&other, "w", DELETE, &json!([promise])).await;
    assert_eq!(
        ada.invoke(&other, "w", COMPLETE, &json!([promise, [1]])).await,
        json!(true),
        "it still exists"
    );
    assert_eq!(ada.invoke(&other, "w", AWAIT_PROMISE, &json!([promise])).await, json!([1]));
    node.stop().await;
}

#[tokio::test]
async fn workers_and_shared_data_of_another_project_are_hidden() {
    let node = node().await;
    let mut root = node.api();
    let (mut ada, mut bob) = (root.new_account("ada").await, root.new_account("bob").await);
    let (project, bob_id) = (ada.default_project().await, bob.account().await);
    // The host calls on these objects do not look at grants.
    ada.grant(&project, &bob_id, &["ViewInstance", "UpdateInstance", "ViewComponent"]).await;

    let counters = upload(&mut ada, COUNTER).await;
    ada.create(&counters, "w").await;
    let others = upload(&mut bob, "others").await;
    let look = json!([counters, "w"]);
    assert_eq!(bob.invoke(&others, "eye", "golem:others/api/look-in", &look).await, json!(null));
    let list = json!([counters, ""]);
    assert_eq!(bob.invoke(&others, "eye", "golem:others/api/list-in", &list).await, json!([]));
    let own = json!([others, ""]);
    let listed = bob.invoke(&others, "eye", "golem:others/api/list-in", &own).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");

    let (buckets, foreign) = (upload(&mut ada, KEY_VALUE).await, upload(&mut bob, KEY_VALUE).await);
    let set = json!(["bucket", "key", [1, 2, 3]]);
    let key_value = |function: &str| format!("golem:keyvalue/api/{function}");
    assert_eq!(ada.invoke(&buckets, "w", &key_value("set"), &set).await, json!({ "ok": null }));
    let keys = bob.invoke(&foreign, "w", &key_value("keys"), &json!(["bucket"])).await;
    assert_eq!(keys, json!({ "ok": [] }));
    let exists = bob.invoke(&foreign, "w", &key_value("exists"), &json!(["bucket", "key"])).await;
    assert_eq!(exists, json!({ "ok": false }));
    bob.invoke(&foreign, "w", &key_value("delete"), &json!(["bucket", "key"])).await;
    let kept = ada.invoke(&buckets, "w", &key_value("exists"), &json!(["bucket", "key"])).await;
    assert_eq!(kept, json!({ "ok": true }));

    let (containers, foreign) = (upload(&mut ada, "blobs").await, upload(&mut bob, "blobs").await);
    let blobs = |function: &str| format!("golem:blobs/api/{function}");
    ada.invoke(&containers, "w", &blobs("create"), &json!(["box"])).await;
    let hidden = bob.invoke(&foreign, "w", &blobs("exists"), &json!(["box"])).await;
    assert_eq!(hidden, json!({ "ok": false }));
    bob.invoke(&foreign, "w", &blobs("remove"), &json!(["box"])).await;
    let kept = ada.invoke(&containers, "w", &blobs("exists"), &json!(["box"])).await;
    assert_eq!(kept, json!({ "ok": true }));

    // The target of a call is a template of the caller's project, chosen at upload.
    let query = json!({ "componentName": "calls", "links": { "golem:counter/api": counters } }).to_string();
    let wasm = guests::bytes(CALLS);
    let part = |name, content| Part { name, content_type: None, content };
    let refused = bob.call(multipart(&[part("field0", query.as_bytes()), part("template", &wasm)])).await;
    assert_ne!(refused.status, 200);
    assert!(refused.text().contains("does not belong to this project"), "{}", refused.text());
    node.stop().await;
}
