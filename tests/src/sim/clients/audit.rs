//! The last check of a run: is every worker idle, and what are the numbers?

use super::AttemptError;
use super::calls::{classify_reply, invocation, invoke, result_unless_discarded};
use super::requests::Worker;
use crate::guests;
use crate::sim::clock::SimulationClock;
use crate::sim::history::{EnqueuedRequest, History, Outcome};
use crate::sim::locked;
use crate::sim::platform::Template;
use golem_host::ports::Clock;
use golem_model::{IdempotencyKey, Value, WorkerStatus};
use golem_runtime::executor::{Executor, Footprint, KeyState, WorkerRange};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Simulated time within which a worker is idle after the last request.
const IDLE_WITHIN: Duration = Duration::from_mins(5);

/// The worker whose state is a number.
fn worker_of_number(number: &str) -> Option<Worker> {
    let (kind, name) = number.split_once(' ')?;
    let template = match kind {
        "Counter" => Template::Counter,
        "Calls" => Template::Calls,
        "Saves" => Template::Saves,
        "Sleeps" => Template::Sleeps,
        "Failures" => Template::Failures,
        "Regions" => Template::Regions,
        _ => return None,
    };
    Some(Worker::new(template, name))
}

/// Waits until the worker of a number has nothing to do, after it was recovered if it has failed. Apart from that, this
/// only reads, so work that nothing drives is found here.
pub async fn until_idle(
    executor: &Executor,
    clock: &SimulationClock,
    history: &Mutex<History>,
    number: &str,
) {
    let Some(worker) = worker_of_number(number) else { return };
    let id = worker.id();
    let deadline = clock.elapsed() + IDLE_WITHIN;
    loop {
        let view = executor.view(&id).await;
        let queue = executor.queue(&id).await;
        if let (Ok(view), Ok(queue)) = (&view, &queue)
            && view.status == WorkerStatus::Idle
            && queue.is_empty()
        {
            return;
        }
        let stopped = |status| matches!(status, WorkerStatus::Failed | WorkerStatus::Exited);
        if worker.may_fail() && view.as_ref().is_ok_and(|view| stopped(view.status)) {
            locked(history).send_recover(id.clone());
            let recovered = executor.recover_worker(&id).await;
            locked(history).note(&format!("the audit recovers {number}: {recovered:?}"));
        }
        if clock.elapsed() > deadline {
            return locked(history)
                .fail(format!("{number} is not idle: {:?}, {queue:?}", view.map(|view| view.status)));
        }
        clock.sleep_until(clock.elapsed() + Duration::from_millis(200)).await;
    }
}

/// Checks that nothing stays in memory of work and requests that have ended.
pub async fn until_nothing_is_held(executor: &Executor, clock: &SimulationClock, history: &Mutex<History>) {
    let deadline = clock.elapsed() + IDLE_WITHIN;
    while executor.footprint() != Footprint::default() {
        if clock.elapsed() > deadline {
            let text = format!("all work has ended, and in memory stays {:?}", executor.footprint());
            return locked(history).fail(text);
        }
        clock.sleep_until(clock.elapsed() + Duration::from_millis(200)).await;
    }
}

/// The number of workers. Clients have deleted others.
pub async fn count_workers(executor: &Executor) -> u64 {
    let mut count = 0;
    for template in Template::ALL {
        let range =
            WorkerRange { template: template.id(), prefix: String::new(), after: String::new(), count: 100 };
        count += executor.list(range, |_| true).await.map_or(0, |page| page.workers.len() as u64);
    }
    count
}

/// Notes the workers that have something to do, for the reader of a failure.
pub async fn note_busy_workers(executor: Executor, history: Arc<Mutex<History>>) {
    for template in Template::ALL {
        let range =
            WorkerRange { template: template.id(), prefix: String::new(), after: String::new(), count: 100 };
        match executor.list(range, |view| view.status != WorkerStatus::Idle).await {
            Ok(page) => {
                for view in page.workers {
                    let queue = executor.queue(&view.id).await;
                    let name = view.id.name.as_str();
                    let text = format!("{template:?} {name} is {}, its queue: {queue:?}", view.status);
                    locked(&history).note(&text);
                }
            }
            Err(error) => locked(&history).note(&format!("{template:?} cannot be listed: {error}")),
        }
    }
}

