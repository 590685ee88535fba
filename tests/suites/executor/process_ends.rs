//! Attempts that end with the process are counted, delayed and bounded; stops in order and progress are not counted.

use crate::node::{Node, Templates, sleep};
use crate::wakes::until_done;
use golem_model::oplog::{FailureCause, InboxEvent, ProcessEvent, UpdateMode};
use golem_model::{Entry, IdempotencyKey, WorkerId, WorkerStatus};
use golem_runtime::executor::ExecutorError;
use golem_runtime::storage::memory::FaultKind;
use golem_tests::wait;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Waits until this process has loaded the one worker of the test.
async fn until_loaded(node: &Node) {
    wait::until("the worker is loaded", || async {
        (node.metrics.activations.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
}

/// The durable process events: a letter for each, and the delays.
pub(crate) fn process_events(node: &Node) -> (String, Vec<Duration>) {
    let (mut letters, mut delays) = (String::new(), Vec::new());
    for event in node.inbox_events() {
        if let InboxEvent::Process(event) = event {
            letters.push(match event {
                ProcessEvent::Continued { .. } => 'C',
                ProcessEvent::Stopped { .. } => 'S',
                ProcessEvent::Ended { at, resume_at } => {
                    delays.push(resume_at.since(at));
                    'E'
                }
            });
        }
    }
    (letters, delays)
}

/// Lets the delay of the next attempt pass, and nothing more: the guest must not get further.
async fn until_next_attempt(node: &Node) {
    let (_, delays) = process_events(node);
    node.clock.advance(*delays.last().unwrap());
    until_loaded(node).await;
}

async fn retries(node: &Node, worker: &WorkerId) -> u32 {
    node.executor.view(worker).await.unwrap().retry_count
}

/// A worker that makes the server run out of memory in each attempt. Before, it ran at once after each start, without an
/// end.
#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_during_which_the_process_ends_again_and_again_fails() {
    let mut node = Node::with(|settings| settings.process_ends_max = 3).await;
    let worker = node.create("w").await;
    drop(node.invoke(&worker, sleep(5_000, Some("k"))));
    node.until_it_sleeps(&worker).await;
    node.executor.enqueue(&worker, sleep(0, Some("behind"))).await.unwrap();

    // The first attempt recorded the beginning of the invocation, so the second one begins at once.
    node = node.crash().await;
    until_loaded(&node).await;
    assert_eq!((process_events(&node).0.as_str(), retries(&node, &worker).await), ("C", 0));

    for (times, events) in [(1, "CE"), (2, "CECE")] {
        node = node.crash().await;
        node.until_status(&worker, WorkerStatus::Retrying).await;
        assert_eq!((process_events(&node).0.as_str(), retries(&node, &worker).await), (events, times));
        // A crash during the delay is not counted.
        node = node.crash().await;
        node.until_status(&worker, WorkerStatus::Retrying).await;
        node.until_woken().await;
        assert_eq!((process_events(&node).0.as_str(), retries(&node, &worker).await), (events, times));
        assert_eq!(node.metrics.activations.load(Ordering::Relaxed), 0);
        until_next_attempt(&node).await;
    }
    let (_, delays) = process_events(&node);
    assert!(delays[0] >= Duration::from_millis(800) && delays[0] <= Duration::from_secs(1), "{delays:?}");
    assert!(delays[1] > delays[0] && delays[1] <= Duration::from_secs(2), "{delays:?}");

    node = node.crash().await;
    node.until_status(&worker, WorkerStatus::Failed).await;
    let failed = node.invoke(&worker, sleep(5_000, Some("k"))).await.unwrap().unwrap_err();
    assert!(
        matches!(failed, ExecutorError::InvocationFailed { cause: FailureCause::ProcessEnded { times: 3 } }),
        "{failed:?}"
    );
    assert_eq!(failed.to_string(), "the process ended 3 times while this invocation ran");

    // The worker is usable again like after any failure.
    node.executor.recover_worker(&worker).await.unwrap();
    let behind = node.invoke(&worker, sleep(0, Some("behind")));
    node.over_time(behind).await.unwrap();
    node.stop().await;
}

/// A node on which the invocation "k" is delayed, and only its acceptance is in the log.
async fn delayed_before_it_begins() -> (Node, WorkerId) {
    let mut node = Node::with(|settings| settings.process_ends_max = 2).await;
    let worker = node.create("w").await;
    node.templates(Templates::Loading);
    // This wait ends before its beginning must be in the log, and here time stands still.
    node.executor.enqueue(&worker, sleep(30, Some("k"))).await.unwrap();
    node = node.crash().await;
    node.templates(Templates::Ready);
    until_loaded(&node).await;
    node = node.crash().await;
    until_delayed(&node).await;
    (node, worker)
}

async fn until_delayed(node: &Node) {
    wait::until("the attempt is counted", || async { (process_events(node).0 == "CE").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_invocation_that_never_begins_durably_is_counted() {
    let (mut node, worker) = delayed_before_it_begins().await;
    until_next_attempt(&node).await;
    let started = |entry: &Entry| matches!(entry, Entry::InvocationStarted { .. });
    assert!(!node.oplog(&worker).await.iter().any(started), "the invocation has not begun durably");
    node = node.crash().await;
    node.until_status(&worker, WorkerStatus::Failed).await;
    let failed = node.invoke(&worker, sleep(30, Some("k"))).await.unwrap().unwrap_err();
    assert_eq!(failed.to_string(), "the process ended 2 times while this invocation ran");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdowns_are_not_counted() {
    let mut node = Node::with(|settings| settings.process_ends_max = 2).await;
    let worker = node.create("w").await;
    drop(node.invoke(&worker, sleep(5_000, Some("k"))));
    node.until_it_sleeps(&worker).await;
    for _ in 0..4 {
        node = node.restart().await;
        until_loaded(&node).await;
    }
    assert_eq!(process_events(&node).0, "CSCSCSC");
    let reply = node.invoke(&worker, sleep(5_000, Some("k")));
    node.over_time(reply).await.unwrap();
    node.stop().await;
}

/// A suspended worker runs nothing. Once it was woken, an attempt is under way.
#[tokio::test(flavor = "multi_thread")]
async fn suspended_workers_are_not_counted_until_they_are_woken() {
    let mut node = Node::start().await;
    let worker = node.create("w").await;
    drop(node.invoke(&worker, sleep(60_000, Some("k"))));
    node.until_status(&worker, WorkerStatus::Suspended).await;
    for _ in 0..3 {
        node = node.crash().await;
        node.until_woken().await;
    }
    assert_eq!(process_events(&node).0, "");
    // It is woken, and its next entry must wait for a component that does not load: no attempt is under way.
    node.templates(Templates::Loading);
    node.advance_ms(60_000);
    wait::until("the worker is being loaded", || async { (node.component_requests() > 0).then_some(()) })
        .await;
    node = node.crash().await;
    assert_eq!(process_events(&node).0, "");
    node.templates(Templates::Ready);
    let reply = node.invoke(&worker, sleep(60_000, Some("k")));
    node.over_time(reply).await.unwrap();
    assert_eq!(process_events(&node).0, "C");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_ends_the_count() {
    let mut node = Node::with(|settings| settings.process_ends_max = 2).await;
    let worker = node.create("w").await;
    // Four waits in memory, one after the other; each records an entry.
    let often = || {
        let mut invocation = sleep(0, Some("k"));
        invocation.function = golem_tests::guests::SLEEP_OFTEN.into();
        invocation.params = vec![golem_model::Value::U32(4), golem_model::Value::U64(4_000)];
        invocation
    };
    drop(node.invoke(&worker, often()));
    node.until_it_sleeps(&worker).await;
    for wait in 1..=3 {
        node = node.crash().await;
        until_loaded(&node).await;
        // The second process without progress.
        node = node.crash().await;
        node.until_status(&worker, WorkerStatus::Retrying).await;
        assert_eq!(retries(&node, &worker).await, 1, "wait {wait}");
        let before = node.oplog(&worker).await.len();
        wait::until("the worker records an entry", || async {
            node.advance_ms(500);
            (node.oplog(&worker).await.len() > before).then_some(())
        })
        .await;
        assert_eq!(retries(&node, &worker).await, 0, "wait {wait}");
    }
    let reply = node.invoke(&worker, often());
    node.over_time(reply).await.unwrap();
    node.stop().await;
}

/// The operator finds the worker before the limit is reached.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_invocation_is_resumed_or_discarded_on_request() {
    let mut node = Node::start().await;
    let worker = node.create("w").await;
    drop(node.invoke(&worker, sleep(5_000, Some("k"))));
    node.until_it_sleeps(&worker).await;
    node = node.crash().await;
    until_loaded(&node).await;
    node = node.crash().await;
    node.until_status(&worker, WorkerStatus::Retrying).await;
    assert_eq!(node.metrics.activations.load(Ordering::Relaxed), 0);
    node.executor.resume(&worker).await.unwrap();
    until_loaded(&node).await;

    node = node.crash().await;
    node.until_status(&worker, WorkerStatus::Retrying).await;
    node.executor.recover_worker(&worker).await.unwrap();
    let discarded = node.invoke(&worker, sleep(5_000, Some("k"))).await.unwrap().unwrap_err();
    let text = "The invocation was discarded: the process ended 2 times while this invocation ran";
    assert_eq!(discarded.to_string(), text);
    node.stop().await;
}

/// Regression: the delay ended with the invocation, and nothing let the worker continue with the next one.
#[tokio::test(flavor = "multi_thread")]
async fn the_invocation_behind_a_delayed_one_runs_when_that_is_cancelled() {
    let (node, worker) = delayed_before_it_begins().await;
    node.executor.enqueue(&worker, sleep(0, Some("behind"))).await.unwrap();
    node.executor.cancel(&worker, &IdempotencyKey::new("k").unwrap()).await.unwrap();
    until_done(&node, &worker, "behind").await;
    node.stop().await;
}

/// Regression: both requests were answered, and neither ended the delay of work that had not begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_invocation_that_has_not_begun_is_resumed_or_cancelled_on_request() {
    let (node, worker) = delayed_before_it_begins().await;
    assert_eq!(node.status(&worker).await, WorkerStatus::Retrying);
    node.executor.resume(&worker).await.unwrap();
    until_loaded(&node).await;
    until_done(&node, &worker, "k").await;
    node.stop().await;

    let (node, worker) = delayed_before_it_begins().await;
    node.executor.enqueue(&worker, sleep(30, Some("behind"))).await.unwrap();
    node.executor.recover_worker(&worker).await.unwrap();
    let cancelled = node.invoke(&worker, sleep(30, Some("k"))).await.unwrap().unwrap_err();
    assert!(matches!(cancelled, ExecutorError::InvocationCancelled { .. }), "{cancelled:?}");
    // Nothing but the recovery starts it: the clock stands still.
    until_loaded(&node).await;
    until_done(&node, &worker, "behind").await;
    node.stop().await;
}

/// A node on which an update to version 1 is delayed, and this many invocations are accepted behind it.
async fn delayed_update(behind: usize) -> (Node, WorkerId) {
    let mut node = Node::start().await;
    let worker = node.create("w").await;
    node.executor.invoke(&worker, sleep(0, None)).await.unwrap();
    node.templates(Templates::Loading);
    let until_tried = async |node: &Node, before| {
        wait::until("the update is tried", || async { (node.component_requests() > before).then_some(()) })
            .await;
    };
    let before = node.component_requests();
    node.executor.update(&worker, UpdateMode::Automatic, 1).await.unwrap();
    until_tried(&node, before).await;
    for number in 0..behind {
        node.executor.enqueue(&worker, sleep(0, Some(&format!("behind{number}")))).await.unwrap();
    }
    let before = node.component_requests();
    node = node.crash().await;
    until_tried(&node, before).await;
    // The first commit says that the update is tried, the second would end it.
    node.fail_commit(2, FaultKind::Io);
    node.templates(Templates::Ready);
    wait::until("the second commit fails", || async { node.executor.health().err() }).await;
    node = node.crash().await;
    until_delayed(&node).await;
    (node, worker)
}

/// The delay of an update that was tried when the process ended. Regression: the worker was `Idle`, and `resume` did
/// nothing. `recover` concerns invocations, and those behind the update are not the reason of the delay.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_update_is_resumed_on_request() {
    for behind in [0, 1] {
        let (node, worker) = delayed_update(behind).await;
        assert_eq!(node.status(&worker).await, WorkerStatus::Retrying, "{behind} behind it");
        node.executor.recover_worker(&worker).await.unwrap();
        assert_eq!(node.executor.queue(&worker).await.unwrap().len(), behind);
        assert_eq!(process_events(&node).0, "CE", "the delay is that of the update");
        // The clock stands still.
        node.executor.resume(&worker).await.unwrap();
        wait::until("the update is performed", || async {
            (node.executor.updates(&worker).await.unwrap().version == 1).then_some(())
        })
        .await;
        if behind > 0 {
            until_done(&node, &worker, "behind0").await;
        }
        node.stop().await;
    }
}
