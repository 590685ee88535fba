//! Settings through `wasi:config`, under each of its names: they are the worker's environment.

use crate::guest::{NEWEST, World};
use golem_model::Entry;
use golem_testing::{Options, TestWorker, Value};

/// The world of a guest that imports the interface by `name` of `version`.
fn world(name: &str, version: &str) -> String {
    format!(
        "package wasi:config@{version} {{
            interface {name} {{
                variant error {{ upstream(string), io(string) }}
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }}
        }}
        world guest {{
            import wasi:config/{name}@{version};
            export get: func(key: string) -> option<string>;
            export all: func() -> list<tuple<string, string>>;
        }}"
    )
}

/// The answer starts after the four bytes that say that there was no error.
const CORE: &str = r#"(module
    (import "INTERFACE" "get" (func $get (param i32 i32 i32)))
    (import "INTERFACE" "get-all" (func $all (param i32)))
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
        (local $at i32)
        (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (local.set $at (global.get $heap))
        (global.set $heap (i32.add (global.get $heap) (local.get $new)))
        (local.get $at))
    (func $answer (result i32)
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (i32.const 68))
    (func (export "get") (param $key i32) (param $length i32) (result i32)
        (call $get (local.get $key) (local.get $length) (i32.const 64))
        (call $answer))
    (func (export "all") (result i32)
        (call $all (i32.const 64))
        (call $answer)))"#;

async fn check(name: &str, version: &str) {
    let core = CORE.replace("INTERFACE", &format!("wasi:config/{name}@{version}"));
    let wasm = World::new(NEWEST, &world(name, version)).component(&core);
    let env =
        [("POOL_SIZE", "8"), ("color", "blue")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options { env: env.to_vec(), ..Options::default() };
    let mut worker = TestWorker::start_with(&wasm, options).await.expect("every name links");

    let text = |text: &str| Value::String(text.to_owned());
    for (key, expected) in [
        ("color", Some("blue")),
        ("pool.size", Some("8")),
        ("GOLEM_WORKER_NAME", Some("test")),
        ("size", None),
    ] {
        let found = worker.invoke("get", vec![text(key)]).await.expect("nothing traps");
        assert_eq!(found, Some(Value::Option(expected.map(|value| Box::new(text(value))))), "{key}");
    }
    let Some(Value::List(all)) = worker.invoke("all", vec![]).await.expect("nothing traps") else {
        panic!("a list was expected")
    };
    assert_eq!(all[0], Value::Tuple(vec![text("POOL_SIZE"), text("8")]));
    assert_eq!(all.len(), 2 + 3, "the given variables and those of every worker: {all:?}");
    let calls = worker.oplog().into_iter().filter(|entry| matches!(entry, Entry::HostCall { .. }));
    assert_eq!(calls.count(), 0, "nothing of it is recorded");
    worker.replay_from_every_prefix().await.expect("a replay answers alike");
}

#[tokio::test]
async fn settings_are_the_environment() {
    for (name, version) in [("store", "0.2.0-draft"), ("store", "0.2.0-rc.1"), ("runtime", "0.2.0-draft")] {
        check(name, version).await;
    }
}
