//! Interrupts and simulated crashes at every stage of an invocation.

use crate::node::{Node, Templates, sleep};
use golem_model::{Entry, InboxEvent, Value, WorkerStatus};
use golem_runtime::executor::ExecutorError;
use golem_runtime::storage::memory::{FaultKind, ReadFault};
use golem_tests::wait;

fn is_interrupted<T: std::fmt::Debug>(reply: &Result<T, ExecutorError>) -> bool {
    matches!(reply, Err(ExecutorError::Interrupted { .. }))
}

fn interrupts(events: &[InboxEvent]) -> usize {
    events.iter().filter(|event| matches!(event, InboxEvent::Interrupted { .. })).count()
}

fn begun(oplog: &[Entry]) -> usize {
    oplog.iter().filter(|entry| matches!(entry, Entry::InvocationStarted { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_keeps_what_the_guest_did() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(9_000, Some("key")));
    node.until_it_sleeps(&worker).await;
    let behind = node.invoke(&worker, sleep(0, Some("behind")));
    node.until_queued(&worker, 2).await;
    node.advance_ms(4_000);
    let (one, two) =
        tokio::join!(node.executor.interrupt(&worker, false), node.executor.interrupt(&worker, false));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert!(is_interrupted(&reply.await.unwrap()));
    assert_eq!(interrupts(&node.inbox_events()), 1, "a repeated interrupt changes nothing");
    assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted);
    // A request with the same key gets the same error and does not wait.
    assert!(is_interrupted(&node.invoke(&worker, sleep(9_000, Some("key"))).await.unwrap()));

    // What the interrupt acknowledged survives a crash.
    let node = node.crash().await;
    assert!(behind.await.unwrap().is_err(), "its caller was connected to the old process");
    assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted);
    assert_eq!(node.until_queued(&worker, 2).await[1].key.as_deref(), Some("behind"));
    node.executor.resume(&worker).await.unwrap();
    let reply = node.invoke(&worker, sleep(9_000, Some("key")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(Value::U64(9_000)));
    let behind = node.invoke(&worker, sleep(0, Some("behind")));
    assert_eq!(behind.await.unwrap().unwrap(), Some(Value::U64(0)));
    assert_eq!(begun(&node.oplog(&worker).await), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_the_worker_is_loaded_keeps_the_invocation() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    node.templates(Templates::Loading);
    let reply = node.invoke(&worker, sleep(0, Some("key")));
    node.until_queued(&worker, 1).await;
    node.executor.interrupt(&worker, false).await.unwrap();
    assert!(is_interrupted(&reply.await.unwrap()));
    node.templates(Templates::Ready);
    let node = node.crash().await;
    assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted);
    assert_eq!(begun(&node.oplog(&worker).await), 0);
    let joins = node.invoke(&worker, sleep(0, Some("key")));
    assert!(is_interrupted(&joins.await.unwrap()), "a request that joins it does not wait for a resume");
    node.executor.resume(&worker).await.unwrap();
    node.until_status(&worker, WorkerStatus::Idle).await;
    assert_eq!(node.executor.invoke(&worker, sleep(0, Some("key"))).await.unwrap(), Some(Value::U64(0)));
    assert_eq!(begun(&node.oplog(&worker).await), 1);
    node.stop().await;
}

/// Regression: `recover` read the worker's last error before it looked at the worker, and began again whenever the worker
/// had appended an entry meanwhile. For a worker that runs, the request did not end.
#[tokio::test]
async fn recovering_a_running_worker_is_refused_without_a_read_of_its_log() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(1_000, Some("k")));
    node.until_it_sleeps(&worker).await;
    node.fail_read(ReadFault::RowsBack(FaultKind::Io));
    let refused = node.executor.recover_worker(&worker).await;
    assert!(matches!(refused, Err(ExecutorError::NotStopped { .. })), "{refused:?}");
    node.executor.interrupt(&worker, false).await.unwrap();
    let read = node.executor.recover_worker(&worker).await;
    assert!(matches!(read, Err(ExecutorError::Unavailable { .. })), "the log is read now: {read:?}");
    node.executor.recover_worker(&worker).await.unwrap();
    node.until_status(&worker, WorkerStatus::Idle).await;
    drop(reply);
    node.executor.shutdown().await;
}

