//! Calls between workers: answers and errors, links, scheduled calls, cycles, and exactly one run of each call over
//! crashes.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{CALLS, COUNTER, GET};
use golem_tests::http::Request;
use golem_tests::rest::{Api, Part, multipart, percent_encoded, result_of, worker_path};
use golem_tests::{guests, wait};
use serde_json::{Value, json};

/// The full name of a function that tests call.
fn api_function(function: &str) -> String {
    format!("golem:calls/api/{function}")
}

fn target_function(function: &str) -> String {
    format!("golem:calls/target/{function}")
}

/// A server with the templates `calls` and `counter`: the node, a client, and the ids of both.
async fn node_with_callers() -> (TestNode, Api, String, String) {
    let node = TestNode::new().await;
    let mut api = node.api();
    let counter = upload(&mut api, COUNTER).await;
    let calls = upload(&mut api, CALLS).await;
    (node, api, calls, counter)
}

async fn poll_until<T>(api: &Api, what: &str, condition: impl AsyncFn(&mut Api) -> Option<T>) -> T {
    let (address, token) = (api.address(), api.token().to_owned());
    wait::until(what, || async { condition(&mut Api::new(address, token.clone())).await }).await
}

async fn until_status(api: &Api, template: &str, worker: &str, status: &str) {
    poll_until(api, &format!("{worker} is {status}"), async |api| {
        (api.status(template, worker).await == status).then_some(())
    })
    .await;
}

async fn total(api: &mut Api, template: &str, worker: &str) -> Value {
    api.invoke(template, worker, &target_function("total"), &json!([])).await
}

#[tokio::test]
async fn a_worker_calls_workers_and_gets_their_answers() {
    let (node, mut api, calls, counter) = node_with_callers().await;
    // A call of another template. The call creates the worker, and REST addresses the same worker.
    for count in 1..=2 {
        let answer = api.invoke(&calls, "a", &api_function("ask-counter"), &json!(["c"])).await;
        assert_eq!(answer, json!({ "ok": count }));
    }
    assert_eq!(api.invoke(&counter, "c", GET, &json!([])).await, json!(2));
    // A call of the same template.
    let answer = api.invoke(&calls, "a", &api_function("ask"), &json!(["b", 2, 3])).await;
    assert_eq!(answer, json!({ "ok": 6 }));
    assert_eq!(total(&mut api, &calls, "b").await, json!(6));
    // All kinds of types, and errors that are values.
    let item = |state: Value| json!({ "name": "tea", "state": state, "marks": ["dear"] });
    let answer = api
        .invoke(&calls, "a", &api_function("ask-more"), &json!(["b", item(json!({ "present": 2 }))]))
        .await;
    assert_eq!(answer, json!({ "ok": { "ok": item(json!({ "present": 3 })) } }));
    let answer = api
        .invoke(&calls, "a", &api_function("ask-more"), &json!(["b", item(json!({ "absent": null }))]))
        .await;
    assert_eq!(answer, json!({ "ok": { "err": "there is no tea" } }));
    let answer = api.invoke(&calls, "a", &api_function("ask-touch"), &json!(["b"])).await;
    assert_eq!(answer, json!({ "ok": null }));
    node.stop().await;
}

#[tokio::test]
async fn a_call_that_fails_returns_a_typed_error() {
    let (node, mut api, calls, _) = node_with_callers().await;
    let error = async |api: &mut Api, function: &str, params: Value| {
        let answer = api.invoke(&calls, "a", &api_function(function), &params).await;
        answer["err"].as_str().unwrap_or_else(|| panic!("{function} gave {answer}")).to_owned()
    };
    let text = error(&mut api, "ask-touch", json!(["not a name"])).await;
    assert!(text.starts_with("RpcError::Invalid(") && text.contains("Invalid worker name"), "{text}");
    let text = error(&mut api, "ask-fail", json!(["f", "on purpose"])).await;
    assert!(text.starts_with("RpcError::RemoteFailed(") && text.contains("Runtime error"), "{text}");
    // The failed worker refuses further invocations.
    let text = error(&mut api, "ask-touch", json!(["f"])).await;
    assert!(text.contains("The previously invoked function failed"), "{text}");
    // A worker that calls itself and waits for the answer is a cycle.
    let text = error(&mut api, "ask-touch", json!(["a"])).await;
    let chain = format!("a cycle of waiting calls: {calls}/a waits for {calls}/a");
    assert!(text.starts_with("RpcError::Deadlock(") && text.contains(&chain), "{text}");
    // The caller got all these errors as values, so it has not failed.
    assert_eq!(api.status(&calls, "a").await, "Idle");
    node.stop().await;
}

