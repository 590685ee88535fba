//! Snapshots with the worker's own `save` and `load`.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

use golem_model::oplog::LifecycleEvent;
use golem_testing::{Entry, Failure, Options, TestWorker, Value};
use std::time::Duration;

const API: &str = "golem:saves/api";

async fn start() -> TestWorker {
    start_with(Options::default().progress).await
}

async fn start_with(progress: Duration) -> TestWorker {
    let clock = Options::default().clock.stepping(Duration::from_micros(1_234));
    let options = Options { clock, progress, ..Options::default() };
    TestWorker::start_with(&golem_tests::guests::bytes("saves"), options).await.unwrap()
}

async fn call(worker: &mut TestWorker, function: &str, params: Vec<Value>) -> Option<Value> {
    worker.invoke(&format!("{API}/{function}"), params).await.unwrap()
}

fn text(text: &str) -> Vec<Value> {
    vec![Value::String(text.to_owned())]
}

/// The results of all functions that show the worker's state.
async fn read_state(worker: &mut TestWorker) -> Vec<Option<Value>> {
    let mut seen = Vec::new();
    for function in ["all", "times", "calls", "notes"] {
        seen.push(call(worker, function, vec![]).await);
    }
    seen
}

#[tokio::test]
async fn a_saved_worker_is_the_same_whether_it_goes_on_is_loaded_or_replayed() {
    let mut worker = start().await;
    for word in ["tea", "milk", "sugar", "honey", "lemon"] {
        call(&mut worker, "add", text(word)).await;
    }
    call(&mut worker, "note", text("before")).await;
    worker.snapshot().await.unwrap();
    call(&mut worker, "note", text("after")).await;
    call(&mut worker, "add", text("ginger")).await;
    worker.snapshot().await.unwrap();
    call(&mut worker, "add", text("mint")).await;
    let seen = read_state(&mut worker).await;
    // The worker continues with the loaded state, which does not contain the number of calls.
    assert_eq!(seen[2], Some(Value::U64(1)));
    // Its files are kept.
    assert_eq!(seen[3], Some(Value::String("before\nafter\n".to_owned())));

    // Replay from the first entry makes each snapshot again and compares it.
    worker.evict();
    assert_eq!(read_state(&mut worker).await, seen);
    worker.load_from_snapshots(true);
    assert_eq!(read_state(&mut worker).await, seen);
    // The clock continues.
    let before = call(&mut worker, "times", vec![]).await;
    call(&mut worker, "add", text("mint")).await;
    assert_ne!(call(&mut worker, "times", vec![]).await, before);
    worker.crash();
    worker.load_from_snapshots(false);
    assert_eq!(call(&mut worker, "calls", vec![]).await, Some(Value::U64(2)));
}

#[tokio::test]
async fn a_crash_anywhere_around_a_snapshot_leaves_the_same_worker() {
    let mut worker = TestWorker::start(&golem_tests::guests::bytes("saves")).await.unwrap();
    for round in 0..3 {
        for word in ["a", "b"] {
            call(&mut worker, "add", text(&format!("{word}{round}"))).await;
        }
        worker.snapshot().await.unwrap();
    }
    let prefixes = worker.replay_from_every_prefix().await.unwrap();
    assert!(prefixes > 15, "{prefixes}");
}

#[tokio::test]
async fn host_calls_in_save_and_load_are_refused() {
    for (what, says) in [
        ("refuse-save", "not now"),
        ("trap-save", "spoilt"),
        ("call-save", "wall-clock#now cannot be called in save"),
        ("refuse-load", "not this"),
        ("call-load", "wall-clock#now cannot be called in load"),
    ] {
        // Entries are due as soon as they are recorded, but a snapshot is appended only when it has been loaded.
        let mut worker = start_with(Duration::ZERO).await;
        call(&mut worker, "add", text("tea")).await;
        call(&mut worker, "spoil", text(what)).await;
        let before = worker.oplog();
        let error = worker.snapshot().await.unwrap_err();
        let Failure::NotSaved { details } = &error else { panic!("{what}: {error}") };
        assert!(details.contains(says), "{what}: {details}");
        // No entry is recorded, and the worker is unchanged.
        assert_eq!(worker.oplog(), before, "{what}");
        call(&mut worker, "spoil", text("")).await;
        assert_eq!(call(&mut worker, "add", text("milk")).await, Some(Value::U64(2)), "{what}");
        worker.snapshot().await.unwrap();
        let saved = |entry: &Entry| matches!(entry, Entry::LifecycleEvent(LifecycleEvent::Snapshot { .. }));
        assert_eq!(worker.oplog().iter().filter(|entry| saved(entry)).count(), 1);
    }
}

#[tokio::test]
async fn a_replay_that_saves_something_else_is_a_divergence() {
    let mut worker = start().await;
    call(&mut worker, "add", text("tea")).await;
    worker.snapshot().await.unwrap();
    let index = worker.oplog().len();
    // A recorded snapshot with other bytes, as another component would have saved it.
    let mut other = start().await;
    other.store().crash();
    let mut oplog = worker.oplog();
    if let Entry::LifecycleEvent(LifecycleEvent::Snapshot { state, .. }) = &mut oplog[index - 1] {
        state.image = golem_model::oplog::SnapshotImage::Inline(vec![1, 2, 3]);
    }
    for entry in oplog.drain(1..) {
        other.store().append(other.id(), entry);
    }
    let error = other.invoke(&format!("{API}/all"), vec![]).await.unwrap_err();
    let Failure::Diverged { index: at, recorded, .. } = &error else { panic!("{error}") };
    assert_eq!(at.0, index as u64);
    assert!(recorded.contains("a snapshot"), "{recorded}");
}

#[tokio::test]
async fn a_component_without_snapshot_exports_is_not_saved() {
    let mut worker = TestWorker::start(&golem_tests::guests::bytes("counter")).await.unwrap();
    let error = worker.snapshot().await.unwrap_err();
    assert!(error.to_string().contains("does not export golem:durability/snapshot"), "{error}");
    let count = worker.invoke("golem:counter/api/increment", vec![]).await.unwrap();
    assert_eq!(count, Some(Value::U64(1)));
}
