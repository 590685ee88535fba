//! The OpenAPI document: compared with the golden file, complete, and compared with real responses.

use golem_runtime::rest::{ENDPOINTS, openapi_document};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::worker_path;
use golem_tests::server::ServerOptions;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn the_document_is_the_golden_one() {
    let mut text = serde_json::to_string_pretty(&openapi_document()).unwrap();
    text.push('\n');
    crate::check_golden("openapi.json", &text);
}

#[test]
fn every_endpoint_is_documented_and_every_reference_resolves() {
    let document = openapi_document();
    let mut names = BTreeSet::new();
    for endpoint in ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.method.to_lowercase()];
        assert!(operation.is_object(), "{} {} is missing", endpoint.method, endpoint.path);
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "two operations have the id {name}");
    }
    let text = document.to_string();
    for (at, start) in text.match_indices("\"$ref\":\"#") {
        let pointer = text[at + start.len()..].split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "the reference #{pointer} has no target");
    }
}

/// Checks that `value` matches the schema and that every field of it is described.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(pointer) = schema["$ref"].as_str() {
        return check(document, document.pointer(&pointer[1..]).unwrap(), value, place);
    }
    match schema["type"].as_str() {
        None => {}
        Some("object") => {
            let fields = value.as_object().unwrap_or_else(|| panic!("{place} is not an object: {value}"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(required.as_str().unwrap()),
                    "{place} has no field {required}: {value}"
                );
            }
            for (name, field) in fields {
                let described = &schema["properties"][name];
                assert!(!described.is_null(), "{place}.{name} is not described");
                check(document, described, field, &format!("{place}.{name}"));
            }
        }
        Some("array") => {
            let items = value.as_array().unwrap_or_else(|| panic!("{place} is not an array: {value}"));
            for item in items {
                check(document, &schema["items"], item, &format!("{place}[]"));
            }
        }
        Some("string") => assert!(value.is_string(), "{place} is not a string: {value}"),
        Some("integer") => assert!(value.is_i64() || value.is_u64(), "{place} is not an integer: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{place} is not a boolean: {value}"),
        Some(other) => panic!("{place} has the unknown type {other}"),
    }
}

#[tokio::test]
async fn responses_match_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerOptions::new(folder.path().join("data")).set("log=warn").start().await;
    let mut api = server.api();
    let document = api.ok(Request::get("/openapi.json")).await.json();
    assert_eq!(document, openapi_document());

    let (account, project) = (api.account().await, api.default_project().await);
    let template = api.upload("counter", &guests::bytes(guests::COUNTER)).await;
    api.create(&template, "w").await;
    let mut other = api.new_account("other").await;
    let grant = api.grant(&project, &other.account().await, &["ViewComponent"]).await;
    api.ok(Request::post("/v1/whitelist").json(&json!(["a@example.com"]))).await;
    let token = api.ok(Request::get("/v1/login/token")).await.json()["id"].as_str().unwrap().to_owned();
    let policy = api.ok(Request::get(format!("/v1/projects/{project}/grants/{grant}"))).await.json();
    let policy = policy["data"]["projectPolicyId"].as_str().unwrap().to_owned();
    let mut checked = 0;
    for endpoint in ENDPOINTS {
        let described = &document["paths"][endpoint.path][endpoint.method.to_lowercase()];
        let schema = &described["responses"]["200"]["content"]["application/json"]["schema"];
        // Endpoints that change something are covered by other suites.
        if endpoint.method != "GET" || schema.is_null() {
            continue;
        }
        let path = endpoint
            .path
            .replace("{template_id}", &template)
            .replace("{worker_name}", "w")
            .replace("{worker_id}", &format!("{template}.w"))
            .replace("{account_id}", &account)
            .replace("{project_id}", &project)
            .replace("{grant_id}", &grant)
            .replace("{token_id}", &token)
            .replace("{project_policy_id}", &policy)
            .replace("{role}", "Admin");
        let query =
            if path.ends_with("/resource-limits") { format!("?account-id={account}") } else { String::new() };
        let value = api.ok(Request::get(format!("{path}{query}"))).await.json();
        check(&document, schema, &value, endpoint.path);
        checked += 1;
    }
    assert!(checked >= 25, "only {checked} answers were compared");
    let tokens = Request::post(format!("/v1/accounts/{account}/tokens"));
    let made = api.ok(tokens.json(&json!({ "expiresAt": "2100-01-01T00:00:00Z" }))).await.json();
    check(&document, &json!({ "$ref": "#/components/schemas/UnsafeToken" }), &made, "UnsafeToken");
    let missing = api.call(Request::get(worker_path(&template, "missing", ""))).await.json();
    check(&document, &json!({ "$ref": "#/components/schemas/Error" }), &missing, "Error");
    assert!(server.stop().await.success());
}
