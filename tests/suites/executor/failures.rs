//! Failed commits, panics, and logs on which two parts of the server disagree.
//!
//! A panic is injected through a port: the store, the template service, or the admission of workers.

use crate::node::{KEY_VALUES, Node, TEMPLATE, Templates, sleep};
use golem_model::oplog::{FailureCause, InvocationSource, RevertReason};
use golem_model::{
    Convention, Entry, FailureOptions, IdempotencyKey, Invocation, OnFailure, OplogIndex, Timestamp, Value,
    WorkerId, WorkerName, WorkerStatus,
};
use golem_runtime::executor::{ExecutorError, KeyState, WorkerSpec};
use golem_runtime::storage::memory::{FaultKind, ReadFault};
use golem_tests::{guests, wait};
use std::sync::atomic::Ordering;

fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(TEMPLATE, WorkerName::new(name).unwrap())
}

/// The result of a sleep.
fn slept(ms: u64) -> Value {
    Value::U64(ms)
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: &Result<T, ExecutorError>) {
    assert!(matches!(outcome, Err(ExecutorError::Unavailable { .. })), "{outcome:?}");
}

/// Regression: while the store recovered, the ledger was empty and the count was 0, so a template with workers could be
/// deleted.
#[tokio::test(flavor = "multi_thread")]
async fn workers_are_not_counted_while_the_store_recovers() {
    let node = Node::start().await;
    node.create("w").await;
    // The next commit fails, and then the first two attempts to take the shards again.
    for commit in 1..=3 {
        node.fail_commit(commit, FaultKind::Io);
    }
    assert_unavailable(&node.try_create(&worker_id("x")).await);
    let error = node.executor.health().unwrap_err().to_string();
    assert_eq!(
        error,
        "the server cannot write its data now: its storage failed (operation: write); the server's log has the cause. \
         Nothing that was acknowledged is lost; try again later"
    );
    assert_unavailable(&node.executor.worker_count(&[TEMPLATE]));
    assert_unavailable(&node.executor.durable_worker_count(&[TEMPLATE]).await);
    assert_unavailable(&node.executor.key_state(&worker_id("w"), &IdempotencyKey::new("k").unwrap()).await);
    node.until_healthy().await;
    assert_eq!(node.executor.durable_worker_count(&[TEMPLATE]).await.unwrap(), 1);
    node.stop().await;
}

/// A worker's projection says that its last invocation has ended; for replay, a revert has removed the end. Regression:
/// the task loaded and replayed the worker again and again, and the caller waited forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_projection_and_replay_disagree_is_paused() {
    let completed = |at| Entry::InvocationCompleted { at, result: None };
    let revert = |at| Entry::Revert { at, from: OplogIndex(3), reason: RevertReason::Jump };
    let recorded = "no unfinished invocation, according to the worker's projection";
    let requested = "the unfinished invocation first, according to replay";
    check_paused(|at| vec![started("first"), completed(at), revert(at)], recorded, requested).await;
    // An invocation begins although another one has not ended.
    let (recorded, requested) = ("the invocation second of", "wasi:clocks/monotonic-clock#now()");
    check_paused(|at| vec![started("first"), started("second"), completed(at)], recorded, requested).await;
}

fn started(key: &str) -> Entry {
    let source = InvocationSource::Inline { function: guests::SLEEP.into(), params: sleep(0, None).params };
    Entry::InvocationStarted { at: Timestamp::from_nanos(2), key: IdempotencyKey::new(key).unwrap(), source }
}

/// Checks that a worker with these entries after its creation is paused with a divergence, and is not loaded again.
async fn check_paused(entries: impl Fn(Timestamp) -> Vec<Entry>, recorded: &str, requested: &str) {
    let entries = |created| [vec![created], entries(Timestamp::from_nanos(2))].concat();
    let (node, worker) = Node::with_log("w", entries).await;
    let reply = node.invoke(&worker, sleep(0, Some("third"))).await.unwrap();
    let Err(ExecutorError::InvocationFailed {
        cause: FailureCause::Diverged { recorded: found, requested: asked, .. },
    }) = reply
    else {
        panic!("{reply:?}");
    };
    assert!(found.contains(recorded), "{found}");
    assert!(asked.contains(requested), "{asked}");

    // Accepted work stays, and is not retried either: the worker is paused until an operator acts.
    node.executor.enqueue(&worker, sleep(0, Some("fourth"))).await.unwrap();
    node.until_status(&worker, WorkerStatus::Interrupted).await;
    let activations = node.metrics.activations.load(Ordering::Relaxed);
    assert!(activations <= 3, "{activations} activations");
    for _ in 0..20 {
        node.advance_ms(1_000);
        assert_eq!(node.status(&worker).await, WorkerStatus::Interrupted);
    }
    assert_eq!(node.metrics.activations.load(Ordering::Relaxed), activations);
    node.stop().await;
}

