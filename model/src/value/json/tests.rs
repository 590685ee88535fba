//! Every type, every accepted spelling, every error, and round trips of generated values.

use super::*;
use crate::Value;
use crate::oplog::wire::Reader;
use crate::template::{Function, Param};
use crate::value::codec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn record(fields: &[(&str, Type)]) -> Type {
    Type::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect())
}

fn names(names: &[&str]) -> Arc<[String]> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn list(ty: Type) -> Type {
    Type::List(Arc::new(ty))
}

fn option(ty: Type) -> Type {
    Type::Option(Arc::new(ty))
}

fn result(ok: Option<Type>, err: Option<Type>) -> Type {
    Type::Result { ok: ok.map(Arc::new), err: err.map(Arc::new) }
}

fn variant() -> Type {
    let cases = [
        ("none".to_owned(), None),
        ("num".to_owned(), Some(Type::U32)),
        ("maybe".to_owned(), Some(option(Type::Bool))),
    ];
    Type::Variant(cases.into())
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

/// Checks that `json` reads as `value`, and that `value` is written as `written`.
fn check(ty: &Type, json: &Json, value: &Value, written: &Json) {
    assert_eq!(from_json(ty, json, "params[0]").as_ref(), Ok(value), "{json} as {ty}");
    assert_eq!(to_json(ty, value).as_ref(), Ok(written), "{value:?} as {ty}");
}

#[test]
fn every_type_reads_and_writes() {
    let same = [
        (Type::Bool, json!(true), Value::Bool(true)),
        (Type::S8, json!(-128), Value::S8(-128)),
        (Type::U8, json!(255), Value::U8(255)),
        (Type::S16, json!(-32_768), Value::S16(i16::MIN)),
        (Type::U16, json!(65_535), Value::U16(u16::MAX)),
        (Type::S32, json!(i32::MIN), Value::S32(i32::MIN)),
        (Type::U32, json!(u32::MAX), Value::U32(u32::MAX)),
        (Type::S64, json!(i64::MIN), Value::S64(i64::MIN)),
        (Type::U64, json!(u64::MAX), Value::U64(u64::MAX)),
        (Type::F32, json!(1.99), Value::F32(1.99)),
        (Type::F64, json!(0.1), Value::F64(0.1)),
        (Type::F64, json!("Infinity"), Value::F64(f64::INFINITY)),
        (Type::F32, json!("-Infinity"), Value::F32(f32::NEG_INFINITY)),
        (Type::Char, json!(8364), Value::Char('€')),
        (Type::String, json!("a\u{0}€\""), Value::String("a\u{0}€\"".to_owned())),
        (list(Type::U16), json!([1, 2]), Value::List(vec![Value::U16(1), Value::U16(2)])),
        (list(Type::U16), json!([]), Value::List(vec![])),
        (list(Type::U8), json!([0, 255]), Value::Bytes(vec![0, 255])),
        (option(Type::U8), json!(null), Value::Option(None)),
        (option(Type::U8), json!(7), some(Value::U8(7))),
        (option(option(Type::U8)), json!(null), Value::Option(None)),
        (option(option(Type::U8)), json!({"some": null}), some(Value::Option(None))),
        (option(option(Type::U8)), json!({"some": 7}), some(some(Value::U8(7)))),
        (option(option(option(Type::U8))), json!({"some": {"some": null}}), some(some(Value::Option(None)))),
        (
            result(Some(Type::U8), Some(Type::String)),
            json!({"ok": 1}),
            Value::Result(Ok(Some(Box::new(Value::U8(1))))),
        ),
        (
            result(Some(Type::U8), Some(Type::String)),
            json!({"err": "x"}),
            Value::Result(Err(Some(Box::new(Value::String("x".to_owned()))))),
        ),
        (result(None, Some(Type::String)), json!({"ok": null}), Value::Result(Ok(None))),
        (result(None, None), json!({"err": null}), Value::Result(Err(None))),
        (
            Type::Tuple([Type::U8, Type::Bool].into()),
            json!([1, false]),
            Value::Tuple(vec![Value::U8(1), Value::Bool(false)]),
        ),
        (
            record(&[("product-id", Type::String), ("n", option(Type::U8))]),
            json!({"product-id": "p", "n": 3}),
            Value::Record(vec![Value::String("p".to_owned()), some(Value::U8(3))]),
        ),
        (variant(), json!({"none": null}), Value::Variant(0, None)),
        (variant(), json!({"num": 5}), Value::Variant(1, Some(Box::new(Value::U32(5))))),
        (variant(), json!({"maybe": null}), Value::Variant(2, Some(Box::new(Value::Option(None))))),
        (Type::Enum(names(&["a", "b"])), json!("b"), Value::Enum(1)),
        (Type::Flags(names(&["r", "w", "x"])), json!(["r", "x"]), Value::Flags(vec![0, 2])),
        (Type::Flags(names(&["r"])), json!([]), Value::Flags(vec![])),
    ];
    for (ty, json, value) in &same {
        check(ty, json, value, json);
    }
}

#[test]
fn other_spellings_read_too() {
    for (ty, json, value, written) in [
        (Type::U64, json!("18446744073709551615"), Value::U64(u64::MAX), json!(u64::MAX)),
        (Type::S64, json!("-9223372036854775808"), Value::S64(i64::MIN), json!(i64::MIN)),
        (Type::U32, json!(3.0), Value::U32(3), json!(3)),
        (Type::F64, json!(3), Value::F64(3.0), json!(3.0)),
        (Type::Char, json!("€"), Value::Char('€'), json!(8364)),
        (list(Type::U8), json!({"base64": "AP8="}), Value::Bytes(vec![0, 255]), json!([0, 255])),
        (variant(), json!("none"), Value::Variant(0, None), json!({"none": null})),
        (
            result(Some(Type::U8), None),
            json!({"ok": 1, "err": null}),
            Value::Result(Ok(Some(Box::new(Value::U8(1))))),
            json!({"ok": 1}),
        ),
        (
            record(&[("a", Type::U8), ("b", option(Type::U8))]),
            json!({"a": 1, "unknown": 9}),
            Value::Record(vec![Value::U8(1), Value::Option(None)]),
            json!({"a": 1, "b": null}),
        ),
        (
            Type::Flags(names(&["r", "w", "x"])),
            json!(["x", "r", "x"]),
            Value::Flags(vec![0, 2]),
            json!(["r", "x"]),
        ),
    ] {
        check(&ty, &json, &value, &written);
    }
    assert!(matches!(from_json(&Type::F64, &json!("NaN"), ""), Ok(Value::F64(v)) if v.is_nan()));
    assert_eq!(to_json(&Type::F64, &Value::F64(f64::NAN)), Ok(json!("NaN")));
    let base64 =
        TypedJson::new(&Type::List(Arc::new(Type::U8)), &Value::Bytes(vec![0, 255]), BytesFormat::Base64)
            .serialize_to_string();
    assert_eq!(base64, r#"{"base64":"AP8="}"#);
}

impl TypedJson<'_> {
    fn serialize_to_string(&self) -> String {
        serde_json::to_string(self).expect("the value fits its type")
    }
}

#[test]
fn numbers_in_text_keep_every_digit() {
    for text in
        ["0.1", "1e-7", "123456789.12345679", "5e-324", "1.7976931348623157e308", "9.007199254740993e15"]
    {
        let json: Json = serde_json::from_str(text).expect("it is a number");
        let value: f64 = text.parse().expect("it is a number");
        assert_eq!(from_json(&Type::F64, &json, ""), Ok(Value::F64(value)), "{text}");
    }
}

#[test]
fn record_fields_keep_the_order_of_the_type() {
    let ty = record(&[("b", Type::U8), ("a", Type::U8)]);
    let value = Value::Record(vec![Value::U8(1), Value::U8(2)]);
    let function = Function { name: "f".to_owned(), params: vec![], result: Some(ty) };
    let text = serde_json::to_string(&ResultJson::new(&function, Some(&value), BytesFormat::Array)).unwrap();
    assert_eq!(text, r#"[{"b":1,"a":2}]"#);
}

#[test]
fn errors_name_the_path_of_the_invalid_value() {
    let item = record(&[("price", Type::F64), ("tags", Type::Flags(names(&["new", "old"])))]);
    let cart = record(&[("items", list(item))]);
    for (ty, json, text) in [
        (
            &cart,
            json!({"items": [{"price": 1, "tags": []}, {"price": "1", "tags": []}]}),
            "params[0].items[1].price: expected f64, found string",
        ),
        (
            &cart,
            json!({"items": [{"price": 1}]}),
            "params[0].items[0]: missing field \"tags\" (flags (an array of \"new\", \"old\"))",
        ),
        (
            &cart,
            json!({"items": [{"price": 1, "tags": ["new", "red"]}]}),
            "params[0].items[0].tags[1]: unknown flag \"red\"; the type has \"new\", \"old\"",
        ),
        (&cart, json!([]), "params[0]: expected record (an object), found array"),
        (&Type::U8, json!(256), "params[0]: value 256 is not within the range of 0 to 255 of u8"),
        (&Type::U8, json!(-1), "params[0]: value -1 is not within the range of 0 to 255 of u8"),
        (&Type::S8, json!(-129), "params[0]: value -129 is not within the range of -128 to 127 of s8"),
        (&Type::U8, json!("1"), "params[0]: expected u8, found string"),
        (&Type::U8, json!(1.5), "params[0]: expected u8, found the number 1.5"),
        (&Type::U8, json!(null), "params[0]: expected u8, found null"),
        (
            &Type::U64,
            json!("18446744073709551616"),
            "params[0]: value 18446744073709551616 is not within the range of 0 to 18446744073709551615 of u64",
        ),
        (
            &Type::U64,
            json!("x1"),
            "params[0]: expected u64, found the string \"x1\", which is not a decimal number",
        ),
        (
            &Type::U64,
            json!(""),
            "params[0]: expected u64, found the string \"\", which is not a decimal number",
        ),
        (
            &Type::U64,
            json!(-1),
            "params[0]: value -1 is not within the range of 0 to 18446744073709551615 of u64",
        ),
        (
            &Type::U64,
            json!(1e17),
            "params[0]: expected u64, found the inexact number 1e+17; write all digits",
        ),
        (
            &Type::S64,
            json!(u64::MAX),
            "params[0]: value 18446744073709551615 is not within the range of -9223372036854775808 to 9223372036854775807 of s64",
        ),
        (
            &Type::F32,
            json!(1e39),
            "params[0]: value 1e+39 is not within the range of -3.4028235e38 to 3.4028235e38 of f32",
        ),
        (&Type::F64, json!("inf"), "params[0]: expected f64, found string"),
        (&Type::Bool, json!(1), "params[0]: expected bool, found number"),
        (
            &Type::Char,
            json!(0xD800),
            "params[0]: expected char (a code point or a string of one character), found 55296, which is not the code point of a character",
        ),
        (
            &Type::Char,
            json!("ab"),
            "params[0]: expected char (a code point or a string of one character), found the string \"ab\"",
        ),
        (&Type::String, json!(1), "params[0]: expected string, found number"),
        (
            &list(Type::U8),
            json!([1, 300]),
            "params[0][1]: value 300 is not within the range of 0 to 255 of u8",
        ),
        (
            &list(Type::U8),
            json!({"base64": "?"}),
            "params[0].base64: invalid base64: Invalid symbol 63, offset 0.; use the standard alphabet with padding",
        ),
        (&list(Type::Bool), json!({}), "params[0]: expected list (an array), found object"),
        (&Type::Tuple([Type::U8].into()), json!([]), "params[0]: expected 1 elements, found 0"),
        (
            &Type::Tuple([Type::U8].into()),
            json!(1),
            "params[0]: expected tuple (an array of 1 elements), found number",
        ),
        (
            &option(option(Type::U8)),
            json!(1),
            "params[0]: expected option (null or {\"some\": …}), found number",
        ),
        (&option(option(Type::U8)), json!({"some": "x"}), "params[0].some: expected u8, found string"),
        (
            &result(None, None),
            json!({"okay": 1}),
            "params[0]: expected result ({\"ok\": …} or {\"err\": …}), found the key \"okay\"",
        ),
        (
            &result(None, None),
            json!({"ok": 1}),
            "params[0].ok: expected null, as there is no payload, found number",
        ),
        (&result(Some(Type::U8), None), json!({"ok": null}), "params[0].ok: expected u8, found null"),
        (
            &variant(),
            json!({"num": 1, "none": null}),
            "params[0]: expected variant (an object with one case as its key), found an object with 2 keys",
        ),
        (
            &variant(),
            json!({"num": -1}),
            "params[0].num: value -1 is not within the range of 0 to 4294967295 of u32",
        ),
        (
            &variant(),
            json!("num"),
            "params[0]: case \"num\" needs a payload; write {\"num\": …} with a value of type u32",
        ),
        (
            &variant(),
            json!("nil"),
            "params[0]: unknown case \"nil\"; the type has \"none\", \"num\", \"maybe\"",
        ),
        (&Type::Enum(names(&["a"])), json!("b"), "params[0]: unknown case \"b\"; the type has \"a\""),
        (&Type::Enum(names(&["a"])), json!(0), "params[0]: expected enum (one of \"a\"), found number"),
        (
            &Type::Handle("file".to_owned()),
            json!(0),
            "params[0]: a resource handle (file) cannot leave its component, so this function cannot be called from outside",
        ),
    ] {
        let error = from_json(ty, &json, "params[0]").expect_err("the value is bad").to_string();
        assert_eq!(error, text, "{json} as {ty}");
    }
}

#[test]
fn parameters_are_an_array_of_the_exact_length() {
    let function = Function {
        name: "add".to_owned(),
        params: vec![
            Param { name: "a".to_owned(), ty: Type::U8 },
            Param { name: "b".to_owned(), ty: list(Type::String) },
        ],
        result: None,
    };
    let text = |json| params_from_json(&function, &json).unwrap_err().to_string();
    assert_eq!(
        params_from_json(&function, &json!([1, ["x"]])),
        Ok(vec![Value::U8(1), Value::List(vec![Value::String("x".to_owned())])])
    );
    assert_eq!(text(json!([])), "Unexpected number of parameters (got 0, expected: 2)");
    assert_eq!(text(json!([1, [], 2])), "Unexpected number of parameters (got 3, expected: 2)");
    assert_eq!(text(json!({"a": 1})), "params: expected an array of 2 parameters, found object");
    assert_eq!(text(json!([1, [2]])), "params[1][0]: expected string, found number");
}

#[test]
fn results_are_arrays() {
    let mut function = Function { name: "get".to_owned(), params: vec![], result: Some(Type::U64) };
    assert_eq!(result_to_json(&function, Some(&Value::U64(3))), Ok(json!([3])));
    assert!(result_to_json(&function, None).is_err());
    function.result = None;
    assert_eq!(result_to_json(&function, None), Ok(json!([])));
    assert!(result_to_json(&function, Some(&Value::U64(3))).is_err());
}

#[test]
fn values_of_another_type_are_an_error() {
    for (ty, value) in [
        (Type::U64, Value::U32(1)),
        (list(Type::U8), Value::List(vec![Value::U8(1)])),
        (list(Type::U16), Value::Bytes(vec![])),
        (Type::Tuple([Type::U8].into()), Value::Tuple(vec![])),
        (record(&[("a", Type::U8)]), Value::Record(vec![])),
        (variant(), Value::Variant(9, None)),
        (variant(), Value::Variant(0, Some(Box::new(Value::U8(1))))),
        (variant(), Value::Variant(1, None)),
        (Type::Enum([].into()), Value::Enum(0)),
        (Type::Flags([].into()), Value::Flags(vec![0])),
        (result(None, None), Value::Result(Ok(Some(Box::new(Value::U8(1)))))),
        (Type::Handle("x".to_owned()), Value::U32(1)),
    ] {
        let error = to_json(&ty, &value).expect_err("the value is of another type");
        assert!(error.to_string().starts_with("the value does not fit its type"), "{error}");
    }
}

#[test]
fn omitted_fields_are_bounded() {
    use crate::limits::JSON_OMITTED_BYTES_MAX;
    const FIELDS: usize = 1_000;
    let fields = numbered("field", FIELDS).into_iter().map(|name| (name, option(Type::U64)));
    let ty = list(Type::Record(fields.collect()));
    let records = |count| Json::Array(vec![json!({}); count]);
    let read = from_json(&ty, &records(1), "").unwrap();
    assert_eq!(read, Value::List(vec![Value::Record(vec![Value::Option(None); FIELDS])]));
    // Each omitted field takes more than the characters of its name.
    let error = from_json(&ty, &records(JSON_OMITTED_BYTES_MAX / FIELDS / 10), "params[0]").unwrap_err();
    assert_eq!(error.problem, Problem::TooManyOmitted);
    // The bound is one for all parameters.
    let param = |name: &str| Param { name: name.to_owned(), ty: ty.clone() };
    let function = Function { name: "f".to_owned(), params: vec![param("a"), param("b")], result: None };
    let half = records(JSON_OMITTED_BYTES_MAX / FIELDS / 100);
    assert!(params_from_json(&function, &json!([half, []])).is_ok());
    let error = params_from_json(&function, &json!([half, half])).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyOmitted);
    assert!(error.path.starts_with("params[1]["), "{error}");
}

#[test]
fn depth_is_bounded() {
    let (mut ty, mut json, mut value) = (Type::U16, json!(1), Value::U16(1));
    for _ in 0..crate::limits::VALUE_DEPTH_MAX {
        ty = list(ty);
        json = Json::Array(vec![json]);
        value = Value::List(vec![value]);
    }
    check(&ty, &json, &value, &json);
    let error = from_json(&list(ty.clone()), &Json::Array(vec![json]), "").unwrap_err();
    assert_eq!(error.problem, Problem::TooDeep);
    assert!(to_json(&list(ty), &Value::List(vec![value])).is_err());
}

/// Types of bounded depth, with names that are valid in WIT.
fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        (1..5usize).prop_map(|n| Type::Enum(numbered("case", n).into())),
        (0..5usize).prop_map(|n| Type::Flags(numbered("flag", n).into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let side = proptest::option::of(inner.clone().prop_map(Arc::new));
        prop_oneof![
            inner.clone().prop_map(list),
            inner.clone().prop_map(option),
            (side.clone(), side).prop_map(|(ok, err)| Type::Result { ok, err }),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|types| Type::Tuple(types.into())),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|types| Type::Record(
                numbered("field", types.len()).into_iter().zip(types).collect()
            )),
            prop::collection::vec(proptest::option::of(inner), 1..4).prop_map(|types| Type::Variant(
                numbered("case", types.len()).into_iter().zip(types).collect()
            )),
        ]
    })
}

