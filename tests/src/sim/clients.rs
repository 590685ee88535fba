//! Programs of clients. A client sends one request after the other, and repeats each with its key until it knows the
//! outcome, through errors of the server and crashes.

mod attempt;
mod audit;
mod calls;
mod requests;

pub use audit::{
    ask_outcomes, count_workers, note_busy_workers, read_number, until_idle, until_nothing_is_held,
};

use self::requests::{Request, Worker, plan, plan_first};
use super::clock::SimulationClock;
use super::history::History;
use super::locked;
use super::outside::OutsideService;
use crate::rng::Rng;
use golem_host::ports::Clock;
use golem_model::oplog::FailureCause;
use golem_runtime::executor::{Executor, ExecutorError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    outside: OutsideService,
}

/// Why a request has no answer yet.
enum AttemptError {
    /// The outcome is unknown, or the server refuses requests now.
    Again(ExecutorError),
    /// The worker is interrupted.
    Interrupted(Worker),
    /// The worker has failed or exited before, or is between two attempts.
    Stopped(Worker),
    /// The invocation has failed, or was discarded.
    Failed(FailureCause),
    /// The invocation was cancelled.
    Cancelled,
    /// The answer is wrong.
    Wrong(String),
}

impl Client {
    /// A client that sends this number of requests.
    pub fn new(
        number: u64,
        random: Rng,
        requests: u64,
        history: Arc<Mutex<History>>,
        outside: OutsideService,
    ) -> Self {
        let state = ClientState {
            number,
            random,
            script: VecDeque::from(plan_first(number)),
            left: requests,
            sent: 0,
            attempts: 0,
            own_count: 0,
            is_done: false,
        };
        Self { state: Arc::new(Mutex::new(state)), history, outside }
    }

    /// Whether all its requests were answered.
    pub fn is_done(&self) -> bool {
        locked(&self.state).is_done
    }

    /// The request that it waits for.
    pub fn pending_request_text(&self) -> String {
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
            if let Some(operation) = request.kind() {
                locked(&self.history).count_operation(operation);
            }
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
                Err(AttemptError::Wrong(text)) => {
                    return locked(&self.history).fail(format!("{key}, {request:?}: {text}"));
                }
                Err(AttemptError::Again(error)) => {
                    locked(&self.history).note(&format!("{key} gets: {error}"));
                }
                Err(AttemptError::Interrupted(worker)) => {
                    // The client that interrupted it may be waiting for this worker, too.
                    let resumed = executor.resume(&worker.id()).await;
                    locked(&self.history).note(&format!("{key} resumes {}: {resumed:?}", worker.name));
                }
                Err(AttemptError::Stopped(worker)) if worker.may_fail() => {
                    locked(&self.history).send_recover(worker.id());
                    let recovered = executor.recover_worker(&worker.id()).await;
                    locked(&self.history).note(&format!("{key} recovers {}: {recovered:?}", worker.name));
                }
                Err(AttemptError::Stopped(worker)) => {
                    locked(&self.history).note(&format!("{key} waits for an attempt of {}", worker.name));
                }
                Err(AttemptError::Failed(cause)) => {
                    let text = format!("{key}, {request:?}: the invocation failed: {cause:?}");
                    return locked(&self.history).fail(text);
                }
                Err(AttemptError::Cancelled) => {
                    let text = format!("{key}, {request:?}: the invocation was cancelled");
                    return locked(&self.history).fail(text);
                }
            }
            let ms = locked(&self.state).random.between(1, REPEAT_MS_MAX);
            clock.sleep_until(clock.elapsed() + Duration::from_millis(ms)).await;
        }
    }
}
