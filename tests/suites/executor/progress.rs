//! The acceptance of an invocation is durable at the latest 50 milliseconds after its admission.

use crate::node::{Node, Templates, sleep};
use golem_model::{Entry, InboxEvent, Value, WorkerStatus};
use golem_runtime::executor::{ExecutorError, KeyState};
use golem_tests::wait;
use std::time::Duration;

fn accepted(event: &InboxEvent) -> bool {
    matches!(event, InboxEvent::Invocation { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_behind_another_one_is_accepted_in_time_and_survives_a_crash() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let first = node.invoke(&worker, sleep(9_000, Some("first")));
    node.until_it_sleeps(&worker).await;
    let admitted_at = node.clock.wall();
    let second = node.invoke(&worker, sleep(10, Some("second")));
    node.until_queued(&worker, 2).await;
    node.advance_ms(49);
    node.advance_ms(1);
    let at = node.until_accepted(&worker, Some("second")).await;
    assert_eq!(
        at,
        admitted_at.plus(std::time::Duration::from_millis(50)),
        "at the time that the setting allows"
    );
    assert_eq!(node.inbox_events().iter().filter(|event| accepted(event)).count(), 1, "the first has begun");

    let before = node.oplog(&worker).await;
    let node = node.crash().await;
    for reply in [first, second] {
        assert!(matches!(reply.await.unwrap(), Err(ExecutorError::ShuttingDown)));
    }
    // Both continue by themselves, and requests with their keys join them.
    let first = node.invoke(&worker, sleep(9_000, Some("first")));
    let second = node.invoke(&worker, sleep(10, Some("second")));
    assert_eq!(node.over_time(first).await.unwrap(), Some(Value::U64(9_000)));
    assert!(matches!(node.over_time(second).await.unwrap(), Some(Value::U64(10..))));
    let after = node.oplog(&worker).await;
    assert_eq!(after[..before.len()], before, "the first continued and did not begin again");
    let begun = after.iter().filter(|entry| matches!(entry, Entry::InvocationStarted { .. })).count();
    assert_eq!(begun, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_whose_worker_is_being_loaded_is_accepted_in_time() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    node.templates(Templates::Loading);
    let reply = node.invoke(&worker, sleep(0, Some("key")));
    node.until_queued(&worker, 1).await;
    node.advance_ms(50);
    node.until_accepted(&worker, Some("key")).await;
    node.templates(Templates::Ready);
    assert_eq!(reply.await.unwrap().unwrap(), Some(Value::U64(0)));
    // It began with that row, and was not accepted twice.
    assert_eq!(node.inbox_events().iter().filter(|event| accepted(event)).count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_ends_in_time_has_no_acceptance_of_its_own() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    for _ in 0..3 {
        node.executor.invoke(&worker, sleep(0, None)).await.unwrap();
        node.advance_ms(100);
    }
    assert_eq!(node.inbox_events(), []);
    node.stop().await;
}

/// Without a key, only the caller that gets the error knows of the invocation: it must not run later. With a key, it
/// stays accepted, and a request with the key gets its result.
#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_invocation_whose_caller_gets_an_error_stays_only_with_a_key() {
    for key in [None, Some("key")] {
        let node = Node::start().await;
        let worker = node.create("w").await;
        node.templates(Templates::Loading);
        let reply = node.invoke(&worker, sleep(0, key));
        node.until_queued(&worker, 1).await;
        node.advance_ms(50);
        node.until_accepted(&worker, key).await;
        node.templates(Templates::Broken("the disk is full"));
        let error = reply.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        node.templates(Templates::Ready);
        let left = node.executor.queue(&worker).await.unwrap();
        assert_eq!(left.len(), usize::from(key.is_some()), "{left:?}");
        if key.is_some() {
            // The executor tries again by itself.
            node.advance_ms(2_000);
            node.until_status(&worker, WorkerStatus::Idle).await;
            assert_eq!(node.executor.invoke(&worker, sleep(0, key)).await.unwrap(), Some(Value::U64(0)));
        }
        let begun = node.oplog(&worker).await;
        let begun = begun.iter().filter(|e| matches!(e, Entry::InvocationStarted { .. })).count();
        assert_eq!(begun, usize::from(key.is_some()));
        node.stop().await;
    }
}

/// Work is retried although the invocation that met the error is gone.
#[tokio::test(flavor = "multi_thread")]
async fn invocations_behind_one_that_meets_an_error_are_retried() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    node.templates(Templates::Loading);
    let reply = node.invoke(&worker, sleep(0, None));
    node.until_queued(&worker, 1).await;
    node.executor.enqueue(&worker, sleep(0, Some("behind"))).await.unwrap();
    node.templates(Templates::Broken("not now"));
    assert!(reply.await.unwrap().is_err());
    node.templates(Templates::Ready);
    // The timer of the next attempt may be set after the reply was sent.
    wait::until("the worker is idle", || async {
        node.advance_ms(2_000);
        (node.status(&worker).await == WorkerStatus::Idle).then_some(())
    })
    .await;
    let key = golem_model::IdempotencyKey::new("behind").unwrap();
    assert_eq!(node.executor.key_state(&worker, &key).await.unwrap(), KeyState::Done);
    node.stop().await;
}

/// Regression: such work was tried again every two seconds, and the worker's status was `Running`.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_meets_errors_of_the_server_is_retried_with_growing_delays() {
    let node = Node::start().await;
    // The search of the start would wake the worker as well.
    node.until_woken().await;
    let worker = node.create("w").await;
    node.templates(Templates::Broken("it cannot be compiled"));
    let before = node.component_requests();
    node.executor.enqueue(&worker, sleep(0, Some("key"))).await.unwrap();
    let mut tried_at = Vec::new();
    for attempt in 1..=7 {
        wait::until(&format!("attempt {attempt}"), || async {
            let tried = node.component_requests() >= before + attempt;
            if !tried {
                node.advance_ms(500);
            }
            tried.then_some(())
        })
        .await;
        tried_at.push(node.clock.wall());
        node.until_status(&worker, WorkerStatus::Retrying).await;
    }
    for (pair, delay) in tried_at.windows(2).zip([2, 4, 8, 16, 32, 60]) {
        let waited = pair[1].since(pair[0]);
        assert!(waited >= Duration::from_secs(delay), "{waited:?} and not {delay} s: {tried_at:?}");
    }
    assert_eq!(node.component_requests(), before + 7);
    // A request does not wait for the next attempt.
    node.templates(Templates::Ready);
    let reply = node.executor.invoke(&worker, sleep(0, Some("next"))).await;
    assert_eq!(reply.unwrap(), Some(Value::U64(0)));
    node.until_status(&worker, WorkerStatus::Idle).await;
    node.stop().await;
}
