//! The last check of a run: is every worker idle, and what are the numbers?

use super::requests::Worker;
use super::{Unanswered, invoke};
use crate::guests;
use crate::sim::clock::SimulationClock;
use crate::sim::history::History;
use crate::sim::locked;
use crate::sim::platform::Template;
use golem_host::ports::Clock;
use golem_model::{Value, WorkerStatus};
use golem_runtime::executor::Executor;
use std::sync::Mutex;
use std::time::Duration;

/// Simulated time within which a worker is idle after the last request.
const IDLE_WITHIN: Duration = Duration::from_mins(5);

/// Waits until the worker of a number has nothing to do. This only reads, so work that nothing drives is found here.
pub async fn until_idle(
    executor: &Executor,
    clock: &SimulationClock,
    history: &Mutex<History>,
    number: &str,
) {
    let Some((kind, name)) = number.split_once(' ') else { return };
    let template = match kind {
        "Counter" => Template::Counter,
        "Calls" => Template::Calls,
        "Saves" => Template::Saves,
        _ => return,
    };
    let worker = Worker::new(template, name).id();
    let deadline = clock.elapsed() + IDLE_WITHIN;
    loop {
        let view = executor.view(&worker).await;
        let queue = executor.queue(&worker).await;
        if let (Ok(view), Ok(queue)) = (&view, &queue)
            && view.status == WorkerStatus::Idle
            && queue.is_empty()
        {
            return;
        }
        if clock.elapsed() > deadline {
            return locked(history)
                .fail(format!("{number} is not idle: {:?}, {queue:?}", view.map(|view| view.status)));
        }
        clock.sleep_until(clock.elapsed() + Duration::from_millis(200)).await;
    }
}

/// Reads the value of each number, after everything that was queued before.
pub async fn read_number(
    executor: &Executor,
    clock: &SimulationClock,
    history: &Mutex<History>,
    number: &str,
) -> Option<u64> {
    let (kind, name) = number.split_once(' ')?;
    let key = format!("audit {number}").replace(' ', "-");
    let (worker, function, params) = match kind {
        "Counter" => (Worker::new(Template::Counter, name), guests::GET, vec![]),
        "Calls" => (Worker::new(Template::Calls, name), "golem:calls/target/total", vec![]),
        "Saves" => (Worker::new(Template::Saves, name), "golem:saves/api/all", vec![]),
        _ => {
            let params =
                vec![Value::String("bucket".to_owned()), Value::String(name.to_owned()), Value::S64(0)];
            (Worker::new(Template::KeyValue, "audit"), guests::KEY_VALUE_INCREMENT, params)
        }
    };
    loop {
        match invoke(executor, &worker, function, params.clone(), &key).await {
            Ok(Value::U64(value)) => return Some(value),
            Ok(Value::List(texts)) => return Some(texts.len() as u64),
            Ok(Value::Result(Ok(Some(value)))) if let Value::S64(value) = *value => {
                return Some(value.cast_unsigned());
            }
            Ok(other) => {
                locked(history).fail(format!("{number}: the audit got {other:?}"));
                return None;
            }
            Err(Unanswered::Wrong(text)) => {
                locked(history).fail(format!("{number}: the audit got {text}"));
                return None;
            }
            Err(Unanswered::Interrupted(worker)) => drop(executor.resume(&worker.id()).await),
            Err(Unanswered::Again(_)) => {}
        }
        clock.sleep_until(clock.elapsed() + Duration::from_millis(100)).await;
    }
}
