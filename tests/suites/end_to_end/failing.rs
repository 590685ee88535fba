//! Ways out of failure: retry policies, recover, on-failure = rollback; and what each status makes of each request.

use crate::workers::{act, aside, until_status};
use crate::{Home, call, send, upload};
use golem_tests::guests::{self, SLEEP, SLEEPS};
use golem_tests::http::Request;
use golem_tests::rest::{Api, Part, multipart, result_of, worker_path};
use serde_json::{Value, json};

fn of(function: &str) -> String {
    format!("golem:failures/api/{function}")
}

/// Makes a worker with these choices.
async fn create(api: &mut Api, template: &str, worker: &str, choices: &Value) {
    let mut body = json!({ "name": worker, "args": [], "env": [] });
    body.as_object_mut().unwrap().extend(choices.as_object().unwrap().clone());
    api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&body)).await;
}

fn attempts(count: u32) -> Value {
    json!({ "retryPolicy": { "maxAttempts": count, "minDelayMs": 1, "maxDelayMs": 1, "multiplier": 1.0 } })
}

/// A server whose own policy would take hours.
async fn patient() -> Home {
    Home::with(|options| {
        options
            .set("workers.suspend_after_ms=100")
            .set("workers.retry_delay_ms_min=3600000")
            .set("workers.retry_delay_ms_max=3600000")
    })
    .await
}

#[tokio::test]
async fn a_failed_worker_is_recovered_to_what_it_was_before() {
    let home = patient().await;
    let mut api = home.api();
    let template = upload(&mut api, "failures").await;
    create(&mut api, &template, "w", &attempts(2)).await;
    assert_eq!(api.invoke(&template, "w", &of("increment"), &json!([])).await, json!(1));
    let panic = call(&template, "w", &of("panic"), &json!(["oh no"]), "panic");
    let failed = api.call(panic.clone()).await;
    assert_eq!(failed.status, 500);
    let metadata = api.metadata(&template, "w").await;
    assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Failed"), &json!(2)));

    assert_eq!(api.ok(act(&template, "w", "recover")).await.json(), json!({}));
    let mut home = home;
    for count in 2..4 {
        let mut api = home.api();
        let metadata = api.metadata(&template, "w").await;
        assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Idle"), &json!(0)));
        assert_eq!(api.invoke(&template, "w", &of("increment"), &json!([])).await, json!(count));
        // The invocation that was discarded has the outcome that it had, and is not run again.
        assert_eq!(api.call(panic.clone()).await.json(), failed.json());
        assert_eq!(api.ok(act(&template, "w", "recover")).await.json(), json!({}), "nothing to do");
        assert_eq!(api.invoke(&template, "w", &of("get"), &json!([])).await, json!(count));
        home = home.crash().await;
    }
    home.end().await;
}

#[tokio::test]
async fn what_was_accepted_before_runs_after_the_recovery() {
    let home = patient().await;
    let mut api = home.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    let spin = call(&template, "w", &of("spin"), &json!([]), "spin");
    let spinning = aside(&api, spin.clone());
    until_status(&api, &template, "w", "Running").await;
    api.ok(send(&template, "w", &of("increment"), &json!([]), "queued")).await;
    api.ok(act(&template, "w", "interrupt")).await;
    assert_eq!(spinning.await.unwrap().status, 500);
    api.ok(act(&template, "w", "recover")).await;
    let queued = call(&template, "w", &of("increment"), &json!([]), "queued");
    assert_eq!(result_of(&api.ok(queued).await), json!(1));
    let discarded = api.call(spin.clone()).await;
    assert_eq!(discarded.status, 500);
    assert_eq!(discarded.json()["error"], "The invocation was discarded: it was stopped");
    let home = home.crash().await;
    let mut api = home.api();
    assert_eq!(api.call(spin).await.json(), discarded.json());
    assert_eq!(api.invoke(&template, "w", &of("get"), &json!([])).await, json!(1));
    home.end().await;
}

#[tokio::test]
async fn who_waits_for_a_retry_hears_of_the_recovery() {
    let home = patient().await;
    let mut api = home.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    let panic = call(&template, "w", &of("panic"), &json!(["oh no"]), "panic");
    let waiting = aside(&api, panic);
    until_status(&api, &template, "w", "Retrying").await;
    api.ok(act(&template, "w", "recover")).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 500);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("The invocation was discarded: "), "{error}");
    assert!(error.contains("oh no"), "{error}");
    assert_eq!(api.invoke(&template, "w", &of("get"), &json!([])).await, json!(0));
    home.end().await;
}

