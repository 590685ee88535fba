//! Components that are small on disk. A type of a component is written once and used by reference. A description that
//! repeats the type at each use doubles in size with each level.

use super::Attack;
use golem_tests::http::Request;
use golem_tests::rest::upload;
use golem_tests::wait;
use std::fmt::Write as _;
use std::time::Duration;

/// Memory that refusing one small component may take, in bytes. Compiling one takes a fraction of that.
const REFUSAL_BYTES_MAX: u64 = 100 << 20;
/// Time for the answer to one small component. The machine may be compiling at the same time.
const REFUSAL_MAX: Duration = Duration::from_secs(20);

/// A component with a function whose result is `list<$t{depth}>`: each `$t` is a pair of the one before, the innermost
/// is a record with a field of this name.
fn pairs(depth: usize, name: &str) -> Vec<u8> {
    let mut text =
        format!(r#"(component (type $r (record (field "{name}" u8))) (export $t0 "rec" (type $r))"#);
    for level in 1..=depth {
        write!(text, "(type $t{level} (tuple $t{0} $t{0}))", level - 1).unwrap();
    }
    write!(
        text,
        r#"(core module $m
            (memory (export "m") 1)
            (func (export "f") (result i32) i32.const 8)
            (func (export "r") (param i32 i32 i32 i32) (result i32) i32.const 8))
        (core instance $i (instantiate $m))
        (func $f (result (list $t{depth}))
            (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r"))))
        (export "f" (func $f)))"#
    )
    .unwrap();
    wat::parse_str(text).unwrap()
}

/// A component that imports this many functions which the server does not define.
fn undefined(functions: usize) -> Vec<u8> {
    let mut text = r#"(component (import "wasi:foo/bar@0.2.3" (instance"#.to_owned();
    for number in 0..functions {
        write!(text, "(export \"f{number}\" (func))").unwrap();
    }
    wat::parse_str(text + ")))").unwrap()
}

#[tokio::test]
async fn small_components_are_refused_at_small_cost() {
    let mut attack = Attack::begin(&[]).await;
    let too_large =
        "Template processing error: the types of the function f are too large: a component has at most ";
    for (name, wasm, bytes_max, text) in [
        ("2^18 uses of a type", pairs(18, "a"), 1_000, format!("{too_large}100000 types and names")),
        ("a long name", pairs(18, &"a".repeat(10_000)), 11_000, format!("{too_large}1048576 bytes of names")),
        (
            "undefined imports",
            undefined(5_000),
            80_000,
            "Template processing error: this component imports functions that this server does not define: \
             wasi:foo/bar@0.2.3#f0, "
                .to_owned(),
        ),
    ] {
        assert!(wasm.len() < bytes_max, "{name}: {} bytes", wasm.len());
        let begin = wait::now();
        let response = attack.attacker.call(upload(name, &wasm)).await;
        let taken = begin.elapsed();
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        assert!(response.text().contains(&text), "{name}: {}", response.text());
        assert!(response.body.len() < 10_000, "{name}: {} bytes", response.body.len());
        assert!(taken < REFUSAL_MAX, "{name}: {taken:?}");
        attack.assert_victim_is_served().await;
    }
    attack.assert_grown_at_most(REFUSAL_BYTES_MAX);
    // Nothing was stored.
    let stored = attack.attacker.ok(Request::get("/v1/templates")).await.json();
    assert_eq!(stored.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn many_versions_of_the_largest_types_are_listed_in_bounded_memory() {
    /// Number of versions: their metadata together is far above the memory that listing them may take.
    const VERSIONS: usize = 100;
    const LISTING_BYTES_MAX: u64 = 100 << 20;
    let mut attack = Attack::begin(&[]).await;
    // Each has nearly the largest allowed number of types.
    let wasm = pairs(14, "a");
    let template = attack.attacker.upload("large", &wasm).await;
    for _ in 1..VERSIONS {
        let path = format!("/v1/templates/{template}/upload");
        let request = Request::new("PUT", path).body("application/octet-stream", wasm.clone());
        attack.attacker.ok(request).await;
    }
    attack = attack.restart().await;
    attack.assert_victim_is_served().await;
    attack.resident_before = golem_tests::process::resident_bytes(attack.server.pid());
    for path in ["/v1/templates".to_owned(), format!("/v1/templates/{template}")] {
        let listed = attack.attacker.ok(Request::get(path)).await;
        assert!(listed.body.len() as u64 > LISTING_BYTES_MAX / 2, "{} bytes", listed.body.len());
        // Counted in the text, because its JSON tree would take gigabytes of the test's memory.
        let text = listed.text();
        assert!(text.starts_with("[{") && text.ends_with("}]"), "it is an array");
        assert_eq!(text.matches("\"templateName\"").count(), VERSIONS);
    }
    attack.assert_victim_is_served().await;
    attack.assert_grown_at_most(LISTING_BYTES_MAX);
}