/// Regression: the caller got the divergence before the row that pauses the worker was durable.
#[tokio::test(flavor = "multi_thread")]
async fn a_divergence_is_answered_when_the_worker_is_paused_durably() {
    let (node, worker) =
        Node::with_log("w", |created| vec![created, started("first"), started("second")]).await;
    node.until_status(&worker, WorkerStatus::Interrupted).await;
    node.templates(Templates::Loading);
    node.executor.resume(&worker).await.unwrap();
    let reply = node.invoke(&worker, sleep(0, Some("second")));
    wait::until("the worker is being loaded, and the caller has joined", || async {
        (node.status(&worker).await == WorkerStatus::Running
            && node.metrics.invocations_repeated.load(Ordering::Relaxed) == 1)
            .then_some(())
    })
    .await;
    node.hold_commits();
    let before = node.executor.answers_waiting();
    node.templates(Templates::Ready);
    wait::until("the worker diverges", || async {
        (reply.is_finished() || node.executor.answers_waiting() > before).then_some(())
    })
    .await;
    assert!(!reply.is_finished(), "{:?}", reply.await);
    node.release_commits();
    let reply = reply.await.unwrap();
    assert!(
        matches!(&reply, Err(ExecutorError::InvocationFailed { cause: FailureCause::Diverged { .. } })),
        "{reply:?}"
    );
    node.stop().await;
}

/// Regression: the callers of a worker whose task panicked waited forever, and no other task could drive the worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_workers_task_answers_its_callers() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let other = node.create("other").await;
    node.templates(Templates::Panics);
    let reply = node.invoke(&worker, sleep(0, Some("k"))).await.unwrap();
    let Err(ExecutorError::Unavailable { reason }) = &reply else { panic!("{reply:?}") };
    assert!(reason.contains("an injected panic of the template service"), "{reason}");
    // Accepted work is kept.
    node.executor.enqueue(&worker, sleep(0, Some("accepted"))).await.unwrap();
    wait::until("the task has panicked again", || async {
        (node.metrics.panics.load(Ordering::Relaxed) >= 2).then_some(())
    })
    .await;
    node.templates(Templates::Ready);
    let reply = node.invoke(&other, sleep(0, None));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(slept(0)), "the node runs other workers");
    let accepted = IdempotencyKey::new("accepted").unwrap();
    wait::until("the accepted invocation ends", || async {
        node.advance_ms(1_000);
        (node.executor.key_state(&worker, &accepted).await.unwrap() == KeyState::Done).then_some(())
    })
    .await;
    let reply = node.invoke(&worker, sleep(0, Some("k")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(slept(0)));
    node.stop().await;
}

/// A panic counts as a failed attempt of an invocation that has begun, so it is not retried without a bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_counts_as_a_failed_attempt() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(5_000, Some("k")));
    node.until_it_sleeps(&worker).await;
    node.templates(Templates::Panics);
    let node = node.crash().await;
    drop(reply);
    node.until_status(&worker, WorkerStatus::Retrying).await;
    let reply = node.invoke(&worker, sleep(5_000, Some("k")));
    let failed = node.over_time(reply).await;
    let Err(ExecutorError::InvocationFailed { cause: FailureCause::Trap { details } }) = &failed else {
        panic!("{failed:?}");
    };
    assert!(details.contains("an injected panic of the template service"), "{details}");
    assert_eq!(node.status(&worker).await, WorkerStatus::Failed);
    node.stop().await;
}

/// Regression: after the last attempt had panicked, no task and no timer drove the queue of a worker that rolls back.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_continues_after_an_invocation_whose_attempts_panicked() {
    let node = Node::start().await;
    let worker = worker_id("w");
    let options = FailureOptions { on_failure: Some(OnFailure::Rollback), ..FailureOptions::default() };
    node.executor.create(WorkerSpec { options, ..Node::spec(&worker) }).await.unwrap();
    drop(node.invoke(&worker, sleep(5_000, Some("k"))));
    node.until_it_sleeps(&worker).await;
    node.executor.enqueue(&worker, sleep(0, Some("behind"))).await.unwrap();
    node.templates(Templates::Panics);
    let node = node.crash().await;
    let failed = node.over_time(node.invoke(&worker, sleep(5_000, Some("k")))).await;
    assert!(matches!(failed, Err(ExecutorError::InvocationFailed { .. })), "{failed:?}");
    node.templates(Templates::Ready);
    let behind = IdempotencyKey::new("behind").unwrap();
    wait::until("the invocation behind it ends", || async {
        node.advance_ms(1_000);
        (node.executor.key_state(&worker, &behind).await.unwrap() == KeyState::Done).then_some(())
    })
    .await;
    node.stop().await;
}

