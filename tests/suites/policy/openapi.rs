//! The OpenAPI document: compared with the golden file, complete, and compared with real requests and responses.

use golem_api::account::AccountData;
use golem_api::grant::ProjectGrantRequest;
use golem_api::limits::ResourceLimitsUpdate;
use golem_api::policy::{ProjectAction, ProjectPolicyData};
use golem_api::project::ProjectDataRequest;
use golem_api::template::TemplateQuery;
use golem_api::token::TokenCreationRequest;
use golem_api::update::UpdateRequest;
use golem_api::worker::{CompleteParameters, InvokeParameters, WorkerCreationRequest};
use golem_model::oplog::UpdateMode;
use golem_model::{AccountId, OnFailure, PolicyId, ProjectId, RetryPolicy, TemplateId, Timestamp};
use golem_runtime::rest::{ENDPOINTS, openapi_document};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::worker_path;
use golem_tests::server::ServerOptions;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

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
        Some("number") => assert!(value.is_number(), "{place} is not a number: {value}"),
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
            .replace("{index}", "1")
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

/// A JSON body of requests: its shape in the document, and examples of the type that the server reads it into.
struct RequestBody {
    shape: &'static str,
    /// One for each form of the body, with every field set.
    examples: Vec<Value>,
    /// Whether the type can be read from a value.
    accepts: fn(&Value) -> bool,
}

impl RequestBody {
    fn new<T: Serialize + DeserializeOwned>(shape: &'static str, examples: &[T]) -> Self {
        Self {
            shape,
            examples: examples.iter().map(|example| serde_json::to_value(example).unwrap()).collect(),
            accepts: |value| serde_json::from_value::<T>(value.clone()).is_ok(),
        }
    }
}

/// The JSON bodies of all endpoints that are objects, and the objects in them.
///
/// Every field is set, without `..`: a new field of a type does not compile here until it is set, and then fails the
/// test below until it is documented.
fn request_bodies() -> Vec<RequestBody> {
    let id = Uuid::from_u128(1);
    let name = || "name".to_owned();
    let retry_policy = RetryPolicy::new(3, 100, 1_000, 3.0).unwrap();
    vec![
        RequestBody::new(
            "AccountData",
            &[AccountData { name: name(), email: "a@example.com".to_owned(), plan_id: Some(id) }],
        ),
        RequestBody::new(
            "TokenCreationRequest",
            &[TokenCreationRequest { expires_at: Timestamp::from_nanos(1) }],
        ),
        RequestBody::new(
            "ProjectDataRequest",
            &[ProjectDataRequest {
                name: name(),
                owner_account_id: AccountId(id),
                description: String::new(),
            }],
        ),
        RequestBody::new(
            "ProjectPolicyData",
            &[ProjectPolicyData { name: name(), project_actions: vec![ProjectAction::ViewComponent] }],
        ),
        RequestBody::new(
            "ProjectGrantRequest",
            &[
                ProjectGrantRequest::Policy {
                    grantee_account_id: AccountId(id),
                    project_policy_id: PolicyId(id),
                },
                ProjectGrantRequest::Actions {
                    grantee_account_id: AccountId(id),
                    project_actions: vec![ProjectAction::ViewComponent],
                    project_policy_name: Some(name()),
                },
            ],
        ),
        RequestBody::new(
            "ResourceLimitsUpdate",
            &[ResourceLimitsUpdate { updates: [(AccountId(id), 1)].into() }],
        ),
        RequestBody::new(
            "TemplateQuery",
            &[TemplateQuery {
                project_id: Some(ProjectId(id)),
                component_name: name(),
                links: [(name(), TemplateId(id))].into(),
                retry_policy: Some(retry_policy),
                on_failure: Some(OnFailure::Rollback),
            }],
        ),
        RequestBody::new(
            "WorkerCreationRequest",
            &[WorkerCreationRequest {
                name: name(),
                args: vec![name()],
                env: vec![(name(), String::new())],
                retry_policy: Some(retry_policy),
                on_failure: Some(OnFailure::Rollback),
            }],
        ),
        RequestBody::new("RetryPolicy", &[retry_policy]),
        RequestBody::new("InvokeParameters", &[InvokeParameters { params: json!([1]) }]),
        RequestBody::new("CompleteParameters", &[CompleteParameters { oplog_idx: 1, data: vec![1] }]),
        RequestBody::new(
            "UpdateRequest",
            &[UpdateRequest { mode: UpdateMode::Automatic, target_version: 1 }],
        ),
    ]
}

