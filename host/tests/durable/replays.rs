//! Crash and replay.

use crate::guests::{component, toolbox};
use golem_model::Entry;
use golem_testing::{Failure, Options, TestWorker, Timestamp, Value};
use std::time::Duration;

#[tokio::test]
async fn a_counter_survives_a_crash() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    for count in 1..=3 {
        let result = worker.invoke("counter/increment", vec![]).await.unwrap();
        assert_eq!(result, Some(Value::U64(count)));
        worker.crash();
    }
    assert_eq!(worker.invoke("counter/get", vec![]).await.unwrap(), Some(Value::U64(3)));
}

#[tokio::test]
async fn an_invocation_is_appended_once() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("counter/increment", vec![]).await.unwrap();
    assert_eq!(worker.store().appends(), 1);
    worker.invoke("counter/increment", vec![]).await.unwrap();
    assert_eq!(worker.store().appends(), 2);
    let kinds: Vec<&str> = worker
        .oplog()
        .iter()
        .map(|entry| match entry {
            Entry::Created { .. } => "created",
            Entry::Activated { .. } => "activated",
            Entry::InvocationStarted { .. } => "started",
            Entry::InvocationCompleted { .. } => "completed",
            _ => "another",
        })
        .collect();
    assert_eq!(kinds, ["created", "activated", "started", "completed", "started", "completed"]);
}

#[tokio::test]
async fn clocks_and_random_numbers_replay_as_they_were() {
    let clock = Options::default().clock.stepping(Duration::from_nanos(1_234_567));
    let mut worker =
        TestWorker::start_with(toolbox(), Options { clock, ..Options::default() }).await.unwrap();
    let mut last = None;
    for _ in 0..5 {
        last = worker.invoke("mix", vec![]).await.unwrap();
    }
    let before = worker.oplog();
    worker.crash();
    worker.clock().advance(Duration::from_hours(1));
    // With another time, the replay would diverge in its results.
    assert_eq!(worker.invoke("counter/get", vec![]).await.unwrap(), Some(Value::U64(0)));
    assert_eq!(worker.oplog()[..before.len()], before);
    assert_ne!(worker.invoke("mix", vec![]).await.unwrap(), last);
}

#[tokio::test]
async fn every_prefix_of_the_oplog_leads_to_the_same_answers() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("counter/increment", vec![]).await.unwrap();
    worker.invoke("create-promise", vec![]).await.unwrap();
    worker.invoke("sleep", vec![Value::U64(2_000_000_000)]).await.unwrap();
    worker.invoke("complete-promise", vec![Value::Bytes(b"done".to_vec())]).await.unwrap();
    worker.invoke("await-promise", vec![]).await.unwrap();
    worker.invoke("next-key", vec![]).await.unwrap();
    worker.invoke("counter/get", vec![]).await.unwrap();
    let prefixes = worker.replay_from_every_prefix().await.unwrap();
    assert_eq!(prefixes, worker.oplog().len());
}

#[tokio::test]
async fn a_crash_in_the_middle_loses_only_what_was_not_committed() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("create-promise", vec![]).await.unwrap();
    let Err(Failure::Waiting(_)) = worker.invoke("await-promise", vec![]).await else {
        panic!("the promise is still pending");
    };
    worker.crash();
    let Err(Failure::Unfinished(key)) = worker.invoke("counter/get", vec![]).await else {
        panic!("the invocation that waits is unfinished");
    };
    assert_eq!(key.as_str(), "test-2");
    let Err(Failure::Waiting(parked)) = worker.resume().await else { panic!("it still waits") };
    worker.complete_promise(&parked.promises[0], b"at last");
    assert_eq!(worker.resume().await.unwrap(), Some(Value::Bytes(b"at last".to_vec())));
}

