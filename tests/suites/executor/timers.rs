//! Timers with different reasons for one worker: none replaces another one, and none lets the worker continue too early.

use crate::node::{CALLS, Node, Templates, calls, sleep};
use golem_model::{Entry, FailureOptions, RetryPolicy, Timestamp, Value, WorkerId, WorkerName, WorkerStatus};
use golem_tests::wait;
use std::time::Duration;

async fn create_calls(node: &Node, name: &str, options: FailureOptions) -> WorkerId {
    let id = WorkerId::new(CALLS, WorkerName::new(name).unwrap());
    node.executor.create(golem_runtime::executor::WorkerSpec { options, ..Node::spec(&id) }).await.unwrap();
    id
}

/// Lets the worker `sender` send a call to `target` that is due after `after_ms`.
async fn send_later(node: &Node, sender: &WorkerId, target: &str, after_ms: u64) {
    let params = vec![Value::String(target.into()), Value::U64(1), Value::U64(after_ms)];
    let sent = node.executor.invoke(sender, calls("api/send", params, "send")).await;
    sent.unwrap();
}

async fn begun_at(node: &Node, worker: &WorkerId) -> Vec<Timestamp> {
    let oplog = node.oplog(worker).await;
    let begun = oplog.iter().filter_map(|entry| match entry {
        Entry::InvocationStarted { at, .. } => Some(*at),
        _ => None,
    });
    begun.collect()
}

/// Regression: the retry after an error of the server took the timer of the worker's own wait, and the worker slept
/// forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_meets_an_error_of_the_server_still_continues_at_the_end_of_its_wait() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(60_000, Some("k")));
    node.until_status(&worker, WorkerStatus::Suspended).await;
    node.templates(Templates::Broken("not now"));
    let before = node.component_requests();
    node.executor.resume(&worker).await.unwrap();
    wait::until("an error", || async { (node.component_requests() > before).then_some(()) }).await;
    reply.await.unwrap().unwrap_err();
    node.templates(Templates::Ready);
    // The retry loads the worker, which waits again, for the same time.
    let loaded = node.metrics.activations.load(std::sync::atomic::Ordering::Relaxed);
    wait::until("the retry", || async {
        node.advance_ms(500);
        (node.metrics.activations.load(std::sync::atomic::Ordering::Relaxed) > loaded).then_some(())
    })
    .await;
    node.until_status(&worker, WorkerStatus::Suspended).await;
    node.advance_ms(60_000);
    node.until_status(&worker, WorkerStatus::Idle).await;
    node.stop().await;
}

/// Regression: the same timer was that of a delayed call, which stayed outside of the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_call_to_a_worker_that_meets_an_error_of_the_server_begins_in_time() {
    let node = Node::start().await;
    let (sender, target) = (
        create_calls(&node, "sender", FailureOptions::default()).await,
        create_calls(&node, "target", FailureOptions::default()).await,
    );
    send_later(&node, &sender, "target", 10_000).await;
    let due = node.clock.wall().plus(Duration::from_secs(10));
    node.templates(Templates::Broken("not now"));
    let bump = calls("target/bump", vec![Value::U64(5)], "bump");
    node.executor.enqueue(&target, bump).await.unwrap();
    node.until_status(&target, WorkerStatus::Retrying).await;
    node.templates(Templates::Ready);
    wait::until("the retry has ended", || async {
        node.advance_ms(500);
        (node.status(&target).await == WorkerStatus::Idle).then_some(())
    })
    .await;
    node.advance_ms(10_000);
    let begun = wait::until("the delayed call has begun", || async {
        Some(begun_at(&node, &target).await).filter(|begun| begun.len() == 2)
    })
    .await;
    assert!(begun[1] >= due, "{begun:?}, due at {due:?}");
    node.stop().await;
}

/// Regression: a delayed call that became due let the next attempt of a failed invocation begin at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_call_does_not_let_a_retry_begin_early() {
    let node = Node::start().await;
    let delay = Duration::from_mins(1);
    let retry_policy =
        Some(RetryPolicy { attempts_max: 3, delay_min: delay, delay_max: delay, multiplier: 1.0 });
    let sender = create_calls(&node, "sender", FailureOptions::default()).await;
    let target =
        create_calls(&node, "target", FailureOptions { retry_policy, ..FailureOptions::default() }).await;
    send_later(&node, &sender, "target", 5_000).await;
    let fail = calls("target/fail", vec![Value::String("a trap".into())], "fail");
    node.executor.enqueue(&target, fail).await.unwrap();
    node.until_status(&target, WorkerStatus::Retrying).await;
    // The sender may have read the clock several times, and each reading is later than the one before it.
    node.advance_ms(5_001);
    node.until_queued(&target, 1).await;
    let failed = wait::until("the second attempt has failed", || async {
        node.advance_ms(1_000);
        let failed = node.oplog(&target).await.into_iter().filter_map(|entry| match entry {
            Entry::AttemptFailed { at, .. } => Some(at),
            _ => None,
        });
        Some(failed.collect::<Vec<_>>()).filter(|failed| failed.len() == 2)
    })
    .await;
    // The delay is varied at random, by less than a half.
    assert!(failed[1].since(failed[0]) >= delay / 2, "{failed:?}");
    node.stop().await;
}
