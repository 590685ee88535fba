//! Tests of definitions: their text, their versions, and all errors of their validation.

#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in the arguments")]

use super::*;
use crate::testing::{TEMPLATE, functions};
use proptest::prelude::*;
use serde_json::json;

fn route(path: &str, params: Json) -> Json {
    json!({"method": "Get", "path": path, "binding": {"template": TEMPLATE, "workerId": "w",
        "functionName": "shop:cart/api/get-item", "functionParams": params}})
}

fn definition(routes: Json) -> ApiDefinition {
    serde_json::from_value(json!({"id": "shop", "version": "1.0", "routes": routes})).unwrap()
}

fn compile(routes: Json) -> Result<CompiledApi, Vec<String>> {
    let compiled = CompiledApi::new(definition(routes), functions);
    compiled.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check_errors(routes: Json, expected: &[&str]) {
    assert_eq!(compile(routes).unwrap_err(), expected);
}

#[test]
fn json_and_yaml_are_the_same_definition() {
    let json = r#"{"id": "shop", "version": "1.0", "projectId": "11111111-1111-1111-1111-111111111111", "routes": [
        {"method": "get", "path": "/users/{user-id}", "binding": {"type": "wit-worker",
          "template": "22222222-2222-2222-2222-222222222222", "workerId": "cart-${request.path.user-id}",
          "functionName": "shop:cart/api/get", "functionParams": [],
          "response": {"body": {"cart": "${worker.response[0]}"}, "status": 200, "headers": {"X-Kind": "cart"}}}}]}"#;
    let yaml = r#"
id: shop
version: "1.0"
projectId: 11111111-1111-1111-1111-111111111111
routes:
  - method: Get
    path: /users/{user-id}
    binding:
      template: 22222222-2222-2222-2222-222222222222
      workerId: cart-${request.path.user-id}
      functionName: shop:cart/api/get
      response:
        body: { cart: "${worker.response[0]}" }
        status: 200
        headers: { X-Kind: cart }
"#;
    let from_json = ApiDefinition::parse(json, Format::Json).unwrap();
    assert_eq!(ApiDefinition::parse(yaml, Format::Yaml).unwrap(), from_json);
    assert!(from_json.draft);
    let written = serde_json::to_string(&from_json).unwrap();
    assert_eq!(ApiDefinition::parse(&written, Format::Json).unwrap(), from_json);
    assert!(written.contains(r#""method":"Get""#), "{written}");
}

#[test]
fn texts_that_are_no_definition_are_refused_with_their_place() {
    for (format, text, expected) in [
        (
            Format::Json,
            "{\"id\": \"a\",\n\"version\": 1}",
            "line 2, column 12: invalid type: integer `1`, expected a string",
        ),
        (Format::Json, "{\"id\": \"a\", \"version\": \"1\"}", "line 1, column 27: missing field `routes`"),
        (
            Format::Yaml,
            "id: a\nversion: 1.0\nroutes: 5",
            "line 3, column 9: routes: invalid type: integer `5`, expected a sequence",
        ),
        (Format::Yaml, "id: 'a", "line 1, column 7: found unexpected end of stream"),
    ] {
        let error = ApiDefinition::parse(text, format).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..10 {
        let uses = vec![format!("*a{}", i - 1); 9].join(",");
        bomb.push_str(&["a", &i.to_string(), ": &a", &i.to_string(), " [", &uses, "]\n"].concat());
    }
    assert!(ApiDefinition::parse(&bomb, Format::Yaml).is_err());
    let long = " ".repeat(DEFINITION_BYTES_MAX + 1);
    assert!(matches!(ApiDefinition::parse(&long, Format::Json), Err(ParseError::TooLong { .. })));
}

#[test]
fn a_published_version_does_not_change() {
    let draft = definition(json!([]));
    let published = ApiDefinition { draft: false, ..draft.clone() };
    let other = definition(json!([route("/a", json!([1]))]));
    let other_published = ApiDefinition { draft: false, ..other.clone() };
    for (stored, new, expected) in [
        (None, &draft, Upload::Create),
        (Some(&draft), &draft, Upload::Unchanged),
        (Some(&draft), &other, Upload::Replace),
        (Some(&draft), &published, Upload::Replace),
        (Some(&published), &published, Upload::Unchanged),
        (Some(&published), &draft, Upload::Unchanged),
        (Some(&published), &other, Upload::Conflict),
        (Some(&published), &other_published, Upload::Conflict),
    ] {
        assert_eq!(new.upload_over(stored), expected);
    }
}

#[test]
fn all_errors_are_reported_at_once_with_their_places() {
    let mut broken = route("/x/{id}", json!(["${path.nope}", 1]));
    broken["binding"]["workerId"] = json!("a b");
    broken["binding"]["response"] = json!({"status": 99, "body": {"a": ["${worker.result.nope}"]},
        "headers": {"Content-Length": "1", "x y": "1", "X-A": "a\nb", "X-B": "${[1]}"}});
    let mut unknown = route("/y", json!([1]));
    unknown["binding"]["functionName"] = json!("shop:cart/api/got");
    let mut placeholder = route("/z/{v}", json!([1]));
    placeholder["binding"]["functionName"] = json!("${request.path.v}");
    let mut template = route("/t", json!([]));
    template["binding"]["template"] = json!("33333333-3333-3333-3333-333333333333");
    let mut accept = route("/accept", json!([1]));
    accept["binding"]["mode"] = json!("accept");
    accept["binding"]["response"] = json!({"status": 200});
    check_errors(
        json!([
            broken,
            unknown,
            placeholder,
            template,
            accept,
            route("/a//b", json!([1])),
            route("/u/{unused}", json!([1])),
            route("/same/{a}", json!(["${path.a}"])),
            route("/same/{b}", json!(["${path.b}"])),
            route("/p", json!(["x"]))
        ]),
        &[
            "routes[0].binding.workerId: Invalid worker name \"a b\": the character ' ' is not allowed; use letters, digits, `_` and `-`",
            "routes[0].binding.functionParams: the function shop:cart/api/get-item has 1 parameters, and 2 are given; it has index: u32",
            "routes[0].binding.functionParams[0], column 3: the path of the route declares no variable `nope`; declare it as {nope}, or as ?{nope} in the query",
            "routes[0].binding.response.body.a[0], column 16: the value may be absent (it is {name: str, price: f64}?); access it with `?.`, or write a default after it: ?? …",
            "routes[0].binding.response.status: 99 is not a status of a response; use a number from 200 to 599",
            "routes[0].binding.response.headers.Content-Length: the header `Content-Length` cannot be set: it belongs to the connection, and the gateway sets it",
            "routes[0].binding.response.headers.X-A: the header `X-A` cannot be set: its value has characters other than visible ASCII and spaces",
            "routes[0].binding.response.headers.X-B, column 3: expected a text as value of a header, found [number]",
            "routes[0].binding.response.headers.x y: the header `x y` cannot be set: it is not a name of a header",
            "routes[1].binding.functionName: unknown function \"shop:cart/api/got\"; the template exports reset, shop:cart/api/add, shop:cart/api/get, shop:cart/api/get-item, shop:cart/api/open",
            "routes[2].binding.functionName: the name of a function cannot contain placeholders, because its types are checked now; write one route for each function",
            "routes[3].binding.template: there is no template 33333333-3333-3333-3333-333333333333 in the project; `golem template list` shows the templates",
            "routes[4].binding.response: a route with the mode `accept` does not wait for a result, so it has no `response`",
            "routes[5].path, column 4: empty segment; write one `/` between two segments",
            "routes[6].path: the variable `unused` of the path is not used; use it as ${request.path.unused}, or write the path without it",
            "routes[8].path: routes[7] (/same/{a}) matches the same requests; remove one of the two",
            "routes[9].binding.functionParams[0], column 1: the parameter `index`: expected u32, found string",
        ],
    );
}

#[test]
fn ids_and_versions_are_checked() {
    for (id, version, count) in [("a", "1", 0), ("", "1", 1), ("a b", "../1", 2), (".a", "v1.0-rc_2", 1)] {
        let definition = ApiDefinition { id: id.into(), version: version.into(), ..definition(json!([])) };
        assert_eq!(
            CompiledApi::new(definition, functions).map_or_else(|e| e.len(), |_| 0),
            count,
            "{id} {version}"
        );
    }
}

#[test]
fn what_is_probably_not_intended_is_a_warning() {
    let compiled = compile(json!([
        route("/items/{index}?{verbose}&{other?}", json!(["${path.index}"])),
        route("/a/{x}", json!(["${path.x}"])),
        route("/a/b", json!([1])),
    ]))
    .unwrap();
    let warnings: Vec<String> = compiled.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "routes[0]: the query parameter `verbose` is declared and not used",
            "routes[0]: the query parameter `other` is declared and not used",
            "routes[2] (/a/b) is never used: routes[1] (/a/{x}) matches all its requests; move it before that route",
        ]
    );
}

