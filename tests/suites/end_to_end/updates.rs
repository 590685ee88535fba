//! Snapshots, and updates of workers to another version of their template.

use crate::{TestNode, call, send, upload};
use golem_tests::guests::{self, SLEEP, SLEEPS};
use golem_tests::http::Request;
use golem_tests::rest::{Api, result_of, worker_path};
use golem_tests::wait;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const ADD: &str = "golem:saves/api/add";

fn api_function(function: &str) -> String {
    format!("golem:saves/api/{function}")
}

pub(super) async fn upload_version(api: &mut Api, template: &str, guest: &str) {
    let request = Request::new("PUT", format!("/v1/templates/{template}/upload"));
    api.ok(request.body("application/octet-stream", guests::bytes(guest))).await;
}

pub(super) async fn metric(api: &mut Api, name: &str) -> u64 {
    let page = api.ok(Request::get("/metrics")).await.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("there is no metric {name}")).parse().unwrap()
}

pub(super) fn update(template: &str, worker: &str, mode: &str, version: u32) -> Request {
    let body = json!({ "mode": mode, "targetVersion": version });
    Request::post(worker_path(template, worker, "update")).json(&body)
}

/// Waits until no update is pending and returns the report.
pub(super) async fn finished_update(api: &Api, template: &str, worker: &str) -> Value {
    wait::until("the update is done or refused", || {
        let mut api = Api::new(api.address(), api.token());
        let path = worker_path(template, worker, "update");
        async move {
            let report = api.ok(Request::get(path)).await.json();
            report["pending"].is_null().then_some(report)
        }
    })
    .await
}

async fn add(api: &mut Api, template: &str, range: std::ops::Range<u32>) {
    for number in range {
        let count = api.invoke(template, "w", ADD, &json!([format!("text {number}")])).await;
        assert_eq!(count, json!(number + 1));
    }
}

async fn read_state(api: &mut Api, template: &str) -> Vec<Value> {
    let mut texts = api.invoke(template, "w", &api_function("all"), &json!([])).await;
    // The order is that of a hash map, which changes when the worker is saved.
    texts.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    vec![texts, api.invoke(template, "w", &api_function("times"), &json!([])).await]
}

/// The state of a worker, and the number of entries that were replayed for it.
async fn read_state_after_start(api: &mut Api, template: &str) -> (Vec<Value>, u64) {
    let seen = read_state(api, template).await;
    (seen, metric(api, "golem_entries_replayed_total").await)
}

#[tokio::test]
async fn a_worker_with_snapshots_is_restored_without_replaying_its_history() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=10")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    add(&mut api, &template, 0..55).await;
    let seen = read_state(&mut api, &template).await;
    assert!(metric(&mut api, "golem_worker_snapshots_total").await >= 5);
    let mut node = node;
    for _ in 0..2 {
        node = node.crash().await;
        let mut api = node.api();
        let (again, replayed) = read_state_after_start(&mut api, &template).await;
        assert_eq!(again, seen);
        assert!(replayed < 60, "{replayed} entries were replayed");
        assert!(metric(&mut api, "golem_worker_snapshots_loaded_total").await >= 1);
    }
    let mut api = node.api();
    let page = api.ok(Request::get(worker_path(&template, "w", "oplog?query=snapshot&count=1"))).await.json();
    assert_eq!(page["entries"][0]["kind"], "snapshot", "{page}");
    node.stop().await;
}

const DAMAGED: &str = "damaged";

/// Whether this test has overwritten the image. The server does not remove images that it cannot read, so they stay
/// after the worker is deleted.
fn is_damaged(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text == DAMAGED)
}

