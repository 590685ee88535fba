//! Workers: create, delete, interrupt, resume, sleep, fail.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{COUNTER, GET, INCREMENT, SLEEP, SLEEPS};
use golem_tests::http::{Connection, Request, Response};
use golem_tests::rest::{Api, Key, invocation, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub(crate) async fn until_status(api: &Api, template: &str, worker: &str, status: &str) {
    wait::until(&format!("{worker} is {status}"), || {
        let mut api = Api::new(api.address(), api.token());
        async move { (api.status(template, worker).await == status).then_some(()) }
    })
    .await;
}

/// Repeats a request until its answer fulfils a condition, and returns that answer. A worker that does not exist yet
/// fulfils none.
async fn until_json(api: &Api, request: Request, condition: impl Fn(&Value) -> bool) -> Value {
    wait::until("an answer fulfils the condition", || {
        let mut api = Api::new(api.address(), api.token());
        let (request, condition) = (request.clone(), &condition);
        async move {
            let answer = api.call(request).await;
            let answer = (answer.status == 200).then(|| answer.json())?;
            condition(&answer).then_some(answer)
        }
    })
    .await
}

/// Sends a request on a separate connection in the background.
pub(crate) fn send_in_background(api: &Api, request: Request) -> JoinHandle<Response> {
    let (address, request) = (api.address(), api.with_token(request));
    tokio::spawn(async move {
        let mut connection = Connection::open(address).await.expect("the server accepts connections");
        wait::bounded("an answer", connection.call(&request)).await.expect("the server answers")
    })
}

pub(crate) fn admin_request(template: &str, worker: &str, operation: &str) -> Request {
    Request::post(worker_path(template, worker, operation))
}

#[tokio::test]
async fn a_recreated_worker_starts_empty() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    let keyed = call(&template, "w", INCREMENT, &json!([]), "key");
    assert_eq!(result_of(&api.ok(keyed.clone()).await), json!(1));
    assert_eq!(api.invoke(&template, "w", INCREMENT, &json!([])).await, json!(2));
    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    assert_eq!(api.call(Request::get(worker_path(&template, "w", ""))).await.status, 404);
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(api.call(Request::get(worker_path(&template, "w", ""))).await.status, 404);
    // The key runs again, because it belonged to the deleted worker.
    assert_eq!(result_of(&api.ok(keyed).await), json!(1));
    assert_eq!(api.invoke(&template, "w", GET, &json!([])).await, json!(1));
    api.create(&template, "other").await;
    api.ok(Request::new("DELETE", worker_path(&template, "other", ""))).await;
    api.create(&template, "other").await;
    node.stop().await;
}

#[tokio::test]
async fn a_sleeping_worker_is_evicted_and_wakes_in_time() {
    let node = TestNode::with(|options| options.set("workers.suspend_after_ms=100")).await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    let begin = wait::now();
    let waiting = send_in_background(&api, call(&template, "w", SLEEP, &json!([1_500]), "sleep"));
    wait::until("the worker exists", || {
        let mut api = Api::new(api.address(), api.token());
        let path = worker_path(&template, "w", "");
        async move { (api.call(Request::get(path)).await.status == 200).then_some(()) }
    })
    .await;
    until_status(&api, &template, "w", "Suspended").await;
    // Another call waits in the queue behind it.
    let second =
        send_in_background(&api, call(&template, "w", "golem:sleeps/api/finished", &json!([]), "finished"));
    let slept = result_of(&waiting.await.unwrap());
    assert!(slept.as_u64().is_some_and(|ms| ms >= 1_500), "slept {slept} ms");
    assert!(begin.elapsed().as_millis() >= 1_500);
    assert_eq!(result_of(&second.await.unwrap()), json!(1));

    // A crash does not change the duration of a sleep.
    let begin = wait::now();
    api.ok(send(&template, "w", SLEEP, &json!([1_500]), "again")).await;
    until_status(&api, &template, "w", "Suspended").await;
    let node = node.crash().await;
    let mut api = node.api();
    let slept = result_of(&api.ok(call(&template, "w", SLEEP, &json!([1_500]), "again")).await);
    assert!(slept.as_u64().is_some_and(|ms| ms >= 1_500), "slept {slept} ms");
    assert!(begin.elapsed().as_millis() >= 1_500);
    assert_eq!(api.invoke(&template, "w", "golem:sleeps/api/finished", &json!([])).await, json!(2));
    node.stop().await;
}

