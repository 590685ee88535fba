//! States that serde saves (`tests/guests/options`): a snapshot keeps every value, or is refused with the name of the
//! field.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

use golem_testing::{Failure, TestWorker, Value};

const API: &str = "golem:options/api";

async fn start() -> TestWorker {
    TestWorker::start(&golem_tests::guests::bytes("options")).await.unwrap()
}

async fn call(worker: &mut TestWorker, function: &str, params: Vec<Value>) -> Option<Value> {
    worker.invoke(&format!("{API}/{function}"), params).await.unwrap()
}

async fn show(worker: &mut TestWorker) -> Option<Value> {
    call(worker, "show", vec![]).await
}

fn number(number: u32) -> Vec<Value> {
    vec![Value::U32(number)]
}

/// Takes a snapshot, and compares the state before it, after it, and after loading it.
async fn check_saved(worker: &mut TestWorker) {
    let before = show(worker).await;
    worker.snapshot().await.unwrap();
    assert_eq!(show(worker).await, before, "the worker continues with the loaded state");
    worker.load_from_snapshots(true);
    worker.evict();
    assert_eq!(show(worker).await, before, "loaded from the snapshot");
    worker.load_from_snapshots(false);
    worker.evict();
    assert_eq!(show(worker).await, before, "replayed from the beginning");
}

async fn check_refused(worker: &mut TestWorker, expected: &str) {
    let before = show(worker).await;
    let error = worker.snapshot().await.unwrap_err();
    let Failure::NotSaved { details } = &error else { panic!("{error}") };
    assert!(details.contains(expected), "{details} instead of {expected}");
    assert_eq!(show(worker).await, before, "the worker is unchanged");
}

#[tokio::test]
async fn options_of_options_survive_a_snapshot() {
    let mut worker = start().await;
    let prepared = call(&mut worker, "prepare", vec![]).await;
    let Some(Value::String(text)) = &prepared else { panic!("{prepared:?}") };
    assert!(text.starts_with("Some(None) Some(()) Some(Marker) [(\"nothing\", Some(None))"), "{text}");
    assert_eq!(show(&mut worker).await, prepared);
    check_saved(&mut worker).await;
}

/// The limit of nesting fits into the guest's stack, also for a struct with many fields.
#[tokio::test]
async fn deep_states_are_saved_up_to_the_limit_and_refused_beyond_it() {
    let mut worker = start().await;
    // The state is a level, and each link is two: its map, and the `Some` around it.
    call(&mut worker, "grow", number(255)).await;
    call(&mut worker, "widen", number(255)).await;
    check_saved(&mut worker).await;
    for (function, field) in [("grow", "chain"), ("widen", "wide")] {
        call(&mut worker, function, number(256)).await;
        let expected = format!(
            "the state cannot be saved: `{field}.rest.rest.rest.rest.rest.rest.rest….rest.rest.rest`: values are nested \
             deeper than 512 levels"
        );
        check_refused(&mut worker, &expected).await;
        call(&mut worker, function, number(1)).await;
        check_saved(&mut worker).await;
    }
}

#[tokio::test]
async fn a_value_that_serde_loads_as_another_one_is_refused() {
    let mut worker = start().await;
    let some = |text: &str| vec![Value::Option(Some(Box::new(Value::String(text.to_owned()))))];
    call(&mut worker, "confuse", some("word")).await;
    check_saved(&mut worker).await;
    call(&mut worker, "confuse", some("x")).await;
    check_refused(&mut worker, "the state cannot be saved: `ambiguous[0]`: serde would load another value")
        .await;
    call(&mut worker, "confuse", vec![Value::Option(None)]).await;
    check_saved(&mut worker).await;
}
