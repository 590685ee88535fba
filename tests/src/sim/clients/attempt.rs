//! Sending a request once, and checking its answer.

use super::calls::{
    attempts_max, check_answer, classify_reply, create, ensure, invocation, invoke, invoke_number,
    promise_id_value, result_unless_discarded, wrong,
};
use super::requests::{FailingFunction, HttpRequestKind, RegionFunction, Request, Worker, number_name};
use super::{AttemptError, Client};
use crate::guests;
use crate::sim::clock::SimulationClock;
use crate::sim::history::{EnqueuedRequest, Outcome};
use crate::sim::locked;
use crate::sim::outside::{HOST, ONCE};
use crate::sim::platform::Template;
use golem_host::ports::Clock;
use golem_model::oplog::FailureCause;
use golem_model::{Entry, IdempotencyKey, OplogIndex, PromiseId, Value, WorkerStatus};
use golem_runtime::executor::{Executor, ExecutorError, KeyState, OplogSearch};
use std::time::Duration;

impl Client {
    /// Sends a request once.
    pub(super) async fn attempt(
        &self,
        executor: &Executor,
        clock: &SimulationClock,
        request: &Request,
        key: &str,
        attempt: u64,
    ) -> Result<(), AttemptError> {
        let is_repeated = attempt > 1;
        match request {
            Request::Create(worker) => match create(executor, worker).await {
                Err(ExecutorError::WorkerExists { .. }) if is_repeated => Ok(()),
                other => classify_reply(worker, other),
            },
            Request::Delete(worker) => match self.delete(executor, worker).await {
                // The owner of a client's promises may not exist yet.
                Err(ExecutorError::WorkerNotFound { .. })
                    if is_repeated || worker.template == Template::Promises =>
                {
                    self.reset_own_count(worker);
                    Ok(())
                }
                other => {
                    classify_reply(worker, other)?;
                    self.reset_own_count(worker);
                    Ok(())
                }
            },
            Request::Increment(worker) if worker.may_be_recovered() => {
                let function = match worker.template {
                    Template::Failures => "golem:failures/api/increment",
                    _ => guests::INCREMENT,
                };
                self.increment(executor, worker, function, vec![], key).await
            }
            Request::Increment(worker) => {
                let value = invoke_number(executor, worker, guests::INCREMENT, vec![], key).await?;
                let mut state = locked(&self.state);
                state.own_count += 1;
                check_answer(value == state.own_count, || {
                    format!("the count is {value}, it should be {}", state.own_count)
                })
            }
            Request::Enqueue { worker, ms, cancels } => {
                let (function, params) = match worker.template {
                    Template::Sleeps => (guests::SLEEP, vec![Value::U64(*ms)]),
                    _ => (guests::INCREMENT, vec![]),
                };
                let queued = EnqueuedRequest { key: key.to_owned(), function, params: params.clone() };
                locked(&self.history).send_queued(&number_name(worker), queued);
                ensure(executor, worker).await?;
                let accepted = executor.enqueue(&worker.id(), invocation(function, params, key)).await;
                // A repetition may find that it was discarded meanwhile.
                let accepted =
                    result_unless_discarded(worker, key, &self.history, classify_reply(worker, accepted))?;
                locked(&self.history).accept(&number_name(worker), key);
                if *cancels && accepted.is_some() {
                    let cancel = Request::Cancel { worker: worker.clone(), key: key.to_owned() };
                    locked(&self.state).script.insert(1, cancel);
                }
                Ok(())
            }
            Request::Cancel { worker, key: cancelled } => {
                let queued = IdempotencyKey::new(cancelled.as_str()).expect("the key is valid");
                locked(&self.history).send_cancel(cancelled);
                match executor.cancel(&worker.id(), &queued).await {
                    Err(ExecutorError::InvocationBegun { .. }) => {
                        locked(&self.history).count_operation("cancel after the begin");
                        Ok(())
                    }
                    other => {
                        classify_reply(worker, other)?;
                        let mut history = locked(&self.history);
                        history.end_increment(&number_name(worker), cancelled, Outcome::Discarded);
                        history.count_operation("cancel before the begin");
                        Ok(())
                    }
                }
            }
            Request::Spoil { worker, what } => {
                let params = vec![Value::String((*what).to_owned())];
                ensure(executor, worker).await?;
                let invocation = invocation("golem:saves/api/spoil", params, key);
                let result = classify_reply(worker, executor.invoke(&worker.id(), invocation).await);
                result_unless_discarded(worker, key, &self.history, result).map(drop)
            }
            Request::Fail { worker, how } => self.fail(executor, worker, *how, key).await,
            Request::AskFail { worker, target } => {
                let params = vec![Value::String(target.name.clone()), Value::String("on purpose".to_owned())];
                let result = invoke(executor, worker, "golem:calls/api/ask-fail", params, key).await?;
                check_answer(matches!(result, Value::Result(Err(_))), || format!("the result is {result:?}"))
            }
            Request::Recover(worker) => {
                ensure(executor, worker).await?;
                locked(&self.history).send_recover(worker.id());
                match executor.recover_worker(&worker.id()).await {
                    Err(ExecutorError::NotStopped { .. }) => Ok(()),
                    other => {
                        classify_reply(worker, other)?;
                        locked(&self.history).count_operation("recover");
                        Ok(())
                    }
                }
            }
            Request::Region { worker, how } => {
                let (function, params) = match how {
                    RegionFunction::Flaky => ("golem:regions/api/flaky", vec![]),
                    RegionFunction::Nested(ms) => ("golem:regions/api/nested", vec![Value::U64(*ms)]),
                    RegionFunction::GoBack => ("golem:regions/api/go-back", vec![]),
                };
                self.increment(executor, worker, function, params, key).await
            }
            Request::Fetch { worker, how } => self.fetch(executor, worker, *how, key).await,
            Request::Add { worker, key: name } => {
                let number = format!("value {name}");
                locked(&self.history).send_increment(&number, key);
                let params =
                    vec![Value::String("bucket".to_owned()), Value::String(name.clone()), Value::S64(1)];
                let result = invoke(executor, worker, guests::KEY_VALUE_INCREMENT, params, key).await?;
                let Value::Result(Ok(Some(value))) = &result else { return Err(wrong(&result)) };
                let Value::S64(value) = **value else { return Err(wrong(&result)) };
                self.end_increment(&number, key, Outcome::Number(value.cast_unsigned()));
                Ok(())
            }
            Request::Sleep { worker, ms } => {
                let number = number_name(worker);
                locked(&self.history).send_increment(&number, key);
                let params = vec![Value::U64(*ms)];
                let slept = invoke_number(executor, worker, guests::SLEEP, params, key).await?;
                self.end_increment(&number, key, Outcome::Done);
                check_answer(slept >= *ms, || format!("it slept {slept} ms"))
            }
            Request::Ask { worker, target } => {
                let number = number_name(target);
                locked(&self.history).send_increment(&number, key);
                let name = Value::String(target.name.clone());
                let (function, params) = match target.template {
                    Template::Counter => ("golem:calls/api/ask-counter", vec![name]),
                    _ => ("golem:calls/api/ask", vec![name, Value::U64(1), Value::U32(1)]),
                };
                let result = invoke(executor, worker, function, params, key).await?;
                let outcome = match &result {
                    Value::Result(Ok(Some(value))) if let Value::U64(value) = **value => {
                        Outcome::Number(value)
                    }
                    // The called function failed, or an operator has discarded it.
                    Value::Result(Err(Some(text)))
                        if (target.may_fail() || locked(&self.history).is_recovering(&target.id()))
                            && is_remote_failure(text) =>
                    {
                        Outcome::Discarded
                    }
                    _ => return Err(wrong(&result)),
                };
                self.end_increment(&number, key, outcome);
                Ok(())
            }
            Request::Send { worker, target, ms } => {
                locked(&self.history).send_increment(&number_name(target), key);
                let name = Value::String(target.name.clone());
                let params = vec![name, Value::U64(1), Value::U64(*ms)];
                let result = invoke(executor, worker, "golem:calls/api/send", params, key).await?;
                check_answer(result == Value::Result(Ok(None)), || format!("the result is {result:?}"))
            }
            Request::Gather { worker, targets } => {
                for target in targets {
                    locked(&self.history).send_increment(&number_name(target), key);
                }
                let names = targets.iter().map(|target| Value::String(target.name.clone()));
                let params = vec![Value::List(names.collect()), Value::U64(1)];
                let result = invoke(executor, worker, "golem:calls/api/gather", params, key).await?;
                let Value::List(answers) = &result else { return Err(wrong(&result)) };
                check_answer(answers.len() == targets.len(), || {
                    format!("there are {} answers", answers.len())
                })?;
                for (target, answer) in targets.iter().zip(answers) {
                    let Value::Result(Ok(Some(value))) = answer else { return Err(wrong(answer)) };
                    let Value::U64(value) = **value else { return Err(wrong(answer)) };
                    self.end_increment(&number_name(target), key, Outcome::Number(value));
                }
                Ok(())
            }
            Request::Update { worker, mode, versions } => {
                ensure(executor, worker).await?;
                let updates = classify_reply(worker, executor.updates(&worker.id()).await)?;
                let to = updates.version + versions;
                let replaces =
                    updates.pending.is_some_and(|(_, pending, version)| (pending, version) != (*mode, to));
                match executor.update(&worker.id(), *mode, to).await {
                    // Another client was quicker, or this is a repetition.
                    Err(ExecutorError::UpdateToSame { .. }) => Ok(()),
                    other => {
                        classify_reply(worker, other)?;
                        let mut history = locked(&self.history);
                        history.count_operation("request of an update");
                        history.count_times("replaced update", u64::from(replaces));
                        Ok(())
                    }
                }
            }
            Request::WithdrawUpdate(worker) => {
                ensure(executor, worker).await?;
                match executor.withdraw_update(&worker.id()).await {
                    // It was performed, or another client has withdrawn it.
                    Err(ExecutorError::NoUpdatePending { .. }) => Ok(()),
                    other => {
                        classify_reply(worker, other)?;
                        locked(&self.history).count_operation("withdrawn update");
                        Ok(())
                    }
                }
            }
            Request::Keep(worker) => {
                let params = vec![Value::String(key.to_owned())];
                self.increment(executor, worker, "golem:saves/api/add", params, key).await
            }
            Request::Touch(worker) => {
                ensure(executor, worker).await?;
                let invocation = invocation("golem:saves/api/touch", vec![], key);
                let result = classify_reply(worker, executor.invoke(&worker.id(), invocation).await);
                result_unless_discarded(worker, key, &self.history, result).map(drop)
            }
            Request::ReadFile(worker) => self.read_file(executor, worker, key, is_repeated).await,
            Request::CreatePromise(worker) => {
                let result = invoke(executor, worker, guests::CREATE_PROMISE, vec![], key).await?;
                let Value::Record(fields) = &result else { return Err(wrong(&result)) };
                let Some(Value::S32(index)) = fields.last() else { return Err(wrong(&result)) };
                let index = OplogIndex(u64::from(index.cast_unsigned()));
                let promise = PromiseId { worker: worker.id(), index };
                locked(&self.history).create_promise(&promise, key);
                let mut state = locked(&self.state);
                let awaits = format!("{key}-await");
                let pause = state.random.below(2_000);
                // A worker waits for a promise of its own, or of another worker.
                let waiter = match state.random.below(2) {
                    0 => worker.clone(),
                    _ => Worker::new(Template::Promises, format!("waiter-{}", state.number)),
                };
                let worker = waiter;
                let follow = [
                    Request::EnqueueAwait {
                        worker: worker.clone(),
                        promise: promise.clone(),
                        key: awaits.clone(),
                    },
                    Request::Pause { ms: pause },
                    Request::Complete(promise.clone()),
                    Request::Await { worker, promise, key: awaits },
                ];
                state.script.extend(follow);
                Ok(())
            }
            Request::EnqueueAwait { worker, promise, key } => {
                ensure(executor, worker).await?;
                let invocation = invocation(guests::AWAIT_PROMISE, vec![promise_id_value(promise)], key);
                classify_reply(worker, executor.enqueue(&worker.id(), invocation).await)
            }
            Request::Complete(promise) => {
                let data = key.as_bytes().to_vec();
                locked(&self.history).send_completion(promise, &data);
                let worker = Worker::new(Template::Promises, promise.worker.name.as_str());
                let completed = match executor.complete_promise(promise, data.clone()).await {
                    Err(ExecutorError::PromiseNotFound { .. } | ExecutorError::WorkerNotFound { .. })
                        if locked(&self.history).is_deleting(&promise.worker) =>
                    {
                        return Ok(());
                    }
                    other => classify_reply(&worker, other)?,
                };
                // A repetition may find what the first sending did, so only the answer to the first one says more.
                if completed {
                    locked(&self.history).complete(promise, &data);
                }
                Ok(())
            }
            Request::Await { worker, promise, key } => {
                let params = vec![promise_id_value(promise)];
                let result = invoke(executor, worker, guests::AWAIT_PROMISE, params, key).await?;
                let Value::Bytes(data) = &result else { return Err(wrong(&result)) };
                locked(&self.history).answer_await(promise, data);
                Ok(())
            }
            Request::Interrupt { worker, recovers } => {
                ensure(executor, worker).await?;
                classify_reply(worker, executor.interrupt(&worker.id(), *recovers).await)
            }
            Request::Resume(worker) => classify_reply(worker, executor.resume(&worker.id()).await),
            Request::Read(worker) => {
                ensure(executor, worker).await?;
                let view = classify_reply(worker, executor.view(&worker.id()).await)?;
                let known = !matches!(view.status, WorkerStatus::Failed | WorkerStatus::Exited);
                check_answer(known, || format!("the worker is {:?}", view.status))?;
                classify_reply(worker, executor.queue(&worker.id()).await)?;
                let updates = classify_reply(worker, executor.updates(&worker.id()).await)?;
                if let Some(last) = updates.last {
                    let operation = if last.refused.is_none() { "update" } else { "refused update" };
                    locked(&self.history).count_operation(operation);
                }
                self.check_key_state(executor, worker).await
            }
            Request::Pause { ms } => {
                clock.sleep_until(clock.elapsed() + Duration::from_millis(*ms)).await;
                Ok(())
            }
        }
    }

