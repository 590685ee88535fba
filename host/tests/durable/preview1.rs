//! Core modules for WASI preview 1: programs and typed libraries become components and make the same durable calls.

use crate::guest::{NEWEST, World};
use golem_host::{Component, ComponentError, Engine, EngineConfig};
use golem_model::Entry;
use golem_testing::{Failure, TestWorker, Value};
use wit_component::{StringEncoding, embed_component_metadata};

/// A program that prints, reads the clock, and exits with 1 if it has an argument.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 8)))
        (drop (call $args (i32.const 8) (i32.const 12)))
        (if (i32.load (i32.const 8)) (then (call $exit (i32.const 1))))))"#;

fn compile(wasm: &[u8]) -> Result<Component, ComponentError> {
    let engine =
        Engine::new(EngineConfig { residents_max: 1, ..EngineConfig::default() }).expect("an engine");
    engine.compile(wasm, *blake3::hash(wasm).as_bytes())
}

/// The name of the program's function.
fn run(worker: &TestWorker) -> String {
    let [name] = worker.function_names().try_into().expect("a program exports one function");
    assert!(name.starts_with("wasi:cli/run@0.2.") && name.ends_with("/run"), "{name}");
    name
}

#[tokio::test]
async fn a_program_runs_as_a_component() {
    let wasm = wat::parse_str(PROGRAM).unwrap();
    let mut worker = TestWorker::start(&wasm).await.unwrap();
    let run = run(&worker);
    assert_eq!(worker.invoke(&run, vec![]).await.unwrap(), Some(Value::Result(Ok(None))));
    assert_eq!(worker.log().stdout(), "hello\n");
    let clocks = worker.oplog().into_iter().filter(|entry| matches!(entry, Entry::HostCall { .. })).count();
    assert_eq!(clocks, 1, "the clock is recorded as it is for any component");
    worker.replay_from_every_prefix().await.unwrap();

    let options = golem_testing::Options { args: vec!["an argument".to_owned()], ..Default::default() };
    let mut worker = TestWorker::start_with(&wasm, options).await.unwrap();
    match worker.invoke(&run, vec![]).await {
        Err(Failure::Exited { code: 1, .. }) => {}
        other => panic!("it exits with 1, not {other:?}"),
    }
}

/// The calls behind `fopen`, `fwrite`, `fseek`, `ftell` and `fread` in C: opens or creates the file `note`, appends
/// three bytes, and prints the number of bytes that can be read from its start as a digit.
const FILES: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $preopen (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_tell" (func $tell (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "noteabc")
    (func $must (param $error i32) (if (local.get $error) (then unreachable)))
    (func (export "_start") (local $fd i32)
        (call $must (call $preopen (i32.const 3) (i32.const 128) (i32.const 1)))
        (call $must (i32.ne (i32.load8_u (i32.const 128)) (i32.const 47)))
        (call $must (call $open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 4) (i32.const 1)
            (i64.const 0x1fffffff) (i64.const 0x1fffffff) (i32.const 0) (i32.const 32)))
        (local.set $fd (i32.load (i32.const 32)))
        (call $must (call $seek (local.get $fd) (i64.const 0) (i32.const 2) (i32.const 40)))
        (i32.store (i32.const 0) (i32.const 20))
        (i32.store (i32.const 4) (i32.const 3))
        (call $must (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 48)))
        (call $must (call $seek (local.get $fd) (i64.const -3) (i32.const 1) (i32.const 56)))
        (call $must (i64.ne (i64.load (i32.const 40)) (i64.load (i32.const 56))))
        (call $must (call $seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 40)))
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 1024))
        (call $must (call $read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 48)))
        (call $must (call $tell (local.get $fd) (i32.const 56)))
        (call $must (i32.ne (i32.load (i32.const 48)) (i32.load (i32.const 56))))
        ;; The third run has read three times three bytes.
        (if (i32.eq (i32.load (i32.const 48)) (i32.const 9))
            (then (call $must (i32.ne (i32.load8_u (i32.const 1032)) (i32.const 99)))))
        (call $must (i32.rem_u (i32.load (i32.const 48)) (i32.const 3)))
        (i32.store (i32.const 0) (i32.const 48))
        (i32.store (i32.const 4) (i32.const 1))
        (i32.store8 (i32.const 48) (i32.add (i32.const 48) (i32.load (i32.const 48))))
        (call $must (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 56)))))"#;

#[tokio::test]
async fn a_program_of_preview_1_has_files() {
    let mut worker = TestWorker::start(&wat::parse_str(FILES).unwrap()).await.unwrap();
    let run = run(&worker);
    for _ in 0..2 {
        assert_eq!(worker.invoke(&run, vec![]).await.unwrap(), Some(Value::Result(Ok(None))));
    }
    worker.crash();
    assert_eq!(worker.invoke(&run, vec![]).await.unwrap(), Some(Value::Result(Ok(None))));
    assert_eq!(worker.log().stdout(), "369", "the file grows by three bytes each time");
    worker.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn a_library_exports_the_interface_of_its_custom_section() {
    let world = World::new(NEWEST, "world guest { export api: interface { double: func(n: u32) -> u32; } }");
    let mut module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_initialize") (drop (call $random (i32.const 0) (i32.const 8))))
            (func (export "api#double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))"#,
    )
    .unwrap();
    embed_component_metadata(&mut module, &world.resolve, world.id, StringEncoding::UTF8).unwrap();
    let mut worker = TestWorker::start(&module).await.unwrap();
    assert_eq!(worker.function_names(), ["api/double"]);
    assert_eq!(worker.invoke("api/double", vec![Value::U32(21)]).await.unwrap(), Some(Value::U32(42)));
}

#[test]
fn all_undefined_imports_of_a_module_are_named() {
    let wasm = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
            (import "env" "emscripten_notify" (func))
            (memory (export "memory") 1)
            (func (export "_start")))"#,
    )
    .unwrap();
    let imports = ["wasi_snapshot_preview1#sock_open", "env#emscripten_notify"].map(str::to_owned).to_vec();
    assert_eq!(compile(&wasm).unwrap_err(), ComponentError::UndefinedImports { imports, more: false });
}

#[test]
fn malformed_modules_are_rejected() {
    let wasm = wat::parse_str(PROGRAM).unwrap();
    let half = compile(&wasm[..wasm.len() / 2]).unwrap_err();
    assert!(matches!(half, ComponentError::Invalid { .. }), "{half}");
    let no_memory = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (func (export "_start") (param i32)))"#,
    )
    .unwrap();
    let error = compile(&no_memory).unwrap_err().to_string();
    assert!(error.starts_with("this core module cannot be turned into a component: "), "{error}");
}
