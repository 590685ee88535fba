//! Rejected uploads and their messages; compiled code on disk.

use crate::guests::{component, toolbox};
use golem_host::{ComponentError, Engine, EngineConfig};
use std::sync::OnceLock;

fn config() -> EngineConfig {
    EngineConfig { residents_max: 10, ..EngineConfig::default() }
}

fn compile(wasm: &[u8]) -> Result<golem_host::Component, ComponentError> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(config()).expect("an engine"))
        .compile(wasm, *blake3::hash(wasm).as_bytes())
}

fn check(wasm: &[u8], text: &str) {
    let error = compile(wasm).expect_err("it cannot run").to_string();
    assert!(error.starts_with(text), "{error}\nshould begin with\n{text}");
}

#[test]
fn files_that_are_not_components_are_identified() {
    check(b"", "this is not a WebAssembly component but an empty file");
    check(b"hello, world", "this is not a WebAssembly component but a file that begins with \"hello, w\"");
    check(
        b"(component)",
        "this is not a WebAssembly component but WebAssembly text; turn it into a binary first",
    );
    check(b"PK\x03\x04...", "this is not a WebAssembly component but an archive; upload the .wasm file");
    check(b"\0asm\x0d", "this is not a WebAssembly component but a file that ends inside its header");
    check(b"\0asm\x0a\0\x01\0", "this component has the binary format 0xa, which is older than WASI 0.2");
    check(b"\0asm\x0e\0\x01\0", "this component has the binary format 0xe, which is newer than this server");
    check(b"\0asm\x0d\0\x01\0\xff", "this is not a valid WebAssembly component: ");
}

#[test]
fn core_modules_get_advice() {
    let plain = wat::parse_str("(module (func (export \"f\")))").unwrap();
    check(
        &plain,
        "this is a WebAssembly core module, not a component; build it for the target wasm32-wasip2",
    );
    let nothing = wat::parse_str(
        "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (func (export \"f\")))",
    )
    .unwrap();
    check(
        &nothing,
        "this is a WebAssembly core module, not a component; it was built for WASI preview 1, but exports neither",
    );
    let older = wat::parse_str(
        "(module (import \"wasi_unstable\" \"proc_exit\" (func (param i32))) (func (export \"_start\")))",
    )
    .unwrap();
    check(
        &older,
        "this core module was built for wasi_unstable, which came before WASI preview 1 (it imports proc_exit)",
    );
}

#[test]
fn all_undefined_imports_are_named() {
    let wasm = wat::parse_str(
        r#"(component
            (import "acme:shop/cart@1.0.0" (instance (export "add" (func)) (export "remove" (func))))
            (import "wasi:random/random@0.2.3" (instance
                (export "get-random-u64" (func (result u64))) (export "get-luck" (func (result u64)))))
            (import "golem:api/host" (instance (export "golem-create-wish" (func))))
            (import "lonely" (func)))"#,
    )
    .unwrap();
    assert_eq!(
        compile(&wasm).unwrap_err(),
        ComponentError::UndefinedImports {
            imports: [
                "acme:shop/cart@1.0.0#add",
                "acme:shop/cart@1.0.0#remove",
                "wasi:random/random@0.2.3#get-luck",
                "golem:api/host#golem-create-wish",
                "lonely",
            ]
            .map(str::to_owned)
            .to_vec(),
            more: false,
        }
    );
    check(
        &wasm,
        "this component imports functions that this server does not define: acme:shop/cart@1.0.0#add, ",
    );
}

#[test]
fn an_import_of_another_type_is_refused() {
    let wasm = wat::parse_str(
        r#"(component (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result string))))))"#,
    )
    .unwrap();
    check(
        &wasm,
        "this is not a valid WebAssembly component: an import has another type than on this server: ",
    );
}

#[test]
fn unsupported_features_are_rejected() {
    let preview3 = wat::parse_str(r#"(component (import "wasi:cli/run@0.3.0" (instance)))"#).unwrap();
    check(&preview3, "this component was built for WASI 0.3 (it imports wasi:cli/run@0.3.0)");
    let asynchronous = wat::parse_str(
        r#"(component (core module $m (func (export "f") (result i32) unreachable) (func (export "cb") (param i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (func (export "f") async (canon lift (core func $i "f") async (callback (core func $i "cb")))))"#,
    )
    .unwrap();
    check(&asynchronous, "this component uses the asynchronous functions of the component model");
    let threads = wat::parse_str("(component (core module (memory 1 2 shared)))").unwrap();
    check(&threads, "this component uses a WebAssembly feature that durable workers do not support: ");
}

#[test]
fn components_beyond_the_limits_are_rejected() {
    let memory =
        component("export f: func();", "(module (memory (export \"memory\") 9000) (func (export \"f\")))");
    check(&memory, "this component is too large for a worker: ");
    let table = component("export f: func();", "(module (table 100000 funcref) (func (export \"f\")))");
    check(&table, "this component is too large for a worker: ");
}

#[test]
fn exports_are_listed_with_their_types() {
    let component = compile(toolbox()).unwrap();
    let names: Vec<&str> = component.functions().names().collect();
    assert!(names.contains(&"counter/increment") && names.contains(&"sleep"), "{names:?}");
    let (_, sleep) = component.functions().get("sleep").unwrap();
    assert_eq!((sleep.params[0].name.as_str(), sleep.params[0].ty.to_string().as_str()), ("nanos", "u64"));
    let processed = component.producers().iter().flat_map(|section| &section.fields);
    assert!(processed.into_iter().any(|field| field.name == "processed-by"), "{:?}", component.producers());
}

#[test]
fn compiled_code_is_cached_and_damaged_files_are_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let engine =
        || Engine::new(EngineConfig { cache_dir: Some(folder.path().to_owned()), ..config() }).unwrap();
    let hash = *blake3::hash(toolbox()).as_bytes();
    let files = || -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect()
    };
    engine().compile(toolbox(), hash).unwrap();
    let [file] = files().try_into().unwrap();
    let whole = std::fs::read(&file).unwrap();
    engine().compile(toolbox(), hash).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    for damage in [&b""[..], &whole[..whole.len() / 2], &[&whole[..100], &b"x"[..], &whole[101..]].concat()] {
        std::fs::write(&file, damage).unwrap();
        engine().compile(toolbox(), hash).unwrap();
        assert_eq!(files(), std::slice::from_ref(&file));
        assert!(std::fs::read(&file).unwrap() != damage, "it was written again");
    }
}

#[test]
fn invalid_settings_are_rejected() {
    let none = Engine::new(EngineConfig { residents_max: 0, ..config() }).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the engine's setting residents_max is 0; at least one worker must fit into memory"
    );
    let tiny = Engine::new(EngineConfig { memory_bytes_max: 1_000, ..config() }).unwrap_err();
    assert!(tiny.to_string().contains("memory_bytes_max is 1000"), "{tiny}");
    let dense = Engine::new(EngineConfig { dense: true, ..config() }).unwrap();
    assert!(dense.fingerprint().contains("wasmtime 48.0.8"), "{}", dense.fingerprint());
}