/// Asks for the outcome of each request that did not wait for it.
pub async fn ask_outcomes(
    executor: &Executor,
    clock: &SimulationClock,
    history: &Mutex<History>,
    number: &str,
) {
    let Some(worker) = worker_of_number(number) else { return };
    let queued = locked(history).queued(number);
    let accepted = locked(history).accepted_keys(number);
    for EnqueuedRequest { key, function, params } in queued {
        loop {
            let asked = IdempotencyKey::new(key.as_str()).expect("the key is valid");
            let state = executor.key_state(&worker.id(), &asked).await;
            if accepted.contains(&key) && matches!(state, Ok(KeyState::Unknown)) {
                return locked(history).fail(format!("{number}: {key} was accepted and is unknown"));
            }
            let invocation = invocation(function, params.clone(), &key);
            let result = classify_reply(&worker, executor.invoke(&worker.id(), invocation).await);
            let outcome = match result_unless_discarded(&worker, &key, history, result) {
                Ok(None) => Outcome::Discarded,
                Ok(Some(Some(Value::U64(value)))) if worker.template != Template::Sleeps => {
                    Outcome::Number(value)
                }
                Ok(Some(_)) => Outcome::Done,
                Err(AttemptError::Again(_)) => {
                    clock.sleep_until(clock.elapsed() + Duration::from_millis(100)).await;
                    continue;
                }
                Err(_) => return locked(history).fail(format!("{number}: {key} has no outcome")),
            };
            locked(history).end_increment(number, &key, outcome);
            break;
        }
    }
}

/// Reads the value of each number, after everything that was queued before.
pub async fn read_number(
    executor: &Executor,
    clock: &SimulationClock,
    history: &Mutex<History>,
    number: &str,
) -> Option<u64> {
    let key = format!("audit {number}").replace(' ', "-");
    let (worker, function, params) = if let Some(worker) = worker_of_number(number) {
        let function = match worker.template {
            Template::Calls => "golem:calls/target/total",
            Template::Saves => "golem:saves/api/all",
            Template::Sleeps => guests::FINISHED,
            Template::Failures => "golem:failures/api/get",
            Template::Regions => "golem:regions/api/entered",
            _ => guests::GET,
        };
        (worker, function, vec![])
    } else {
        let (_, name) = number.split_once(' ')?;
        let params = vec![Value::String("bucket".to_owned()), Value::String(name.to_owned()), Value::S64(0)];
        (Worker::new(Template::KeyValue, "audit"), guests::KEY_VALUE_INCREMENT, params)
    };
    loop {
        match invoke(executor, &worker, function, params.clone(), &key).await {
            Ok(Value::U64(value)) => return Some(value),
            Ok(Value::U32(value)) => return Some(u64::from(value)),
            Ok(Value::List(texts)) => return Some(texts.len() as u64),
            Ok(Value::Result(Ok(Some(value)))) if let Value::S64(value) = *value => {
                return Some(value.cast_unsigned());
            }
            Ok(other) => {
                locked(history).fail(format!("{number}: the audit got {other:?}"));
                return None;
            }
            Err(AttemptError::Wrong(text)) => {
                locked(history).fail(format!("{number}: the audit got {text}"));
                return None;
            }
            Err(AttemptError::Interrupted(worker)) => drop(executor.resume(&worker.id()).await),
            Err(AttemptError::Again(_)) => {}
            Err(AttemptError::Stopped(_) | AttemptError::Failed(_) | AttemptError::Cancelled) => {
                locked(history).fail(format!("{number}: the audit finds a worker that has failed"));
                return None;
            }
        }
        clock.sleep_until(clock.elapsed() + Duration::from_millis(100)).await;
    }
}
