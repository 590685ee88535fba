//! Traps, exits, interrupts, limits, and a failing store.

use crate::guests::{component, toolbox};
use golem_testing::{Failure, Options, TestWorker, Value};

#[tokio::test]
async fn a_trap_shows_the_stack_by_name_and_what_was_printed() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let failed = worker.invoke("complain", vec![Value::String("it broke\n".to_owned())]).await;
    let Err(Failure::Trapped { details, retry }) = failed else { panic!("{failed:?}") };
    assert!(details.starts_with("error while executing at wasm backtrace:\n"), "{details}");
    let cause = "Caused by: wasm trap: wasm `unreachable` instruction executed\n";
    for part in ["give_up", "complain_aloud", cause, "standard error:\nit broke", "\nin complain"] {
        assert!(details.contains(part), "{details} should contain {part}");
    }
    assert!(retry);
    let again = worker.resume().await;
    assert!(matches!(again, Err(Failure::Trapped { .. })), "{again:?}");
}

#[tokio::test]
async fn a_stack_overflow_is_not_tried_again() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let failed = worker.invoke("overflow", vec![Value::U64(0)]).await;
    let Err(Failure::Trapped { details, retry: false }) = failed else { panic!("{failed:?}") };
    assert!(details.contains("call stack exhausted"), "{details}");
}

#[tokio::test]
async fn exits_carry_their_code() {
    for (failed, code) in [(false, 0), (true, 1)] {
        let mut worker = TestWorker::start(toolbox()).await.unwrap();
        worker.invoke("counter/increment", vec![]).await.unwrap();
        let left = worker.invoke("leave", vec![Value::Bool(failed)]).await;
        assert!(matches!(left, Err(Failure::Exited { code: c, .. }) if c == code), "{left:?}");
        assert_eq!(worker.oplog().len(), 5, "the start is recorded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_can_be_interrupted() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let control = worker.interrupt_handle();
    let (stopped, ()) = tokio::join!(worker.invoke("spin", vec![]), async { control.interrupt() });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
    let control = worker.interrupt_handle();
    let (stopped, ()) = tokio::join!(worker.resume(), async { control.interrupt() });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
}

#[tokio::test]
async fn a_sleep_can_be_interrupted() {
    let clock = golem_testing::SimulatedClock::new(golem_testing::Timestamp::from_nanos(0));
    let mut worker =
        TestWorker::start_with(toolbox(), Options { clock, ..Options::default() }).await.unwrap();
    let (control, clock) = (worker.interrupt_handle(), worker.clock().clone());
    let (stopped, ()) = tokio::join!(worker.invoke("sleep", vec![Value::U64(1_000_000)]), async {
        clock.wait_for_sleeper().await;
        control.interrupt();
    });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
}

#[tokio::test]
async fn standard_input_is_disabled() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let answer = worker.invoke("read-input", vec![]).await.unwrap();
    assert_eq!(answer, Some(Value::U32(0)), "the operation failed");
}

#[tokio::test]
async fn memory_growth_fails_at_a_fixed_size() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    // 512 MiB are 8192 pages, of which the guest has one.
    assert_eq!(worker.invoke("grow", vec![Value::U32(8_192)]).await.unwrap(), Some(Value::S32(-1)));
    assert_eq!(worker.invoke("grow", vec![Value::U32(8_191)]).await.unwrap(), Some(Value::S32(1)));
    assert_eq!(worker.invoke("grow", vec![Value::U32(1)]).await.unwrap(), Some(Value::S32(-1)));
    assert_eq!(worker.invoke("grow", vec![Value::U32(u32::MAX)]).await.unwrap(), Some(Value::S32(-1)));
    worker.crash();
    assert_eq!(worker.invoke("grow", vec![Value::U32(0)]).await.unwrap(), Some(Value::S32(8_192)));
}

#[tokio::test]
async fn the_environment_names_the_worker() {
    let env = vec![("A".to_owned(), "1".to_owned()), ("GOLEM_WORKER_NAME".to_owned(), "mine".to_owned())];
    let mut worker = TestWorker::start_with(toolbox(), Options { env, ..Options::default() }).await.unwrap();
    assert_eq!(worker.invoke("env", vec![]).await.unwrap(), Some(Value::U32(4)));
}

#[tokio::test]
async fn invalid_calls_name_the_expected_form() {
    let cases: [(&str, Vec<Value>, &str); 4] = [
        ("nothing", vec![], "the component exports no function nothing; it exports: await-promise, "),
        ("sleep", vec![], "sleep takes 1 parameters, 0 were given"),
        ("sleep", vec![Value::Bool(true)], "parameter nanos of sleep: expected u64, found Bool(true)"),
        (
            "echo",
            vec![Value::List(vec![Value::U64(1)])],
            "parameter bytes of echo: expected u8, found U64(1)",
        ),
    ];
    for (function, params, text) in cases {
        let mut worker = TestWorker::start(toolbox()).await.unwrap();
        let failed = worker.invoke(function, params).await;
        let Err(Failure::Trapped { details, retry: false }) = failed else { panic!("{failed:?}") };
        assert!(details.starts_with(text), "{details}");
    }
}

#[tokio::test]
async fn a_start_that_traps_fails_the_activation() {
    let broken = component(
        "import wasi:clocks/monotonic-clock@WASI; export f: func();",
        r#"(module
            (import "wasi:clocks/monotonic-clock@WASI" "now" (func $now (result i64)))
            (func $start (drop (call $now)) unreachable)
            (start $start)
            (func (export "f")))"#,
    );
    let mut worker = TestWorker::start(&broken).await.unwrap();
    let failed = worker.invoke("f", vec![]).await;
    assert!(matches!(failed, Err(Failure::Trapped { .. })), "{failed:?}");
    assert_eq!(worker.oplog().len(), 1, "nothing was appended");
}

#[tokio::test]
async fn a_failing_store_ends_the_instance_without_partial_effects() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("counter/increment", vec![]).await.unwrap();
    worker.store().fail_after(0);
    assert!(matches!(worker.invoke("counter/increment", vec![]).await, Err(Failure::Port(_))));
    worker.crash();
    assert_eq!(worker.invoke("counter/increment", vec![]).await.unwrap(), Some(Value::U64(2)));
}