#[tokio::test]
async fn an_interrupted_worker_waits_until_it_is_resumed() {
    for suspend_after_ms in [100, 60_000] {
        let node =
            TestNode::with(|options| options.set(format!("workers.suspend_after_ms={suspend_after_ms}")))
                .await;
        let mut api = node.api();
        let template = upload(&mut api, SLEEPS).await;
        api.create(&template, "w").await;
        let sleep = call(&template, "w", SLEEP, &json!([3_000]), "sleep");
        let waiting = send_in_background(&api, sleep.clone());
        let asleep = if suspend_after_ms == 100 { "Suspended" } else { "Running" };
        until_status(&api, &template, "w", asleep).await;
        api.ok(admin_request(&template, "w", "interrupt")).await;
        let interrupted = waiting.await.unwrap();
        assert_eq!(interrupted.status, 500, "{}", interrupted.text());
        assert_eq!(
            interrupted.json()["golemError"],
            json!({ "Interrupted": { "recoverImmediately": false } })
        );
        assert_eq!(interrupted.json()["error"], "Interrupted via the Golem API");
        // A repeated request gets the same error at once, because the invocation does not continue before a resume.
        let again = api.call(sleep.clone()).await;
        assert_eq!((again.status, again.json()), (500, interrupted.json()));
        assert_eq!(api.status(&template, "w").await, "Interrupted");
        // The worker stays interrupted, also after a restart.
        let node = node.crash().await;
        let mut api = node.api();
        assert_eq!(api.status(&template, "w").await, "Interrupted");
        assert_eq!(api.ok(admin_request(&template, "w", "resume")).await.json(), json!({}));
        let slept = result_of(&api.ok(sleep).await);
        assert!(slept.as_u64().is_some_and(|ms| ms >= 3_000), "slept {slept} ms");
        assert_eq!(api.status(&template, "w").await, "Idle");
        node.stop().await;
    }
}

/// Regression: a call whose caller waited was lost when the server was killed in the middle. The worker was idle, its
/// queue was empty, and its oplog had only the creation.
#[tokio::test]
async fn a_killed_call_continues_by_itself_and_its_key_gets_the_result() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    let often = call(&template, "w", "golem:sleeps/api/sleep-often", &json!([4, 1_500]), "often");
    let behind = call(&template, "w", "golem:sleeps/api/finished", &json!([]), "behind");
    let killed = send_in_background(&api, often.clone());
    let oplog = Request::get(worker_path(&template, "w", "oplog"));
    // The second sleep has begun: five entries of the first, and its reading of the clock.
    let before = until_json(&api, oplog.clone(), |page| page["end"].as_u64() >= Some(7)).await;
    let killed_behind = send_in_background(&api, behind.clone());
    let queue = Request::get(worker_path(&template, "w", "queue"));
    until_json(&api, queue, |queue| queue[1]["acceptedAt"].is_string()).await;
    let node = node.crash().await;
    drop((killed, killed_behind));

    // It runs although no request asks for it.
    let mut api = node.api();
    until_status(&api, &template, "w", "Running").await;
    let slept = result_of(&api.ok(often).await);
    assert!(slept.as_u64().is_some_and(|ms| ms >= 6_000), "slept {slept} ms");
    assert_eq!(result_of(&api.ok(behind).await), json!(4));
    let after = api.ok(oplog).await.json();
    let kept = before["entries"].as_array().unwrap();
    assert_eq!(after["entries"].as_array().unwrap()[..kept.len()], kept[..], "continued, not begun again");
    node.stop().await;
}

