//! Templates: upload in every accepted form, versions, download.

use crate::{TestNode, upload};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Part, multipart};
use serde_json::json;

fn part<'a>(name: &'a str, content_type: Option<&'a str>, content: &'a [u8]) -> Part<'a> {
    Part { name, content_type, content }
}

#[tokio::test]
async fn an_upload_is_taken_in_every_spelling_of_its_form() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let wasm = guests::bytes(guests::COUNTER);
    let project = api.ok(Request::get("/v1/projects/default")).await.json()["projectId"].clone();
    let octets = Some("application/octet-stream");
    for (name, first, query, second, swapped) in [
        ("a", "field0", json!({ "componentName": "a" }), "template", false),
        ("b", "query", json!({ "templateName": "b" }), "template", false),
        ("c", "field0", json!({ "componentName": { "value": "c" } }), "component", false),
        ("d", "query", json!({ "projectId": project, "componentName": "d" }), "component", true),
        ("e", "field0", json!({ "projectId": null, "componentName": "e" }), "template", true),
    ] {
        let query = query.to_string();
        let mut parts =
            vec![part(first, Some("application/json"), query.as_bytes()), part(second, octets, &wasm)];
        if swapped {
            parts.reverse();
            // Old clients send parts without a content type.
            for part in &mut parts {
                part.content_type = None;
            }
        }
        let template = api.ok(multipart(&parts)).await.json();
        let id = &template["versionedTemplateId"];
        assert_eq!(template["templateName"], json!({ "value": name }));
        assert_eq!(id["version"], 0);
        assert_eq!(template["userTemplateId"]["versionedComponentId"], *id);
        assert_eq!(template["protectedTemplateId"]["versionedComponentId"], *id);
        assert_eq!(template["templateSize"], json!(wasm.len()));
        assert_eq!(template["projectId"], project);
        let functions = &template["metadata"]["exports"][0]["Instance"];
        assert_eq!(functions["name"], "golem:counter/api");
        let increment = functions["functions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|function| function["name"] == "increment")
            .unwrap_or_else(|| panic!("{functions} does not have increment"));
        assert_eq!(increment["parameters"], json!([]));
        assert_eq!(increment["results"], json!([{ "name": null, "tpe": { "U64": {} } }]));
        assert!(template["metadata"]["producers"][0]["fields"].is_array(), "{template}");
    }
    let all = api.ok(Request::get("/v1/templates")).await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(5));
    let named = api.ok(Request::get("/v1/templates?template-name=c")).await.json();
    assert_eq!(named[0]["templateName"], json!({ "value": "c" }));
    assert_eq!(named.as_array().map(Vec::len), Some(1));
    for spelled in ["project-id", "projectId"] {
        let path = format!("/v1/templates?{spelled}={}", project.as_str().unwrap());
        assert_eq!(api.ok(Request::get(path)).await.json(), all);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_new_version_is_for_new_workers() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let (counter, cart) = (guests::bytes(guests::COUNTER), guests::bytes(guests::CART));
    let template = upload(&mut api, guests::COUNTER).await;
    let count = json!([]);
    assert_eq!(api.invoke(&template, "old", guests::INCREMENT, &count).await, json!(1));

    let path = |rest: &str| format!("/v1/templates/{template}{rest}");
    let update = Request::new("PUT", path("/upload")).body("application/octet-stream", cart.clone());
    let second = api.ok(update).await.json();
    assert_eq!(second["versionedTemplateId"], json!({ "rawTemplateId": template, "version": 1 }));
    assert_eq!(second["templateName"], json!({ "value": "counter" }), "a template keeps its name");

    let mut node = node;
    for value in 2..=4_u64 {
        let mut api = node.api();
        assert_eq!(api.ok(Request::get(path("/latest"))).await.json(), json!(1));
        let versions = api.ok(Request::get(path(""))).await.json();
        let numbers: Vec<_> =
            versions.as_array().into_iter().flatten().map(|v| &v["versionedTemplateId"]["version"]).collect();
        assert_eq!(numbers, [&json!(0), &json!(1)]);
        // Each version is downloaded byte for byte.
        for (query, wasm) in [("?version=0", &counter), ("?version=1", &cart), ("", &cart)] {
            let download = api.ok(Request::get(path(&format!("/download{query}")))).await;
            assert_eq!(download.header("content-type"), Some("application/octet-stream"));
            assert!(
                download.body == *wasm,
                "version {query:?} came back as {} other bytes",
                download.body.len()
            );
        }
        // The existing worker keeps its version.
        assert_eq!(api.invoke(&template, "old", guests::INCREMENT, &count).await, json!(value));
        assert_eq!(api.metadata(&template, "old").await["templateVersion"], json!(0));
        // A new worker has the new version.
        let user = format!("{}/initialize-cart", guests::CART_API);
        api.invoke(&template, &format!("new-{value}"), &user, &json!(["ada"])).await;
        let identified =
            api.ok(Request::get(format!("/v1/templates/workers/{template}.new-{value}"))).await.json();
        assert_eq!(identified["templateVersionUsed"], json!(1));
        node = if value == 2 { node.restart().await } else { node.crash().await };
    }
    node.stop().await;
}

/// A program for WASI preview 1 as C compilers produce it: it prints a line and returns.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[tokio::test]
async fn a_module_for_preview_1_is_kept_as_it_was_uploaded() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let wasm = wat::parse_str(PROGRAM).unwrap();
    let template = api.upload("program", &wasm).await;
    let run = "wasi:cli/run/run";
    assert_eq!(api.invoke(&template, "a", run, &json!([])).await, json!({ "ok": null }));
    let node = node.crash().await;
    let mut api = node.api();
    let stored = api.ok(Request::get(format!("/v1/templates/{template}"))).await.json();
    assert_eq!(stored[0]["templateSize"], json!(wasm.len()));
    let export = stored[0]["metadata"]["exports"][0]["Instance"]["name"].as_str().unwrap_or_default();
    assert!(export.starts_with("wasi:cli/run@0.2."), "{stored}");
    let download = api.ok(Request::get(format!("/v1/templates/{template}/download"))).await;
    assert!(download.body == wasm, "the downloaded bytes differ");
    assert_eq!(api.invoke(&template, "b", run, &json!([])).await, json!({ "ok": null }));
    node.stop().await;
}