#[tokio::test]
async fn a_worker_that_rolls_back_hands_out_the_error_and_goes_on() {
    let home = patient().await;
    let mut api = home.api();
    let query = json!({ "componentName": "failures", "onFailure": "rollback" });
    let wasm = guests::bytes("failures");
    let form = multipart(&[
        Part { name: "field0", content_type: None, content: query.to_string().as_bytes() },
        Part { name: "template", content_type: None, content: &wasm },
    ]);
    let uploaded = api.ok(form).await.json();
    let template = uploaded["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();
    create(&mut api, &template, "w", &attempts(2)).await;
    let mut choices = attempts(1);
    choices["onFailure"] = json!("fail");
    create(&mut api, &template, "other", &choices).await;
    api.call(call(&template, "other", &of("panic"), &json!(["no"]), "panic")).await;
    assert_eq!(api.status(&template, "other").await, "Failed", "its own choice counts");

    let mut home = home;
    for count in 1..4 {
        let mut api = home.api();
        assert_eq!(api.invoke(&template, "w", &of("increment"), &json!([])).await, json!(count));
        for function in ["panic", "recurse"] {
            let key = format!("{function}-{count}");
            let params = if function == "panic" { json!(["oh no"]) } else { json!([100_000_000]) };
            let fails = call(&template, "w", &of(function), &params, &key);
            let failed = api.call(fails.clone()).await;
            assert_eq!(failed.status, 500, "{}", failed.text());
            assert!(failed.json()["golemError"]["RuntimeError"].is_object(), "{}", failed.text());
            assert_eq!(api.call(fails).await.json(), failed.json());
        }
        let metadata = api.metadata(&template, "w").await;
        assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Idle"), &json!(0)));
        assert_eq!(api.invoke(&template, "w", &of("get"), &json!([])).await, json!(count));
        home = home.crash().await;
    }
    // Who leaves by themselves is over all the same.
    let mut api = home.api();
    api.call(call(&template, "w", &of("exit"), &json!([1]), "exit")).await;
    assert_eq!(api.status(&template, "w").await, "Exited");
    home.end().await;
}

#[tokio::test]
async fn while_a_worker_that_rolls_back_is_retried_others_wait() {
    let home = Home::new().await;
    let mut api = home.api();
    let template = upload(&mut api, "failures").await;
    let choices = json!({
        "onFailure": "rollback",
        "retryPolicy": { "maxAttempts": 2, "minDelayMs": 2000, "maxDelayMs": 2000, "multiplier": 1.0 },
    });
    create(&mut api, &template, "w", &choices).await;
    let failing = aside(&api, call(&template, "w", &of("panic"), &json!(["oh no"]), "panic"));
    until_status(&api, &template, "w", "Retrying").await;
    assert_eq!(api.invoke(&template, "w", &of("increment"), &json!([])).await, json!(1));
    assert_eq!(failing.await.unwrap().status, 500);
    home.end().await;
}

/// Every status, and how a worker comes to it.
const STATUSES: [&str; 7] = ["Idle", "Running", "Suspended", "Interrupted", "Retrying", "Failed", "Exited"];

/// What a request makes of a worker in each status, in the order of [`STATUSES`]: the status of the answer, and that of
/// the worker after it.
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
            // These wait behind what runs.
            (202, "Running"),
            (202, "Suspended"),
            (202, "Running"),
            (500, "Retrying"),
            (500, "Failed"),
            (500, "Exited"),
        ],
    ),
];

/// Brings a new worker to a status.
async fn bring(api: &mut Api, failures: &str, sleeps: &str, worker: &str, status: &str) {
    let template = if status == "Suspended" { sleeps } else { failures };
    let choices = if status == "Failed" { attempts(1) } else { json!({}) };
    create(api, template, worker, &choices).await;
    match status {
        "Running" | "Interrupted" => {
            api.ok(send(template, worker, &of("spin"), &json!([]), "spin")).await;
            until_status(api, template, worker, "Running").await;
        }
        "Suspended" => {
            api.ok(send(template, worker, SLEEP, &json!([3_600_000]), "sleep")).await;
        }
        "Retrying" | "Failed" => {
            api.ok(send(template, worker, &of("panic"), &json!(["oh no"]), "panic")).await;
        }
        "Exited" => {
            api.ok(send(template, worker, &of("exit"), &json!([0]), "exit")).await;
        }
        _ => {}
    }
    if status == "Interrupted" {
        api.ok(act(template, worker, "interrupt")).await;
    }
    until_status(api, template, worker, status).await;
}

#[tokio::test]
async fn every_request_in_every_status() {
    let home = patient().await;
    let mut api = home.api();
    let failures = upload(&mut api, "failures").await;
    let sleeps = upload(&mut api, SLEEPS).await;
    for (request, expected) in TABLE {
        for (status, (answer, then)) in STATUSES.into_iter().zip(expected) {
            let worker = format!("{status}-{request}");
            let template = if status == "Suspended" { &sleeps } else { &failures };
            bring(&mut api, &failures, &sleeps, &worker, status).await;
            let function =
                if status == "Suspended" { "golem:sleeps/api/finished".to_owned() } else { of("get") };
            let answered = match request {
                // Accepted, since there is no answer before the end of what it waits for.
                "get" if answer == 202 => {
                    api.ok(send(template, &worker, &function, &json!([]), "next")).await;
                    202
                }
                "get" => api.call(call(template, &worker, &function, &json!([]), "next")).await.status,
                _ => api.call(act(template, &worker, request)).await.status,
            };
            assert_eq!(answered, answer, "{request} a worker that is {status}");
            until_status(&api, template, &worker, then).await;
            // And whatever it is, it can be removed.
            api.ok(Request::new("DELETE", worker_path(template, &worker, ""))).await;
            assert_eq!(api.call(Request::get(worker_path(template, &worker, ""))).await.status, 404);
        }
    }
    home.end().await;
}

#[tokio::test]
async fn what_a_worker_chose_for_its_failures_comes_first() {
    let home = patient().await;
    let mut api = home.api();
    let template = upload(&mut api, "policies").await;
    create(&mut api, &template, "w", &attempts(40)).await;
    let fail = call(&template, "w", "golem:policies/api/fail-with", &json!([2, 5]), "fail");
    assert_eq!(api.call(fail).await.status, 500);
    let metadata = api.metadata(&template, "w").await;
    assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("Failed"), &json!(2)));
    // The policy was chosen by the invocation that is discarded.
    api.ok(act(&template, "w", "recover")).await;
    let in_force = api.invoke(&template, "w", "golem:policies/api/in-force", &json!([])).await;
    assert_eq!(in_force, json!([[7, 20, 20], [40, 1, 1]]));
    home.end().await;
}