#[tokio::test]
async fn the_next_invocation_resumes_an_interrupted_one_first() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    api.create(&template, "w").await;
    api.ok(send(&template, "w", SLEEP, &json!([2_000]), "sleep")).await;
    until_status(&api, &template, "w", "Running").await;
    api.ok(admin_request(&template, "w", "interrupt")).await;
    until_status(&api, &template, "w", "Interrupted").await;
    assert_eq!(api.invoke(&template, "w", "golem:sleeps/api/finished", &json!([])).await, json!(1));
    node.stop().await;
}

#[tokio::test]
async fn a_simulated_crash_is_invisible_to_the_caller() {
    for query in ["recover-immediately", "recovery-immediately"] {
        let node = TestNode::new().await;
        let mut api = node.api();
        let template = upload(&mut api, SLEEPS).await;
        api.create(&template, "w").await;
        let waiting = send_in_background(&api, call(&template, "w", SLEEP, &json!([2_000]), "sleep"));
        until_status(&api, &template, "w", "Running").await;
        for _ in 0..3 {
            api.ok(admin_request(&template, "w", &format!("interrupt?{query}=true"))).await;
        }
        let slept = result_of(&waiting.await.unwrap());
        assert!(slept.as_u64().is_some_and(|ms| ms >= 2_000), "slept {slept} ms");
        assert_eq!(api.invoke(&template, "w", "golem:sleeps/api/finished", &json!([])).await, json!(1));
        node.stop().await;
    }
}

#[tokio::test]
async fn an_endless_loop_can_be_interrupted_and_other_workers_run() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    let spinning =
        send_in_background(&api, call(&template, "w", "golem:failures/api/spin", &json!([]), "spin"));
    until_status(&api, &template, "w", "Running").await;
    assert_eq!(api.invoke(&template, "other", "golem:failures/api/increment", &json!([])).await, json!(1));
    api.ok(admin_request(&template, "w", "interrupt")).await;
    assert_eq!(spinning.await.unwrap().status, 500);
    until_status(&api, &template, "w", "Interrupted").await;
    // A deletion ends the loop while it runs.
    api.ok(admin_request(&template, "w", "resume")).await;
    until_status(&api, &template, "w", "Running").await;
    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    assert_eq!(api.call(Request::get(worker_path(&template, "w", ""))).await.status, 404);
    node.stop().await;
}

#[tokio::test]
async fn a_failed_worker_returns_its_error_and_stays_failed() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    let api_function = |function: &str| format!("golem:failures/api/{function}");
    assert_eq!(api.invoke(&template, "w", &api_function("increment"), &json!([])).await, json!(1));
    let trap = call(&template, "w", &api_function("trap"), &json!([]), "trap");
    let failed = api.call(trap.clone()).await;
    assert_eq!(failed.status, 500);
    let details = failed.json()["golemError"]["RuntimeError"]["details"].as_str().unwrap().to_owned();
    assert!(details.contains("unreachable"), "{details}");
    assert!(failed.json()["error"].as_str().unwrap().starts_with("Runtime error: "), "{}", failed.text());

    let mut node = node;
    for _ in 0..2 {
        let mut api = node.api();
        let metadata = api.metadata(&template, "w").await;
        assert_eq!(metadata["status"], "Failed");
        assert!(metadata["retryCount"].as_u64().is_some_and(|count| count >= 1), "{metadata}");
        // The same key gets the same error; another invocation is refused.
        assert_eq!(api.call(trap.clone()).await.json(), failed.json());
        let next = api.call(call(&template, "w", &api_function("get"), &json!([]), "get")).await;
        assert_eq!(next.status, 500);
        assert_eq!(next.json()["golemError"], json!({ "PreviousInvocationFailed": {} }));
        assert_eq!(next.json()["error"], "The previously invoked function failed");
        node = node.crash().await;
    }
    // An error result is not a failure of the worker.
    let mut api = node.api();
    assert_eq!(
        api.invoke(&template, "v", &api_function("refuse"), &json!(["no"])).await,
        json!({ "err": "no" })
    );
    assert_eq!(api.status(&template, "v").await, "Idle");
    node.stop().await;
}