fn numbered(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{what}-{i}")).collect()
}

fn any_value(ty: &Type) -> BoxedStrategy<Value> {
    let side = |ty: Option<&Type>| match ty {
        Some(ty) => any_value(ty).prop_map(|v| Some(Box::new(v))).boxed(),
        None => Just(None).boxed(),
    };
    let each = |types: Vec<&Type>| types.into_iter().map(any_value).collect::<Vec<_>>();
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => {
            any::<f32>().prop_filter("NaN is unequal to itself", |v| !v.is_nan()).prop_map(Value::F32).boxed()
        }
        Type::F64 => {
            any::<f64>().prop_filter("NaN is unequal to itself", |v| !v.is_nan()).prop_map(Value::F64).boxed()
        }
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::List(inner) if **inner == Type::U8 => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
        Type::List(inner) => prop::collection::vec(any_value(inner), 0..4).prop_map(Value::List).boxed(),
        Type::Option(inner) => {
            proptest::option::of(any_value(inner)).prop_map(|v| Value::Option(v.map(Box::new))).boxed()
        }
        Type::Result { ok, err } => prop_oneof![
            side(ok.as_deref()).prop_map(|v| Value::Result(Ok(v))),
            side(err.as_deref()).prop_map(|v| Value::Result(Err(v))),
        ]
        .boxed(),
        Type::Tuple(types) => each(types.iter().collect()).prop_map(Value::Tuple).boxed(),
        Type::Record(fields) => {
            each(fields.iter().map(|(_, ty)| ty).collect()).prop_map(Value::Record).boxed()
        }
        Type::Variant(cases) => {
            let cases = cases.iter().enumerate().map(|(i, (_, ty))| {
                let index = u32::try_from(i).expect("few cases");
                side(ty.as_ref()).prop_map(move |v| Value::Variant(index, v)).boxed()
            });
            proptest::strategy::Union::new(cases).boxed()
        }
        Type::Enum(names) => {
            (0..u32::try_from(names.len()).expect("few cases")).prop_map(Value::Enum).boxed()
        }
        Type::Flags(names) => prop::sample::subsequence(
            (0..u32::try_from(names.len()).expect("few flags")).collect::<Vec<_>>(),
            0..=names.len(),
        )
        .prop_map(Value::Flags)
        .boxed(),
        Type::Handle(_) => unreachable!("no handles are generated"),
    }
}

fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| {
        let value = any_value(&ty);
        (Just(ty), value)
    })
}

proptest! {
    #[test]
    fn a_value_survives_json_as_tree_and_as_text((ty, value) in typed_value()) {
        let tree = to_json(&ty, &value).expect("the value fits its type");
        prop_assert_eq!(from_json(&ty, &tree, "").expect("written JSON can be read"), value.clone());
        let text = TypedJson::new(&ty, &value, BytesFormat::Base64).serialize_to_string();
        let parsed: Json = serde_json::from_str(&text).expect("it is JSON");
        prop_assert_eq!(from_json(&ty, &parsed, "").expect("written JSON can be read"), value);
    }

    #[test]
    fn a_value_survives_the_oplog((_, value) in typed_value()) {
        let mut bytes = Vec::new();
        codec::encode(&value, &mut bytes);
        prop_assert_eq!(codec::decode(&mut Reader::new(&bytes)).expect("encoded values can be decoded"), value);
    }

    #[test]
    fn reading_arbitrary_text_does_not_panic(ty in any_type(), text in "[\\[\\]{}:,\"a-z0-9.-]{0,40}") {
        if let Ok(json) = serde_json::from_str::<Json>(&text) {
            drop(from_json(&ty, &json, "params[0]"));
        }
    }
}
