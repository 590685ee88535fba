//! Unsupported functions from the guest's side: a closed network, and HTTP requests that can be built and are denied by
//! policy. Only the denied request is recorded, because a policy may change.

use crate::guest::{NEWEST, World};
use golem_model::Entry;
use golem_model::oplog::HostFunction;
use golem_testing::{Failure, TestWorker, Value};

/// Each export makes some calls and returns one or two bytes for each: for a result, 0 or 1 and the error.
const CORE: &str = r#"(module
    (import "wasi:sockets/instance-network@WASI" "instance-network" (func $network (result i32)))
    (import "wasi:sockets/network@WASI" "[resource-drop]network" (func $drop-network (param i32)))
    (import "wasi:sockets/tcp-create-socket@WASI" "create-tcp-socket" (func $tcp (param i32 i32)))
    (import "wasi:sockets/udp-create-socket@WASI" "create-udp-socket" (func $udp (param i32 i32)))
    (import "wasi:sockets/ip-name-lookup@WASI" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
    (import "wasi:clocks/timezone@WASI" "utc-offset" (func $offset (param i64 i32) (result i32)))
    (import "wasi:http/types@WASI" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@WASI" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
    (import "wasi:http/types@WASI" "[resource-drop]fields" (func $drop-fields (param i32)))
    (import "wasi:http/types@WASI" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
    (import "wasi:http/types@WASI" "[method]outgoing-request.headers" (func $headers (param i32) (result i32)))
    (import "wasi:http/types@WASI" "[method]outgoing-request.set-authority"
        (func $authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@WASI" "[method]outgoing-request.body" (func $body (param i32 i32)))
    (import "wasi:http/types@WASI" "[method]outgoing-body.write" (func $write (param i32 i32)))
    (import "wasi:http/types@WASI" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
    (import "wasi:http/types@WASI" "[resource-drop]outgoing-body" (func $drop-body (param i32)))
    (import "wasi:http/outgoing-handler@WASI" "handle" (func $handle (param i32 i32 i32 i32)))
    (import "wasi:io/streams@WASI" "[method]output-stream.blocking-write-and-flush"
        (func $write-bytes (param i32 i32 i32 i32)))
    (import "wasi:io/streams@WASI" "[resource-drop]output-stream" (func $drop-stream (param i32)))

    (memory (export "memory") 4)
    (data (i32.const 256) "x-a" "host" "content-length" "5" "localhost")
    (global $out (mut i32) (i32.const 512))

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func $note (param $byte i32)
        (i32.store8 (global.get $out) (local.get $byte))
        (global.set $out (i32.add (global.get $out) (i32.const 1))))
    ;; Notes a result whose error is at $at.
    (func $note-result (param $at i32)
        (call $note (i32.load8_u (i32.const 0)))
        (if (i32.load8_u (i32.const 0)) (then (call $note (i32.load8_u (local.get $at))))))
    (func $notes (result i32)
        (i32.store (i32.const 64) (i32.const 512))
        (i32.store (i32.const 68) (i32.sub (global.get $out) (i32.const 512)))
        (global.set $out (i32.const 512))
        (i32.const 64))

    (func (export "net") (result i32)
        (local $net i32)
        (call $tcp (i32.const 0) (i32.const 0))
        (call $note-result (i32.const 4))
        (call $udp (i32.const 1) (i32.const 0))
        (call $note-result (i32.const 4))
        (call $resolve (local.tee $net (call $network)) (i32.const 278) (i32.const 9) (i32.const 0))
        (call $note-result (i32.const 4))
        (call $drop-network (local.get $net))
        (call $notes))

    (func (export "zone") (result i32)
        (call $note (call $offset (i64.const 1) (i32.const 0)))
        (call $notes))

    ;; A request with two bytes of body, and with content-length 5 if $length says so.
    (func (export "http") (param $length i32) (result i32)
        (local $fields i32) (local $request i32) (local $headers i32) (local $body i32) (local $stream i32)
        (local.set $fields (call $fields))
        (call $append (local.get $fields) (i32.const 256) (i32.const 3) (i32.const 277) (i32.const 1) (i32.const 0))
        (call $note-result (i32.const 1))
        (call $append (local.get $fields) (i32.const 259) (i32.const 4) (i32.const 277) (i32.const 1) (i32.const 0))
        (call $note-result (i32.const 1))
        (if (local.get $length) (then
            (call $append (local.get $fields) (i32.const 263) (i32.const 14) (i32.const 277) (i32.const 1) (i32.const 0))
            (call $note-result (i32.const 1))))
        (local.set $request (call $request (local.get $fields)))
        (call $note
            (call $authority (local.get $request) (i32.const 1) (i32.const 278) (i32.const 9)))
        (local.set $headers (call $headers (local.get $request)))
        (call $append (local.get $headers) (i32.const 256) (i32.const 3) (i32.const 277) (i32.const 1) (i32.const 0))
        (call $note-result (i32.const 1))
        (call $drop-fields (local.get $headers))
        (call $body (local.get $request) (i32.const 0))
        (call $note (i32.load8_u (i32.const 0)))
        (local.set $body (i32.load (i32.const 4)))
        (call $write (local.get $body) (i32.const 0))
        (call $note (i32.load8_u (i32.const 0)))
        (local.set $stream (i32.load (i32.const 4)))
        (call $write (local.get $body) (i32.const 0))
        (call $note (i32.load8_u (i32.const 0)))
        (call $write-bytes (local.get $stream) (i32.const 256) (i32.const 2) (i32.const 0))
        (call $note (i32.load8_u (i32.const 0)))
        (call $drop-stream (local.get $stream))
        (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $note-result (i32.const 8))
        (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $note-result (i32.const 8))
        (call $notes))

    (func (export "hoard")
        (loop $again
            (call $append (call $fields) (i32.const 256) (i32.const 3) (i32.const 1024) (i32.const 60000) (i32.const 0))
            (br $again)))

    (func (export "abandon")
        (call $body (call $request (call $fields)) (i32.const 0))
        (call $write (i32.load (i32.const 4)) (i32.const 128))
        (call $drop-body (i32.load (i32.const 4)))))"#;

async fn worker() -> TestWorker {
    let world = World::new(
        NEWEST,
        "world guest {
            include wasi:cli/imports@WASI;
            include wasi:http/imports@WASI;
            export net: func() -> list<u8>;
            export zone: func() -> list<u8>;
            export http: func(length: bool) -> list<u8>;
            export hoard: func();
            export abandon: func();
        }",
    );
    // Header values must be text.
    let core = CORE.replace("@WASI", &format!("@{NEWEST}"));
    let core = core
        .replace("(global $out", &format!("(data (i32.const 1024) \"{}\") (global $out", "x".repeat(60_000)));
    TestWorker::start(&world.component(&core)).await.expect("the component is valid")
}

/// Calls `function`, which must not record a call, and checks its bytes.
async fn check(function: &str, params: Vec<Value>, expected: &[u8]) {
    check_recorded(function, params, expected, &[]).await;
}

/// Calls `function`, which must record exactly these calls, and checks its bytes.
async fn check_recorded(function: &str, params: Vec<Value>, expected: &[u8], recorded: &[HostFunction]) {
    let mut worker = worker().await;
    let answer = worker.invoke(function, params).await.expect("nothing traps");
    assert_eq!(answer, Some(Value::Bytes(expected.to_vec())), "{function}");
    let calls = worker.oplog().into_iter().filter_map(|entry| match entry {
        Entry::HostCall { call, .. } => Some(call.function),
        _ => None,
    });
    assert_eq!(calls.collect::<Vec<_>>(), recorded);
    worker.replay_from_every_prefix().await.expect("a replay answers alike");
}

async fn check_trap(function: &str, text: &str) {
    match worker().await.invoke(function, Vec::new()).await {
        Err(Failure::Trapped { details, .. }) => assert!(details.contains(text), "{details}"),
        other => panic!("{function} ended with {other:?}"),
    }
}

/// `access-denied` of `wasi:sockets`.
const ACCESS_DENIED: u8 = 1;
/// `forbidden` and `immutable` of a header error.
const FORBIDDEN: u8 = 1;
const IMMUTABLE: u8 = 2;
/// `HTTP-request-denied`, `HTTP-request-body-size` and `internal-error`.
const DENIED: u8 = 15;
const BODY_SIZE: u8 = 17;
const INTERNAL: u8 = 38;

#[tokio::test]
async fn there_is_no_network() {
    check("net", vec![], &[1, ACCESS_DENIED, 1, ACCESS_DENIED, 1, ACCESS_DENIED]).await;
}

#[tokio::test]
async fn the_time_zone_is_utc() {
    check("zone", vec![], &[0]).await;
}

#[tokio::test]
async fn a_request_is_built_and_denied() {
    // Header set, host forbidden, authority set, headers of the request immutable; body, its stream (available once),
    // written, finished.
    let expected = [0, 1, FORBIDDEN, 0, 1, IMMUTABLE, 0, 0, 1, 0, 0, 1, DENIED];
    check_recorded("http", vec![Value::Bool(false)], &expected, &[HostFunction::HttpSend]).await;
}

#[tokio::test]
async fn a_body_has_the_length_that_its_headers_promise() {
    let expected = [0, 1, FORBIDDEN, 0, 0, 1, IMMUTABLE, 0, 0, 1, 0, 1, BODY_SIZE, 1, INTERNAL];
    check("http", vec![Value::Bool(true)], &expected).await;
}

#[tokio::test]
async fn a_guest_that_hoards_host_objects_traps() {
    check_trap(
        "hoard",
        "the worker's host objects (HTTP fields, requests, bodies, values, errors, listings) hold more than",
    )
    .await;
}

#[tokio::test]
async fn a_body_cannot_be_dropped_before_its_stream() {
    check_trap("abandon", "dropped before the objects made from it").await;
}
