//! Workers that must continue: after a timer, a promise or a restart, also if the store fails or the server panics
//! meanwhile.

use crate::node::{Node, Templates, promises, sleep};
use crate::process_ends::process_events;
use golem_model::{IdempotencyKey, PromiseId, Value, WorkerId, WorkerStatus};
use golem_runtime::executor::KeyState;
use golem_runtime::storage::memory::{FaultKind, ReadFault};
use golem_tests::wait;
use std::sync::atomic::Ordering;

/// A node on which `worker` sleeps outside memory for a minute, after a crash: only its timer is in memory.
async fn sleeping_outside_memory(faults: &[ReadFault]) -> (Node, WorkerId) {
    let node = Node::start().await;
    let worker = node.create("w").await;
    drop(node.invoke(&worker, sleep(60_000, Some("k"))));
    node.until_status(&worker, WorkerStatus::Suspended).await;
    node.until_flushed().await;
    let node = node
        .crash_onto(|store| {
            for fault in faults {
                store.fail_read(*fault);
            }
        })
        .await;
    (node, worker)
}

pub(crate) async fn until_done(node: &Node, worker: &WorkerId, key: &str) {
    let key = IdempotencyKey::new(key).unwrap();
    wait::until("the invocation ends", || async {
        node.advance_ms(1_000);
        (node.executor.key_state(worker, &key).await.unwrap() == KeyState::Done).then_some(())
    })
    .await;
}

/// Lets time pass until the one worker is loaded. Neither a read nor a request locates it: the executor alone must wake it.
async fn until_loaded(node: &Node) {
    wait::until("the worker is loaded", || async {
        node.advance_ms(1_000);
        (node.metrics.activations.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
}

/// Regression: the timer was gone, and no request was needed for the worker to wait forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_timer_elapses_while_the_store_cannot_be_read_continues() {
    for kind in [FaultKind::Io, FaultKind::Panic] {
        let (node, worker) = sleeping_outside_memory(&[]).await;
        node.until_woken().await;
        node.fail_read(ReadFault::Projection(kind));
        node.fail_read(ReadFault::Projection(kind));
        node.advance_ms(60_000);
        until_loaded(&node).await;
        until_done(&node, &worker, "k").await;
        node.stop().await;
    }
}

/// Regression: after an error, the rest of the workers was not searched.
#[tokio::test(flavor = "multi_thread")]
async fn the_search_for_workers_is_continued_after_an_error_of_the_store() {
    let (node, worker) = sleeping_outside_memory(&[]).await;
    node.until_woken().await;
    // The store fails, and the search after its recovery meets another error.
    node.fail_read(ReadFault::ProjectionsToWake(FaultKind::Io));
    node.fail_read(ReadFault::ProjectionsToWake(FaultKind::Io));
    node.fail_commit(1, FaultKind::Io);
    node.executor.create(Node::spec(&node.id("x"))).await.unwrap_err();
    node.until_healthy().await;
    node.advance_ms(60_000);
    until_loaded(&node).await;
    until_done(&node, &worker, "k").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_workers_than_places_in_memory_all_continue_after_a_restart() {
    let node = Node::with(|settings| settings.residents_max = 2).await;
    let mut workers = Vec::new();
    for number in 0..200 {
        workers.push(node.create(&format!("w{number}")).await);
    }
    node.templates(Templates::Loading);
    for worker in &workers {
        node.executor.enqueue(worker, sleep(0, Some("k"))).await.unwrap();
    }
    node.until_flushed().await;
    let node = node.crash().await;
    node.templates(Templates::Ready);
    wait::until("all invocations have ended", || async {
        (node.metrics.invocations.load(Ordering::Relaxed) == 200).then_some(())
    })
    .await;
    // All at once, from clients.
    let replies: Vec<_> = workers.iter().map(|worker| node.invoke(worker, sleep(0, None))).collect();
    for reply in replies {
        assert_eq!(reply.await.unwrap().unwrap(), Some(Value::U64(0)));
    }
    assert!(node.metrics.residents.load(Ordering::Relaxed) <= 2);
    node.stop().await;
}

/// A node on which one worker waits outside memory for a promise of another one.
async fn waiting_for_another() -> (Node, WorkerId, PromiseId) {
    let node = Node::start().await;
    let (owner, waits) = (node.create_promises("owner").await, node.create_promises("waits").await);
    let promise = node.executor.invoke(&owner, promises("create", vec![], "c")).await.unwrap().unwrap();
    let Value::Record(fields) = &promise else { panic!("{promise:?}") };
    let index = match fields[1] {
        Value::S32(index) => u64::try_from(index).unwrap(),
        ref other => panic!("{other:?}"),
    };
    drop(node.invoke(&waits, promises("await", vec![promise.clone()], "k")));
    node.until_status(&waits, WorkerStatus::Suspended).await;
    node.until_flushed().await;
    (node, waits, PromiseId { worker: owner, index: golem_model::OplogIndex(index) })
}

/// Regression: a restart created an instance of each worker that waits for a promise of another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_for_another_stays_on_disk_after_a_restart() {
    let (node, waits, promise) = waiting_for_another().await;
    let node = node.crash().await;
    node.until_woken().await;
    let other = node.create("other").await;
    node.executor.invoke(&other, sleep(0, None)).await.unwrap();
    assert_eq!(node.metrics.activations.load(Ordering::Relaxed), 1, "that of the other worker");
    assert_eq!(node.status(&waits).await, WorkerStatus::Suspended);
    assert!(node.executor.complete_promise(&promise, vec![1]).await.unwrap());
    let reply = node.executor.invoke(&waits, promises("await", vec![], "k")).await;
    assert!(reply.is_err(), "the key names another invocation: {reply:?}");
    until_done(&node, &waits, "k").await;
    assert_eq!(node.metrics.activations.load(Ordering::Relaxed), 2);
    node.stop().await;
}

/// The completion is durable, and the process ends before the worker that waits for it has continued.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_promise_was_completed_just_before_a_crash_continues() {
    let (node, waits, promise) = waiting_for_another().await;
    // The instance that waited may still be loaded for the promise: the next one is not.
    node.templates(Templates::Loading);
    assert!(node.executor.complete_promise(&promise, vec![1]).await.unwrap());
    node.until_flushed().await;
    node.templates(Templates::Ready);
    let node = node.crash().await;
    until_done(&node, &waits, "k").await;
    node.stop().await;
}

/// Regression: a worker that waited again after a failed attempt kept the time of that attempt, and a completed promise
/// did not wake it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_again_after_a_failed_attempt_is_woken() {
    let (node, waits, promise) = waiting_for_another().await;
    node.templates(Templates::Panics);
    node.executor.resume(&waits).await.unwrap();
    node.until_status(&waits, WorkerStatus::Retrying).await;
    node.templates(Templates::Ready);
    wait::until("the next attempt waits", || async {
        node.advance_ms(200);
        (node.status(&waits).await == WorkerStatus::Suspended).then_some(())
    })
    .await;
    assert!(node.executor.complete_promise(&promise, vec![1]).await.unwrap());
    until_done(&node, &waits, "k").await;
    node.stop().await;
}