/// Regression: the committer made no more commits, and the server still reported that it was healthy.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_committer_is_recovered_like_a_failed_commit() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    // The second one is in the recovery.
    node.fail_commit(1, FaultKind::Panic);
    node.fail_commit(2, FaultKind::Panic);
    assert_unavailable(&node.try_create(&worker_id("x")).await);
    assert_unavailable(&node.executor.health());
    node.until_healthy().await;
    assert_eq!(node.metrics.panics.load(Ordering::Relaxed), 2);
    let reply = node.invoke(&worker, sleep(0, Some("k")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(slept(0)));
    node.stop().await;
}

/// Regression: the panic of a job that reads the store counted as the end of the worker's activation. The worker was loaded
/// again at once, and after ten times it was paused with a divergence.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_the_store_is_read_is_an_error_of_the_server() {
    const PANICS: u64 = 12;
    let node = Node::start().await;
    let worker = WorkerId::new(KEY_VALUES, WorkerName::new("w").unwrap());
    node.try_create(&worker).await.unwrap();
    let text = |text: &str| Value::String(text.to_owned());
    let invocation = Invocation {
        key: IdempotencyKey::new("k").unwrap(),
        function: guests::KEY_VALUE_INCREMENT.into(),
        params: vec![text("bucket"), text("name"), Value::S64(1)],
        convention: Convention::Component,
    };
    for _ in 0..PANICS {
        node.fail_read(ReadFault::Value(FaultKind::Panic));
    }
    for _ in 0..PANICS {
        assert_unavailable(&node.invoke(&worker, invocation.clone()).await.unwrap());
    }
    node.invoke(&worker, invocation).await.unwrap().unwrap();
    assert_eq!(node.metrics.panics.load(Ordering::Relaxed), PANICS);
    assert_eq!(node.executor.view(&worker).await.unwrap().status, WorkerStatus::Idle);
    node.stop().await;
}

/// A panic under the node's lock may leave the state half changed, so the state is not used any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_under_the_lock_discards_the_state() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let waiting = node.invoke(&worker, sleep(5_000, Some("k")));
    node.until_it_sleeps(&worker).await;
    node.panic_at_admission();
    let executor = node.executor.clone();
    let panicked = tokio::spawn(async move { executor.ensure(Node::spec(&worker_id("x"))).await });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_unavailable(&waiting.await.unwrap());
    node.until_healthy().await;
    node.create("x").await;
    let reply = node.invoke(&worker, sleep(5_000, Some("k")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(slept(5_000)), "what was durable continues");
    node.stop().await;
}

/// Work that met an error of the server waits for another attempt, so an operator can end the wait or discard the
/// invocation. Regression: `recover` answered that the worker was running, or changed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_waits_after_an_error_of_the_server_is_resumed_or_discarded_on_request() {
    for begins in [false, true] {
        let mut node = Node::start().await;
        let worker = node.create("w").await;
        if begins {
            drop(node.invoke(&worker, sleep(5_000, Some("k"))));
            node.until_it_sleeps(&worker).await;
        } else {
            node.templates(Templates::Loading);
            node.executor.enqueue(&worker, sleep(5_000, Some("k"))).await.unwrap();
        }
        node.executor.enqueue(&worker, sleep(0, Some("behind"))).await.unwrap();
        node.templates(Templates::Broken("an injected error"));
        node = node.crash().await;
        node.until_status(&worker, WorkerStatus::Retrying).await;
        let requests = node.component_requests();
        node.executor.resume(&worker).await.unwrap();
        wait::until("it is tried again", || async { (node.component_requests() > requests).then_some(()) })
            .await;
        node.until_status(&worker, WorkerStatus::Retrying).await;
        node.templates(Templates::Ready);
        node.executor.recover_worker(&worker).await.unwrap();
        let discarded = node.invoke(&worker, sleep(5_000, Some("k"))).await.unwrap().unwrap_err();
        let is_right = match &discarded {
            ExecutorError::InvocationFailed { cause: FailureCause::Discarded { .. } } => begins,
            ExecutorError::InvocationCancelled { .. } => !begins,
            _ => false,
        };
        assert!(is_right, "{discarded:?}");
        // The clock stands still.
        let behind = IdempotencyKey::new("behind").unwrap();
        wait::until("the invocation behind it ends", || async {
            (node.executor.key_state(&worker, &behind).await.unwrap() == KeyState::Done).then_some(())
        })
        .await;
        node.stop().await;
    }
}

/// Regression: the shutdown waited for the next attempt to open the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_a_store_that_is_down() {
    let node = Node::start().await;
    node.fail_commit(1, FaultKind::Io);
    assert_unavailable(&node.try_create(&worker_id("x")).await);
    // The clock stands still.
    wait::bounded("the shutdown", node.stop()).await;
}
