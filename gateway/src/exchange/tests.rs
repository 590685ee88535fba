//! Tests of the way of a request: its invocation, and the response for a result.

#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in the arguments")]

use super::*;
use crate::definition::{ApiDefinition, CompiledApi, Mode};
use crate::testing::{TEMPLATE, functions};
use golem_model::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const ADD: &str = "shop:cart/api/add";
const GET_ITEM: &str = "shop:cart/api/get-item";

fn api(routes: Json) -> CompiledApi {
    let definition = json!({"id": "shop", "version": "1", "routes": routes});
    let definition: ApiDefinition = serde_json::from_value(definition).unwrap();
    CompiledApi::new(definition, functions).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn route(method: &str, path: &str, worker: &str, function: &str, params: Json) -> Json {
    json!({"method": method, "path": path,
        "binding": {"template": TEMPLATE, "workerId": worker, "functionName": function, "functionParams": params}})
}

fn shop() -> CompiledApi {
    let mut keyed = route("Post", "/keyed", "w", "reset", json!([]));
    keyed["binding"]["idempotencyKey"] = json!("${request.body.order ?? none}");
    keyed["binding"]["mode"] = json!("accept");
    api(json!([
        route("Get", "/users/{user}/items/{index}", "cart-${path.user}", GET_ITEM, json!(["${path.index}"])),
        route(
            "Get",
            "/typed/{index: u32}?{limit?: u8}",
            "w",
            GET_ITEM,
            json!(["${path.limit ?? path.index}"])
        ),
        route(
            "Post",
            "/items",
            "${request.headers.x-user ?? 'guest'}",
            ADD,
            json!([{"name": "${request.body.name}", "price": "${request.body.price}"}, "${request.headers?.x-note}"])
        ),
        route("Get", "/files/{+path}", "w", ADD, json!([{"name": "${path.path}", "price": 1}, "${none}"])),
        route("Post", "/whole", "w", ADD, json!(["${request.body}", "${none}"])),
        keyed,
    ]))
}

fn plan(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Plan, GatewayError> {
    let (method, target) = target.split_once(' ').unwrap();
    let headers: Vec<(String, String)> =
        headers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    shop().plan(&Request { method, target, headers: &headers, body })
}

fn item(name: &str, price: f64) -> Value {
    Value::Record(vec![Value::String(name.to_owned()), Value::F64(price)])
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

#[test]
fn a_request_becomes_an_invocation() {
    let none = Value::Option(None);
    let json = ("Content-Type", "application/json; charset=utf-8");
    for (target, headers, body, worker, params) in [
        ("GET /users/ann/items/3", vec![], "", "cart-ann", vec![Value::U32(3)]),
        ("get /users/J%C3%BCrg/items/3/", vec![], "ignored", "cart-Jürg", vec![Value::U32(3)]),
        ("GET /typed/5", vec![], "", "w", vec![Value::U32(5)]),
        ("GET /files/a/b%20c/d", vec![], "", "w", vec![item("a/b c/d", 1.0), none.clone()]),
        ("GET /typed/5?limit=7&x=1", vec![], "", "w", vec![Value::U32(7)]),
        (
            "POST /items",
            vec![json, ("X-User", "bob"), ("X-Note", "a"), ("x-note", "b")],
            r#"{"name": "pen", "price": 2}"#,
            "bob",
            vec![item("pen", 2.0), some(Value::String("a, b".into()))],
        ),
        (
            "POST /items",
            vec![],
            r#"{"name": "pen", "price": 2.5}"#,
            "guest",
            vec![item("pen", 2.5), none.clone()],
        ),
        (
            "POST /whole",
            vec![],
            r#"{"name": "pen", "price": 2.5, "more": 1}"#,
            "w",
            vec![item("pen", 2.5), none],
        ),
    ] {
        let plan =
            plan(target, &headers, body.as_bytes()).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!((plan.worker.as_str(), &plan.params), (worker, &params), "{target}");
        assert_eq!((plan.key, plan.mode), (None, Mode::Await), "{target}");
    }
}

#[test]
fn the_idempotency_key_is_that_of_the_definition_or_of_the_header() {
    let header = ("Idempotency-Key", "from-header");
    for (body, headers, expected) in [
        (r#"{"order": "o-1"}"#, vec![header], Some("o-1")),
        (r#"{"order": 17}"#, vec![], Some("17")),
        ("{}", vec![header], Some("from-header")),
        ("{}", vec![], None),
    ] {
        let plan = plan("POST /keyed", &headers, body.as_bytes()).unwrap();
        assert_eq!(
            (plan.key.as_ref().map(golem_model::IdempotencyKey::as_str), plan.mode),
            (expected, Mode::Accept),
            "{body}"
        );
    }
}

#[test]
fn requests_that_do_not_fit_are_refused_with_a_status() {
    let octets = ("content-type", "application/octet-stream");
    for (target, headers, body, status, expected) in [
        ("GET /nothing", vec![], "", 404, "there is no route for this path"),
        ("GET /files/a/b%2Fc", vec![], "", 400, "the path has an encoded `/` inside `path`"),
        ("PUT /items", vec![], "", 405, "the path does not accept the method; it accepts POST"),
        ("BREW /items", vec![], "", 501, "the method `BREW` is not supported"),
        ("GET /users/../items", vec![], "", 400, "the path has the segment `.` or `..`"),
        (
            "GET /users/a%20b/items/1",
            vec![],
            "",
            400,
            "Invalid worker name \"cart-a b\": the character ' ' is not allowed; use letters, digits, `_` and `-`",
        ),
        ("GET /users/a/items/x", vec![], "", 400, "index: expected u32, found string"),
        (
            "GET /users/a/items/-1",
            vec![],
            "",
            400,
            "index: value -1 is not within the range of 0 to 4294967295 of u32",
        ),
        (
            "GET /typed/4294967296",
            vec![],
            "",
            400,
            "the variable index: value 4294967296 is not within the range of 0 to 4294967295 of u32",
        ),
        (
            "GET /typed/1?limit=1&limit=2",
            vec![],
            "",
            400,
            "the query parameter `limit` occurs more than once",
        ),
        (
            "POST /items",
            vec![],
            "{",
            400,
            "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "POST /items",
            vec![],
            "{}",
            400,
            "routes[2].binding.functionParams[0].name: column 15: no field `name` in an object without fields",
        ),
        (
            "POST /items",
            vec![("content-type", "image/png")],
            "x",
            415,
            "the content type `image/png` is not supported; use application/json, application/x-www-form-urlencoded, application/octet-stream or text/plain",
        ),
        ("POST /whole", vec![octets], "x", 400, "item: missing field \"name\" (string)"),
        (
            "POST /whole",
            vec![],
            r#"{"name": 1, "price": 1}"#,
            400,
            "item.name: expected string, found number",
        ),
        (
            "POST /keyed",
            vec![],
            r#"{"order": "a b"}"#,
            400,
            "Invalid idempotency key: it has 3 bytes and holds a character that is not visible ASCII; use 1 to 255 visible ASCII characters",
        ),
    ] {
        let error = plan(target, &headers, body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), status, "{target}: {error}");
        let text = error.to_string();
        assert_eq!(text, expected, "{target}");
        let response = error.to_response();
        let body: Json = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(body["error"], json!(text));
    }
    let refused = plan("PUT /items", &[], b"").unwrap_err().to_response();
    assert!(refused.headers.contains(&("allow".to_owned(), "POST".to_owned())), "{refused:?}");
}

/// The response of a route for a result.
fn respond(
    function: &str,
    response: Json,
    result: Option<&Value>,
) -> Result<(u16, String, String), GatewayError> {
    let params = match function {
        ADD => json!([{"name": "a", "price": 1}, "${none}"]),
        GET_ITEM => json!([1]),
        _ => json!([]),
    };
    let mut route = route("Get", "/", "w", function, params);
    if !response.is_null() {
        route["binding"]["response"] = response;
    }
    let api = api(json!([route]));
    let plan = api.plan(&Request { method: "GET", target: "/", headers: &[], body: b"" })?;
    let response = api.respond(&plan, result)?;
    let headers: Vec<String> =
        response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok((response.status, headers.join(", "), String::from_utf8(response.body).unwrap()))
}

fn ok(value: Value) -> Value {
    Value::Result(Ok(Some(Box::new(value))))
}

fn err(value: Value) -> Value {
    Value::Result(Err(Some(Box::new(value))))
}

#[test]
fn the_response_follows_from_the_result() {
    let list = Value::List(vec![item("pen", 2.5)]);
    let not_found = err(Value::Variant(0, Some(Box::new(Value::String("pen".into())))));
    let broken = err(Value::Variant(1, None));
    for (function, result, status, body) in [
        ("reset", None, 204, ""),
        ("shop:cart/api/get", Some(list), 200, r#"[{"name":"pen","price":2.5}]"#),
        (GET_ITEM, Some(some(item("pen", 2.5))), 200, r#"{"name":"pen","price":2.5}"#),
        (GET_ITEM, Some(Value::Option(None)), 404, r#"{"error":"not found"}"#),
        (ADD, Some(ok(Value::U32(3))), 200, "3"),
        (ADD, Some(not_found), 404, r#"{"item-not-found":"pen"}"#),
        (ADD, Some(broken), 400, r#"{"broken":null}"#),
    ] {
        let headers = if body.is_empty() { "" } else { "content-type: application/json" };
        let found = respond(function, Json::Null, result.as_ref()).unwrap();
        assert_eq!(found, (status, headers.to_owned(), body.to_owned()), "{function}");
    }
}

#[test]
fn the_mapping_decides_status_headers_and_body() {
    let json = "content-type: application/json";
    let three = ok(Value::U32(3));
    for (response, result, expected) in [
        (
            json!({"body": "${worker.response}", "status": 200, "headers": {}}),
            &three,
            (200, json, r#"[{"ok":3}]"#),
        ),
        (json!({"status": "${if (worker.result.ok ?? 0) > 2 then 201 else 200}"}), &three, (201, json, "3")),
        (
            json!({"status": "201", "body": {"total": "${worker.result.ok ?? 0}"}}),
            &three,
            (201, json, r#"{"total":3}"#),
        ),
        (
            json!({"headers": {"Content-Type": "text/plain", "X-Total": "${worker.result.ok}", "X-None": "${worker.result.err?.broken}"},
            "body": "total ${worker.result.ok ?? 0}"}),
            &three,
            (200, "content-type: text/plain, x-total: 3", "total 3"),
        ),
        (
            json!({"headers": {"content-type": "application/octet-stream"}, "body": [104, 105]}),
            &three,
            (200, "content-type: application/octet-stream", "hi"),
        ),
        (json!({"status": 304}), &three, (304, "", "")),
        (
            json!({"status": "${match worker.result { ok => 200, err(e) => match e { item-not-found(_) => 410, broken => 503 } }}"}),
            &err(Value::Variant(1, None)),
            (503, json, r#"{"broken":null}"#),
        ),
    ] {
        let found = respond(ADD, response.clone(), Some(result)).unwrap();
        assert_eq!((found.0, found.1.as_str(), found.2.as_str()), expected, "{response}");
    }
}

#[test]
fn a_mapping_that_fails_is_an_error_of_the_definition() {
    let name = err(Value::Variant(0, Some(Box::new(Value::String("a\r\nSet-Cookie: x".into())))));
    for (response, result, expected) in [
        (
            json!({"headers": {"X-Name": "${worker.result.err?.item-not-found ?? ''}"}}),
            &name,
            "routes[0].binding.response.headers.x-name: the value has characters other than visible ASCII and spaces",
        ),
        (
            json!({"status": "${worker.result.ok ?? 0}"}),
            &ok(Value::U32(99)),
            "routes[0].binding.response.status: 99 is no status from 200 to 599",
        ),
        (
            json!({"headers": {"content-type": "text/plain"}, "body": {"a": 1}}),
            &ok(Value::U32(1)),
            "routes[0].binding.response.body: a body of the type text/plain is a text or a list of bytes, not an object",
        ),
    ] {
        let error = respond(ADD, response, Some(result)).unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (500, expected));
        let shown = String::from_utf8(error.to_response().body).unwrap();
        assert!(!shown.contains("binding"), "{shown}");
    }
}

#[test]
fn bodies_are_read_by_their_content_type() {
    let list = Value::List(vec![]);
    let echo = |content_type: &str, body: &[u8]| {
        let mut route = route("Post", "/", "w", "shop:cart/api/get", json!([]));
        route["binding"]["response"] = json!({"body": "${request.body}"});
        let api = api(json!([route]));
        let headers = [("Content-Type".to_owned(), content_type.to_owned())];
        let plan = api.plan(&Request { method: "POST", target: "/", headers: &headers, body })?;
        Ok::<_, GatewayError>(serde_json::from_slice::<Json>(&api.respond(&plan, Some(&list))?.body).unwrap())
    };
    for (content_type, body, expected) in [
        ("application/json", b"{\"a\": 1}".as_slice(), json!({"a": 1})),
        ("application/merge-patch+json", b"[1]", json!([1])),
        ("text/plain; charset=utf-8", b"1", json!("1")),
        ("application/octet-stream", b"\xff\x00", json!({"base64": "/wA="})),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b=x+%26&a=2&c",
            json!({"a": ["1", "2"], "b": "x &", "c": ""}),
        ),
        ("application/json", b"", json!(null)),
    ] {
        assert_eq!(echo(content_type, body).unwrap(), expected, "{content_type}");
    }
    assert_eq!(echo("text/plain", b"\xff").unwrap_err().status(), 400);
    let deep = "[".repeat(100_000);
    assert_eq!(echo("application/json", deep.as_bytes()).unwrap_err().status(), 400);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A request with mutated parts has an invocation or an error with a status. Its parameters have their types, which
    /// encoding them again checks.
    #[test]
    fn no_request_causes_a_panic(
        base in prop::sample::select(vec![
            ("GET", "/users/ann/items/3", ""), ("GET", "/typed/5?limit=7", ""), ("POST", "/items", r#"{"name": "pen", "price": 2}"#),
            ("GET", "/files/a/b", ""), ("POST", "/whole", r#"{"name": "pen", "price": 2}"#), ("POST", "/keyed", r#"{"order": 1}"#),
        ]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~é]{0,3}"), 0..4),
        header in ("(content-type|x-user|idempotency-key|cookie)", "[ -~]{0,30}"),
    ) {
        let mut text = format!("{} {}", base.1, base.2);
        for (at, insert) in &edits {
            let at = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary((at + insert.len() / 2).min(text.len()));
            text.replace_range(at..end, insert);
        }
        let (target, body) = text.split_once(' ').unwrap_or((&text, ""));
        let headers = [header];
        let api = shop();
        match api.plan(&Request { method: base.0, target, headers: &headers, body: body.as_bytes() }) {
            Ok(plan) => {
                let functions = functions(plan.template).unwrap();
                let (_, function) = functions.get(&plan.function).unwrap();
                prop_assert_eq!(function.params.len(), plan.params.len());
                for (param, value) in function.params.iter().zip(&plan.params) {
                    prop_assert!(golem_model::value::json::to_json(&param.ty, value).is_ok());
                }
            }
            Err(error) => prop_assert!((400..=501).contains(&error.status())),
        }
    }
}