    fn end_increment(&self, number: &str, key: &str, outcome: Outcome) {
        locked(&self.history).end_increment(number, key, outcome);
    }

    /// Checks the state of a key whose invocation was accepted. What was acknowledged is never denied later.
    async fn check_key_state(&self, executor: &Executor, worker: &Worker) -> Result<(), AttemptError> {
        let number = number_name(worker);
        let accepted = locked(&self.history).accepted_keys(&number);
        if accepted.is_empty() {
            return Ok(());
        }
        let key = locked(&self.state).random.pick(&accepted).clone();
        let has_ended = locked(&self.history).has_ended(&number, &key);
        let asked = IdempotencyKey::new(key.as_str()).expect("the key is valid");
        let state = classify_reply(worker, executor.key_state(&worker.id(), &asked).await)?;
        let is_right = state == KeyState::Done || (state == KeyState::Pending && !has_ended);
        check_answer(is_right, || format!("the state of {key} is {state:?}"))?;
        if state == KeyState::Done {
            locked(&self.history).note_ended(&number, &key);
        }
        Ok(())
    }

    async fn delete(&self, executor: &Executor, worker: &Worker) -> Result<(), ExecutorError> {
        locked(&self.history).send_delete(worker.id());
        executor.delete(&worker.id()).await
    }

