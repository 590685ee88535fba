//! Promises.

use crate::guests::toolbox;
use golem_model::promise::PromiseCompletion;
use golem_model::{OplogIndex, PromiseId};
use golem_testing::{Failure, TestWorker, Value};

async fn with_promise() -> (TestWorker, PromiseId) {
    let mut worker = TestWorker::start(toolbox()).await.expect("a worker");
    let created = worker.invoke("create-promise", vec![]).await.expect("a promise");
    assert_eq!(created, Some(Value::U64(4)), "created, activated, started, the call");
    let promise = PromiseId { worker: worker.id().clone(), index: OplogIndex(4) };
    (worker, promise)
}

#[tokio::test]
async fn a_promise_exists_before_the_invocation_ends() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.store().fail_after(1);
    // The first write creates the promise, the second ends the invocation.
    assert!(matches!(worker.invoke("create-promise", vec![]).await, Err(Failure::Port(_))));
    let promise = PromiseId { worker: worker.id().clone(), index: OplogIndex(4) };
    assert_eq!(worker.complete_promise(&promise, b"early"), PromiseCompletion::Completed);
    worker.crash();
    assert_eq!(worker.resume().await.unwrap(), Some(Value::U64(4)), "the same promise again");
    let data = worker.invoke("await-promise", vec![]).await.unwrap();
    assert_eq!(data, Some(Value::Bytes(b"early".to_vec())));
}

#[tokio::test]
async fn waiting_parks_until_the_promise_is_completed() {
    let (mut worker, promise) = with_promise().await;
    let Err(Failure::Waiting(parked)) = worker.invoke("await-promise", vec![]).await else {
        panic!("the promise is still pending");
    };
    assert_eq!((parked.wake_at, parked.promises), (None, vec![promise.clone()]));
    assert!(
        matches!(worker.resume().await, Err(Failure::Waiting(_))),
        "after an early wake-up it waits again"
    );
    assert_eq!(worker.complete_promise(&promise, b"data"), PromiseCompletion::Completed);
    assert_eq!(worker.complete_promise(&promise, b"other"), PromiseCompletion::AlreadyCompleted);
    assert_eq!(worker.resume().await.unwrap(), Some(Value::Bytes(b"data".to_vec())));
    let again = worker.invoke("await-promise", vec![]).await.unwrap();
    assert_eq!(again, Some(Value::Bytes(b"data".to_vec())), "the second read returns the same");
    worker.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn a_worker_completes_its_own_promise_once() {
    let (mut worker, _) = with_promise().await;
    let complete = |data: &[u8]| vec![Value::Bytes(data.to_vec())];
    assert_eq!(worker.invoke("complete-promise", complete(b"1")).await.unwrap(), Some(Value::Bool(true)));
    worker.crash();
    assert_eq!(worker.invoke("complete-promise", complete(b"2")).await.unwrap(), Some(Value::Bool(false)));
    let data = worker.invoke("await-promise", vec![]).await.unwrap();
    assert_eq!(data, Some(Value::Bytes(b"1".to_vec())));
}

#[tokio::test]
async fn a_completion_and_its_record_survive_together() {
    let (mut worker, promise) = with_promise().await;
    // The completion's write succeeds, the invocation's end fails.
    worker.store().fail_after(1);
    let failed = worker.invoke("complete-promise", vec![Value::Bytes(b"1".to_vec())]).await;
    assert!(matches!(failed, Err(Failure::Port(_))));
    // An effect visible outside makes the entries durable.
    worker.commit();
    worker.crash();
    assert_eq!(worker.complete_promise(&promise, b"2"), PromiseCompletion::AlreadyCompleted);
    assert_eq!(worker.resume().await.unwrap(), Some(Value::Bool(true)), "it was this worker's call");
}

#[tokio::test]
async fn unknown_promises_are_named() {
    let (mut worker, promise) = with_promise().await;
    worker.invoke("delete-promise", vec![]).await.unwrap();
    worker.invoke("delete-promise", vec![]).await.unwrap();
    let Err(Failure::Trapped { details, retry }) = worker.invoke("await-promise", vec![]).await else {
        panic!("it was deleted");
    };
    assert!(details.starts_with(&format!("Promise not found: {promise}\n")), "{details}");
    assert!(retry);
}

#[tokio::test]
async fn getting_never_waits() {
    let (mut worker, promise) = with_promise().await;
    assert_eq!(worker.invoke("get-promise", vec![]).await.unwrap(), Some(Value::Option(None)));
    worker.complete_promise(&promise, b"x");
    let data = Value::Option(Some(Box::new(Value::Bytes(b"x".to_vec()))));
    assert_eq!(worker.invoke("get-promise", vec![]).await.unwrap(), Some(data));
    worker.crash();
    worker.invoke("counter/get", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_worker_knows_its_address() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let uri = worker.invoke("self-uri", vec![Value::String("golem:x/api/f".to_owned())]).await.unwrap();
    assert_eq!(uri, Some(Value::String(format!("worker://{}/golem:x/api/f", worker.id()))));
}
