//! Tests of export and import.

use super::*;
use crate::definition::{ApiDefinition, CompiledApi, Format};
use crate::testing::{TEMPLATE, functions};
use serde_json::{Value as Json, json};

fn definition() -> ApiDefinition {
    let route = |method: &str, path: &str, function: &str, params: Json| {
        json!({"method": method, "path": path, "binding": {"template": TEMPLATE, "workerId": "w",
            "functionName": function, "functionParams": params}})
    };
    let (item, add) = ("shop:cart/api/get-item", "shop:cart/api/add");
    let mut mapped = route("Put", "/users/{other}", item, json!(["${path.other}"]));
    mapped["binding"]["response"] =
        json!({"status": 201, "body": "${worker.response}", "headers": {"x-a": "b"}});
    let mut accept = route("Connect", "/", "reset", json!([]));
    accept["binding"]["mode"] = json!("accept");
    let routes = json!([
        route(
            "Post",
            "/z/{+rest}",
            add,
            json!([{"name": "${path.rest}", "price": "${request.body.price}"}, "${request.body.note ?? none}"])
        ),
        route("Get", "/users/{user}?{verbose: bool}", item, json!(["${path.user}"])),
        mapped,
        route("Get", "/users/{id: u32}?{limit?: char}", item, json!(["${path.id}"])),
        route("Get", "/a%20b", "shop:cart/api/get", json!([])),
        accept,
        route("Post", "/whole", add, json!(["${request.body}", "${none}"])),
    ]);
    serde_json::from_value(json!({"id": "shop", "version": "1.0", "draft": false,
        "projectId": "11111111-1111-1111-1111-111111111111", "routes": routes}))
    .unwrap()
}

#[test]
fn an_exported_definition_is_imported_unchanged() {
    let compiled = CompiledApi::new(definition(), functions).unwrap();
    let document = compiled.to_openapi(Some("https://shop.example"), Audience::Owner).to_string();
    for format in [Format::Json, Format::Yaml] {
        assert_eq!(import(&document, format), Ok(definition()));
    }
}

#[test]
fn other_tools_find_parameters_bodies_and_responses() {
    let document = CompiledApi::new(definition(), functions).unwrap().to_openapi(None, Audience::Owner);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/", "/a%20b", "/users/{user}", "/whole", "/z/{rest}"]);
    let item = json!({"type": "object", "required": ["name", "price"], "properties":
        {"name": {"type": "string"}, "price": {"type": "number", "format": "double"}}});
    for (pointer, expected) in [
        ("/openapi", json!("3.1.0")),
        (
            "/paths/~1users~1{user}/get/parameters/0",
            json!({"name": "user", "in": "path", "required": true, "schema": {"type": "string"}}),
        ),
        (
            "/paths/~1users~1{user}/get/parameters/1",
            json!({"name": "verbose", "in": "query", "required": true, "schema": {"type": "boolean"}}),
        ),
        ("/paths/~1users~1{user}/put/parameters/0/name", json!("user")),
        ("/paths/~1users~1{user}/get/responses/200/content/application~1json/schema", item.clone()),
        ("/paths/~1whole/post/requestBody/content/application~1json/schema", item),
        ("/paths/~1z~1{rest}/post/requestBody/content/application~1json/schema/required", json!(["price"])),
        (
            "/paths/~1z~1{rest}/post/requestBody/content/application~1json/schema/properties/price/type",
            json!("number"),
        ),
        ("/paths/~1whole/post/responses/200/content/application~1json/schema/maximum", json!(u32::MAX)),
        ("/paths/~1/x-golem-connect/responses/202/description", json!("The invocation is accepted.")),
    ] {
        assert_eq!(document.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert!(document.pointer("/paths/~1users~1{user}/put/responses/201").is_some());
}

#[test]
fn callers_of_an_api_do_not_see_what_answers_them() {
    let compiled = CompiledApi::new(definition(), functions).unwrap();
    let text = compiled.to_openapi(None, Audience::Callers).to_string();
    for hidden in ["x-golem", TEMPLATE, "get-item", "workerId"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    let document: Json = serde_json::from_str(&text).unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/a%20b", "/users/{user}", "/whole", "/z/{rest}"]);
}

#[test]
fn documents_of_other_tools_need_only_a_binding() {
    let binding = format!(
        "{{template: {TEMPLATE}, workerId: w, functionName: \"shop:cart/api/get-item\", functionParams: [\"${{path.id}}\"]}}"
    );
    let document = format!(
        r"
openapi: 3.0.3
info: {{ title: My Shop, version: '2' }}
paths:
  /items/{{id}}:
    parameters:
      - {{ name: id, in: path, required: true, schema: {{ type: integer, format: int32, minimum: 0 }} }}
    get:
      parameters:
        - {{ name: limit, in: query, schema: {{ type: integer }} }}
        - {{ name: kind, in: query, required: true, schema: {{ type: string }} }}
      x-golem-route: {{ binding: {binding} }}
    delete:
      x-golem-worker-bridge: {{ template-id: {TEMPLATE}, worker-id: w, function-name: reset, function-params: [] }}
"
    );
    let imported = import(&document, Format::Yaml).unwrap();
    assert_eq!((imported.id.as_str(), imported.version.as_str(), imported.draft), ("my-shop", "2", true));
    let paths: Vec<(String, &str)> =
        imported.routes.iter().map(|route| (route.method.to_string(), route.path.as_str())).collect();
    assert_eq!(
        paths,
        [
            ("GET".to_owned(), "/items/{id: u32}?{limit?: s64}&{kind}"),
            ("DELETE".to_owned(), "/items/{id: u32}")
        ]
    );
}

#[test]
fn errors_of_an_import_name_their_places() {
    let document = json!({"openapi": "2.0", "paths": {"/a": {"get": {}, "post": {"x-golem-route": {"binding": {"template": 1}}}},
        "/b": {"get": {"x-golem-route": {"binding": {}}, "parameters": [{"$ref": "#/x"}]}}}});
    let errors = import(&document.to_string(), Format::Json).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let places: Vec<&str> = texts.iter().map(|text| text.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "openapi",
            "paths./a.get",
            "paths./a.post.x-golem-route.binding",
            "paths./b.get",
            "paths./b.get.x-golem-route.binding"
        ],
        "{texts:#?}"
    );
    assert!(import("[", Format::Json).unwrap_err()[0].to_string().starts_with("line 1, column 1: EOF"));
}

#[test]
fn the_schema_of_a_large_type_is_bounded() {
    use golem_model::Type;
    let large = (0..14).fold(Type::U8, |ty, _| Type::Tuple([ty.clone(), ty].into()));
    let text = schema::schema(&large).to_string();
    assert!(text.len() < 300 * crate::limits::SCHEMA_NODES_MAX, "{} bytes", text.len());
}
