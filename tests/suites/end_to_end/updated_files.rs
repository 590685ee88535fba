//! Updates of workers between versions that ship with different files.
//!
//! Before, an automatic update gave the files of the new version to the whole history: a worker that had read one was
//! refused, and a worker that had changed one lost what only the old version had. A manual update never delivered files.

use crate::TestNode;
use crate::files::archive;
use crate::updates::{finished_update, update};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Api, Part, multipart, with_form};
use serde_json::{Value, json};

/// Uploads a version of a template: the first one, or another one of `template`. Returns the template.
async fn upload(api: &mut Api, template: Option<&str>, guest: &str, files: &[(&str, &str)]) -> String {
    let (wasm, files) = (guests::bytes(guest), archive(files));
    let part = |name, content| Part { name, content_type: None, content };
    let query = json!({ "componentName": guest }).to_string();
    let mut parts = vec![part("template", wasm.as_slice()), part("files", &files)];
    let request = if let Some(template) = template {
        with_form(Request::new("PUT", format!("/v1/templates/{template}/upload")), &parts)
    } else {
        parts.insert(0, part("field0", query.as_bytes()));
        multipart(&parts)
    };
    let uploaded = api.ok(request).await.json();
    uploaded["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned()
}

async fn call(api: &mut Api, template: &str, function: &str, params: Value) -> Value {
    api.invoke(template, "w", function, &params).await
}

async fn read(api: &mut Api, template: &str, path: &str) -> Value {
    call(api, template, "golem:files/api/read", json!([path])).await
}

async fn check_files(api: &mut Api, template: &str, files: &[(&str, &str)]) {
    for (path, content) in files {
        let expected = if *content == "-" { json!({ "err": "NotFound" }) } else { json!({ "ok": content }) };
        assert_eq!(read(api, template, path).await, expected, "{path}");
    }
}

async fn updated(api: &mut Api, template: &str, mode: &str, version: u32, conflicts: &[&str]) {
    api.ok(update(template, "w", mode, version)).await;
    let report = finished_update(api, template, "w").await;
    assert_eq!(report["last"]["updated"], json!(true), "{report}");
    assert_eq!(report["templateVersion"], json!(version), "{report}");
    let expected = json!({ "total": conflicts.len(), "paths": conflicts });
    assert_eq!(report["last"]["fileConflicts"], expected, "{report}");
}

#[tokio::test]
async fn after_an_automatic_update_unchanged_files_are_those_of_the_new_version() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, None, "files", &[("menu", "tea"), ("prices", "1"), ("old", "x")]).await;
    // The history depends on the files of the first version.
    check_files(&mut api, &template, &[("menu", "tea"), ("prices", "1"), ("old", "x"), ("new", "-")]).await;
    call(&mut api, &template, "golem:files/api/append", json!(["prices", "0"])).await;
    upload(&mut api, Some(&template), "files", &[("menu", "coffee"), ("prices", "2"), ("new", "y")]).await;
    upload(&mut api, Some(&template), "files", &[("menu", "juice"), ("prices", "3"), ("new", "z")]).await;

    updated(&mut api, &template, "automatic", 1, &["prices"]).await;
    let after = [("menu", "coffee"), ("prices", "10"), ("old", "-"), ("new", "y")];
    check_files(&mut api, &template, &after).await;
    let node = node.crash().await;
    let mut api = node.api();
    check_files(&mut api, &template, &after).await;

    updated(&mut api, &template, "automatic", 2, &["prices"]).await;
    let after = [("menu", "juice"), ("prices", "10"), ("new", "z")];
    check_files(&mut api, &template, &after).await;
    // Back to the first version, whose history is the same.
    updated(&mut api, &template, "automatic", 0, &["prices"]).await;
    let after = [("menu", "tea"), ("prices", "10"), ("old", "x"), ("new", "-")];
    let node = node.crash().await;
    let mut api = node.api();
    check_files(&mut api, &template, &after).await;
    node.stop().await;
}

#[tokio::test]
async fn a_worker_that_has_begun_nothing_gets_the_files_of_the_new_version() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, None, "files", &[("menu", "tea")]).await;
    let create = Request::post(format!("/v1/templates/{template}/workers"));
    api.ok(create.json(&json!({ "name": "w" }))).await;
    upload(&mut api, Some(&template), "files", &[("menu", "coffee")]).await;
    upload(&mut api, Some(&template), "files", &[("menu", "juice")]).await;
    updated(&mut api, &template, "automatic", 1, &[]).await;
    updated(&mut api, &template, "automatic", 2, &[]).await;
    check_files(&mut api, &template, &[("menu", "juice")]).await;
    updated(&mut api, &template, "automatic", 0, &[]).await;
    check_files(&mut api, &template, &[("menu", "tea")]).await;
    let node = node.crash().await;
    check_files(&mut node.api(), &template, &[("menu", "tea")]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_manual_update_delivers_files_and_later_updates_too() {
    const NOTES: &str = "golem:saves/api/notes";
    // With and without a snapshot between the updates.
    for snapshots in ["workers.snapshot_invocations=1", "workers.snapshot_invocations=100"] {
        let node = TestNode::with(|options| options.set(snapshots)).await;
        let mut api = node.api();
        let template = upload(&mut api, None, "saves", &[("notes", "zero\n")]).await;
        call(&mut api, &template, "golem:saves/api/add", json!(["tea"])).await;
        assert_eq!(call(&mut api, &template, NOTES, json!([])).await, json!("zero\n"));
        for notes in ["one\n", "two\n", "three\n"] {
            upload(&mut api, Some(&template), "saves", &[("notes", notes)]).await;
        }
        let mut node = node;
        for (mode, version, notes) in
            [("manual", 1, "one\n"), ("automatic", 2, "two\n"), ("automatic", 3, "three\n")]
        {
            let mut api = node.api();
            updated(&mut api, &template, mode, version, &[]).await;
            assert_eq!(call(&mut api, &template, NOTES, json!([])).await, json!(notes));
            node = node.crash().await;
            let mut api = node.api();
            assert_eq!(call(&mut api, &template, NOTES, json!([])).await, json!(notes));
        }
        let mut api = node.api();
        call(&mut api, &template, "golem:saves/api/note", json!(["own"])).await;
        updated(&mut api, &template, "manual", 0, &["notes"]).await;
        node = node.crash().await;
        assert_eq!(call(&mut node.api(), &template, NOTES, json!([])).await, json!("three\nown\n"));
        node.stop().await;
    }
}
