//! Lists of workers: over REST, and from within workers.

use crate::workers::until_status;
use crate::{TestNode, call, upload};
use golem_tests::guests::{COUNTER, INCREMENT};
use golem_tests::http::Request;
use golem_tests::rest::{Api, percent_encoded, worker_path};
use serde_json::{Value, json};

/// Requests one page: the names and the cursor.
async fn page(api: &mut Api, template: &str, query: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let request = Request::get(format!("/v1/templates/{template}/workers?{}", query.join("&")));
    let page = api.ok(request).await.json();
    let names = page["workers"].as_array().unwrap().iter();
    let names = names.map(|worker| worker["workerId"]["workerName"].as_str().unwrap().to_owned()).collect();
    (names, page["cursor"].as_str().map(str::to_owned))
}

/// Requests all pages with `count` workers each, and returns the names.
async fn all_pages(api: &mut Api, template: &str, filters: &[&str], count: usize) -> Vec<String> {
    let (mut names, mut cursor, count) = (Vec::new(), Some(String::new()), count.to_string());
    while let Some(from) = cursor {
        let mut query: Vec<(&str, &str)> = filters.iter().map(|filter| ("filter", *filter)).collect();
        query.extend([("cursor", from.as_str()), ("count", count.as_str())]);
        let mut part = page(api, template, &query).await;
        names.append(&mut part.0);
        cursor = part.1;
    }
    names
}

#[tokio::test]
async fn workers_are_listed_by_name_a_page_at_a_time() {
    // The cache holds few projections, so most workers are listed from the store.
    let node = TestNode::with(|options| options.set("workers.heads_cached_max=100")).await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    let other = api.upload("another", &golem_tests::guests::bytes(COUNTER)).await;
    api.create(&other, "cart-000").await;
    let mut expected: Vec<String> = (0..300).map(|number| format!("cart-{number:03}")).collect();
    for name in expected.iter().rev() {
        api.create(&template, name).await;
    }
    api.create(&template, "zebra").await;
    api.ok(Request::new("DELETE", worker_path(&template, "cart-007", ""))).await;
    expected.retain(|name| name != "cart-007");
    let mut node = node;
    for _ in 0..2 {
        let mut api = node.api();
        assert_eq!(all_pages(&mut api, &template, &["name startswith cart-"], 7).await, expected);
        assert_eq!(all_pages(&mut api, &template, &[], 1_000).await.len(), 300);
        assert_eq!(page(&mut api, &template, &[]).await.0, expected[..50]);
        let first = page(&mut api, &template, &[("count", "2")]).await;
        assert_eq!(first, (expected[..2].to_vec(), Some("cart-001".to_owned())));
        assert_eq!(all_pages(&mut api, &template, &["name = zebra"], 1).await, ["zebra"]);
        assert_eq!(all_pages(&mut api, &template, &["name like 29", "name != cart-129"], 3).await.len(), 12);
        assert_eq!(all_pages(&mut api, &other, &["version = 0"], 3).await, ["cart-000"]);
        assert_eq!(all_pages(&mut api, &other, &["version > 0"], 3).await, [] as [&str; 0]);
        assert_eq!(
            all_pages(&mut api, &template, &["created_at < 2023-01-01T00:00:00Z"], 9).await,
            [] as [&str; 0]
        );
        node = node.crash().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn workers_are_filtered_by_status() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "failures").await;
    let api_function = |function: &str| format!("golem:failures/api/{function}");
    let create = json!({
        "name": "fails", "args": ["one"], "env": {"A": "b"},
        "retryPolicy": { "maxAttempts": 1, "minDelayMs": 1, "maxDelayMs": 1, "multiplier": 1.0 },
    });
    api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&create)).await;
    api.call(call(&template, "fails", &api_function("panic"), &json!(["oh no"]), "panic")).await;
    api.invoke(&template, "idle", &api_function("increment"), &json!([])).await;
    until_status(&api, &template, "fails", "Failed").await;
    assert_eq!(all_pages(&mut api, &template, &["status = Failed"], 10).await, ["fails"]);
    assert_eq!(all_pages(&mut api, &template, &["status != Failed"], 10).await, ["idle"]);
    let list = Request::get(format!("/v1/templates/{template}/workers"));
    let mut listed = api.ok(list).await.json()["workers"][0].clone();
    assert!(listed["createdAt"].as_str().is_some_and(|at| at.starts_with("20")), "{listed}");
    listed.as_object_mut().unwrap().remove("createdAt");
    assert_eq!(
        listed,
        api.metadata(&template, "fails").await,
        "the list contains the metadata of the worker"
    );
    for bad in ["count=0", "count=1001", "filter=status", "filter=status+%3D+Tired"] {
        let answer = api.call(Request::get(format!("/v1/templates/{template}/workers?{bad}"))).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
    }
    let unknown = "00000000-0000-0000-0000-000000000000";
    assert_eq!(api.call(Request::get(format!("/v1/templates/{unknown}/workers"))).await.status, 404);
    node.stop().await;
}

#[tokio::test]
async fn workers_list_and_look_up_each_other() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "others").await;
    let counters = upload(&mut api, COUNTER).await;
    api.invoke(&counters, "w-0", INCREMENT, &json!([])).await;
    for number in 0..60 {
        api.create(&template, &format!("w-{number:02}")).await;
    }
    let look_request =
        |name: &str| call(&template, "eye", "golem:others/api/look", &json!([name]), &format!("look-{name}"));
    let seen = api.ok(look_request("w-07")).await.json();
    assert_eq!(seen["result"], json!(["w-07 WorkerStatus::Idle "]));
    assert_eq!(api.ok(look_request("missing")).await.json()["result"], json!([null]));
    let list = call(&template, "eye", "golem:others/api/list", &json!(["w-"]), "list");
    let before = api.ok(list.clone()).await.json();
    assert_eq!(before["result"][0].as_array().map(Vec::len), Some(60));
    api.ok(Request::new("DELETE", worker_path(&template, "w-07", ""))).await;
    let node = node.crash().await;
    let mut api = node.api();
    // Recorded answers stay the same. A new call returns the current state.
    assert_eq!(api.ok(look_request("w-07")).await.json(), seen);
    assert_eq!(api.ok(list).await.json(), before);
    let listed = api.invoke(&template, "eye", "golem:others/api/list", &json!(["w-"])).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(59));
    assert_eq!(listed[0], Value::from("w-00 WorkerStatus::Idle "));
    node.stop().await;
}
