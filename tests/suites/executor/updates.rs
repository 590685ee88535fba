//! A pending update can be withdrawn or replaced until it is performed, also while it is tried.

use crate::node::{Node, Templates, sleep};
use golem_model::oplog::UpdateMode;
use golem_model::{Value, WorkerId};
use golem_runtime::executor::ExecutorError;
use golem_tests::wait;

/// A node on which an update of a worker with a history to version 1 is tried: its component is being loaded.
async fn trying(mode: UpdateMode) -> (Node, WorkerId) {
    let node = Node::start().await;
    let worker = node.create("w").await;
    assert_eq!(node.executor.invoke(&worker, sleep(0, None)).await.unwrap(), Some(Value::U64(0)));
    node.templates(Templates::Loading);
    let before = node.component_requests();
    node.executor.update(&worker, mode, 1).await.unwrap();
    wait::until("the update is tried", || async { (node.component_requests() > before).then_some(()) }).await;
    (node, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_tried_can_be_withdrawn() {
    for mode in [UpdateMode::Automatic, UpdateMode::Manual] {
        let (node, worker) = trying(mode).await;
        node.executor.withdraw_update(&worker).await.unwrap();
        let again = node.executor.withdraw_update(&worker).await;
        assert!(matches!(again, Err(ExecutorError::NoUpdatePending { version: 0, .. })), "{again:?}");
        node.templates(Templates::Ready);
        assert_eq!(node.executor.invoke(&worker, sleep(0, None)).await.unwrap(), Some(Value::U64(0)));
        let updates = node.executor.updates(&worker).await.unwrap();
        assert_eq!((updates.version, updates.pending, updates.last), (0, None, None), "{mode:?}");
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_tried_can_be_replaced() {
    let (node, worker) = trying(UpdateMode::Automatic).await;
    node.executor.update(&worker, UpdateMode::Automatic, 2).await.unwrap();
    // A repetition changes nothing.
    node.executor.update(&worker, UpdateMode::Automatic, 2).await.unwrap();
    node.templates(Templates::Ready);
    let updates = wait::until("an update is performed", || async {
        let updates = node.executor.updates(&worker).await.unwrap();
        updates.pending.is_none().then_some(updates)
    })
    .await;
    let last = updates.last.unwrap();
    assert_eq!((updates.version, last.from, last.to, last.refused), (2, 0, 2, None));
    assert_eq!(node.executor.invoke(&worker, sleep(0, None)).await.unwrap(), Some(Value::U64(0)));
    node.stop().await;
}

/// Regression: a shutdown waited for the component of an update.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_the_component_of_an_update() {
    for mode in [UpdateMode::Automatic, UpdateMode::Manual] {
        let (node, _) = trying(mode).await;
        wait::bounded("the shutdown", node.stop()).await;
    }
}
