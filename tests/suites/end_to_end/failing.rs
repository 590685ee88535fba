//! Failure handling: retry policies, recover, on-failure = rollback; and the effect of each request in each status.

use crate::updates::metric;
use crate::workers::{admin_request, send_in_background, until_status};
use crate::{TestNode, call, send, upload};
use golem_tests::guests::{self, SLEEP, SLEEPS};
use golem_tests::http::Request;
use golem_tests::rest::{Api, Part, multipart, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};

fn api_function(function: &str) -> String {
    format!("golem:failures/api/{function}")
}

/// Creates a worker with these failure options.
async fn create(api: &mut Api, template: &str, worker: &str, failure_options: &Value) {
    let mut body = json!({ "name": worker, "args": [], "env": [] });
    body.as_object_mut().unwrap().extend(failure_options.as_object().unwrap().clone());
    api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&body)).await;
}

fn attempts(count: u32) -> Value {
    json!({ "retryPolicy": { "maxAttempts": count, "minDelayMs": 1, "maxDelayMs": 1, "multiplier": 1.0 } })
}

/// A server whose default retry policy waits for hours.
async fn node_with_slow_retries() -> TestNode {
    TestNode::with(|options| {
        options
            .set("workers.suspend_after_ms=100")
            .set("workers.retry_delay_ms_min=3600000")
            .set("workers.retry_delay_ms_max=3600000")
    })
    .await
}

#[tokio::test]
async fn a_failed_worker_is_recovered_to_its_last_good_state() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    create(&mut api, &template, "w", &attempts(2)).await;
    assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(1));
    let panic = call(&template, "w", &api_function("panic"), &json!(["oh no"]), "panic");
    let failed = api.call(panic.clone()).await;
    assert_eq!(failed.status, 500);
    let metadata = api.metadata(&template, "w").await;
    assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Failed"), &json!(2)));

    assert_eq!(api.ok(admin_request(&template, "w", "recover")).await.json(), json!({}));
    let mut node = node;
    for count in 2..4 {
        let mut api = node.api();
        let metadata = api.metadata(&template, "w").await;
        assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Idle"), &json!(0)));
        assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(count));
        // The discarded invocation keeps its outcome and does not run again.
        assert_eq!(api.call(panic.clone()).await.json(), failed.json());
        assert_eq!(api.ok(admin_request(&template, "w", "recover")).await.json(), json!({}), "nothing to do");
        assert_eq!(api.invoke(&template, "w", &api_function("get"), &json!([])).await, json!(count));
        node = node.crash().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn queued_invocations_run_after_a_recovery() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    let spin = call(&template, "w", &api_function("spin"), &json!([]), "spin");
    let spinning = send_in_background(&api, spin.clone());
    until_status(&api, &template, "w", "Running").await;
    api.ok(send(&template, "w", &api_function("increment"), &json!([]), "queued")).await;
    api.ok(admin_request(&template, "w", "interrupt")).await;
    assert_eq!(spinning.await.unwrap().status, 500);
    api.ok(admin_request(&template, "w", "recover")).await;
    let queued = call(&template, "w", &api_function("increment"), &json!([]), "queued");
    assert_eq!(result_of(&api.ok(queued).await), json!(1));
    let discarded = api.call(spin.clone()).await;
    assert_eq!(discarded.status, 500);
    assert_eq!(discarded.json()["error"], "The invocation was discarded: it was stopped");
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(api.call(spin).await.json(), discarded.json());
    assert_eq!(api.invoke(&template, "w", &api_function("get"), &json!([])).await, json!(1));
    node.stop().await;
}

#[tokio::test]
async fn a_recovery_answers_the_caller_that_waits_for_a_retry() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    let panic = call(&template, "w", &api_function("panic"), &json!(["oh no"]), "panic");
    let waiting = send_in_background(&api, panic);
    until_status(&api, &template, "w", "Retrying").await;
    api.ok(admin_request(&template, "w", "recover")).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 500);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("The invocation was discarded: "), "{error}");
    assert!(error.contains("oh no"), "{error}");
    assert_eq!(api.invoke(&template, "w", &api_function("get"), &json!([])).await, json!(0));
    node.stop().await;
}