/// Regression: a worker that was interrupted before its invocation began could not be recovered.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_discards_an_interrupted_invocation_that_has_not_begun() {
    for restarts in [false, true] {
        let mut node = Node::start().await;
        let worker = node.create("w").await;
        node.templates(Templates::Loading);
        let reply = node.invoke(&worker, sleep(0, Some("first")));
        node.until_queued(&worker, 1).await;
        let behind = node.invoke(&worker, sleep(0, Some("behind")));
        node.until_queued(&worker, 2).await;
        node.executor.interrupt(&worker, false).await.unwrap();
        assert!(is_interrupted(&reply.await.unwrap()));
        if restarts {
            node = node.crash().await;
        }
        node.templates(Templates::Ready);
        node.executor.recover_worker(&worker).await.unwrap();
        node.until_status(&worker, WorkerStatus::Idle).await;
        let first = node.executor.invoke(&worker, sleep(0, Some("first"))).await;
        assert!(matches!(first, Err(ExecutorError::InvocationCancelled { .. })), "{first:?}");
        if !restarts {
            assert_eq!(behind.await.unwrap().unwrap(), Some(Value::U64(0)));
        }
        let behind = node.executor.invoke(&worker, sleep(0, Some("behind"))).await;
        assert_eq!(behind.unwrap(), Some(Value::U64(0)));
        assert_eq!(begun(&node.oplog(&worker).await), 1);
        node.executor.recover_worker(&worker).await.unwrap();
        node.stop().await;
    }
}

/// Regression: the load that followed ignored an interrupt while the task waited for a place in memory.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_the_worker_waits_for_memory_keeps_the_invocation() {
    let node = Node::with(|settings| settings.residents_max = 1).await;
    let (busy, worker) = (node.create("busy").await, node.create("w").await);
    let first = node.invoke(&busy, sleep(9_000, None));
    node.until_it_sleeps(&busy).await;
    let reply = node.invoke(&worker, sleep(0, Some("key")));
    node.until_queued(&worker, 1).await;
    node.executor.interrupt(&worker, false).await.unwrap();
    assert!(is_interrupted(&reply.await.unwrap()));
    node.advance_ms(9_000);
    first.await.unwrap().unwrap();
    assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted);
    assert_eq!(begun(&node.oplog(&worker).await), 0);
    // A new invocation resumes the worker. The interrupted one runs first.
    let next = node.invoke(&worker, sleep(0, None));
    next.await.unwrap().unwrap();
    assert_eq!(begun(&node.oplog(&worker).await), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_of_a_worker_outside_memory_answers_its_caller() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(60_000, Some("key")));
    node.until_status(&worker, WorkerStatus::Suspended).await;
    node.executor.interrupt(&worker, false).await.unwrap();
    assert!(is_interrupted(&reply.await.unwrap()));
    node.advance_ms(60_000);
    assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted, "its timer does not resume it");
    node.executor.resume(&worker).await.unwrap();
    let reply = node.invoke(&worker, sleep(60_000, Some("key")));
    assert_eq!(reply.await.unwrap().unwrap(), Some(Value::U64(60_000)));
    // An idle worker has nothing to interrupt or to resume.
    node.executor.interrupt(&worker, false).await.unwrap();
    node.executor.resume(&worker).await.unwrap();
    assert_eq!(node.status(&worker).await, WorkerStatus::Idle);
    assert_eq!(interrupts(&node.inbox_events()), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_crash_keeps_what_the_guest_did() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(9_000, None));
    node.until_it_sleeps(&worker).await;
    let before = node.oplog(&worker).await;
    for _ in 0..3 {
        node.advance_ms(2_000);
        node.executor.interrupt(&worker, true).await.unwrap();
    }
    assert_eq!(interrupts(&node.inbox_events()), 0);
    assert_eq!(begun(&node.oplog(&worker).await), 1);
    assert_eq!(node.over_time(reply).await.unwrap(), Some(Value::U64(9_000)));
    let after = node.oplog(&worker).await;
    assert_eq!(after[..before.len()], before, "the guest continued and did not begin again");
    node.stop().await;
}

/// Regression: the timer had elapsed, the instance that it had woken stopped, and nothing loaded another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_crash_while_a_woken_worker_is_loaded_loses_no_wake_up() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(60_000, Some("key")));
    node.until_status(&worker, WorkerStatus::Suspended).await;
    let before = node.component_requests();
    node.templates(Templates::Loading);
    node.advance_ms(60_000);
    wait::until("the worker is being loaded", || async {
        (node.component_requests() > before).then_some(())
    })
    .await;
    node.executor.interrupt(&worker, true).await.unwrap();
    node.templates(Templates::Ready);
    assert_eq!(reply.await.unwrap().unwrap(), Some(Value::U64(60_000)));
    node.stop().await;
}
