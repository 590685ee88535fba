//! Every WIT type, as JSON into a guest and back.

use crate::{TestNode, upload};
use golem_tests::rest::{Key, invocation};
use serde_json::{Value, json};

#[tokio::test]
async fn every_type_round_trips() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "types").await;
    let point = |x: i32, y: i32| json!({ "x": x, "y": y });
    let everything = json!({
        "truth": true, "small": 255, "number": u64::MAX, "signed": i64::MIN, "float": 0.1, "letter": 8364,
        "text": "a\u{0}\"é", "bytes": [0, 255], "maybe": null, "point": point(-1, 2),
        "shape": { "polygon": [point(1, 2), point(3, 4)] }, "color": "dark-blue",
        "permissions": ["read", "run-as-admin"], "pair": [7, "seven"], "outcome": { "err": "no" }, "type": "t",
    });
    let nested = json!({ "items": [everything, everything], "deeper": [["a", point(1, 1)], ["b", null]] });
    let same = |value: Value| (value.clone(), value);
    for (function, (sent, returned)) in [
        ("echo-bool", same(json!(false))),
        ("echo-u8", same(json!(0))),
        ("echo-u16", same(json!(65_535))),
        ("echo-u32", same(json!(u32::MAX))),
        ("echo-u64", same(json!(u64::MAX))),
        ("echo-u64", (json!("18446744073709551615"), json!(u64::MAX))),
        ("echo-s8", same(json!(-128))),
        ("echo-s16", same(json!(-32_768))),
        ("echo-s32", same(json!(i32::MIN))),
        ("echo-s64", (json!("-9223372036854775808"), json!(i64::MIN))),
        ("echo-f32", same(json!(1.5))),
        ("echo-f64", same(json!(-0.1))),
        ("echo-f64", same(json!("NaN"))),
        ("echo-f64", same(json!("-Infinity"))),
        ("echo-char", (json!("€"), json!(8364))),
        ("echo-string", same(json!("日本 \u{1f600}"))),
        ("echo-bytes", same(json!([1, 2, 3]))),
        ("echo-bytes", (json!({ "base64": "AQID" }), json!([1, 2, 3]))),
        ("echo-list", same(json!(["a", "", "c"]))),
        ("echo-tuple", same(json!([1, "x", true]))),
        ("echo-option", same(json!(null))),
        ("echo-option", same(json!(3))),
        ("echo-option-option", same(json!(null))),
        ("echo-option-option", same(json!({ "some": null }))),
        ("echo-option-option", same(json!({ "some": 3 }))),
        ("echo-result", same(json!({ "ok": 1 }))),
        ("echo-result", same(json!({ "err": "e" }))),
        ("echo-result-ok", same(json!({ "err": null }))),
        ("echo-result-error", same(json!({ "ok": null }))),
        ("echo-result-unit", same(json!({ "ok": null }))),
        ("echo-record", same(everything.clone())),
        ("echo-nested", same(nested)),
        ("echo-variant", same(json!({ "nothing": null }))),
        ("echo-variant", (json!("nothing"), json!({ "nothing": null }))),
        ("echo-variant", same(json!({ "circle": 1.5 }))),
        ("echo-variant", same(json!({ "named": ["n", point(0, 0)] }))),
        ("echo-enum", same(json!("red"))),
        ("echo-flags", same(json!([]))),
        ("echo-flags", (json!(["run-as-admin", "read"]), json!(["read", "run-as-admin"]))),
        ("echo-many-flags", same(json!(["f0", "f31"]))),
        ("echo-alias", same(json!([point(1, 2)]))),
    ] {
        let result = api.invoke(&template, "w", &format!("golem:types/api/{function}"), &json!([sent])).await;
        assert_eq!(result, returned, "{function}({sent})");
    }
    node.stop().await;
}

#[tokio::test]
async fn functions_are_called_by_each_of_their_names() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "types").await;
    for (function, params, result) in [
        ("golem:types/api/nothing", json!([]), json!([])),
        ("golem:types/more/nothing", json!([]), json!(["nothing more"])),
        ("run", json!(["fast"]), json!(["ran fast"])),
        ("golem:types/run", json!(["fast"]), json!(["ran fast"])),
        ("golem:types/api/sum", Value::Array((1..=18).map(Value::from).collect()), json!([171])),
    ] {
        for convention in ["", "&calling-convention=component", "&calling-convention=Component"] {
            let base = invocation("invoke-and-await", &template, "w", function, &params, &Key::None);
            let path = base.line().strip_prefix("POST ").unwrap().to_owned() + convention;
            let request = golem_tests::http::Request::post(path).json(&json!({ "params": params }));
            assert_eq!(api.ok(request).await.json(), json!({ "result": result }), "{function}{convention}");
        }
    }
    let zeros =
        invocation("invoke-and-await", &template, "w", "golem:types/api/zeros", &json!([3]), &Key::None);
    let base64 = api.ok(zeros.header("Golem-Bytes", "base64")).await.json();
    assert_eq!(base64, json!({ "result": [{ "base64": "AAAA" }] }));
    node.stop().await;
}