#[tokio::test]
async fn a_rolled_back_invocation_returns_its_error_and_the_worker_continues() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let query = json!({ "componentName": "failures", "onFailure": "rollback" });
    let wasm = guests::bytes("failures");
    let form = multipart(&[
        Part { name: "field0", content_type: None, content: query.to_string().as_bytes() },
        Part { name: "template", content_type: None, content: &wasm },
    ]);
    let uploaded = api.ok(form).await.json();
    let template = uploaded["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();
    create(&mut api, &template, "w", &attempts(2)).await;
    let mut failure_options = attempts(1);
    failure_options["onFailure"] = json!("fail");
    create(&mut api, &template, "other", &failure_options).await;
    api.call(call(&template, "other", &api_function("panic"), &json!(["no"]), "panic")).await;
    assert_eq!(
        api.status(&template, "other").await,
        "Failed",
        "the worker's own option takes precedence over the template's"
    );

    let mut node = node;
    for count in 1..4 {
        let mut api = node.api();
        assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(count));
        for function in ["panic", "recurse"] {
            let key = format!("{function}-{count}");
            let params = if function == "panic" { json!(["oh no"]) } else { json!([100_000_000]) };
            let fails = call(&template, "w", &api_function(function), &params, &key);
            let failed = api.call(fails.clone()).await;
            assert_eq!(failed.status, 500, "{}", failed.text());
            assert!(failed.json()["golemError"]["RuntimeError"].is_object(), "{}", failed.text());
            assert_eq!(api.call(fails).await.json(), failed.json());
        }
        let metadata = api.metadata(&template, "w").await;
        assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Idle"), &json!(0)));
        assert_eq!(api.invoke(&template, "w", &api_function("get"), &json!([])).await, json!(count));
        node = node.crash().await;
    }
    // An explicit exit is terminal, whatever the failure policy says.
    let mut api = node.api();
    api.call(call(&template, "w", &api_function("exit"), &json!([1]), "exit")).await;
    assert_eq!(api.status(&template, "w").await, "Exited");
    node.stop().await;
}

#[tokio::test]
async fn later_invocations_wait_while_a_rollback_worker_retries() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    let failure_options = json!({
        "onFailure": "rollback",
        "retryPolicy": { "maxAttempts": 2, "minDelayMs": 2000, "maxDelayMs": 2000, "multiplier": 1.0 },
    });
    create(&mut api, &template, "w", &failure_options).await;
    let failing =
        send_in_background(&api, call(&template, "w", &api_function("panic"), &json!(["oh no"]), "panic"));
    until_status(&api, &template, "w", "Retrying").await;
    assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(1));
    assert_eq!(failing.await.unwrap().status, 500);
    node.stop().await;
}

/// All statuses of a worker that has not been deleted.
const STATUSES: [&str; 7] = ["Idle", "Running", "Suspended", "Interrupted", "Retrying", "Failed", "Exited"];