fn images(data: &Path) -> Vec<PathBuf> {
    let mut images: Vec<_> =
        std::fs::read_dir(data.join("snapshots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    images.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    images
}

/// The oplog of a worker that has the name of a deleted one begins after index 1. That changes neither when snapshots are
/// taken nor how the worker is rebuilt from one.
#[tokio::test]
async fn a_recreated_worker_is_saved_and_restored() {
    let node = TestNode::with(|options| {
        options.set("workers.snapshot_invocations=0").set("workers.snapshot_entries=20")
    })
    .await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    add(&mut api, &template, 0..30).await;
    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    let before = metric(&mut api, "golem_worker_snapshots_total").await;
    add(&mut api, &template, 0..3).await;
    assert_eq!(metric(&mut api, "golem_worker_snapshots_total").await, before, "the new oplog is short");
    add(&mut api, &template, 3..30).await;
    let seen = read_state(&mut api, &template).await;
    assert!(metric(&mut api, "golem_worker_snapshots_total").await > before);
    let mut node = node;
    for _ in 0..2 {
        node = node.crash().await;
        let mut api = node.api();
        assert_eq!(read_state(&mut api, &template).await, seen);
        assert!(metric(&mut api, "golem_worker_snapshots_loaded_total").await >= 1);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_skipped() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=5")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    api.invoke(&template, "w", &api_function("grow"), &json!([0])).await;
    add(&mut api, &template, 0..1).await;
    // Snapshots of this size are not stored in the log but as files.
    for filler in [100_000, 200_000, 300_000, 400_000] {
        api.invoke(&template, "w", &api_function("grow"), &json!([filler])).await;
        for _ in 0..5 {
            api.invoke(&template, "w", &api_function("touch"), &json!([])).await;
        }
    }
    let data = node.data();
    wait::until("older images are removed", || {
        let data = data.clone();
        async move { (images(&data).len() == 2).then_some(()) }
    })
    .await;
    let seen = read_state(&mut api, &template).await;
    let mut node = node;
    for damaged in 1..=2 {
        let data = node.data();
        let path = images(&data).swap_remove(2 - damaged);
        std::fs::write(&path, DAMAGED).unwrap();
        node = node.crash().await;
        let mut api = node.api();
        assert_eq!(read_state(&mut api, &template).await, seen, "with {damaged} damaged");
    }
    let mut api = node.api();
    api.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    let data = node.data();
    wait::until("the images of a deleted worker are removed", || {
        let data = data.clone();
        async move { images(&data).iter().all(|path| is_damaged(path)).then_some(()) }
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn a_jump_in_save_reverts_nothing() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=2")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    add(&mut api, &template, 0..1).await;
    api.invoke(&template, "w", &api_function("spoil"), &json!(["jump-save"])).await;
    // Regression: the jump in `save` reverted the completed invocation, and the next call was replayed forever.
    add(&mut api, &template, 1..3).await;
    let page = api.ok(Request::get(worker_path(&template, "w", "oplog?query=snapshot-refused"))).await.json();
    let refused = page["entries"][0]["text"].as_str().unwrap_or_default();
    assert!(refused.contains("position#jump cannot be called in save"), "{page}");
    let page = api.ok(Request::get(worker_path(&template, "w", "oplog?query=revert"))).await.json();
    assert_eq!(page["entries"], json!([]));
    let node = node.crash().await;
    add(&mut node.api(), &template, 3..5).await;
    node.stop().await;
}

#[tokio::test]
async fn a_refused_snapshot_is_recorded_and_the_worker_continues() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=3")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    api.invoke(&template, "w", &api_function("spoil"), &json!(["call-save"])).await;
    add(&mut api, &template, 0..10).await;
    let page = api.ok(Request::get(worker_path(&template, "w", "oplog?query=snapshot-refused"))).await.json();
    assert!(!page["entries"].as_array().unwrap().is_empty(), "{page}");
    assert!(page["entries"][0]["text"].as_str().unwrap().contains("cannot be called in save"), "{page}");
    let seen = read_state(&mut api, &template).await;
    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(read_state(&mut api, &template).await, seen);
    node.stop().await;
}

#[tokio::test]
async fn an_automatic_update_is_rehearsed_and_can_be_reversed() {
    let node = TestNode::with(|options| options.set("workers.snapshot_invocations=4")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    add(&mut api, &template, 0..10).await;
    let seen = read_state(&mut api, &template).await;
    upload_version(&mut api, &template, "saves-next").await;
    assert_eq!(api.call(update(&template, "w", "automatic", 0)).await.status, 400);
    assert_eq!(api.call(update(&template, "w", "automatic", 7)).await.status, 404);
    let mut node = node;
    for (version, other) in [(1, 0), (0, 1)] {
        let mut api = node.api();
        api.ok(update(&template, "w", "automatic", version)).await;
        let report = finished_update(&api, &template, "w").await;
        assert_eq!(report["templateVersion"], json!(version), "{report}");
        assert_eq!(report["last"]["updated"], json!(true), "{report}");
        assert_eq!(report["last"]["from"], json!(other));
        assert_eq!(read_state(&mut api, &template).await, seen);
        node = node.crash().await;
        let mut api = node.api();
        assert_eq!(read_state(&mut api, &template).await, seen);
        assert_eq!(api.metadata(&template, "w").await["templateVersion"], json!(version));
    }
    node.stop().await;
}

#[tokio::test]
async fn an_update_that_would_diverge_changes_nothing() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    add(&mut api, &template, 0..2).await;
    // The next version reads the clock here.
    api.invoke(&template, "w", &api_function("touch"), &json!([])).await;
    add(&mut api, &template, 2..3).await;
    let seen = read_state(&mut api, &template).await;
    upload_version(&mut api, &template, "saves-next").await;
    upload_version(&mut api, &template, "counter").await;
    let mut node = node;
    for (version, says) in [(1, "wall-clock#now"), (2, "exports no function")] {
        let mut api = node.api();
        api.ok(update(&template, "w", "automatic", version)).await;
        for _ in 0..2 {
            let api = node.api();
            let report = finished_update(&api, &template, "w").await;
            assert_eq!(report["templateVersion"], json!(0), "{report}");
            assert_eq!(report["last"]["updated"], json!(false), "{report}");
            assert!(report["last"]["details"].as_str().unwrap().contains(says), "{report}");
            assert_eq!(report["last"]["oplogIndex"].is_u64(), version == 1, "{report}");
            node = node.crash().await;
        }
        let mut api = node.api();
        assert_eq!(read_state(&mut api, &template).await, seen);
    }
    // A manual update succeeds where replay diverges, if both versions support it.
    let mut api = node.api();
    api.ok(update(&template, "w", "manual", 2)).await;
    let report = finished_update(&api, &template, "w").await;
    assert!(report["last"]["details"].as_str().unwrap().contains("does not export"), "{report}");
    api.ok(update(&template, "w", "manual", 1)).await;
    let report = finished_update(&api, &template, "w").await;
    assert_eq!(
        (&report["templateVersion"], &report["last"]["updated"]),
        (&json!(1), &json!(true)),
        "{report}"
    );
    assert_eq!(api.invoke(&template, "w", &api_function("count"), &json!([])).await, json!(3));
    // The oplog now contains a call that only the new version can replay.
    let seen = read_state(&mut api, &template).await;
    node = node.crash().await;
    let mut api = node.api();
    assert_eq!(read_state(&mut api, &template).await, seen);
    // The reverse update.
    api.ok(update(&template, "w", "manual", 0)).await;
    assert_eq!(finished_update(&api, &template, "w").await["templateVersion"], json!(0));
    node = node.crash().await;
    let mut api = node.api();
    add(&mut api, &template, 3..4).await;
    node.stop().await;
}

#[tokio::test]
async fn an_update_waits_for_the_invocation_that_runs() {
    let node = TestNode::with(|options| options.set("workers.suspend_after_ms=100")).await;
    let mut api = node.api();
    let template = upload(&mut api, SLEEPS).await;
    upload_version(&mut api, &template, SLEEPS).await;
    upload_version(&mut api, &template, SLEEPS).await;
    let worker = "w";
    api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&json!({ "name": worker }))).await;
    let asleep = call(&template, worker, SLEEP, &json!([1_500]), "asleep");
    api.ok(send(&template, worker, SLEEP, &json!([1_500]), "asleep")).await;
    assert_eq!(api.metadata(&template, worker).await["templateVersion"], json!(2));
    // A pending update runs before invocations that have not begun.
    wait::until("the invocation has begun", || {
        let (mut api, template) = (node.api(), template.clone());
        async move { (api.status(&template, worker).await == "Suspended").then_some(()) }
    })
    .await;
    // A request replaces the pending one, and can be withdrawn.
    let withdraw = || Request::new("DELETE", worker_path(&template, worker, "update"));
    let refused = api.call(withdraw()).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("worker"), "{}", refused.text());
    let pending = async |api: &mut Api| {
        api.ok(Request::get(worker_path(&template, worker, "update"))).await.json()["pending"].clone()
    };
    api.ok(update(&template, worker, "manual", 1)).await;
    api.ok(withdraw()).await;
    assert_eq!(pending(&mut api).await, Value::Null);
    for (mode, version) in [("manual", 1), ("automatic", 1), ("automatic", 0), ("automatic", 0)] {
        api.ok(update(&template, worker, mode, version)).await;
        let found = pending(&mut api).await;
        assert_eq!((&found["mode"], &found["targetVersion"]), (&json!(mode), &json!(version)), "{found}");
    }
    // The pending update survives a crash.
    let node = node.crash().await;
    let mut api = node.api();
    assert!(result_of(&api.ok(asleep).await).as_u64() >= Some(1_500));
    let report = finished_update(&api, &template, worker).await;
    assert_eq!(report["templateVersion"], json!(0), "{report}");
    node.stop().await;
}

#[tokio::test]
async fn a_kill_at_any_moment_of_an_update_leaves_one_version_or_the_other() {
    let mut node = TestNode::with(|options| options.set("workers.snapshot_invocations=3")).await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    upload_version(&mut api, &template, "saves-next").await;
    add(&mut api, &template, 0..7).await;
    let mut version = 1;
    for round in 0..8_u32 {
        let mut api = node.api();
        version = 1 - version;
        let mode = if round % 4 < 2 { "manual" } else { "automatic" };
        let request = api.with_token(update(&template, "w", mode, version));
        // The server is killed before, during or after the update.
        let mut connection = golem_tests::http::Connection::open(api.address()).await.unwrap();
        connection.send(&request.bytes()).await.unwrap();
        if round % 2 == 1 {
            // The answer to this later request shows that the server has had time for the update.
            drop(api.call(Request::get(worker_path(&template, "w", "update"))).await);
        }
        node = node.crash().await;
        let mut api = node.api();
        let report = finished_update(&api, &template, "w").await;
        let found = u32::try_from(report["templateVersion"].as_u64().unwrap()).unwrap();
        // The request may have been lost. If it was not, the update succeeds, because neither version refuses a
        // snapshot or diverges here.
        assert!(report["last"].is_null() || report["last"]["updated"] == true, "{report}");
        version = found;
        let texts = api.invoke(&template, "w", &api_function("all"), &json!([])).await;
        assert_eq!(texts.as_array().unwrap().len(), usize::try_from(7 + round).unwrap(), "{report}");
        add(&mut api, &template, 7 + round..8 + round).await;
    }
    node.stop().await;
}