#[tokio::test]
async fn a_cycle_of_calls_ends_with_an_error() {
    let (node, mut api, calls, _) = node_with_callers().await;
    // a calls b, b calls c, and c calls a.
    let answer = api.invoke(&calls, "a", &target_function("relay"), &json!([["b", "c", "a"]])).await;
    let text = answer["err"].as_str().unwrap_or_default();
    let id = |worker: &str| format!("{calls}/{worker}");
    let chain = format!(
        "{} waits for {}, which waits for {}, which waits for {}",
        id("c"),
        id("a"),
        id("b"),
        id("c")
    );
    assert!(text.contains("Deadlock") && text.contains(&chain), "{answer}");
    // The refused call did not run, and all workers still work.
    for worker in ["a", "b", "c"] {
        assert_eq!(total(&mut api, &calls, worker).await, json!(0));
    }
    let answer = api.invoke(&calls, "a", &target_function("relay"), &json!([["b", "c", "d"]])).await;
    assert_eq!(answer, json!({ "ok": 1 }));
    node.stop().await;
}

#[tokio::test]
async fn calls_run_concurrently_and_are_gathered() {
    let (node, mut api, calls, _) = node_with_callers().await;
    let workers: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    for round in 1..=2 {
        let answers = api.invoke(&calls, "a", &api_function("gather"), &json!([workers, 5])).await;
        assert_eq!(answers, json!(vec![json!({ "ok": 5 * round }); workers.len()]));
    }
    // An invalid name among valid ones fails only its own call.
    let answers = api.invoke(&calls, "a", &api_function("gather"), &json!([["w0", "-"], 1])).await;
    assert_eq!(answers[0], json!({ "ok": 11 }));
    assert!(answers[1]["err"].as_str().is_some_and(|text| text.contains("Invalid")), "{answers}");
    node.stop().await;
}

