//! Values of all types pass through a guest and back.

use crate::guests::{component, toolbox};
use golem_testing::{TestWorker, Value};

#[tokio::test]
async fn bytes_pass_as_bytes() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    for length in [0, 1, 10_000] {
        let bytes = Value::Bytes((0..=250).cycle().take(length).collect());
        assert_eq!(worker.invoke("echo", vec![bytes.clone()]).await.unwrap(), Some(bytes));
    }
    worker.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn every_type_passes_through_a_guest() {
    let record =
        "record item { id: u32, name: string, price: f64, tags: list<string>, seen: option<option<bool>> }";
    let world = format!(
        "export api: interface {{
            {record}
            variant shape {{ circle(f32), square, named(string) }}
            enum color {{ red, green }}
            flags access {{ read, write, run }}
            echo-item: func(v: item) -> item;
            echo-shape: func(v: shape) -> shape;
            echo-color: func(v: color) -> color;
            echo-access: func(v: access) -> access;
            echo-result: func(v: result<u8, s64>) -> result<u8, s64>;
            echo-tuple: func(v: tuple<char, s8>) -> tuple<char, s8>;
        }}"
    );
    // Each function gets flat values and stores them in their canonical form.
    let core = r#"(module
        (memory (export "memory") 4)
        (global $heap (mut i32) (i32.const 1024))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $start i32)
            (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (local.set $start (global.get $heap))
            (global.set $heap (i32.add (global.get $heap) (local.get 3)))
            (local.get $start))
        (func (export "api#echo-item") (param $id i32) (param $name i32) (param $len i32) (param $price f64)
            (param $tags i32) (param $count i32) (param $some i32) (param $inner i32) (param $seen i32) (result i32)
            (i32.store (i32.const 64) (local.get $id))
            (i32.store (i32.const 68) (local.get $name))
            (i32.store (i32.const 72) (local.get $len))
            (f64.store (i32.const 80) (local.get $price))
            (i32.store (i32.const 88) (local.get $tags))
            (i32.store (i32.const 92) (local.get $count))
            (i32.store8 (i32.const 96) (local.get $some))
            (i32.store8 (i32.const 97) (local.get $inner))
            (i32.store8 (i32.const 98) (local.get $seen))
            (i32.const 64))
        (func (export "api#echo-shape") (param $case i32) (param $a i32) (param $b i32) (result i32)
            (i32.store8 (i32.const 64) (local.get $case))
            (i32.store (i32.const 68) (local.get $a))
            (i32.store (i32.const 72) (local.get $b))
            (i32.const 64))
        (func (export "api#echo-color") (param i32) (result i32) (local.get 0))
        (func (export "api#echo-access") (param i32) (result i32) (local.get 0))
        (func (export "api#echo-result") (param $case i32) (param $v i64) (result i32)
            (i32.store8 (i32.const 64) (local.get $case))
            (i64.store (i32.const 72) (local.get $v))
            (i32.const 64))
        (func (export "api#echo-tuple") (param $c i32) (param $v i32) (result i32)
            (i32.store (i32.const 64) (local.get $c))
            (i32.store8 (i32.const 68) (local.get $v))
            (i32.const 64)))"#;
    let mut worker = TestWorker::start(&component(&world, core)).await.unwrap();
    let text = |text: &str| Value::String(text.to_owned());
    let some = |value: Value| Value::Option(Some(Box::new(value)));
    let item = |seen: Value| {
        Value::Record(vec![
            Value::U32(7),
            text("Käse"),
            Value::F64(1.5),
            Value::List(vec![text("a"), text("b")]),
            seen,
        ])
    };
    let cases = [
        ("api/echo-item", item(Value::Option(None))),
        ("api/echo-item", item(some(Value::Option(None)))),
        ("api/echo-item", item(some(some(Value::Bool(true))))),
        ("api/echo-shape", Value::Variant(0, Some(Box::new(Value::F32(2.5))))),
        ("api/echo-shape", Value::Variant(1, None)),
        ("api/echo-shape", Value::Variant(2, Some(Box::new(text("box"))))),
        ("api/echo-color", Value::Enum(1)),
        ("api/echo-access", Value::Flags(vec![])),
        ("api/echo-access", Value::Flags(vec![0, 2])),
        ("api/echo-result", Value::Result(Ok(Some(Box::new(Value::U8(255)))))),
        ("api/echo-result", Value::Result(Err(Some(Box::new(Value::S64(i64::MIN)))))),
        ("api/echo-tuple", Value::Tuple(vec![Value::Char('ß'), Value::S8(-1)])),
    ];
    for (function, value) in cases {
        let result = worker.invoke(function, vec![value.clone()]).await.unwrap();
        assert_eq!(result, Some(value), "{function}");
    }
    worker.crash();
    worker.invoke("api/echo-color", vec![Value::Enum(0)]).await.unwrap();
}
