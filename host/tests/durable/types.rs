//! Components whose types are small on disk and large when each use is spelled out.

use golem_host::{Component, ComponentError, Engine, EngineConfig, TypeLimit};
use golem_model::limits::{
    COMPONENT_NAME_BYTES_MAX, COMPONENT_TYPES_MAX, PRODUCERS_BYTES_MAX, TYPE_DEPTH_MAX,
};
use std::fmt::Write as _;
use std::sync::OnceLock;

fn compile(wasm: &[u8]) -> Result<Component, ComponentError> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let config = EngineConfig { residents_max: 2, ..EngineConfig::default() };
    ENGINE
        .get_or_init(|| Engine::new(config).expect("an engine"))
        .compile(wasm, *blake3::hash(wasm).as_bytes())
}

/// A component that exports functions `f` of this type, which returns a list. `types` defines the types that it uses.
fn exporting(types: &str, ty: &str, names: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = format!(
        r#"(component {types}
            (core module $m
                (memory (export "m") 1)
                (func (export "f") (result i32) i32.const 8)
                (func (export "r") (param i32 i32 i32 i32) (result i32) i32.const 8))
            (core instance $i (instantiate $m))
            (func $f {ty}
                (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r"))))"#
    );
    for name in names {
        write!(text, "(export \"{name}\" (func $f))").expect("writing to a string cannot fail");
    }
    text.push(')');
    wat::parse_str(&text).expect("the text is valid WebAssembly")
}

fn one() -> impl Iterator<Item = String> {
    std::iter::once("f".to_owned())
}

/// `$t0`, and `$t1` to `$tdepth`, each a pair of the one before.
fn pairs(innermost: &str, depth: usize) -> String {
    let mut text = innermost.to_owned();
    for level in 1..=depth {
        write!(text, "(type $t{level} (tuple $t{0} $t{0}))", level - 1)
            .expect("writing to a string cannot fail");
    }
    text
}

/// `list<list<…u8>>`.
fn nested_lists(depth: usize) -> String {
    let mut text = "u8".to_owned();
    for _ in 0..depth {
        text = format!("(list {text})");
    }
    text
}

fn refused(wasm: &[u8], limit: TypeLimit, function: &str) {
    let error = compile(wasm).expect_err("it exceeds a limit");
    assert_eq!(error, ComponentError::TypesTooLarge { function: function.to_owned(), limit });
}

const BYTES: &str = "(type $t0 (tuple u8))";

#[test]
fn types_that_are_used_too_often_are_refused() {
    let bomb = exporting(&pairs(BYTES, 18), "(result (list $t18))", one());
    assert!(bomb.len() < 1_000, "{} bytes", bomb.len());
    refused(&bomb, TypeLimit::Types, "f");
    let text = compile(&bomb).unwrap_err().to_string();
    assert_eq!(
        text,
        "the types of the function f are too large: a component has at most 100000 types and names, each counted at \
         every place that uses it; export fewer functions, or pass nested structures as a string or as list<u8>"
    );
    // Just below the limit: 2^15 tuples of one byte, in 2^15 pairs.
    let component = compile(&exporting(&pairs(BYTES, 15), "(result (list $t15))", one())).unwrap();
    assert_eq!(component.exports().len(), 1);
}

#[test]
fn the_limit_is_one_for_all_functions() {
    // Each function has a name, a parameter with a name and a type, and a result of two types.
    let types_each = 5;
    let ty = r#"(param "p" u32) (result (list u8))"#;
    let many = |count: usize| {
        let core = r#"(core module $m
                (memory (export "m") 1)
                (func (export "f") (param i32) (result i32) i32.const 8))
            (core instance $i (instantiate $m))"#;
        let mut text = format!(
            r#"(component {core} (func $f {ty} (canon lift (core func $i "f") (memory (core memory $i "m"))))"#
        );
        for number in 0..count {
            write!(text, "(export \"f{number}\" (func $f))").unwrap();
        }
        wat::parse_str(text + ")").unwrap()
    };
    let fitting = COMPONENT_TYPES_MAX / types_each;
    assert_eq!(compile(&many(fitting)).unwrap().exports().len(), fitting);
    refused(&many(fitting + 1), TypeLimit::Types, &format!("f{fitting}"));
}

#[test]
fn long_names_that_are_used_often_are_refused() {
    let name = "a".repeat(10_000);
    let record = format!(r#"(type $r (record (field "{name}" u8))) (export $t0 "rec" (type $r))"#);
    let depth = (COMPONENT_NAME_BYTES_MAX / name.len()).ilog2() as usize;
    compile(&exporting(&pairs(&record, depth), &format!("(result (list $t{depth}))"), one())).unwrap();
    let bomb = exporting(&pairs(&record, depth + 1), &format!("(result (list $t{}))", depth + 1), one());
    refused(&bomb, TypeLimit::NameBytes, "f");
    // The name of a function is cut in the message.
    let names = (0..60).map(|number| format!("f{number}-{}", "a".repeat(50_000)));
    let ComponentError::TypesTooLarge { function, limit: TypeLimit::NameBytes } =
        compile(&exporting("", "(result (list u8))", names)).unwrap_err()
    else {
        panic!("the names are too long");
    };
    assert!(function.ends_with('…') && function.len() < 250, "{function}");
}

#[test]
fn deep_types_are_refused() {
    let deepest = nested_lists(TYPE_DEPTH_MAX - 1);
    compile(&exporting("", &format!("(result {deepest})"), one())).unwrap();
    let deeper = nested_lists(TYPE_DEPTH_MAX);
    refused(&exporting("", &format!("(result {deeper})"), one()), TypeLimit::Depth, "f");
}

#[test]
fn the_types_of_client_interfaces_have_the_same_limits() {
    let client = |depth| {
        let text = format!(
            r#"(component {} (import "acme:shop-client/cart" (instance
                (export "start-add" (func (param "worker" string) (param "items" $t{depth}) (result u64))))))"#,
            pairs(BYTES, depth)
        );
        wat::parse_str(text).unwrap()
    };
    assert_eq!(compile(&client(10)).unwrap().clients().len(), 1);
    refused(&client(18), TypeLimit::Types, "acme:shop-client/cart#start-add");
}

