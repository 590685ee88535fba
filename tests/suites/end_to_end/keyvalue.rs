//! Buckets: shared by the workers of a project, independent of their template and of the interface that it uses.

use crate::{TestNode, call, upload};
use golem_tests::http::Request;
use golem_tests::rest::{Api, Key, invocation, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// One guest for each published version of `wasi:keyvalue`.
const IDENTITIES: [&str; 4] = ["keyvalue", "keyvalue-v01", "keyvalue-draft", "keyvalue-draft2"];

fn api_function(guest: &str, function: &str) -> String {
    format!("golem:{guest}/api/{function}")
}

async fn invoke(
    api: &mut Api,
    template: &str,
    worker: &str,
    guest: &str,
    function: &str,
    params: Value,
) -> Value {
    api.invoke(template, worker, &api_function(guest, function), &params).await
}

#[tokio::test]
async fn all_interfaces_see_one_store_that_outlives_crashes_and_workers() {
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let mut templates = Vec::new();
    for guest in IDENTITIES {
        templates.push((guest, upload(&mut api, guest).await));
    }
    let mut expected = Vec::new();
    for (number, (guest, template)) in templates.iter().enumerate() {
        let params = json!(["shared", guest, [number, 255]]);
        assert_eq!(invoke(&mut api, template, "writer", guest, "set", params).await, json!({ "ok": null }));
        expected.push(json!([number, 255]));
        let params = json!(["shared", "number", number + 1]);
        invoke(&mut api, template, "writer", guest, "increment", params).await;
    }
    let mut names = IDENTITIES.to_vec();
    names.push("number");
    names.sort_unstable();

    for round in 0..3 {
        for (guest, template) in &templates {
            let worker = format!("reader-{round}");
            let many = json!(["shared", IDENTITIES]);
            let values = invoke(&mut api, template, &worker, guest, "get-many", many).await;
            assert_eq!(values, json!({ "ok": expected }), "{guest} in round {round}");
            let keys = invoke(&mut api, template, &worker, guest, "keys", json!(["shared"])).await;
            assert_eq!(keys, json!({ "ok": names }), "{guest} in round {round}");
            let number = invoke(&mut api, template, &worker, guest, "get", json!(["shared", "number"])).await;
            assert_eq!(number, json!({ "ok": b"10" }), "{guest} in round {round}");
        }
        if round == 0 {
            // Values belong to the project, so they stay when the workers are deleted.
            for (_, template) in &templates {
                api.ok(Request::new("DELETE", worker_path(template, "writer", ""))).await;
            }
            node = node.crash().await;
        } else {
            node = node.restart().await;
        }
        api = node.api();
    }

    let (guest, template) = &templates[0];
    let missing = invoke(&mut api, template, "w", guest, "get", json!(["shared", "nothing"])).await;
    assert_eq!(missing, json!({ "err": "Key not found" }));
    invoke(&mut api, template, "w", guest, "delete-many", json!(["shared", names])).await;
    let node = node.crash().await;
    let mut api = node.api();
    let (guest, template) = &templates[3];
    let keys = invoke(&mut api, template, "w", guest, "keys", json!(["shared"])).await;
    assert_eq!(keys, json!({ "ok": [] }), "removed keys stay removed");
    node.stop().await;
}

#[tokio::test]
async fn objects_are_shared_and_survive_a_crash() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "blobs").await;
    let mut on = async |worker: &str, function: &str, params: Value| {
        api.invoke(&template, worker, &format!("golem:blobs/api/{function}"), &params).await
    };
    on("left", "create", json!(["box"])).await;
    assert_eq!(on("right", "exists", json!(["box"])).await, json!({ "ok": true }));
    for number in 0..20 {
        let put = json!(["box", format!("{number:02}"), [number], number % 2 == 0]);
        assert_eq!(on("left", "put", put).await, json!({ "ok": null }));
    }
    on("left", "create", json!(["gone"])).await;
    on("left", "put", json!(["gone", "o", [1], false])).await;
    on("right", "remove", json!(["gone"])).await;
    on("right", "copy", json!(["box", "19", "box", "99", true])).await;

    let node = node.crash().await;
    let mut api = node.api();
    let mut on = async |worker: &str, function: &str, params: Value| {
        api.invoke(&template, worker, &format!("golem:blobs/api/{function}"), &params).await
    };
    assert_eq!(on("right", "read", json!(["box", "07"])).await, json!({ "ok": [7] }));
    assert_eq!(on("right", "read", json!(["box", "99"])).await, json!({ "ok": [19] }));
    assert_eq!(on("right", "has", json!(["box", "19"])).await, json!({ "ok": false }));
    let names = on("other", "names", json!(["box", 18, 1])).await;
    assert_eq!(names, json!({ "ok": ["18", "99"] }));
    assert_eq!(on("other", "exists", json!(["gone"])).await, json!({ "ok": false }));
    assert_eq!(on("other", "info", json!(["box", "00"])).await, json!({ "ok": [1, true] }));
    node.stop().await;
}

/// Sends a request until it is answered, through restarts of the server.
async fn retry_until_answered(endpoint: &Mutex<(std::net::SocketAddr, String)>, request: &Request) -> Value {
    wait::until("an answer", || {
        let (address, token) = endpoint.lock().unwrap().clone();
        let request = request.clone();
        async move {
            let response = Api::new(address, token).try_call(request).await.ok()?;
            match response.status {
                200 => Some(result_of(&response)),
                429 | 503 => None,
                status => panic!("{status}: {}", response.text()),
            }
        }
    })
    .await
}

#[tokio::test]
async fn additions_of_two_workers_are_never_lost_nor_done_twice() {
    const ADDITIONS: u64 = 60;
    const CALLERS: u64 = 3;
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let guest = IDENTITIES[3];
    let template = upload(&mut api, guest).await;
    let endpoint = Arc::new(Mutex::new((api.address(), api.token().to_owned())));
    let answers = Arc::new(Mutex::new(BTreeSet::new()));
    let mut callers = tokio::task::JoinSet::new();
    for worker in ["left", "right"] {
        for caller in 0..CALLERS {
            let (endpoint, answers, template) = (endpoint.clone(), answers.clone(), template.clone());
            callers.spawn(async move {
                for number in 0..ADDITIONS {
                    let key = format!("{worker}-{caller}-{number}");
                    let function = api_function(guest, "increment");
                    let request = call(&template, worker, &function, &json!(["sums", "all", 1]), &key);
                    let sum = retry_until_answered(&endpoint, &request).await["ok"].as_u64().unwrap();
                    assert!(answers.lock().unwrap().insert(sum), "two additions returned {sum}");
                }
            });
        }
    }
    let all = 2 * CALLERS * ADDITIONS;
    for kill in 1..=4 {
        let reached = answers.clone();
        wait::until("some additions", || {
            let reached = reached.lock().unwrap().len() as u64 >= all * kill / 6;
            async move { reached.then_some(()) }
        })
        .await;
        node = node.crash().await;
        let api = node.api();
        *endpoint.lock().unwrap() = (api.address(), api.token().to_owned());
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let answers = answers.lock().unwrap().clone();
    assert_eq!(answers, (1..=all).collect(), "each number is the answer to exactly one addition");
    let mut api = node.api();
    let read_sum = invocation(
        "invoke-and-await",
        &template,
        "reader",
        &api_function(guest, "increment"),
        &json!(["sums", "all", 0]),
        &Key::None,
    );
    assert_eq!(result_of(&api.ok(read_sum).await), json!({ "ok": all }));
    node.stop().await;
}