/// Regression: the delay after an error of the server took the place of the worker's own timer.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_again_after_an_error_of_the_server_keeps_its_timer() {
    let (node, worker) = sleeping_outside_memory(&[]).await;
    node.templates(Templates::Broken("not now"));
    node.executor.resume(&worker).await.unwrap();
    wait::until("the worker cannot be loaded", || async { (node.component_requests() > 1).then_some(()) })
        .await;
    node.templates(Templates::Ready);
    // It is tried again after two seconds, waits for the rest of its minute, and then its own timer wakes it.
    until_loaded(&node).await;
    until_done(&node, &worker, "k").await;
    node.stop().await;
}

/// A node on which `worker` waits for its next attempt, after a crash.
async fn waiting_for_an_attempt() -> (Node, WorkerId) {
    let (node, worker) = sleeping_outside_memory(&[]).await;
    node.templates(Templates::Panics);
    node.executor.resume(&worker).await.unwrap();
    node.until_status(&worker, WorkerStatus::Retrying).await;
    node.templates(Templates::Ready);
    (node.crash().await, worker)
}

/// Regression: the worker's own time had passed, and its timer started each attempt at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_log_cannot_be_read_is_tried_again_after_a_delay() {
    for (about, (node, worker)) in [
        ("the end of its wait", sleeping_outside_memory(&[]).await),
        ("its next attempt", waiting_for_an_attempt().await),
    ] {
        node.until_woken().await;
        let (before, _) = process_events(&node);
        let until_recorded = async |attempts: &str| {
            wait::until(&format!("{about}: the attempts are {attempts}"), || async {
                (process_events(&node).0.strip_prefix(&before) == Some(attempts)).then_some(())
            })
            .await;
        };
        for _ in 0..2 {
            node.fail_read(ReadFault::RowsBack(FaultKind::Io));
        }
        node.advance_ms(60_000);
        until_recorded("CS").await;
        // Time stands still, and rows are committed.
        for name in ["x", "y", "z"] {
            node.create(name).await;
        }
        assert_eq!(process_events(&node).0.strip_prefix(&before), Some("CS"), "{about}");
        assert_eq!(node.metrics.activations.load(Ordering::Relaxed), 1, "{about}");
        node.advance_ms(2_000);
        until_recorded("CSCS").await;
        until_done(&node, &worker, "k").await;
        node.stop().await;
    }
}

/// Regression: the completion woke the interrupted worker, which had no effect, and the invocation that resumed it did
/// not look at the promise.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_promise_was_completed_during_an_interrupt_continues_with_the_next_invocation() {
    let (node, waits, promise) = waiting_for_another().await;
    node.executor.interrupt(&waits, false).await.unwrap();
    assert!(node.executor.complete_promise(&promise, vec![1]).await.unwrap());
    let next = node.invoke(&waits, promises("create", vec![], "n"));
    until_done(&node, &waits, "k").await;
    next.await.unwrap().unwrap();
    node.stop().await;
}
