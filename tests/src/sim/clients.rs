//! Programs of clients. A client sends one request after the other, and repeats each with its key until it knows the
//! outcome, through errors of the server and crashes.

mod audit;
mod requests;

pub use audit::{read_number, until_idle};

use self::requests::{Request, Worker, number_of, plan};
use super::clock::SimulationClock;
use super::history::History;
use super::locked;
use super::platform::{PROJECT, Template};
use crate::guests;
use crate::rng::Rng;
use golem_host::ports::Clock;
use golem_model::{
    AccountId, Convention, FailureOptions, IdempotencyKey, Invocation, OplogIndex, PromiseId, Value,
    WorkerId, WorkerStatus,
};
use golem_runtime::executor::{Executor, ExecutorError, WorkerSpec};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Time between two sendings of a request, in milliseconds, at most.
const REPEAT_MS_MAX: u64 = 400;

/// What outlives a crash of the server: the client knows what it has asked for.
#[derive(Debug)]
pub struct ClientState {
    number: u64,
    random: Rng,
    /// Requests that must follow; the first may have been sent.
    script: VecDeque<Request>,
    /// Number of requests that are not planned yet.
    left: u64,
    /// Number of requests so far: the key of the present one.
    sent: u64,
    /// How often the present request was sent.
    attempts: u64,
    /// The count of the client's own worker.
    own_count: u64,
    is_done: bool,
}

/// A client.
#[derive(Debug, Clone)]
pub struct Client {
    state: Arc<Mutex<ClientState>>,
    history: Arc<Mutex<History>>,
}

/// Why a request has no answer yet.
enum Unanswered {
    /// The outcome is unknown, or the server refuses requests now.
    Again(ExecutorError),
    /// The worker is interrupted.
    Interrupted(Worker),
    /// The answer is wrong.
    Wrong(String),
}

impl Client {
    /// A client that sends this number of requests.
    pub fn new(number: u64, random: Rng, requests: u64, history: Arc<Mutex<History>>) -> Self {
        let state = ClientState {
            number,
            random,
            script: VecDeque::new(),
            left: requests,
            sent: 0,
            attempts: 0,
            own_count: 0,
            is_done: false,
        };
        Self { state: Arc::new(Mutex::new(state)), history }
    }

    /// Whether all its requests were answered.
    pub fn is_done(&self) -> bool {
        locked(&self.state).is_done
    }

    /// The request that it waits for.
    pub fn waits_for(&self) -> String {
        let state = locked(&self.state);
        format!("client {} waits for {:?}, sent {} times", state.number, state.script.front(), state.attempts)
    }

    /// Sends requests until all were answered.
    pub async fn run(self, executor: Executor, clock: SimulationClock) {
        while let Some((request, key)) = self.next_request() {
            self.perform(&executor, &clock, &request, &key).await;
            let mut state = locked(&self.state);
            state.script.pop_front();
            state.attempts = 0;
            state.sent += 1;
            if let Request::CreatePromise(_) = request {
                // `perform` has put the requests that use the promise in front.
                assert!(!state.script.is_empty(), "a promise is awaited");
            }
            locked(&self.history).count(request.kind());
        }
        locked(&self.state).is_done = true;
    }

    fn next_request(&self) -> Option<(Request, String)> {
        let mut state = locked(&self.state);
        if state.script.is_empty() {
            state.left = state.left.checked_sub(1)?;
            let promises = locked(&self.history).promises();
            let client = state.number;
            let planned = plan(&mut state.random, client, &promises);
            state.script.extend(planned);
        }
        let request = state.script.front()?.clone();
        Some((request, format!("c{}-{}", state.number, state.sent)))
    }

