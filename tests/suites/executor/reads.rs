//! An answer leaves when everything that it rests on is durable, also the answer to a read. A read whose rows are durable
//! does not wait.

use crate::node::{Node, TEMPLATE, Templates, sleep};
use golem_model::oplog::UpdateMode;
use golem_model::{IdempotencyKey, Value, WorkerId, WorkerName, WorkerStatus};
use golem_runtime::executor::{Executor, ExecutorError, KeyState, WorkerRange};
use golem_runtime::storage::memory::FaultKind;
use golem_tests::wait;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;

type Answer = Result<String, ExecutorError>;
type Operation = fn(Executor, WorkerId) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(TEMPLATE, WorkerName::new(name).unwrap())
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

/// Turns the answer into text.
macro_rules! operation {
    (|$executor:ident, $worker:ident| $answer:expr) => {
        |$executor, $worker| Box::pin(async move { $answer.map(|answer| format!("{answer:?}")) })
    };
}

/// The requests whose answer depends on whether a worker exists and what it does.
const OPERATIONS: [(&str, Operation); 10] = [
    ("view", operation!(|executor, worker| executor.view(&worker).await.map(|view| view.status))),
    ("create", operation!(|executor, worker| executor.create(Node::spec(&worker)).await)),
    ("queue", operation!(|executor, worker| executor.queue(&worker).await.map(|queue| queue.len()))),
    ("updates", operation!(|executor, worker| executor.updates(&worker).await.map(|view| view.version))),
    ("update", operation!(|executor, worker| executor.update(&worker, UpdateMode::Automatic, 0).await)),
    ("resume", operation!(|executor, worker| executor.resume(&worker).await)),
    ("interrupt", operation!(|executor, worker| executor.interrupt(&worker, false).await)),
    ("recover", operation!(|executor, worker| executor.recover_worker(&worker).await)),
    ("connect", operation!(|executor, worker| executor.connect(&worker).await.map(drop))),
    (
        "list",
        operation!(|executor, worker| {
            let range = WorkerRange {
                template: worker.template,
                prefix: worker.name.to_string(),
                after: String::new(),
                count: 10,
            };
            executor.list(range, |_| true).await.map(|page| page.workers.len())
        }),
    ),
];