#[test]
fn request_bodies_have_the_fields_that_the_server_accepts() {
    let document = openapi_document();
    for RequestBody { shape, examples, accepts } in request_bodies() {
        let schema = &document["components"]["schemas"][shape];
        assert!(schema.is_object(), "{shape} is not described");
        for example in &examples {
            check(&document, schema, example, shape);
            assert!(accepts(example), "{shape} cannot be read from {example}");
        }
        let keys =
            |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
        let accepted: BTreeSet<String> = examples.iter().flat_map(keys).collect();
        assert_eq!(keys(&schema["properties"]), accepted, "{shape}: described fields and accepted fields");

        // A field is required if every form of the body has it and cannot be read without it.
        let is_required = |field: &String| {
            examples.iter().all(|example| {
                let mut rest = example.clone();
                rest.as_object_mut().unwrap().remove(field).is_some() && !accepts(&rest)
            })
        };
        let required: BTreeSet<&str> =
            accepted.iter().filter(|field| is_required(field)).map(String::as_str).collect();
        let described: BTreeSet<&str> =
            schema["required"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
        assert_eq!(described, required, "{shape}: fields described as required and required fields");
    }
}

#[test]
fn every_described_request_body_is_compared() {
    const REFERENCE: &str = "\"$ref\":\"#/components/schemas/";
    let document = openapi_document();
    let compared: BTreeSet<&str> = request_bodies().iter().map(|body| body.shape).collect();
    for endpoint in ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.method.to_lowercase()];
        let body = operation["requestBody"].to_string();
        for (at, _) in body.match_indices(REFERENCE) {
            let shape = body[at + REFERENCE.len()..].split('"').next().unwrap();
            assert!(compared.contains(shape), "{shape} needs an element in `request_bodies`");
        }
    }
}

#[tokio::test]
async fn every_endpoint_that_reads_json_describes_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerOptions::new(folder.path().join("data")).set("log=warn").start().await;
    let mut api = server.api();
    let document = openapi_document();
    let mut wrong = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.method != "GET") {
        // The ids do not exist, so no request changes anything. A body is read before an id is looked up. It is
        // malformed for every type, also for a text or a list.
        let id = Uuid::from_u128(1).to_string();
        let path = ["{template_id}", "{account_id}", "{project_id}", "{grant_id}", "{token_id}"]
            .iter()
            .fold(endpoint.path.to_owned(), |path, name| path.replace(name, &id))
            .replace("{worker_name}", "w")
            .replace("{index}", "1")
            .replace("{key}", "k")
            .replace("{role}", "Admin");
        let request = Request::new(endpoint.method, format!("{path}?function=f&provider=p&access_token=t"));
        let response = api.call(request.body("application/json", b"x".to_vec())).await;
        let reads_json = response.text().contains("Malformed JSON in the request body");
        let operation = &document["paths"][endpoint.path][endpoint.method.to_lowercase()];
        let described = operation["requestBody"]["content"]["application/json"].is_object();
        if reads_json != described {
            wrong.push(format!("{} {}: {}", endpoint.method, endpoint.path, response.text()));
        }
    }
    assert!(wrong.is_empty(), "JSON bodies are read but not described, or not read:\n{}", wrong.join("\n"));
    assert!(server.stop().await.success());
}