    async fn perform(&self, executor: &Executor, clock: &SimulationClock, request: &Request, key: &str) {
        loop {
            let attempt = {
                let mut state = locked(&self.state);
                state.attempts += 1;
                state.attempts
            };
            locked(&self.history).note(&format!("{key} sends {request:?}, attempt {attempt}"));
            let outcome = self.attempt(executor, clock, request, key, attempt).await;
            match outcome {
                Ok(()) => return locked(&self.history).note(&format!("{key} is answered")),
                Err(Unanswered::Wrong(text)) => {
                    return locked(&self.history).fail(format!("{key}, {request:?}: {text}"));
                }
                Err(Unanswered::Again(error)) => locked(&self.history).note(&format!("{key} gets: {error}")),
                Err(Unanswered::Interrupted(worker)) => {
                    // The client that interrupted it may be waiting for this worker, too.
                    let resumed = executor.resume(&worker.id()).await;
                    locked(&self.history).note(&format!("{key} resumes {}: {resumed:?}", worker.name));
                }
            }
            let ms = locked(&self.state).random.between(1, REPEAT_MS_MAX);
            clock.sleep_until(clock.elapsed() + Duration::from_millis(ms)).await;
        }
    }

    async fn attempt(
        &self,
        executor: &Executor,
        clock: &SimulationClock,
        request: &Request,
        key: &str,
        attempt: u64,
    ) -> Result<(), Unanswered> {
        let is_repeated = attempt > 1;
        match request {
            Request::Create(worker) => match executor.create(spec(&worker.id())).await {
                Err(ExecutorError::WorkerExists { .. }) if is_repeated => Ok(()),
                other => answered(worker, other),
            },
            Request::Delete(worker) => match executor.delete(&worker.id()).await {
                Err(ExecutorError::WorkerNotFound { .. }) if is_repeated => {
                    locked(&self.state).own_count = 0;
                    Ok(())
                }
                other => {
                    answered(worker, other)?;
                    locked(&self.state).own_count = 0;
                    Ok(())
                }
            },
            Request::Increment(worker) => {
                let own = worker.name.starts_with("own");
                let number = number_of(worker);
                if !own {
                    locked(&self.history).send_increment(&number, key);
                }
                let value = invoke_number(executor, worker, guests::INCREMENT, vec![], key).await?;
                if !own {
                    locked(&self.history).answer_increment(&number, key, value);
                    return Ok(());
                }
                let mut state = locked(&self.state);
                state.own_count += 1;
                expect(value == state.own_count, || {
                    format!("the count is {value}, it should be {}", state.own_count)
                })
            }
            Request::Enqueue(worker) => {
                locked(&self.history).send_increment(&number_of(worker), key);
                answered(worker, executor.ensure(spec(&worker.id())).await)?;
                let invocation = invocation(guests::INCREMENT, vec![], key);
                answered(worker, executor.enqueue(&worker.id(), invocation).await)
            }
            Request::Add { worker, key: name } => {
                let number = format!("value {name}");
                locked(&self.history).send_increment(&number, key);
                let params =
                    vec![Value::String("bucket".to_owned()), Value::String(name.clone()), Value::S64(1)];
                let result = invoke(executor, worker, guests::KEY_VALUE_INCREMENT, params, key).await?;
                let Value::Result(Ok(Some(value))) = &result else { return Err(wrong(&result)) };
                let Value::S64(value) = **value else { return Err(wrong(&result)) };
                locked(&self.history).answer_increment(&number, key, value.cast_unsigned());
                Ok(())
            }
            Request::Sleep { worker, ms } => {
                let slept =
                    invoke_number(executor, worker, guests::SLEEP, vec![Value::U64(*ms)], key).await?;
                expect(slept >= *ms, || format!("it slept {slept} ms"))
            }
            Request::Ask { worker, target } => {
                let number = number_of(target);
                locked(&self.history).send_increment(&number, key);
                let name = Value::String(target.name.clone());
                let (function, params) = match target.template {
                    Template::Counter => ("golem:calls/api/ask-counter", vec![name]),
                    _ => ("golem:calls/api/ask", vec![name, Value::U64(1), Value::U32(1)]),
                };
                let result = invoke(executor, worker, function, params, key).await?;
                let Value::Result(Ok(Some(value))) = &result else { return Err(wrong(&result)) };
                let Value::U64(value) = **value else { return Err(wrong(&result)) };
                locked(&self.history).answer_increment(&number, key, value);
                Ok(())
            }
            Request::Send { worker, target, ms } => {
                locked(&self.history).send_increment(&number_of(target), key);
                let name = Value::String(target.name.clone());
                let params = vec![name, Value::U64(1), Value::U64(*ms)];
                let result = invoke(executor, worker, "golem:calls/api/send", params, key).await?;
                expect(result == Value::Result(Ok(None)), || format!("the result is {result:?}"))
            }
            Request::Gather { worker, targets } => {
                for target in targets {
                    locked(&self.history).send_increment(&number_of(target), key);
                }
                let names = targets.iter().map(|target| Value::String(target.name.clone()));
                let params = vec![Value::List(names.collect()), Value::U64(1)];
                let result = invoke(executor, worker, "golem:calls/api/gather", params, key).await?;
                let Value::List(answers) = &result else { return Err(wrong(&result)) };
                expect(answers.len() == targets.len(), || format!("there are {} answers", answers.len()))?;
                for (target, answer) in targets.iter().zip(answers) {
                    let Value::Result(Ok(Some(value))) = answer else { return Err(wrong(answer)) };
                    let Value::U64(value) = **value else { return Err(wrong(answer)) };
                    locked(&self.history).answer_increment(&number_of(target), key, value);
                }
                Ok(())
            }
            Request::Update { worker, mode } => {
                answered(worker, executor.ensure(spec(&worker.id())).await)?;
                let updates = answered(worker, executor.updates(&worker.id()).await)?;
                match executor.update(&worker.id(), *mode, updates.version + 1).await {
                    // Another client was quicker, or this is a repetition.
                    Err(ExecutorError::UpdateToSame { .. }) => Ok(()),
                    other => answered(worker, other),
                }
            }
            Request::Keep(worker) => {
                let number = number_of(worker);
                locked(&self.history).send_increment(&number, key);
                let params = vec![Value::String(key.to_owned())];
                let value = invoke_number(executor, worker, "golem:saves/api/add", params, key).await?;
                locked(&self.history).answer_increment(&number, key, value);
                Ok(())
            }
            Request::CreatePromise(worker) => {
                let result = invoke(executor, worker, guests::CREATE_PROMISE, vec![], key).await?;
                let Value::Record(fields) = &result else { return Err(wrong(&result)) };
                let Some(Value::S32(index)) = fields.last() else { return Err(wrong(&result)) };
                let index = OplogIndex(u64::from(index.cast_unsigned()));
                let promise = PromiseId { worker: worker.id(), index };
                locked(&self.history).create_promise(promise.clone());
                let mut state = locked(&self.state);
                let awaits = format!("{key}-await");
                let pause = state.random.below(2_000);
                let worker = worker.clone();
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
                let invocation = invocation(guests::AWAIT_PROMISE, vec![promise_value(promise)], key);
                answered(worker, executor.enqueue(&worker.id(), invocation).await)
            }
            Request::Complete(promise) => {
                let data = key.as_bytes().to_vec();
                locked(&self.history).offer(promise, &data);
                let worker = Worker::new(Template::Promises, promise.worker.name.as_str());
                let completed = answered(&worker, executor.complete_promise(promise, data.clone()).await)?;
                // A repetition may find what the first sending did, so only the answer to the first one says more.
                if completed {
                    locked(&self.history).complete(promise, &data);
                }
                Ok(())
            }
            Request::Await { worker, promise, key } => {
                let params = vec![promise_value(promise)];
                let result = invoke(executor, worker, guests::AWAIT_PROMISE, params, key).await?;
                let Value::Bytes(data) = &result else { return Err(wrong(&result)) };
                locked(&self.history).awaited(promise, data);
                Ok(())
            }
            Request::Interrupt { worker, recovers } => {
                answered(worker, executor.ensure(spec(&worker.id())).await)?;
                answered(worker, executor.interrupt(&worker.id(), *recovers).await)
            }
            Request::Resume(worker) => answered(worker, executor.resume(&worker.id()).await),
            Request::Read(worker) => {
                answered(worker, executor.ensure(spec(&worker.id())).await)?;
                let view = answered(worker, executor.view(&worker.id()).await)?;
                let known = !matches!(view.status, WorkerStatus::Failed | WorkerStatus::Exited);
                expect(known, || format!("the worker is {:?}", view.status))?;
                answered(worker, executor.queue(&worker.id()).await)?;
                let key = IdempotencyKey::new(key).expect("the key is valid");
                answered(worker, executor.key_state(&worker.id(), &key).await).map(drop)
            }
            Request::Pause { ms } => {
                clock.sleep_until(clock.elapsed() + Duration::from_millis(*ms)).await;
                Ok(())
            }
        }
    }
}