/// Requests that wait for a commit.
struct Waiting(Vec<(&'static str, JoinHandle<Answer>)>);

impl Waiting {
    /// Sends the requests, one after the other, and checks that each waits for a commit.
    async fn send(node: &Node, worker: &WorkerId, operations: &[(&'static str, Operation)]) -> Self {
        let mut waiting = Vec::new();
        for (name, operation) in operations {
            let before = node.executor.answers_waiting();
            let answer = tokio::spawn(operation(node.executor.clone(), worker.clone()));
            wait::until(&format!("{name} is answered or waits"), || async {
                (answer.is_finished() || node.executor.answers_waiting() > before).then_some(())
            })
            .await;
            assert!(!answer.is_finished(), "{name} was answered too early: {:?}", answer.await);
            waiting.push((*name, answer));
        }
        Self(waiting)
    }

    async fn answers(self) -> Vec<(&'static str, Answer)> {
        let mut answers = Vec::new();
        for (name, answer) in self.0 {
            answers.push((name, wait::bounded(name, answer).await.unwrap()));
        }
        answers
    }

    async fn assert_all_unavailable(self) {
        for (name, answer) in self.answers().await {
            assert!(matches!(answer, Err(ExecutorError::Unavailable { .. })), "{name}: {answer:?}");
        }
    }
}

fn create_only() -> [(&'static str, Operation); 1] {
    [OPERATIONS[1]]
}

fn delete_only() -> [(&'static str, Operation); 1] {
    [("delete", operation!(|executor, worker| executor.delete(&worker).await))]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_shows_of_a_new_worker_is_durable() {
    for fails in [false, true] {
        let node = Node::start().await;
        let worker = worker_id("w");
        node.hold_commits();
        let created = Waiting::send(&node, &worker, &create_only()).await;
        let others = Waiting::send(&node, &worker, &OPERATIONS).await;
        if fails {
            node.fail_commit(1, FaultKind::Io);
            node.release_commits();
            created.assert_all_unavailable().await;
            others.assert_all_unavailable().await;
            node.until_healthy().await;
            let view = node.executor.view(&worker).await;
            assert!(matches!(view, Err(ExecutorError::WorkerNotFound { .. })), "{view:?}");
        } else {
            node.release_commits();
            assert!(created.answers().await[0].1.is_ok());
            for (name, answer) in others.answers().await {
                let expected = match name {
                    "create" => matches!(answer, Err(ExecutorError::WorkerExists { .. })),
                    "update" => matches!(answer, Err(ExecutorError::UpdateToSame { .. })),
                    "list" => answer.as_deref().is_ok_and(|answer| answer == "1"),
                    _ => answer.is_ok(),
                };
                assert!(expected, "{name}: {answer:?}");
            }
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_worker_is_not_found_when_its_deletion_is_durable() {
    let not_create: Vec<_> = OPERATIONS.into_iter().filter(|(name, _)| *name != "create").collect();
    let more: [(&str, Operation); 3] = [
        ("delete", operation!(|executor, worker| executor.delete(&worker).await)),
        ("invoke", operation!(|executor, worker| executor.invoke(&worker, sleep(0, None)).await)),
        ("key", operation!(|executor, worker| executor.key_state(&worker, &key("k")).await)),
    ];
    for fails in [false, true] {
        let node = Node::start().await;
        let worker = node.create("w").await;
        node.templates(Templates::Loading);
        let caller = node.invoke(&worker, sleep(0, Some("k")));
        node.until_queued(&worker, 1).await;
        node.hold_commits();
        let deleted = Waiting::send(&node, &worker, &delete_only()).await;
        assert!(!caller.is_finished());
        let reads = Waiting::send(&node, &worker, &not_create).await;
        let more = Waiting::send(&node, &worker, &more).await;
        node.templates(Templates::Ready);
        if fails {
            node.fail_commit(1, FaultKind::Io);
            node.release_commits();
            for waiting in [deleted, reads, more] {
                waiting.assert_all_unavailable().await;
            }
            let caller = caller.await.unwrap();
            assert!(matches!(caller, Err(ExecutorError::Unavailable { .. })), "{caller:?}");
            node.until_healthy().await;
            assert_eq!(node.status(&worker).await, WorkerStatus::Idle, "it was not deleted");
        } else {
            node.release_commits();
            assert!(deleted.answers().await[0].1.is_ok());
            let caller = caller.await.unwrap();
            assert!(matches!(caller, Err(ExecutorError::WorkerNotFound { .. })), "{caller:?}");
            for (name, answer) in reads.answers().await.into_iter().chain(more.answers().await) {
                let expected = match name {
                    "list" => answer.as_deref().is_ok_and(|answer| answer == "0"),
                    "key" => answer.as_deref().is_ok_and(|answer| answer == "Unknown"),
                    _ => matches!(answer, Err(ExecutorError::WorkerNotFound { .. })),
                };
                assert!(expected, "{name}: {answer:?}");
            }
        }
        node.stop().await;
    }
}

/// Regression: the state of a key was answered before the row of its acceptance was durable, and a limit refused a worker
/// because of others whose creation was not durable.
#[tokio::test(flavor = "multi_thread")]
async fn a_pending_key_and_a_reached_limit_are_durable_before_an_answer_says_so() {
    let enqueue: Operation =
        operation!(|executor, worker| executor.enqueue(&worker, sleep(0, Some("k"))).await);
    let state: Operation = operation!(|executor, worker| executor.key_state(&worker, &key("k")).await);
    for fails in [false, true] {
        let node = Node::start().await;
        let worker = node.create("w").await;
        // The invocation stays in the queue.
        node.templates(Templates::Loading);
        node.hold_commits();
        let accepted = Waiting::send(&node, &worker, &[("enqueue", enqueue)]).await;
        let pending = Waiting::send(&node, &worker, &[("key", state)]).await;
        node.refuse_workers();
        let refused = Waiting::send(&node, &worker_id("x"), &create_only()).await;
        if fails {
            node.fail_commit(1, FaultKind::Io);
        }
        node.release_commits();
        if fails {
            for waiting in [accepted, pending, refused] {
                waiting.assert_all_unavailable().await;
            }
        } else {
            assert!(accepted.answers().await[0].1.is_ok());
            assert_eq!(pending.answers().await[0].1.as_deref().unwrap(), "Pending");
            let refused = &refused.answers().await[0].1;
            assert!(matches!(refused, Err(ExecutorError::NotAdmitted(_))), "{refused:?}");
        }
        node.templates(Templates::Ready);
        node.stop().await;
    }
}

/// An invocation fails, and the row is not durable yet: nothing may say so.
#[tokio::test(flavor = "multi_thread")]
async fn that_a_worker_has_failed_is_durable_before_an_answer_says_so() {
    let node = Node::with(|settings| settings.retry.attempts_max = 1).await;
    let worker = node.create("w").await;
    let first = node.invoke(&worker, sleep(9_000, Some("first")));
    node.until_it_sleeps(&worker).await;
    let behind = node.invoke(&worker, sleep(0, Some("behind")));
    node.until_queued(&worker, 2).await;
    node.executor.enqueue(&worker, sleep(0, Some("accepted"))).await.unwrap();
    node.templates(Templates::Panics);
    node.hold_commits();
    // The next load of the worker panics, which is its last attempt.
    let crash: Operation = operation!(|executor, worker| executor.interrupt(&worker, true).await);
    let crashed = tokio::spawn(crash(node.executor.clone(), worker.clone()));
    wait::until("the worker has failed", || async {
        let again = node.executor.answers_waiting();
        (again >= 3).then_some(())
    })
    .await;
    assert!(!first.is_finished() && !behind.is_finished());
    let invoke: Operation =
        operation!(|executor, worker| executor.invoke(&worker, sleep(0, Some("next"))).await);
    let join: Operation =
        operation!(|executor, worker| executor.invoke(&worker, sleep(0, Some("accepted"))).await);
    let next = Waiting::send(&node, &worker, &[("invoke", invoke), ("join", join)]).await;
    node.fail_commit(1, FaultKind::Io);
    node.release_commits();
    next.assert_all_unavailable().await;
    crashed.await.unwrap().unwrap_err();
    for caller in [first, behind] {
        let reply = caller.await.unwrap();
        assert!(matches!(reply, Err(ExecutorError::Unavailable { .. })), "{reply:?}");
    }
    node.templates(Templates::Ready);
    node.until_healthy().await;
    let reply = node.invoke(&worker, sleep(9_000, Some("first")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(Value::U64(9_000)), "it had not failed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_durable_state_does_not_wait() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    node.executor.invoke(&worker, sleep(0, Some("k"))).await.unwrap();
    node.hold_commits();
    // The rows of another worker do not concern this one.
    let other = Waiting::send(&node, &worker_id("other"), &create_only()).await;
    for (name, operation) in OPERATIONS.into_iter().filter(|(name, _)| *name != "list") {
        let answer = wait::bounded(name, operation(node.executor.clone(), worker.clone())).await;
        let expected = match name {
            "create" => matches!(answer, Err(ExecutorError::WorkerExists { .. })),
            "update" => matches!(answer, Err(ExecutorError::UpdateToSame { .. })),
            _ => answer.is_ok(),
        };
        assert!(expected, "{name}: {answer:?}");
    }
    assert_eq!(node.executor.key_state(&worker, &key("k")).await.unwrap(), KeyState::Done);
    let missing = node.executor.view(&worker_id("missing")).await;
    assert!(matches!(missing, Err(ExecutorError::WorkerNotFound { .. })), "{missing:?}");
    node.release_commits();
    assert!(other.answers().await[0].1.is_ok());
    node.stop().await;
}

/// An interrupt whose commit fails is not acknowledged, and the worker continues.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_whose_commit_fails_is_not_acknowledged() {
    let node = Node::start().await;
    let worker = node.create("w").await;
    let reply = node.invoke(&worker, sleep(9_000, Some("k")));
    node.until_it_sleeps(&worker).await;
    node.fail_commit(1, FaultKind::Io);
    let interrupted = node.executor.interrupt(&worker, false).await;
    assert!(matches!(interrupted, Err(ExecutorError::Unavailable { .. })), "{interrupted:?}");
    let reply = reply.await.unwrap();
    assert!(matches!(reply, Err(ExecutorError::Unavailable { .. })), "{reply:?}");
    node.until_healthy().await;
    let reply = node.invoke(&worker, sleep(9_000, Some("k")));
    assert_eq!(node.over_time(reply).await.unwrap(), Some(Value::U64(9_000)));
    node.stop().await;
}

/// Regression: while a request read the store, every commit made what it had read invalid. Under load it read again and
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_reads_the_store_a_bounded_number_of_times_under_load() {
    let node =
        Arc::new(Node::with(|settings| (settings.heads_cached_max, settings.residents_max) = (1, 1)).await);
    let worker = node.create("w").await;
    node.executor.invoke(&worker, sleep(0, Some("k"))).await.unwrap();
    let reads = Arc::new(AtomicU64::new(0));
    let busy = Arc::new(AtomicBool::new(false));
    let (hooked, counted) = (Arc::downgrade(&node), reads.clone());
    let runtime = tokio::runtime::Handle::current();
    node.set_read_hook(move || {
        let Some(node) = hooked.upgrade() else { return };
        // The requests of the load itself are not counted.
        if busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let number = counted.fetch_add(1, Ordering::SeqCst);
        assert!(number < 100, "a request reads the store without an end");
        // During each read, derived state is committed and evicted.
        runtime.block_on(async {
            for other in 0..3 {
                node.create(&format!("other-{number}-{other}")).await;
            }
            node.until_flushed().await;
        });
        busy.store(false, Ordering::SeqCst);
    });
    // Leaves memory, and its key as well.
    for other in 0..3 {
        let other = node.create(&format!("first-{other}")).await;
        node.executor.invoke(&other, sleep(0, None)).await.unwrap();
        node.until_flushed().await;
    }
    let reads_of = |before: u64| reads.load(Ordering::SeqCst) - before;
    let before = reads.load(Ordering::SeqCst);
    assert_eq!(node.executor.view(&worker).await.unwrap().status, WorkerStatus::Idle);
    assert_eq!(reads_of(before), 1, "of its projection");
    let before = reads.load(Ordering::SeqCst);
    assert_eq!(node.executor.invoke(&worker, sleep(0, Some("k"))).await.unwrap(), Some(Value::U64(0)));
    assert!(reads_of(before) <= 2, "of its projection and its key");
    let before = reads.load(Ordering::SeqCst);
    assert_eq!(node.executor.invoke(&worker, sleep(0, Some("new"))).await.unwrap(), Some(Value::U64(0)));
    assert!(reads_of(before) <= 2, "of its projection and its key");
    let before = reads.load(Ordering::SeqCst);
    node.create("new").await;
    assert_eq!(reads_of(before), 1, "of its projection");
    Arc::into_inner(node).unwrap().stop().await;
}

/// Regression: a request held the number of a row that a failed commit lost, and another row got the number. The request
/// then took the other row for its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_number_that_is_assigned_again_is_not_mistaken_for_the_first_one() {
    let node =
        Arc::new(Node::with(|settings| (settings.heads_cached_max, settings.residents_max) = (1, 1)).await);
    let worker = node.create("w").await;
    node.executor.enqueue(&worker, sleep(0, Some("k"))).await.unwrap();
    until_ended(&node, &worker, "k").await;
    for other in 0..3 {
        let other = node.create(&format!("first-{other}")).await;
        node.executor.invoke(&other, sleep(0, None)).await.unwrap();
        node.until_flushed().await;
    }
    // While the request reads the key, a commit fails, the state is rebuilt, and other rows are appended.
    let (hooked, runtime) = (Arc::downgrade(&node), tokio::runtime::Handle::current());
    let calls = AtomicU64::new(0);
    node.set_read_hook(move || {
        // The first read is that of the projection.
        if calls.fetch_add(1, Ordering::SeqCst) != 1 {
            return;
        }
        let Some(node) = hooked.upgrade() else { return };
        runtime.block_on(async {
            node.fail_commit(1, FaultKind::Io);
            node.try_create(&worker_id("lost")).await.unwrap_err();
            node.until_healthy().await;
            node.create("next").await;
        });
    });
    let reply = node.executor.invoke(&worker, sleep(0, Some("k"))).await;
    assert!(matches!(reply, Err(ExecutorError::Unavailable { .. })), "{reply:?}");
    assert_eq!(node.executor.invoke(&worker, sleep(0, Some("k"))).await.unwrap(), Some(Value::U64(0)));
    Arc::into_inner(node).unwrap().stop().await;
}

async fn until_ended(node: &Node, worker: &WorkerId, text: &str) {
    wait::until("the invocation ends", || async {
        (node.executor.key_state(worker, &key(text)).await.unwrap() == KeyState::Done).then_some(())
    })
    .await;
}
