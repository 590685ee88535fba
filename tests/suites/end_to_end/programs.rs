//! Programs that use only standard input and output (`tests/guests/tally`), over REST with both calling conventions.

use crate::TestNode;
use golem_tests::http::{Connection, Request, Response};
use golem_tests::rest::{Api, Key, Part, invocation, multipart, percent_encoded, worker_path};
use golem_tests::{guests, wait};
use serde_json::{Value, json};

/// The function of a program. Its interface has a version, which callers may omit.
const RUN: &str = "wasi:cli/run/run";

/// A request with a calling convention.
fn call(template: &str, worker: &str, convention: &str, params: &Value, key: Option<&str>) -> Request {
    let path = worker_path(template, worker, "invoke-and-await");
    let path = format!("{path}?function={}&calling-convention={convention}", percent_encoded(RUN));
    let request = Request::post(path).json(&json!({ "params": params }));
    match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    }
}

fn result(response: &Response) -> Value {
    response.json()["result"].clone()
}

/// Sends a request on a separate connection in the background.
fn send_in_background(api: &Api, request: Request) -> tokio::task::JoinHandle<()> {
    let (address, request) = (api.address(), api.with_token(request));
    tokio::spawn(async move {
        if let Ok(mut connection) = Connection::open(address).await {
            // The result is ignored, because the server is killed during the request.
            drop(connection.call(&request).await);
        }
    })
}

async fn until_status(api: &Api, template: &str, worker: &str, status: &str) {
    wait::until(&format!("{worker} is {status}"), || {
        let mut api = Api::new(api.address(), api.token());
        let path = worker_path(template, worker, "");
        async move {
            let metadata = api.call(Request::get(path)).await;
            (metadata.status == 200 && metadata.json()["status"] == status).then_some(())
        }
    })
    .await;
}

#[tokio::test]
async fn a_program_is_called_once_with_all_its_input() {
    let node = TestNode::new().await;
    let mut api = node.api();
    for (name, wasm) in [("module", guests::preview1("tally")), ("component", guests::bytes("tally"))] {
        let template = api.upload(name, &wasm).await;
        for (number, (params, expected)) in [
            (json!(17), json!(17)),
            (json!("say {\"a\": [1.5]}"), json!({ "a": [1.5] })),
            (json!("say two words"), json!("two words\n")),
            (json!("silent"), json!(null)),
            (json!("exit 0"), json!(0)),
        ]
        .into_iter()
        .enumerate()
        {
            let worker = format!("w{number}");
            let spelled = ["stdio", "Stdio", "STDIO"][number % 3];
            let answer = api.ok(call(&template, &worker, spelled, &params, Some("key"))).await;
            assert_eq!(result(&answer), expected, "{name}: {params}");
            // The program has run, however it ended: that was the worker's only invocation.
            assert_eq!(api.status(&template, &worker).await, "Exited", "{name}: {params}");
            assert_eq!(
                result(&api.ok(call(&template, &worker, "stdio", &params, Some("key"))).await),
                expected
            );
            let again = api.call(call(&template, &worker, "stdio", &params, None)).await;
            assert_eq!(again.status, 500);
            assert_eq!(again.json()["golemError"], json!({ "PreviousInvocationExited": {} }));
        }
        let failed = api.call(call(&template, "fails", "stdio", &json!("jump"), Some("key"))).await;
        assert_eq!(failed.status, 500);
        let details = failed.json()["golemError"]["RuntimeError"]["details"].clone();
        assert_eq!(
            details,
            json!("the program exited with code 1\nstandard error:\nunknown command \"jump\""),
            "{name}"
        );
        assert_eq!(api.status(&template, "fails").await, "Exited");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_program_answer_survives_a_crash() {
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let template = api.upload("tally", &guests::preview1("tally")).await;
    let sleeps = json!("sleep 1500");
    let sent = send_in_background(&api, call(&template, "sleeps", "stdio", &sleeps, Some("key")));
    until_status(&api, &template, "sleeps", "Running").await;
    let told = api.ok(call(&template, "told", "stdio", &json!("time"), Some("key"))).await;
    node = node.crash().await;
    sent.await.unwrap();
    let mut api = node.api();
    assert_eq!(api.ok(call(&template, "told", "stdio", &json!("time"), Some("key"))).await.body, told.body);
    assert_eq!(api.status(&template, "told").await, "Exited");
    let other = api.call(call(&template, "told", "stdio", &json!("other"), Some("key"))).await;
    assert_eq!(other.status, 409, "{}", other.text());
    // The interrupted invocation continues. If none of its entries was durable, this request starts it.
    assert_eq!(result(&api.ok(call(&template, "sleeps", "stdio", &sleeps, Some("key"))).await), json!(0));
    node.stop().await;
}

#[tokio::test]
async fn an_event_loop_answers_line_after_line() {
    let mut node = TestNode::with(|options| options.set("workers.suspend_after_ms=200")).await;
    let mut api = node.api();
    let template = api.upload("tally", &guests::preview1("tally")).await;
    let line = |params: Value, key: &str| call(&template, "w", "stdio-event-loop", &params, Some(key));
    assert_eq!(result(&api.ok(line(json!(1), "a")).await), json!(1));
    // A key that the server issued, and another spelling of the convention.
    let key = api.key(&template, "w").await;
    let path = worker_path(&template, "w", "invoke-and-await");
    let path = format!(
        "{path}?function={}&invocation-key={key}&calling-convention=StdioEventloop",
        percent_encoded(RUN)
    );
    let issued = Request::post(path).json(&json!({ "params": 2 }));
    assert_eq!(result(&api.ok(issued).await), json!(3));
    assert_eq!(api.status(&template, "w").await, "Idle");
    assert_eq!(result(&api.ok(line(json!("say {\"b\":1,\"a\":2}"), "c")).await), json!({ "b": 1, "a": 2 }));

    // The same key gets the same answer, also after a crash, and the total is restored.
    node = node.crash().await;
    api = node.api();
    assert_eq!(result(&api.ok(line(json!(1), "a")).await), json!(1));
    assert_eq!(result(&api.ok(line(json!(4), "d")).await), json!(7));

    // Killed in the middle of a line, while the worker is in memory and while it is evicted.
    for (number, sleep) in [("e", 100), ("f", 1_500)] {
        let params = json!(format!("sleep {sleep}"));
        let sent = send_in_background(&api, line(params.clone(), number));
        wait::until("the line has begun", || {
            let mut api = Api::new(api.address(), api.token());
            let template = template.clone();
            async move { (api.status(&template, "w").await != "Idle").then_some(()) }
        })
        .await;
        node = node.crash().await;
        api = node.api();
        sent.await.unwrap();
        assert_eq!(result(&api.ok(line(params, number)).await), json!(7));
    }

    // While the loop runs, the worker refuses other invocations.
    for request in [
        invocation("invoke-and-await", &template, "w", RUN, &json!([]), &Key::None),
        call(&template, "w", "stdio", &json!(1), None),
    ] {
        let refused = api.call(request).await;
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("as an event loop"), "{}", refused.text());
    }
    assert_eq!(result(&api.ok(line(json!(1), "g")).await), json!(8));

    // The end of the program ends the worker.
    assert_eq!(result(&api.ok(line(json!("exit 0"), "h")).await), json!(8));
    assert_eq!(api.status(&template, "w").await, "Exited");
    let over = api.call(line(json!(1), "i")).await;
    assert_eq!(over.json()["golemError"], json!({ "PreviousInvocationExited": {} }));
    node.stop().await;
}

#[tokio::test]
async fn lines_wait_in_order_up_to_a_limit() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = api.upload("tally", &guests::preview1("tally")).await;
    let line = |params: Value, key: String| call(&template, "w", "stdio-eventloop", &params, Some(&key));
    let send = |params: Value, key: String| {
        let path = worker_path(&template, "w", "invoke");
        let path = format!("{path}?function={}&calling-convention=stdio-eventloop", percent_encoded(RUN));
        Request::post(path).json(&json!({ "params": params })).header("Idempotency-Key", key)
    };
    api.ok(send(json!("sleep 3000"), "first".to_owned())).await;
    until_status(&api, &template, "w", "Running").await;
    let mut accepted = 0;
    let refused = loop {
        let response = api.call(send(json!(1), format!("line-{accepted}"))).await;
        if response.status != 200 {
            break response;
        }
        accepted += 1;
        assert!(accepted < 1_000, "there is no limit");
    };
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!((127..=129).contains(&accepted), "{accepted} lines waited");
    // The last line was processed after all lines before it.
    let last = line(json!(1), format!("line-{}", accepted - 1));
    assert_eq!(result(&api.ok(last).await), json!(accepted));
    node.stop().await;
}

