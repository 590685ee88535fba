//! The OpenAPI document, generated from [`ENDPOINTS`] and the shapes of bodies, and served at `/openapi.json`.
//!
//! Invariant: the document contains every endpoint, because it is generated from the list that the suite `policy`
//! compares with the router. The suite also keeps a golden copy and compares the shapes with the JSON of the types in
//! `golem-api`.

mod shapes;

use super::endpoints::{ENDPOINTS, Endpoint, RequiredAccess};
use crate::identity::Operation;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&document()).expect("a document contains only JSON values");
    text.push('\n');
    text
});

/// Generates the document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let methods = paths.entry(endpoint.path).or_insert_with(|| Value::Object(Map::new()));
        methods[endpoint.method.to_lowercase()] = operation(endpoint);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Golem",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Durable WebAssembly workers. docs/rest.md describes terms, values and limits.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": shapes::schemas(),
            "responses": {
                "Error": {
                    "description": "What failed, and what to do",
                    "content": { "application/json": { "schema": shapes::reference("Error") } },
                },
            },
        },
    })
}

/// `GET /openapi.json`.
pub(super) async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

fn operation(endpoint: &Endpoint) -> Value {
    let (needs, security) = match endpoint.access {
        RequiredAccess::Public => ("nothing".to_owned(), json!([])),
        RequiredAccess::AnyToken => ("any token".to_owned(), json!([{ "token": [] }])),
        RequiredAccess::Operation(operation) => {
            let named = match operation {
                Operation::Project(action) => format!("{action:?} in the project"),
                Operation::Account(operation) => format!("{operation:?} of the account"),
                Operation::System(operation) => format!("{operation:?} of the server"),
            };
            (named, json!([{ "token": [] }]))
        }
    };
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.about,
        "description": format!("Needs: {needs}."),
        "security": security,
        "responses": responses(endpoint),
    });
    let parameters = parameters(endpoint);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = shapes::request(endpoint.method, endpoint.path) {
        operation["requestBody"] = json!({ "required": true, "content": body });
    }
    operation
}

/// A name for generated clients: the method and the words of the path.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '-', '.', '_']).filter(|word| !word.is_empty());
    let words = words.map(|word| word.trim_matches(['{', '}']));
    [endpoint.method.to_lowercase().as_str()].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = shapes::query(endpoint.method, endpoint.path).iter().map(|(name, required, about)| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "query", "required": required, "description": about, "schema": schema })
    });
    in_path.chain(query).collect()
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    let mut good = json!({ "description": "Done" });
    if let Some(content) = shapes::response(endpoint.method, endpoint.path) {
        good["content"] = content;
    }
    if endpoint.path.ends_with("/connect") {
        responses.insert("101".to_owned(), json!({ "description": "A WebSocket, see docs/rest.md" }));
    } else if !endpoint.path.ends_with("/golem-cli") {
        responses.insert("200".to_owned(), good);
    }
    responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Error" }));
    Value::Object(responses)
}
