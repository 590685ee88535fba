//! Invoking functions, and telling their outcomes apart.

use super::AttemptError;
use super::requests::Worker;
use crate::sim::history::History;
use crate::sim::locked;
use crate::sim::platform::{PROJECT, Template};
use futures_util::FutureExt;
use golem_model::oplog::FailureCause;
use golem_model::{
    AccountId, Convention, FailureOptions, IdempotencyKey, Invocation, OnFailure, PromiseId, RetryPolicy,
    Value, WorkerId,
};
use golem_runtime::executor::{ComponentFault, Executor, ExecutorError, WorkerSpec};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use uuid::Uuid;

/// Runs a function that returns something.
pub(super) async fn invoke(
    executor: &Executor,
    worker: &Worker,
    function: &str,
    params: Vec<Value>,
    key: &str,
) -> Result<Value, AttemptError> {
    ensure(executor, worker).await?;
    let invocation = invocation(function, params, key);
    let result = classify_reply(worker, executor.invoke(&worker.id(), invocation).await)?;
    result.ok_or_else(|| AttemptError::Wrong("there is no result".to_owned()))
}

/// Runs a function that returns a number.
pub(super) async fn invoke_number(
    executor: &Executor,
    worker: &Worker,
    function: &str,
    params: Vec<Value>,
    key: &str,
) -> Result<u64, AttemptError> {
    match invoke(executor, worker, function, params, key).await? {
        Value::U64(value) => Ok(value),
        Value::U32(value) => Ok(u64::from(value)),
        other => Err(wrong(&other)),
    }
}

/// Creates a worker unless it exists. If the request panics, as the plan may decide, its caller gets an error.
pub(super) async fn ensure(executor: &Executor, worker: &Worker) -> Result<(), AttemptError> {
    let ensured = AssertUnwindSafe(executor.ensure(worker_spec(&worker.id()))).catch_unwind().await;
    classify_reply(worker, ensured.unwrap_or(Err(ExecutorError::ShuttingDown))).map(drop)
}

/// Creates a worker that does not exist, with the same error.
pub(super) async fn create(executor: &Executor, worker: &Worker) -> Result<(), ExecutorError> {
    let created = AssertUnwindSafe(executor.create(worker_spec(&worker.id()))).catch_unwind().await;
    created.unwrap_or(Err(ExecutorError::ShuttingDown))
}

/// The invocation of a function.
pub(super) fn invocation(function: &str, params: Vec<Value>, key: &str) -> Invocation {
    Invocation {
        key: IdempotencyKey::new(key).expect("the key is valid"),
        function: function.into(),
        params,
        convention: Convention::Component,
    }
}

/// What a worker is created with.
fn worker_spec(id: &WorkerId) -> WorkerSpec {
    WorkerSpec {
        id: id.clone(),
        project: PROJECT,
        account: AccountId(Uuid::from_u128(1)),
        template_version: 0,
        args: Vec::new(),
        env: Vec::new(),
        options: failure_options(id),
    }
}

/// Workers of the guest `failures` differ in what follows after a failure.
fn failure_options(id: &WorkerId) -> FailureOptions {
    match id.name.as_str() {
        "f1" if id.template == Template::Failures.id() => {
            FailureOptions { on_failure: Some(OnFailure::Rollback), ..FailureOptions::default() }
        }
        "f2" if id.template == Template::Failures.id() => FailureOptions {
            retry_policy: Some(RetryPolicy { attempts_max: 1, ..RetryPolicy::default() }),
            ..FailureOptions::default()
        },
        _ => FailureOptions::default(),
    }
}

/// How often an invocation of this worker is attempted before it fails.
pub(super) fn attempts_max(worker: &Worker) -> usize {
    let policy = failure_options(&worker.id()).retry_policy.unwrap_or_default();
    usize::try_from(policy.attempts_max).unwrap_or(usize::MAX)
}

/// Tells the outcomes apart.
pub(super) fn classify_reply<T>(
    worker: &Worker,
    result: Result<T, ExecutorError>,
) -> Result<T, AttemptError> {
    result.map_err(|error| match error {
        ExecutorError::Unavailable { .. }
        | ExecutorError::ShuttingDown
        | ExecutorError::Template { fault: ComponentFault::Unreadable(_), .. }
        | ExecutorError::Interrupted { recover_immediately: true } => AttemptError::Again(error),
        ExecutorError::Interrupted { recover_immediately: false } => {
            AttemptError::Interrupted(worker.clone())
        }
        // It may be between two attempts. If its failure is an error, the client of the failed invocation reports it.
        ExecutorError::PreviousInvocationFailed | ExecutorError::PreviousInvocationExited => {
            AttemptError::Stopped(worker.clone())
        }
        ExecutorError::InvocationFailed { cause } => AttemptError::Failed(cause),
        ExecutorError::InvocationCancelled { .. } => AttemptError::Cancelled,
        other => AttemptError::Wrong(format!("the answer is {other:?}")),
    })
}

/// An error with this text unless the answer is right.
pub(super) fn check_answer(holds: bool, text: impl FnOnce() -> String) -> Result<(), AttemptError> {
    if holds { Ok(()) } else { Err(AttemptError::Wrong(text())) }
}

/// The result of the invocation with this key, or none if it was discarded or cancelled as a client has requested.
pub(super) fn result_unless_discarded<T>(
    worker: &Worker,
    key: &str,
    history: &Mutex<History>,
    result: Result<T, AttemptError>,
) -> Result<Option<T>, AttemptError> {
    let mut history = locked(history);
    let is_recovering = history.is_recovering(&worker.id());
    match result {
        Ok(value) => return Ok(Some(value)),
        Err(AttemptError::Failed(FailureCause::Discarded { .. })) if is_recovering => {}
        // A recovery cancels an invocation that has not begun.
        Err(AttemptError::Cancelled) if is_recovering || history.is_cancelling(key) => {}
        Err(other) => return Err(other),
    }
    history.count_operation("discarded invocation");
    Ok(None)
}

/// A wrong result.
pub(super) fn wrong(value: &Value) -> AttemptError {
    AttemptError::Wrong(format!("the result is {value:?}"))
}

/// The id of a promise as a parameter of the guest.
pub(super) fn promise_id_value(promise: &PromiseId) -> Value {
    let (high, low) = promise.worker.template.0.as_u64_pair();
    let template = Value::Record(vec![Value::Record(vec![Value::U64(high), Value::U64(low)])]);
    let worker = Value::Record(vec![template, Value::String(promise.worker.name.as_str().to_owned())]);
    let index = i32::try_from(promise.index.0).expect("a short oplog");
    Value::Record(vec![worker, Value::S32(index)])
}
