//! Lines through `wasi:logging`, under both of its names: each is logged once, with level and context.

use crate::guest::{NEWEST, World};
use golem_host::ports::{LogEvent, LogLevel};
use golem_testing::TestWorker;

const WORLD: &str = "
    package wasi:logging {
        interface logging {
            enum level { trace, debug, info, warn, error, critical }
            log: func(level: level, context: string, message: string);
        }
    }
    package wasi:logging@0.1.0-draft {
        interface logging {
            enum level { trace, debug, info, warn, error, critical }
            log: func(level: level, context: string, message: string);
        }
    }
    world guest {
        import wasi:logging/logging;
        import wasi:logging/logging@0.1.0-draft;
        export lines: func();
    }";

/// One line of each level by the old name, then one by the new name.
const CORE: &str = r#"(module
    (import "wasi:logging/logging" "log" (func $old (param i32 i32 i32 i32 i32)))
    (import "wasi:logging/logging@0.1.0-draft" "log" (func $new (param i32 i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "cartadded")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "lines")
        (local $level i32)
        (loop $next
            (call $old (local.get $level) (i32.const 16) (i32.const 4) (i32.const 20) (i32.const 5))
            (local.set $level (i32.add (local.get $level) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $level) (i32.const 6))))
        (call $new (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 20) (i32.const 5))))"#;

fn line(level: LogLevel, context: &str) -> LogEvent {
    LogEvent::Log { level, context: context.into(), message: "added".into() }
}

#[tokio::test]
async fn lines_are_logged_once() {
    let wasm = World::new(NEWEST, WORLD).component(CORE);
    let mut worker = TestWorker::start(&wasm).await.expect("both names link");
    worker.invoke("lines", vec![]).await.expect("nothing traps");
    let levels = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
        LogLevel::Critical,
    ];
    let mut expected: Vec<LogEvent> = levels.map(|level| line(level, "cart")).to_vec();
    expected.push(line(LogLevel::Info, ""));
    assert_eq!(worker.log().events(), expected);

    worker.evict();
    worker.invoke("lines", vec![]).await.expect("nothing traps");
    assert_eq!(worker.log().events(), [expected.clone(), expected].concat(), "a replay logs nothing");
    worker.replay_from_every_prefix().await.expect("a replay answers alike");
}