#[tokio::test]
async fn a_function_that_is_no_program_can_be_called_as_one() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = api.upload("stdin", &guests::bytes("stdin")).await;
    let shout = "golem:stdin/api/shout";
    let path = worker_path(&template, "w", "invoke-and-await");
    let path = format!("{path}?function={}&calling-convention=stdio", percent_encoded(shout));
    for text in ["quiet", "words"] {
        let request = Request::post(path.clone()).json(&json!({ "params": text }));
        assert_eq!(result(&api.ok(request).await), json!(text.to_uppercase()));
    }
    // Called as a function, it has no standard input.
    let read = api.invoke(&template, "w", "golem:stdin/api/line", &json!([])).await;
    assert!(read["err"].as_str().is_some_and(|text| text.contains("error")), "{read}");
    assert_eq!(api.status(&template, "w").await, "Idle");
    node.stop().await;
}

/// Regression: a worker whose first line was rolled back accepted only further lines, although its loop had not
/// begun.
#[tokio::test]
async fn a_loop_whose_first_line_was_rolled_back_never_began() {
    let mut node = TestNode::new().await;
    let mut api = node.api();
    let query = json!({ "componentName": "tally", "onFailure": "rollback", "retryPolicy": { "maxAttempts": 1, "minDelayMs": 1, "maxDelayMs": 1, "multiplier": 1.0 } });
    let wasm = guests::preview1("tally");
    let upload = multipart(&[
        Part {
            name: "field0",
            content_type: Some("application/json"),
            content: query.to_string().as_bytes(),
        },
        Part { name: "template", content_type: Some("application/octet-stream"), content: &wasm },
    ]);
    let template =
        api.ok(upload).await.json()["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();

    let line = |worker: &str, params: Value, key: &str| {
        call(&template, worker, "stdio-event-loop", &params, Some(key))
    };
    let too_long = api.call(line("failed", json!("long 2000000"), "a")).await;
    assert_eq!(too_long.status, 500, "{}", too_long.text());

    // This must hold after a restart too.
    node = node.crash().await;
    api = node.api();
    let answer = api.call(call(&template, "failed", "stdio", &json!(3), Some("c"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(result(&answer), json!(3));
    node.stop().await;
}