#[tokio::test]
async fn the_monotonic_clock_goes_on_over_a_restart_and_never_back() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let read = |value: Option<Value>| match value {
        Some(Value::U64(nanos)) => nanos,
        other => panic!("{other:?}"),
    };
    let first = read(worker.invoke("monotonic", vec![]).await.unwrap());
    worker.clock().advance(Duration::from_secs(5));
    let second = read(worker.invoke("monotonic", vec![]).await.unwrap());
    assert_eq!(second - first, 5_000_000_000);
    worker.crash();
    worker.clock().advance(Duration::from_mins(1));
    let third = read(worker.invoke("monotonic", vec![]).await.unwrap());
    assert_eq!(third - second, 60_000_000_000, "time out of memory counts");
    worker.crash();
    worker.clock().set_wall(Timestamp::from_nanos(0));
    let fourth = read(worker.invoke("monotonic", vec![]).await.unwrap());
    assert!(fourth >= third, "the monotonic clock does not follow the wall clock back");
}

#[tokio::test]
async fn output_is_not_repeated_in_a_replay() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("print", vec![Value::String("one ".to_owned())]).await.unwrap();
    worker.crash();
    worker.invoke("print", vec![Value::String("two".to_owned())]).await.unwrap();
    assert_eq!(worker.log().stdout(), "one two");
}

#[tokio::test]
async fn another_component_diverges_and_the_error_shows_both_calls() {
    let world =
        "import wasi:clocks/monotonic-clock@WASI; import wasi:random/random@WASI; export mix: func() -> u64;";
    let other = component(
        world,
        r#"(module
            (import "wasi:clocks/monotonic-clock@WASI" "now" (func $now (result i64)))
            (func (export "mix") (result i64) (drop (call $now)) (call $now)))"#,
    );
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("mix", vec![]).await.unwrap();
    worker.replace_component(&other).unwrap();
    let Err(Failure::Diverged { index, recorded, requested }) = worker.invoke("mix", vec![]).await else {
        panic!("the component makes other calls");
    };
    assert_eq!(index.0, 4);
    assert_eq!(recorded, "wasi:clocks/wall-clock#now()");
    assert_eq!(requested, "wasi:clocks/monotonic-clock#now()");
}

#[tokio::test]
async fn a_component_that_returns_early_or_another_result_diverges() {
    let world = "export mix: func() -> u64; export counter: interface { increment: func() -> u64; }";
    let core = r#"(module (func (export "mix") (result i64) (i64.const 5))
        (func (export "counter#increment") (result i64) (i64.const 5)))"#;
    let other = component(world, core);

    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("mix", vec![]).await.unwrap();
    worker.replace_component(&other).unwrap();
    let Err(Failure::Diverged { index, recorded, requested }) = worker.invoke("mix", vec![]).await else {
        panic!("it returns before the calls that were recorded");
    };
    let calls = "wasi:clocks/wall-clock#now() and wasi:clocks/monotonic-clock#now()";
    assert_eq!((index.0, recorded.as_str()), (4, calls));
    assert_eq!(requested, "the invocation's end with the result U64(5)");

    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("counter/increment", vec![]).await.unwrap();
    worker.replace_component(&other).unwrap();
    let Err(Failure::Diverged { recorded, requested, .. }) = worker.invoke("mix", vec![]).await else {
        panic!("it returns something else");
    };
    assert_eq!(recorded, "the invocation's end with the result U64(1)");
    assert_eq!(requested, "the invocation's end with the result U64(5)");
}

#[tokio::test]
async fn keys_and_positions_are_the_same_after_a_crash() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let first = worker.invoke("next-key", vec![]).await.unwrap();
    let second = worker.invoke("next-key", vec![]).await.unwrap();
    assert_ne!(first, second);
    let position = worker.invoke("position", vec![]).await.unwrap();
    assert_eq!(position, Some(Value::U64(9)), "created, activated, two invocations, started, the call");
    worker.crash();
    worker.invoke("counter/get", vec![]).await.unwrap();
}
