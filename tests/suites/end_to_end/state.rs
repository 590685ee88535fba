//! Workers in Rust whose state is saved with serde (`tests/guests/keeps`, `keeps-next`), without code of their own
//! for it.

use crate::updates::{finished_update, metric, update, upload_version};
use crate::{TestNode, upload};
use golem_tests::http::Request;
use golem_tests::rest::worker_path;
use serde_json::json;

fn api_function(function: &str) -> String {
    format!("golem:keeps/api/{function}")
}

#[tokio::test]
async fn a_serde_state_is_restored_without_replaying_its_history() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=10")).await;
    let mut api = node.api();
    let template = upload(&mut api, "keeps").await;
    let promise = api.invoke(&template, "w", &api_function("ask"), &json!([])).await;
    for number in 0..45 {
        api.invoke(&template, "w", &api_function("add"), &json!([format!("word {}", number % 7)])).await;
    }
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(api.invoke(&template, "w", &api_function("totals"), &json!([])).await, json!([7, 45]));
    assert!(metric(&mut api, "golem_worker_snapshots_loaded_total").await >= 1);
    assert!(metric(&mut api, "golem_entries_replayed_total").await < 40);

    // A promise in the saved state is the same promise after the load.
    let complete = Request::post(worker_path(&template, "w", "complete"));
    let body = json!({ "oplogIdx": promise, "data": b"\"yes\"" });
    assert_eq!(api.ok(complete.json(&body)).await.json(), json!(true));
    assert_eq!(api.invoke(&template, "w", &api_function("answer"), &json!([])).await, json!({ "ok": "yes" }));
    node.stop().await;
}

#[tokio::test]
async fn a_state_of_another_shape_is_migrated_or_the_update_is_refused() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "keeps").await;
    for worker in ["goes", "stays"] {
        for word in ["a", "b", "a"] {
            api.invoke(&template, worker, &api_function("add"), &json!([word])).await;
        }
    }
    api.invoke(&template, "stays", &api_function("add"), &json!(["stay"])).await;
    upload_version(&mut api, &template, "keeps_next").await;
    for worker in ["goes", "stays"] {
        api.ok(update(&template, worker, "manual", 1)).await;
        finished_update(&api, &template, worker).await;
    }
    let report = finished_update(&api, &template, "stays").await;
    assert!(report.to_string().contains("one of the words is `stay`"), "{report}");

    let node = node.crash().await;
    let mut api = node.api();
    for (worker, version, totals) in [("goes", 1, json!([2, 3])), ("stays", 0, json!([3, 4]))] {
        assert_eq!(
            api.invoke(&template, worker, &api_function("totals"), &json!([])).await,
            totals,
            "{worker}"
        );
        assert_eq!(api.metadata(&template, worker).await["templateVersion"], json!(version), "{worker}");
    }
    node.stop().await;
}