#[tokio::test]
async fn a_failing_invocation_is_retried() {
    let node = TestNode::with(|options| {
        options
            .set("workers.retry_delay_ms_min=1000")
            .set("workers.retry_delay_ms_max=1000")
            .set("workers.retry_attempts_max=3")
    })
    .await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    api.create(&template, "w").await;
    // The time is in the far future, so every attempt fails.
    let until = json!([99_999_999_999_u64]);
    let waiting =
        send_in_background(&api, call(&template, "w", "golem:failures/api/fail-until", &until, "fail"));
    until_status(&api, &template, "w", "Retrying").await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(api.status(&template, "w").await, "Failed");
    node.stop().await;
}

#[tokio::test]
async fn an_explicit_exit_is_terminal() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    for code in [0, 3] {
        let worker = format!("w{code}");
        let exited =
            api.call(call(&template, &worker, "golem:failures/api/exit", &json!([code]), "exit")).await;
        assert_eq!(exited.status, 500, "{}", exited.text());
        assert!(
            exited.text().contains(&format!("exit with code {}", i32::from(code != 0))),
            "{}",
            exited.text()
        );
        assert_eq!(api.status(&template, &worker).await, "Exited");
        let next = api.call(call(&template, &worker, "golem:failures/api/get", &json!([]), "get")).await;
        assert_eq!(next.json()["golemError"], json!({ "PreviousInvocationExited": {} }));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_caller_that_stops_waiting_finds_the_answer_later() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    let key = api.key(&template, "w").await;
    let sleep = invocation("invoke-and-await", &template, "w", SLEEP, &json!([2_000]), &Key::Invocation(key));
    let timeout = api.call(sleep.clone().header("Golem-Await-Ms", "50")).await;
    assert_eq!((timeout.status, timeout.text().as_str()), (504, ""));
    // An invocation continues when its caller disconnects.
    let mut hasty = Connection::open(api.address()).await.unwrap();
    let other = api.with_token(call(&template, "v", SLEEP, &json!([300]), "sleep"));
    hasty.send(&other.bytes()).await.unwrap();
    wait::until("the other worker exists", || {
        let mut api = Api::new(api.address(), api.token());
        let path = worker_path(&template, "v", "");
        async move { (api.call(Request::get(path)).await.status == 200).then_some(()) }
    })
    .await;
    drop(hasty);
    assert!(result_of(&api.ok(sleep).await).as_u64() >= Some(2_000));
    assert!(result_of(&api.ok(other).await).as_u64() >= Some(300));
    assert_eq!(api.invoke(&template, "v", "golem:sleeps/api/finished", &json!([])).await, json!(1));
    node.stop().await;
}

#[tokio::test]
async fn the_same_key_in_parallel_runs_once() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    let calls: Vec<_> = (0..20)
        .map(|_| send_in_background(&api, call(&template, "w", INCREMENT, &json!([]), "one")))
        .collect();
    for call in calls {
        assert_eq!(result_of(&call.await.unwrap()), json!(1));
    }
    assert_eq!(api.invoke(&template, "w", GET, &json!([])).await, json!(1));
    node.stop().await;
}

/// Regression: a worker that waited for a memory slot was not notified when another worker became idle and could be
/// evicted. It waited until the idle timeout of several minutes.
#[tokio::test]
async fn an_idle_worker_is_evicted_as_soon_as_another_waits() {
    let node = TestNode::with(|options| options.set("workers.residents_max=1")).await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    for round in 0..5 {
        for worker in ["a", "b", "c"] {
            api.ok(send(&template, worker, SLEEP, &json!([50]), &format!("{round}"))).await;
        }
        for worker in ["c", "b", "a"] {
            api.ok(call(&template, worker, SLEEP, &json!([50]), &format!("{round}"))).await;
        }
    }
    node.stop().await;
}