#[test]
fn no_more_undefined_imports_are_looked_for_than_are_named() {
    let mut text = r#"(component (import "wasi:foo/bar@0.2.3" (instance"#.to_owned();
    for number in 0..5_000 {
        write!(text, "(export \"f{number}\" (func))").unwrap();
    }
    let error = compile(&wat::parse_str(text + ")))").unwrap()).unwrap_err();
    let ComponentError::UndefinedImports { imports, more } = &error else { panic!("{error}") };
    assert_eq!((imports.len(), imports[49].as_str(), *more), (50, "wasi:foo/bar@0.2.3#f49", true));
    assert!(error.to_string().ends_with("wasi:foo/bar@0.2.3#f49, and more"), "{error}");
}

#[test]
fn long_producers_sections_are_refused() {
    let component = |bytes: usize| {
        let mut wasm = wat::parse_str("(component)").unwrap();
        // A field with one value, whose version has most of the bytes.
        let mut section = b"\x09producers\x01\x08language\x01\x01C".to_vec();
        section.extend(leb128(bytes));
        section.resize(section.len() + bytes, b'1');
        wasm.push(0);
        wasm.extend(leb128(section.len()));
        wasm.extend(section);
        wasm
    };
    assert_eq!(compile(&component(100)).unwrap().producers().len(), 1);
    let error = compile(&component(PRODUCERS_BYTES_MAX)).unwrap_err();
    assert!(
        matches!(&error, ComponentError::TooLarge { details } if details.contains("producers")),
        "{error}"
    );
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
