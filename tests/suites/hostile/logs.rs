//! Workers that print more than the server keeps.

use super::Attack;
use golem_tests::log_stream::LogStream;
use serde_json::json;

/// Memory that the output of all workers may take, in bytes: the text that is kept, the memory of the guests, and the
/// compilation of their component.
const OUTPUT_BYTES_MAX: u64 = 120 << 20;
/// Number of workers and of lines of each. All lines together are 12 GiB, those that fit the number of kept lines 4 GiB.
const WORKERS: u32 = 8;
const LINES: u32 = 400;
/// Bytes of a line.
const LINE_BYTES: u32 = 4 << 20;

/// A component with a function that logs `n` lines of `len` bytes.
fn logger() -> Vec<u8> {
    let text = r#"(component
        (import "wasi:logging/logging@0.1.0-draft" (instance $l
            (type $lv (enum "trace" "debug" "info" "warn" "error" "critical"))
            (export "level" (type $level (eq $lv)))
            (export "log" (func
                (param "level" $level) (param "context" string) (param "message" string)))))
        (core module $mem (memory (export "m") 128))
        (core instance $mi (instantiate $mem))
        (core func $log (canon lower (func $l "log") (memory (core memory $mi "m"))))
        (core module $main
            (import "e" "m" (memory 128))
            (import "e" "log" (func $log (param i32 i32 i32 i32 i32)))
            (func (export "f") (param $n i32) (param $len i32)
                (memory.fill (i32.const 0) (i32.const 97) (local.get $len))
                (loop $again
                    (call $log (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 0) (local.get $len))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $again (local.get $n)))))
        (core instance $i (instantiate $main
            (with "e" (instance (export "m" (memory $mi "m")) (export "log" (func $log))))))
        (func (export "f") (param "n" u32) (param "len" u32) (canon lift (core func $i "f"))))"#;
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn long_lines_of_many_workers_take_bounded_memory() {
    let mut attack = Attack::begin(&[]).await;
    let template = attack.attacker.upload("logger", &logger()).await;
    for worker in 0..WORKERS {
        let worker = format!("w{worker}");
        attack.attacker.invoke(&template, &worker, "f", &json!([LINES, LINE_BYTES])).await;
        attack.assert_victim_is_served().await;
    }
    attack.assert_grown_at_most(OUTPUT_BYTES_MAX);
    // A stream shows the beginning of a line, and says that it is cut.
    let mut stream = LogStream::open(&attack.attacker, &template, "w0", "?format=events").await.unwrap();
    let frame = stream.next_frame().await.unwrap();
    let message = frame["event"]["Log"]["message"].as_str().unwrap();
    assert!(message.starts_with("aaaa"), "{frame}");
    let note = format!("... (cut: {LINE_BYTES} bytes)");
    assert!(message.len() <= 64 << 10 && message.ends_with(&note), "{} bytes", message.len());
}