#[tokio::test]
async fn a_call_is_finished_by_a_later_invocation_or_cancelled() {
    let (node, mut api, calls, _) = node_with_callers().await;
    let start = async |api: &mut Api, worker: &str, ms: u64| {
        api.invoke(&calls, "a", &api_function("start"), &json!([worker, ms])).await
    };
    let long = start(&mut api, "b", 1_000_000_000).await;
    let behind = start(&mut api, "b", 1).await;
    let short = start(&mut api, "c", 1).await;
    assert_eq!(api.invoke(&calls, "a", &api_function("finish"), &json!([long])).await, json!(null));
    let node = node.crash().await;
    let mut api = node.api();
    let answer = poll_until(&api, "c has answered", async |api| {
        let answer = api.invoke(&calls, "a", &api_function("finish"), &json!([short])).await;
        (!answer.is_null()).then_some(answer)
    })
    .await;
    assert_eq!(answer, json!({ "ok": 1 }));
    // The answer is delivered once.
    let again = call(&calls, "spent", &api_function("finish"), &json!([short]), "again");
    assert_ne!(api.call(again).await.status, 200, "another worker has no such call");
    for cancelled in [&long, &behind] {
        api.invoke(&calls, "a", &api_function("cancel"), &json!([cancelled])).await;
        let answer = api.invoke(&calls, "a", &api_function("finish"), &json!([cancelled])).await;
        assert_eq!(answer, json!({ "err": "RpcError::Cancelled" }));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_template_with_linked_callers_cannot_be_deleted() {
    let (node, mut api, calls, counter) = node_with_callers().await;
    let delete = |template: &str| Request::new("DELETE", format!("/v1/templates/{template}"));
    let refused = api.call(delete(&counter)).await;
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.status, 409, "{text}");
    assert!(text.contains("call its workers") && text.contains(&calls), "{text}");
    // The template `calls` is linked to itself as well, which does not prevent its deletion.
    api.ok(delete(&calls)).await;
    api.ok(delete(&counter)).await;
    node.stop().await;
}

#[tokio::test]
async fn a_waiting_caller_is_evicted_and_survives_a_crash() {
    let (node, mut api, calls, _) = node_with_callers().await;
    api.ok(send(&calls, "a", &target_function("relay"), &json!([["b", "c"]]), "relay")).await;
    let waited = call(&calls, "a", &target_function("relay"), &json!([["b", "c"]]), "relay");
    assert_eq!(result_of(&api.ok(waited).await), json!({ "ok": 1 }));

    let nap = call(&calls, "n", &target_function("nap"), &json!([1_000_000_000]), "nap");
    drop(tokio::spawn({
        let mut api = node.api();
        async move { api.try_call(nap).await }
    }));
    poll_until(&api, "n exists", async |api| {
        (api.call(Request::get(worker_path(&calls, "n", ""))).await.status == 200).then_some(())
    })
    .await;
    until_status(&api, &calls, "n", "Suspended").await;
    api.ok(send(&calls, "a", &api_function("ask"), &json!(["n", 1, 1]), "waits")).await;
    until_status(&api, &calls, "a", "Suspended").await;
    let node = node.crash().await;
    let mut api = node.api();
    until_status(&api, &calls, "a", "Suspended").await;
    // When the callee is deleted, the waiting caller gets an error.
    api.ok(Request::new("DELETE", worker_path(&calls, "n", ""))).await;
    let waited = call(&calls, "a", &api_function("ask"), &json!(["n", 1, 1]), "waits");
    let answer = result_of(&api.ok(waited).await);
    let text = answer["err"].as_str().unwrap_or_default();
    assert!(text.starts_with("RpcError::NotFound(") && text.contains("deleted"), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn one_way_calls_run_once_at_their_time() {
    let (node, mut api, calls, _) = node_with_callers().await;
    let send = async |api: &mut Api, by: u64, after_ms: u64| {
        let answer = api.invoke(&calls, "a", &api_function("send"), &json!(["b", by, after_ms])).await;
        assert_eq!(answer, json!({ "ok": null }));
    };
    send(&mut api, 1, 0).await;
    send(&mut api, 1_000_000, 1_000_000_000).await;
    send(&mut api, 100, 3_000).await;
    let node = node.crash().await;
    let mut api = node.api();
    send(&mut api, 10, 500).await;
    let node = node.restart().await;
    let mut api = node.api();
    poll_until(&api, "all due calls have run", async |api| {
        (total(api, &calls, "b").await == json!(111)).then_some(())
    })
    .await;
    assert_eq!(total(&mut api, &calls, "b").await, json!(111));
    node.stop().await;
}

#[tokio::test]
async fn a_waiting_caller_gives_its_memory_slot_to_the_callee() {
    // Only one worker may be in memory, and the call chain has four.
    let node = TestNode::with(|options| options.set("workers.residents_max=1")).await;
    let mut api = node.api();
    upload(&mut api, COUNTER).await;
    let calls = upload(&mut api, CALLS).await;
    let answer = api.invoke(&calls, "a", &target_function("relay"), &json!([["b", "c", "d"]])).await;
    assert_eq!(answer, json!({ "ok": 1 }));
    let answers = api.invoke(&calls, "a", &api_function("gather"), &json!([["b", "c", "d"], 1])).await;
    assert_eq!(answers, json!([{ "ok": 1 }, { "ok": 1 }, { "ok": 2 }]));
    node.stop().await;
}

/// Several workers call one worker while the server is killed repeatedly. Each call runs exactly once.
#[tokio::test]
async fn each_call_runs_once_although_the_server_is_killed() {
    const CALLERS: usize = 8;
    const TIMES: u64 = 25;
    const KILLS: usize = 6;
    let (mut node, mut api, calls, _) = node_with_callers().await;
    for caller in 0..CALLERS {
        let ask = send(&calls, &format!("a{caller}"), &api_function("ask"), &json!(["b", 1, TIMES]), "ask");
        api.ok(ask).await;
    }
    for kill in 1..=KILLS {
        // Wait until the callers have made progress since the last kill.
        let goal = u64::try_from(kill * CALLERS).unwrap() * TIMES / (u64::try_from(KILLS).unwrap() + 2);
        poll_until(&api, "some calls have run", async |api| {
            (total(api, &calls, "b").await.as_u64() >= Some(goal)).then_some(())
        })
        .await;
        node = node.crash().await;
        api = node.api();
    }
    for caller in 0..CALLERS {
        let ask = call(&calls, &format!("a{caller}"), &api_function("ask"), &json!(["b", 1, TIMES]), "ask");
        let answer = result_of(&api.ok(ask).await);
        assert!(answer["ok"].as_u64() >= Some(TIMES), "{answer}");
    }
    assert_eq!(total(&mut api, &calls, "b").await, json!(u64::try_from(CALLERS).unwrap() * TIMES));
    node.stop().await;
}

async fn upload_with(api: &mut Api, name: &str, guest: &str, links: Value) -> golem_tests::http::Response {
    let query = json!({ "componentName": name, "links": links }).to_string();
    let wasm = guests::bytes(guest);
    let part = |name, content| Part { name, content_type: None, content };
    api.call(multipart(&[part("field0", query.as_bytes()), part("template", &wasm)])).await
}

#[tokio::test]
async fn links_are_resolved_at_upload() {
    const INTERFACE: &str = "golem:counter/api";
    let node = TestNode::new().await;
    let mut api = node.api();
    let assert_refused = |response: &golem_tests::http::Response, parts: &[&str]| {
        let text = response.text();
        assert_eq!(response.status, 400, "{text}");
        for part in parts {
            assert!(text.contains(part), "{text} should contain {part}");
        }
    };
    let missing = upload_with(&mut api, "calls", CALLS, json!({})).await;
    assert_refused(
        &missing,
        &["golem:counter-client/api", "no template of the project exports golem:counter/api"],
    );
    let first = api.upload("first", &guests::bytes(COUNTER)).await;
    let second = api.upload("second", &guests::bytes(COUNTER)).await;
    let several = upload_with(&mut api, "calls", CALLS, json!({})).await;
    assert_refused(&several, &["several templates", &first, &second, "first", "second", "--link"]);
    let other = api.upload("sleeps", &guests::bytes("sleeps")).await;
    let wrong = upload_with(&mut api, "calls", CALLS, json!({ INTERFACE: other })).await;
    assert_refused(&wrong, &["does not export", &first, &second]);
    let unused = upload_with(&mut api, "lonely", COUNTER, json!({ INTERFACE: first })).await;
    assert_refused(&unused, &["does not import its client"]);

    let linked = upload_with(&mut api, "calls", CALLS, json!({ INTERFACE: second })).await;
    assert_eq!(linked.status, 200, "{}", linked.text());
    let linked = linked.json();
    let calls = linked["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();
    assert_eq!(linked["links"], json!({ INTERFACE: second, "golem:calls/target": calls }));
    assert_eq!(
        api.invoke(&calls, "a", &api_function("ask-counter"), &json!(["c"])).await,
        json!({ "ok": 1 })
    );
    assert_eq!(api.invoke(&second, "c", GET, &json!([])).await, json!(1));

    // A new version keeps the links of the last version, unless the upload sets others.
    let wasm = guests::bytes(CALLS);
    let put = |query: &str| {
        Request::new("PUT", format!("/v1/templates/{calls}/upload{query}"))
            .body("application/octet-stream", wasm.clone())
    };
    assert_eq!(api.ok(put("")).await.json()["links"][INTERFACE], json!(second));
    let query = format!("?links={}", percent_encoded(&json!({ INTERFACE: first }).to_string()));
    assert_eq!(api.ok(put(&query)).await.json()["links"][INTERFACE], json!(first));
    // Existing workers keep the links of their version.
    assert_eq!(
        api.invoke(&calls, "a", &api_function("ask-counter"), &json!(["c"])).await,
        json!({ "ok": 2 })
    );
    assert_eq!(
        api.invoke(&calls, "z", &api_function("ask-counter"), &json!(["c"])).await,
        json!({ "ok": 1 })
    );
    node.stop().await;
}

/// `golem template client` writes the file that the guest `calls` was built with.
#[tokio::test]
async fn the_command_line_writes_the_client_of_a_template() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let counter = upload(&mut api, COUNTER).await;
    let folder = tempfile::tempdir().unwrap();
    let program = golem_tests::server::Program::Golem.path();
    let address = format!("http://{}", api.address());
    let token = api.token().to_owned();
    let out = folder.path().join("wit");
    let arguments: [&std::ffi::OsStr; 11] = [
        "template".as_ref(),
        "client".as_ref(),
        "-C".as_ref(),
        counter.as_ref(),
        "-o".as_ref(),
        out.as_ref(),
        "-u".as_ref(),
        address.as_ref(),
        "-T".as_ref(),
        token.as_ref(),
        "-q".as_ref(),
    ];
    let done = tokio::process::Command::new(program).args(arguments).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let names = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(names.contains("golem-counter-client.wit") && names.contains("golem-rpc.wit"), "{names}");
    let written = std::fs::read_to_string(out.join("golem-counter-client.wit")).unwrap();
    let checked_in = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("guests/calls/clients/golem-counter-client.wit");
    // A component contains no comments, so they are ignored.
    let code = |text: &str| {
        text.lines().filter(|line| !line.trim_start().starts_with("///")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(code(&written), code(&std::fs::read_to_string(checked_in).unwrap()));
    node.stop().await;
}
