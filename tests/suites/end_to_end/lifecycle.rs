//! The oplog and the queue of a worker, and cancelled invocations.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{COUNTER, GET, INCREMENT, SLEEP, SLEEPS};
use golem_tests::http::Request;
use golem_tests::rest::{Api, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};

async fn oplog(api: &mut Api, template: &str, worker: &str, query: &str) -> Value {
    api.ok(Request::get(worker_path(template, worker, &format!("oplog{query}")))).await.json()
}

fn kinds(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

async fn queue(api: &mut Api, template: &str, worker: &str) -> Vec<Value> {
    let path = worker_path(template, worker, "queue");
    api.ok(Request::get(path)).await.json().as_array().unwrap().clone()
}

fn cancellation(template: &str, worker: &str, key: &str) -> Request {
    Request::new("DELETE", worker_path(template, worker, &format!("invocations/{key}")))
}

#[tokio::test]
async fn an_oplog_is_read_in_pages_and_searched() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    for key in ["first", "second", "third"] {
        api.ok(call(&template, "w", INCREMENT, &json!([]), key)).await;
    }
    let all = oplog(&mut api, &template, "w", "").await;
    let kinds_of_one = ["invocation-started", "invocation-completed"];
    let mut wanted = vec!["created", "activated"];
    wanted.extend([kinds_of_one; 3].concat());
    assert_eq!(kinds(&all), wanted, "{all}");
    assert_eq!((&all["next"], &all["end"]), (&Value::Null, &json!(8)));
    assert_eq!(all["entries"][7]["details"]["result"], json!(3));
    assert_eq!(all["entries"][2]["details"]["key"], json!("first"));

    // All pages together are the whole oplog.
    let (mut pages, mut from) = (Vec::new(), json!(1));
    while from != Value::Null {
        let page = oplog(&mut api, &template, "w", &format!("?count=3&from={from}")).await;
        pages.extend(page["entries"].as_array().unwrap().clone());
        from = page["next"].clone();
    }
    assert_eq!(json!(pages), all["entries"]);

    let found = oplog(&mut api, &template, "w", "?query=SECOND%20increment").await;
    assert_eq!(found["entries"], json!([all["entries"][4]]), "{found}");
    let nothing = oplog(&mut api, &template, "w", "?from=100").await;
    assert_eq!(nothing["entries"], json!([]));
    assert_eq!(api.call(Request::get(worker_path(&template, "w", "oplog?count=0"))).await.status, 400);
    assert_eq!(api.call(Request::get(worker_path(&template, "none", "oplog"))).await.status, 404);

    // One entry, which is not cut in a page either.
    let entry = oplog(&mut api, &template, "w", "/5").await;
    assert_eq!(entry, all["entries"][4]);

    // The oplog of a worker with the same name continues after it, and its first page is not empty.
    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    api.ok(call(&template, "w", INCREMENT, &json!([]), "again")).await;
    let page = oplog(&mut api, &template, "w", "?count=1").await;
    assert_eq!((kinds(&page), &page["next"]), (vec!["created".to_owned()], &json!(10)), "{page}");
    node.stop().await;
}

#[tokio::test]
async fn queued_invocations_are_listed_and_cancelled() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    api.create(&template, "w").await;
    api.ok(send(&template, "w", SLEEP, &json!([600_000]), "runs")).await;
    wait::until("the first has begun", || {
        let mut api = Api::new(api.address(), api.token());
        let template = template.clone();
        async move { (queue(&mut api, &template, "w").await[0]["begun"] == true).then_some(()) }
    })
    .await;
    api.ok(send(&template, "w", SLEEP, &json!([1]), "queued")).await;
    api.ok(send(&template, "w", SLEEP, &json!([2]), "stays")).await;
    let waited = {
        let request = api.with_token(call(&template, "w", SLEEP, &json!([3]), "waited"));
        let address = api.address();
        tokio::spawn(async move {
            let mut connection = golem_tests::http::Connection::open(address).await.unwrap();
            wait::bounded("an answer", connection.call(&request)).await.unwrap()
        })
    };
    // An invocation whose caller waits is accepted soon, too, so that a crash does not lose it.
    wait::until("all are in the queue, accepted", || {
        let mut api = Api::new(api.address(), api.token());
        let template = template.clone();
        async move {
            let queue = queue(&mut api, &template, "w").await;
            (queue.len() == 4 && queue[3]["acceptedAt"].is_string()).then_some(())
        }
    })
    .await;
    let seen = queue(&mut api, &template, "w").await;
    let keys: Vec<_> = seen.iter().map(|queued| queued["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["runs", "queued", "stays", "waited"]);
    assert_eq!(seen[1]["function"], json!(SLEEP));
    assert!(seen[1]["acceptedAt"].is_string(), "{seen:?}");

    // The waiting caller gets an error. A second cancellation has no effect.
    api.ok(cancellation(&template, "w", "waited")).await;
    let answer = waited.await.unwrap();
    assert_eq!(answer.status, 409, "{}", answer.text());
    for _ in 0..2 {
        api.ok(cancellation(&template, "w", "queued")).await;
    }
    assert_eq!(api.call(cancellation(&template, "w", "runs")).await.status, 409);
    assert_eq!(api.call(cancellation(&template, "w", "unknown")).await.status, 404);

    // The invocations stay cancelled after a crash.
    let node = node.crash().await;
    let mut api = node.api();
    for (key, ms) in [("queued", 1), ("waited", 3)] {
        let again = api.call(call(&template, "w", SLEEP, &json!([ms]), key)).await;
        assert_eq!(again.status, 409, "{}", again.text());
        assert!(again.text().contains("cancelled"), "{}", again.text());
        // The key still belongs to the cancelled invocation.
        let other = api.call(call(&template, "w", SLEEP, &json!([ms + 1]), key)).await;
        assert_eq!(other.status, 409);
        assert!(other.text().contains("was used before"), "{}", other.text());
        api.ok(cancellation(&template, "w", key)).await;
    }
    let left = queue(&mut api, &template, "w").await;
    let keys: Vec<_> = left.iter().map(|queued| queued["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["runs", "stays"]);
    node.stop().await;
}

#[tokio::test]
async fn a_completed_invocation_cannot_be_cancelled() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    let keyed = call(&template, "w", INCREMENT, &json!([]), "done");
    assert_eq!(result_of(&api.ok(keyed).await), json!(1));
    let node = node.restart().await;
    let mut api = node.api();
    let refused = api.call(cancellation(&template, "w", "done")).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("has ended"), "{}", refused.text());
    assert_eq!(api.invoke(&template, "w", GET, &json!([])).await, json!(1));
    node.stop().await;
}