async fn invoke(
    executor: &Executor,
    worker: &Worker,
    function: &str,
    params: Vec<Value>,
    key: &str,
) -> Result<Value, Unanswered> {
    answered(worker, executor.ensure(spec(&worker.id())).await)?;
    let invocation = invocation(function, params, key);
    let result = answered(worker, executor.invoke(&worker.id(), invocation).await)?;
    result.ok_or_else(|| Unanswered::Wrong("there is no result".to_owned()))
}

async fn invoke_number(
    executor: &Executor,
    worker: &Worker,
    function: &str,
    params: Vec<Value>,
    key: &str,
) -> Result<u64, Unanswered> {
    match invoke(executor, worker, function, params, key).await? {
        Value::U64(value) => Ok(value),
        other => Err(wrong(&other)),
    }
}

fn invocation(function: &str, params: Vec<Value>, key: &str) -> Invocation {
    Invocation {
        key: IdempotencyKey::new(key).expect("the key is valid"),
        function: function.into(),
        params,
        convention: Convention::Component,
    }
}

fn spec(id: &WorkerId) -> WorkerSpec {
    WorkerSpec {
        id: id.clone(),
        project: PROJECT,
        account: AccountId(Uuid::from_u128(1)),
        template_version: 0,
        args: Vec::new(),
        env: Vec::new(),
        options: FailureOptions::default(),
    }
}

