//! Every function of WASI 0.2 and of the Runtime API is defined, under every release of WASI 0.2.

use crate::guest::{NEWEST, World, golem_interfaces};
use golem_host::{Component, ComponentError, Engine, EngineConfig};

/// WASI 0.2 from the first release to the newest one in the pinned crates.
const RELEASES: [&str; 13] = [
    "0.2.0", "0.2.1", "0.2.2", "0.2.3", "0.2.4", "0.2.5", "0.2.6", "0.2.7", "0.2.8", "0.2.9", "0.2.10",
    "0.2.11", NEWEST,
];

fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component, ComponentError> {
    engine.compile(wasm, *blake3::hash(wasm).as_bytes())
}

fn engine() -> Engine {
    Engine::new(EngineConfig { residents_max: 2, ..EngineConfig::default() })
        .expect("an engine of two workers")
}

/// A core module that imports everything in the world, and does nothing.
fn importer(world: &World) -> (String, usize) {
    let (imports, count) = world.imports();
    let core = format!(
        r#"(module
        {imports}
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "ping")))"#
    );
    (core, count)
}

#[test]
fn a_component_that_imports_everything_links() {
    let engine = engine();
    let ours = golem_interfaces();
    assert!(ours.len() >= 9, "{ours:?}");
    let ours = ours.iter().map(|name| format!("import {name};")).collect::<Vec<_>>().join("\n");
    for release in RELEASES {
        let text = format!(
            "world guest {{
                include wasi:cli/imports@WASI;
                include wasi:http/imports@WASI;
                {ours}
                export ping: func();
            }}"
        );
        let world = World::new(release, &text);
        let (core, count) = importer(&world);
        assert!(count > 230, "{release} has {count} functions");
        let component =
            compile(&engine, &world.component(&core)).unwrap_or_else(|error| panic!("{release}: {error}"));
        assert_eq!(component.exports().len(), 1);
    }
}

#[test]
fn all_undefined_imports_are_named_at_once() {
    let world = World::new(
        NEWEST,
        "package test:other@1.0.0 {
            interface weather { today: func() -> string; tomorrow: func() -> string; }
        }
        world guest {
            import wasi:cli/environment@WASI;
            import test:other/weather@1.0.0;
            import rain: interface { falls: func() -> bool; }
            export ping: func();
        }",
    );
    let (core, count) = importer(&world);
    assert_eq!(count, 6);
    let error = compile(&engine(), &world.component(&core)).unwrap_err();
    let ComponentError::UndefinedImports { imports: mut names, more: false } = error else {
        panic!("{error}")
    };
    names.sort();
    assert_eq!(names, ["rain#falls", "test:other/weather@1.0.0#today", "test:other/weather@1.0.0#tomorrow"]);
}

#[test]
fn an_undefined_import_is_named_alone_among_all_that_are_defined() {
    let engine = engine();
    let ours = golem_interfaces();
    let ours = ours.iter().map(|name| format!("import {name};")).collect::<Vec<_>>().join("\n");
    for release in RELEASES {
        let text = format!(
            "world guest {{
                include wasi:cli/imports@WASI;
                include wasi:http/imports@WASI;
                {ours}
                import rain: interface {{ falls: func() -> bool; }}
                export ping: func();
            }}"
        );
        let world = World::new(release, &text);
        let error = compile(&engine, &world.component(&importer(&world).0)).unwrap_err();
        let expected =
            ComponentError::UndefinedImports { imports: vec!["rain#falls".to_owned()], more: false };
        assert_eq!(error, expected, "{release}");
    }
}