#[test]
fn names_of_functions_have_the_spellings_of_the_rest_interface() {
    for (name, params, valid) in [
        ("shop:cart/api/get-item", json!([1]), true),
        ("reset", json!([]), true),
        ("any:package/reset", json!([]), true),
        ("api/get-item", json!([1]), false),
        ("shop:cart/api/open", json!([]), false),
    ] {
        let mut route = route("/a", params);
        route["binding"]["functionName"] = json!(name);
        assert_eq!(compile(json!([route])).is_ok(), valid, "{name}");
    }
}

#[test]
fn the_number_of_routes_and_of_reported_errors_is_bounded() {
    let many: Vec<Json> = (0..300).map(|_| route("/a", json!([]))).collect();
    assert_eq!(compile(json!(many)).unwrap_err().len(), crate::limits::ERRORS_REPORTED_MAX);
    let mut definition = definition(json!([route("/a", json!([1]))]));
    definition.routes = vec![definition.routes[0].clone(); crate::limits::ROUTES_MAX + 1];
    let errors = CompiledApi::new(definition, functions).unwrap_err();
    assert!(errors[0].to_string().contains("at most 10000 are accepted"), "{}", errors[0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A mutated text is a definition that is accepted or refused with errors.
    #[test]
    fn no_definition_causes_a_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n]{0,4}"), 1..5)) {
        let mut text = json!({"id": "shop", "version": "1", "routes": [route("/a/{x: u32}?{y?}", json!(["${path.x}"])),
            route("/b/{+z}", json!([{"a": ["${if path.z == 'q' then 1 else 2}"]}]))]}).to_string();
        for (at, insert) in &edits {
            let at = at.index(text.len());
            text.replace_range(at..(at + insert.len() / 2).min(text.len()), insert);
        }
        for format in [Format::Json, Format::Yaml] {
            if let Ok(definition) = ApiDefinition::parse(&text, format) {
                let compiled = CompiledApi::new(definition.clone(), functions);
                if let Ok(compiled) = compiled {
                    let document = compiled.to_openapi(None, crate::openapi::Audience::Owner).to_string();
                    prop_assert_eq!(crate::openapi::import(&document, Format::Json), Ok(definition));
                }
            }
            let _imported = crate::openapi::import(&text, format);
        }
    }
}