    fn reset_own_count(&self, worker: &Worker) {
        if worker.template == Template::Counter {
            locked(&self.state).own_count = 0;
        }
    }

    /// Calls a function that increments the worker's own number.
    async fn increment(
        &self,
        executor: &Executor,
        worker: &Worker,
        function: &str,
        params: Vec<Value>,
        key: &str,
    ) -> Result<(), AttemptError> {
        let number = number_name(worker);
        locked(&self.history).send_increment(&number, key);
        let result = invoke(executor, worker, function, params, key).await;
        let outcome = match result_unless_discarded(worker, key, &self.history, result)? {
            None => Outcome::Discarded,
            Some(Value::U64(value)) => Outcome::Number(value),
            Some(Value::U32(value)) => Outcome::Number(u64::from(value)),
            // The guest `regions` returns idempotency keys beside the number.
            Some(Value::Tuple(values)) => match values.first() {
                Some(Value::U32(value)) => Outcome::Number(u64::from(*value)),
                _ => return Err(wrong(&Value::Tuple(values))),
            },
            Some(other) => return Err(wrong(&other)),
        };
        self.end_increment(&number, key, outcome);
        Ok(())
    }

    /// Checks that the file of the version follows the updates of the worker. Versions only grow.
    async fn read_file(
        &self,
        executor: &Executor,
        worker: &Worker,
        key: &str,
        is_repeated: bool,
    ) -> Result<(), AttemptError> {
        ensure(executor, worker).await?;
        let version = async || {
            let updates = classify_reply(worker, executor.updates(&worker.id()).await)?;
            Ok::<_, AttemptError>(updates.version)
        };
        // A repetition gets the answer to the first sending, perhaps from an older version.
        let least = if is_repeated { 0 } else { version().await? };
        let result = invoke(executor, worker, "golem:saves/api/notes", vec![], key).await;
        let most = version().await?;
        match result_unless_discarded(worker, key, &self.history, result)? {
            None => Ok(()),
            Some(Value::String(text)) => {
                let is_right = text.parse().is_ok_and(|read| (least..=most).contains(&read));
                check_answer(is_right, || format!("the file has {text:?}, not one of {least} to {most}"))
            }
            Some(other) => Err(wrong(&other)),
        }
    }