fn answered<T>(worker: &Worker, result: Result<T, ExecutorError>) -> Result<T, Unanswered> {
    result.map_err(|error| match error {
        ExecutorError::Unavailable { .. }
        | ExecutorError::ShuttingDown
        | ExecutorError::Interrupted { recover_immediately: true } => Unanswered::Again(error),
        ExecutorError::Interrupted { recover_immediately: false } => Unanswered::Interrupted(worker.clone()),
        other => Unanswered::Wrong(format!("the answer is {other:?}")),
    })
}

fn expect(holds: bool, text: impl FnOnce() -> String) -> Result<(), Unanswered> {
    if holds { Ok(()) } else { Err(Unanswered::Wrong(text())) }
}

fn wrong(value: &Value) -> Unanswered {
    Unanswered::Wrong(format!("the result is {value:?}"))
}

/// The id of a promise as a parameter of the guest.
fn promise_value(promise: &PromiseId) -> Value {
    let (high, low) = promise.worker.template.0.as_u64_pair();
    let template = Value::Record(vec![Value::Record(vec![Value::U64(high), Value::U64(low)])]);
    let worker = Value::Record(vec![template, Value::String(promise.worker.name.as_str().to_owned())]);
    let index = i32::try_from(promise.index.0).expect("a short oplog");
    Value::Record(vec![worker, Value::S32(index)])
}