/// The effect of a request in each status, in the order of [`STATUSES`]: the HTTP status of the answer and the status
/// of the worker after it.
type Expected = [(u16, &'static str); 7];

const TABLE: [(&str, Expected); 4] = [
    (
        "interrupt",
        [
            (200, "Idle"),
            (200, "Interrupted"),
            (200, "Interrupted"),
            (200, "Interrupted"),
            (200, "Interrupted"),
            (200, "Failed"),
            (200, "Exited"),
        ],
    ),
    (
        "resume",
        [
            (200, "Idle"),
            (200, "Running"),
            (200, "Suspended"),
            (200, "Running"),
            (200, "Retrying"),
            (200, "Failed"),
            (200, "Exited"),
        ],
    ),
    (
        "recover",
        [
            (200, "Idle"),
            (409, "Running"),
            (409, "Suspended"),
            (200, "Idle"),
            (200, "Idle"),
            (200, "Idle"),
            (200, "Idle"),
        ],
    ),
    (
        "get",
        [
            (200, "Idle"),
            // These invocations wait behind the running one.
            (202, "Running"),
            (202, "Suspended"),
            (202, "Running"),
            (500, "Retrying"),
            (500, "Failed"),
            (500, "Exited"),
        ],
    ),
];

/// Creates a worker in the given status.
async fn create_in_status(api: &mut Api, failures: &str, sleeps: &str, worker: &str, status: &str) {
    let template = if status == "Suspended" { sleeps } else { failures };
    let failure_options = if status == "Failed" { attempts(1) } else { json!({}) };
    create(api, template, worker, &failure_options).await;
    match status {
        "Running" | "Interrupted" => {
            api.ok(send(template, worker, &api_function("spin"), &json!([]), "spin")).await;
            until_status(api, template, worker, "Running").await;
        }
        "Suspended" => {
            api.ok(send(template, worker, SLEEP, &json!([3_600_000]), "sleep")).await;
        }
        "Retrying" | "Failed" => {
            api.ok(send(template, worker, &api_function("panic"), &json!(["oh no"]), "panic")).await;
        }
        "Exited" => {
            api.ok(send(template, worker, &api_function("exit"), &json!([0]), "exit")).await;
        }
        _ => {}
    }
    if status == "Interrupted" {
        api.ok(admin_request(template, worker, "interrupt")).await;
    }
    until_status(api, template, worker, status).await;
}

#[tokio::test]
async fn every_request_is_answered_by_the_table_in_every_status() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let failures = upload(&mut api, "failures").await;
    let sleeps = upload(&mut api, SLEEPS).await;
    for (request, expected) in TABLE {
        for (status, (answer, status_after)) in STATUSES.into_iter().zip(expected) {
            let worker = format!("{status}-{request}");
            let template = if status == "Suspended" { &sleeps } else { &failures };
            create_in_status(&mut api, &failures, &sleeps, &worker, status).await;
            let function = if status == "Suspended" {
                "golem:sleeps/api/finished".to_owned()
            } else {
                api_function("get")
            };
            let answered = match request {
                // Sent without waiting, because the answer would come only after the running invocation.
                "get" if answer == 202 => {
                    api.ok(send(template, &worker, &function, &json!([]), "next")).await;
                    202
                }
                "get" => api.call(call(template, &worker, &function, &json!([]), "next")).await.status,
                _ => api.call(admin_request(template, &worker, request)).await.status,
            };
            assert_eq!(answered, answer, "{request} of a worker in status {status}");
            until_status(&api, template, &worker, status_after).await;
            // A worker in any status can be deleted.
            api.ok(Request::new("DELETE", worker_path(template, &worker, ""))).await;
            assert_eq!(api.call(Request::get(worker_path(template, &worker, ""))).await.status, 404);
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_retry_policy_set_by_the_worker_takes_precedence() {
    let node = node_with_slow_retries().await;
    let mut api = node.api();
    let template = upload(&mut api, "policies").await;
    create(&mut api, &template, "w", &attempts(40)).await;
    let fail = call(&template, "w", "golem:policies/api/fail-with", &json!([2, 5]), "fail");
    assert_eq!(api.call(fail).await.status, 500);
    let metadata = api.metadata(&template, "w").await;
    assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Failed"), &json!(2)));
    // The discarded invocation had set the policy, so the policy is discarded too.
    api.ok(admin_request(&template, "w", "recover")).await;
    let in_force = api.invoke(&template, "w", "golem:policies/api/in-force", &json!([])).await;
    assert_eq!(in_force, json!([[7, 20, 20], [40, 1, 1]]));
    node.stop().await;
}

/// A worker that ends the server's process in each attempt, here by SIGKILL, does not end it forever.
#[tokio::test]
async fn an_invocation_with_which_the_server_ends_again_and_again_fails() {
    let mut node = TestNode::with(|options| options.set("workers.process_ends_max=3")).await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(1));
    let spin = |kind: fn(&str, &str, &str, &Value, &str) -> Request| {
        kind(&template, "w", &api_function("spin"), &json!([]), "spin")
    };
    api.ok(spin(send)).await;
    let mut starts = 0;
    while api.status(&template, "w").await != "Failed" {
        assert!(starts < 10, "the invocation does not fail");
        starts += 1;
        node = node.crash().await;
        api = node.api();
        wait::until("an attempt begins, or the invocation has failed", || {
            let (mut api, template) = (Api::new(api.address(), api.token()), template.clone());
            async move {
                let begun = metric(&mut api, "golem_worker_activations_total").await > 0;
                (begun || api.status(&template, "w").await == "Failed").then_some(())
            }
        })
        .await;
    }
    // The first attempt recorded that it began; three more did not get further.
    assert_eq!(starts, 4);
    assert_eq!(api.metadata(&template, "w").await["retryCount"], json!(3));
    let failed = api.call(spin(call)).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let text = "the process ended 3 times while this invocation ran";
    assert!(failed.text().contains(text), "{}", failed.text());
    let oplog = api.ok(Request::get(worker_path(&template, "w", "oplog"))).await.json();
    let last = oplog["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["text"]), (&json!("invocation-failed"), &json!(text)));

    // The other workers run meanwhile, and this one does after a recovery.
    assert_eq!(api.invoke(&template, "v", &api_function("increment"), &json!([])).await, json!(1));
    api.ok(admin_request(&template, "w", "recover")).await;
    assert_eq!(api.invoke(&template, "w", &api_function("get"), &json!([])).await, json!(1));
    node.stop().await;
}