    async fn fail(
        &self,
        executor: &Executor,
        worker: &Worker,
        how: FailingFunction,
        key: &str,
    ) -> Result<(), AttemptError> {
        let (function, params) = match how {
            FailingFunction::Panic => ("panic", vec![Value::String("on purpose".to_owned())]),
            FailingFunction::Trap => ("trap", vec![]),
            FailingFunction::Exit => ("exit", vec![Value::S32(3)]),
            FailingFunction::Until(second) => ("fail-until", vec![Value::U64(second)]),
            FailingFunction::Mostly(bound) => ("fail-mostly", vec![Value::U64(bound)]),
            FailingFunction::Refuse => ("refuse", vec![Value::String("no".to_owned())]),
        };
        let number = number_name(worker);
        // Only these may succeed, and they increment the number then.
        let may_succeed = matches!(how, FailingFunction::Until(_) | FailingFunction::Mostly(_));
        if may_succeed {
            locked(&self.history).send_increment(&number, key);
        }
        let function = format!("golem:failures/api/{function}");
        let result = invoke(executor, worker, &function, params, key).await;
        match result_unless_discarded(worker, key, &self.history, result) {
            Ok(None) if may_succeed => self.end_increment(&number, key, Outcome::Discarded),
            Ok(None) => {}
            Ok(Some(Value::U64(value))) if may_succeed => {
                self.end_increment(&number, key, Outcome::Number(value));
            }
            Ok(Some(Value::Result(Err(_)))) if how == FailingFunction::Refuse => {}
            Ok(Some(other)) => return Err(wrong(&other)),
            Err(AttemptError::Failed(cause)) => {
                let (operation, expected) = match cause {
                    FailureCause::Trap { .. } if worker.rolls_back() => {
                        ("rollback", how != FailingFunction::Exit)
                    }
                    FailureCause::Trap { .. } => ("failure after all attempts", how != FailingFunction::Exit),
                    FailureCause::Exited { .. } | FailureCause::ExitedWithStderr { .. } => {
                        ("exit", how == FailingFunction::Exit)
                    }
                    FailureCause::Discarded { .. }
                    | FailureCause::Diverged { .. }
                    | FailureCause::ProcessEnded { .. } => {
                        return Err(AttemptError::Failed(cause));
                    }
                };
                check_answer(expected && how != FailingFunction::Refuse, || {
                    format!("it failed with {cause:?}")
                })?;
                if matches!(cause, FailureCause::Trap { .. }) {
                    self.check_attempts(executor, worker, key).await?;
                }
                locked(&self.history).count_operation(operation);
                if may_succeed {
                    self.end_increment(&number, key, Outcome::Discarded);
                }
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Checks that an invocation failed after as many attempts as the worker's policy allows.
    async fn check_attempts(
        &self,
        executor: &Executor,
        worker: &Worker,
        key: &str,
    ) -> Result<(), AttemptError> {
        let own = key.to_owned();
        // Beginnings of invocations, and whether each is this one, and attempts that failed.
        let filter_map = move |_: OplogIndex, entry: &Entry| match entry {
            Entry::InvocationStarted { key, .. } => Some((Some(key.as_str() == own), 1)),
            Entry::AttemptFailed { .. } => Some((None, 1)),
            _ => None,
        };
        let search = OplogSearch {
            from: OplogIndex(1),
            count: 10_000,
            bytes_max: usize::MAX,
            is_filtered: true,
            filter_map: Box::new(filter_map),
        };
        let log = match executor.oplog(&worker.id(), search).await {
            // It was deleted meanwhile.
            Err(ExecutorError::WorkerNotFound { .. }) => return Ok(()),
            other => classify_reply(worker, other)?.entries,
        };
        let begins = log.iter().rposition(|begun| *begun == Some(true));
        let behind = log.iter().skip(begins.map_or(log.len(), |begins| begins + 1));
        let failed = behind.take_while(|begun| begun.is_none()).count();
        let expected = attempts_max(worker) - 1;
        check_answer(begins.is_some() && failed == expected, || {
            format!("{failed} attempts failed before the last, there should be {expected}")
        })
    }

    async fn fetch(
        &self,
        executor: &Executor,
        worker: &Worker,
        how: HttpRequestKind,
        key: &str,
    ) -> Result<(), AttemptError> {
        let paths: Vec<String> = match how {
            HttpRequestKind::Once => vec![format!("{ONCE}{key}")],
            HttpRequestKind::Get | HttpRequestKind::Post => vec![format!("/{key}")],
            HttpRequestKind::Together => (0..3).map(|number| format!("/{key}/{number}")).collect(),
        };
        let url = |path: &String| Value::String(format!("{HOST}{path}"));
        let text = |text: &str| Value::String(text.to_owned());
        let fetch = |method, body| {
            vec![text(method), url(&paths[0]), Value::List(vec![]), Value::Option(body), Value::Bool(false)]
        };
        let (function, params) = match how {
            HttpRequestKind::Get => ("fetch", fetch("GET", None)),
            HttpRequestKind::Post => ("fetch", fetch("POST", Some(Box::new(text("a body"))))),
            HttpRequestKind::Once => ("once", vec![text("POST"), url(&paths[0])]),
            HttpRequestKind::Together => ("together", vec![Value::List(paths.iter().map(url).collect())]),
        };
        let result = invoke(executor, worker, &format!("golem:fetches/api/{function}"), params, key).await?;
        let mut history = locked(&self.history);
        for path in &paths {
            history.end_http(path);
        }
        drop(history);
        match &result {
            // The connection broke, or a crash came in between and the request must not be repeated.
            Value::Result(Err(Some(_))) => {
                locked(&self.history).count_operation("failed HTTP request");
                return Ok(());
            }
            Value::Result(Ok(Some(answer))) => match &**answer {
                Value::List(statuses) => check_answer(
                    statuses.len() == paths.len() && statuses.iter().all(|status| *status == Value::U16(200)),
                    || format!("the statuses are {statuses:?}"),
                ),
                Value::Record(fields) => {
                    let [Value::U16(200), _, Value::String(body), Value::String(end), _] = &fields[..] else {
                        return Err(wrong(&result));
                    };
                    // A crash cuts off a body that is read in pieces.
                    let value = self.outside.request_number(&paths[0]);
                    let is_right = end != "ok" || (body.parse().ok() == value && value.is_some());
                    check_answer(is_right, || format!("the body is {body:?}, it should be {value:?}"))
                }
                _ => Err(wrong(&result)),
            },
            _ => Err(wrong(&result)),
        }?;
        locked(&self.history).count_operation(match how {
            HttpRequestKind::Get | HttpRequestKind::Post => "HTTP request",
            HttpRequestKind::Once => "HTTP request that must not be repeated",
            HttpRequestKind::Together => "HTTP requests at the same time",
        });
        Ok(())
    }
}

/// Whether an error of a call says that the called function failed.
fn is_remote_failure(text: &Value) -> bool {
    let reasons = ["RemoteFailed", "failed", "discarded", "taken out of the queue"];
    matches!(text, Value::String(text) if reasons.iter().any(|reason| text.contains(reason)))
}
