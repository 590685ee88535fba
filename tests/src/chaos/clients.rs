//! The kinds of clients, and the checks of their results.
//!
//! A client repeats a request with the same key until it is answered. Requests without a key are the exception: they
//! are sent once, because a repetition is another invocation.

mod shared_counter;

pub(super) use shared_counter::verify_shared;

use super::caller::Caller;
use super::{SUSPEND_AFTER_MS, Templates, Workload};
use crate::checker::{CartHistory, CounterHistory, UnkeyedHistory, Verdict};
use crate::guests;
use crate::http::{Request, Response};
use crate::rest::{Key, invocation, result_of, worker_path};
use crate::rng::Rng;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Shortest and longest sleep in milliseconds. A sleep is always long enough for the worker to be evicted, and short
/// enough to end several times during a test.
const SLEEP_MS: (u64, u64) = (300, 1_500);

/// Milliseconds of the sleeps within one long call: too short for the worker to be evicted.
const SHORT_SLEEP_MS: u64 = SUSPEND_AFTER_MS / 2;

/// Number of sleeps within one long call. The server is often killed in the middle of it.
const SHORT_SLEEPS: (u64, u64) = (20, 80);

/// Largest number of answers to other clients before a promise is completed. It is large enough that the server is
/// often killed in between.
const ANSWERS_BEFORE_COMPLETION: u64 = 400;

/// Number of requests that are sent without waiting for results before the value is read. The read waits for all of
/// them.
const SENT_BEFORE_CHECK: u64 = 50;

/// Largest number of products in a cart, so that replies stay small.
const PRODUCTS_MAX: usize = 30;

/// One client.
#[derive(Debug)]
pub(super) enum Client {
    /// Increments a counter, with idempotency keys or with invocation keys of the server.
    Counter { index: u64, history: Arc<Mutex<CounterHistory>> },
    /// Adds products to a cart, changes and removes them.
    Cart { index: u64 },
    /// Calls workers that sleep.
    Sleeper { index: u64 },
    /// Calls workers that wait for promises, and completes the promises.
    Waiter { index: u64 },
    /// Sends requests without waiting for results, with keys or without.
    Sender { index: u64, keyed: bool },
    /// Adds to a number that it shares with other clients.
    SharedCounter { index: u64, history: Arc<Mutex<CounterHistory>> },
}

impl Client {
    /// All clients of `workload`.
    pub(super) fn all_of(
        workload: Workload,
        counters: &[Arc<Mutex<CounterHistory>>],
        shared: &Arc<Mutex<CounterHistory>>,
    ) -> Vec<Self> {
        let mut clients = Vec::new();
        // Two clients for each counter, so that calls of several clients queue for one worker.
        for (index, history) in counters.iter().chain(counters).enumerate() {
            clients.push(Self::Counter { index: index as u64, history: history.clone() });
        }
        clients.extend((0..workload.carts).map(|index| Self::Cart { index }));
        clients.extend((0..workload.sleepers).map(|index| Self::Sleeper { index }));
        clients.extend((0..workload.waiters).map(|index| Self::Waiter { index }));
        clients.extend((0..workload.senders).map(|index| Self::Sender { index, keyed: index % 2 == 1 }));
        clients.extend(
            (0..workload.shared_counters).map(|index| Self::SharedCounter { index, history: shared.clone() }),
        );
        clients
    }

    /// Runs until the test stops the clients, or until the first wrong answer.
    pub(super) async fn run(self, caller: Caller, templates: Templates, rng: Rng) -> Verdict {
        let mut run = ClientRun { caller, rng, verdict: Verdict::default() };
        // A wrong answer is in the verdict already.
        let (Ok(()) | Err(WrongAnswer)) = match self {
            Self::Counter { index, history } => run.count_up(&templates.counter, index, &history).await,
            Self::Cart { index } => run.use_cart(&templates.cart, index).await,
            Self::Sleeper { index } => run.sleep_repeatedly(&templates.sleeps, index).await,
            Self::Waiter { index } => run.await_promises(&templates.promises, index).await,
            Self::Sender { index, keyed } => run.send_without_result(&templates.counter, index, keyed).await,
            Self::SharedCounter { index, history } => {
                run.add_to_shared_counter(&templates.keyvalue, index, &history).await
            }
        };
        run.verdict
    }
}

/// Compares the history of a counter with its value.
pub(super) async fn verify_counter(caller: &mut Caller, template: &str, history: &CounterHistory) -> Verdict {
    let request =
        invocation("invoke-and-await", template, history.worker(), guests::GET, &json!([]), &Key::None);
    let response = caller.call_until_answered(&request).await.response;
    if response.status == 200 {
        history.verify(result_of(&response).as_u64().unwrap_or_default())
    } else {
        let mut verdict = history.verify(0);
        verdict.add_wrong(format!("{}: {} {}", history.worker(), response.status, response.text()));
        verdict
    }
}

/// The server gave an answer that contradicts its earlier ones. The finding is in the verdict.
struct WrongAnswer;

struct ClientRun {
    caller: Caller,
    rng: Rng,
    verdict: Verdict,
}

impl ClientRun {
    async fn count_up(
        &mut self,
        template: &str,
        index: u64,
        history: &Mutex<CounterHistory>,
    ) -> Result<(), WrongAnswer> {
        let worker = lock(history).worker().to_owned();
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let used_key =
                if self.rng.once_in(8) { lock(history).nth_answered(self.rng.next_u64()) } else { None };
            let key = match used_key {
                Some(key) => key,
                None if self.rng.once_in(3) => {
                    let request = Request::post(worker_path(template, &worker, "key"));
                    let answer = self.call(&request).await?;
                    // The prefix distinguishes the two kinds when the key is used again.
                    format!("I{}", answer.json()["value"].as_str().unwrap_or_default())
                }
                None => format!("H{index}-{number}"),
            };
            let kind = match key.strip_prefix('I') {
                Some(issued) => Key::Invocation(issued.to_owned()),
                None => Key::Idempotency(key.clone()),
            };
            lock(history).record_issued(&key);
            let request =
                invocation("invoke-and-await", template, &worker, guests::INCREMENT, &json!([]), &kind);
            let value = result_of(&self.call(&request).await?).as_u64().unwrap_or_default();
            lock(history).record_answer(&key, value);
        }
        Ok(())
    }

    async fn use_cart(&mut self, template: &str, index: u64) -> Result<(), WrongAnswer> {
        let worker = format!("cart-{index}");
        let mut history = CartHistory::new(worker.as_str());
        self.call_cart(template, &worker, "initialize-cart", &json!(["user"]), "start").await?;
        let mut number = 0_u64;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let key = format!("cart-{index}-{number}");
            let present = history.nth_product(self.rng.next_u64());
            match (self.rng.below(4), present) {
                (0, Some(product)) => {
                    self.call_cart(template, &worker, "remove-item", &json!([product]), &key).await?;
                    history.record_removed(&product);
                }
                (1, Some(product)) => {
                    let quantity = self.rng.between(1, 9);
                    let params = json!([product, quantity]);
                    self.call_cart(template, &worker, "update-item-quantity", &params, &key).await?;
                    history.record_added(&product, quantity);
                }
                _ if history.len() < PRODUCTS_MAX => {
                    let (product, quantity) = (format!("p{number}"), self.rng.between(1, 9));
                    let item =
                        json!({ "product-id": product, "name": "thing", "price": 1.5, "quantity": quantity });
                    self.call_cart(template, &worker, "add-item", &json!([item]), &key).await?;
                    history.record_added(&product, quantity);
                }
                _ => {}
            }
            if self.rng.once_in(16) {
                self.check_cart(template, &history).await?;
            }
        }
        self.check_cart(template, &history).await
    }

    async fn call_cart(
        &mut self,
        template: &str,
        worker: &str,
        function: &str,
        params: &Value,
        key: &str,
    ) -> Result<Response, WrongAnswer> {
        let function = format!("{}/{function}", guests::CART_API);
        let key = Key::Idempotency(key.to_owned());
        self.call(&invocation("invoke-and-await", template, worker, &function, params, &key)).await
    }

    async fn check_cart(&mut self, template: &str, history: &CartHistory) -> Result<(), WrongAnswer> {
        let function = format!("{}/get-cart-contents", guests::CART_API);
        let request =
            invocation("invoke-and-await", template, history.worker(), &function, &json!([]), &Key::None);
        let contents = result_of(&self.call(&request).await?);
        let found = history.verify(&contents);
        let clean = found.is_clean();
        self.verdict.merge(found);
        if clean { Ok(()) } else { Err(WrongAnswer) }
    }

    async fn sleep_repeatedly(&mut self, template: &str, index: u64) -> Result<(), WrongAnswer> {
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let worker = format!("sleeper-{index}-{number}");
            let key = Key::Idempotency(worker.clone());
            // One long sleep, outside memory, or many short ones, in memory.
            let (function, params, sleeps) = if number % 2 == 0 {
                (guests::SLEEP, json!([self.rng.between(SLEEP_MS.0, SLEEP_MS.1)]), 1)
            } else {
                let sleeps = self.rng.between(SHORT_SLEEPS.0, SHORT_SLEEPS.1);
                (guests::SLEEP_OFTEN, json!([sleeps, SHORT_SLEEP_MS]), sleeps)
            };
            let request = invocation("invoke-and-await", template, &worker, function, &params, &key);
            let first = self.call(&request).await?.text();
            let second = self.call(&request).await?.text();
            if first != second {
                self.verdict.add_duplicated(1, format!("{worker}: slept {first}, then {second}"));
            }
            let finished =
                invocation("invoke-and-await", template, &worker, guests::FINISHED, &json!([]), &Key::None);
            let finished = result_of(&self.call(&finished).await?);
            if finished != json!(sleeps) {
                self.verdict.add_duplicated(1, format!("{worker}: {sleeps} sleeps, and then {finished}"));
            }
        }
        Ok(())
    }

    async fn await_promises(&mut self, template: &str, index: u64) -> Result<(), WrongAnswer> {
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let worker = format!("waiter-{index}-{number}");
            let key = |operation: &str| Key::Idempotency(format!("{operation}-{worker}"));
            let create = invocation(
                "invoke-and-await",
                template,
                &worker,
                guests::CREATE_PROMISE,
                &json!([]),
                &key("create"),
            );
            let promise = result_of(&self.call(&create).await?);
            let waiting = invocation(
                "invoke-and-await",
                template,
                &worker,
                guests::AWAIT_PROMISE,
                &json!([promise]),
                &key("await"),
            );
            let data: Vec<u8> = worker.bytes().collect();
            let body = json!({ "oplogIdx": promise["oplog-idx"], "data": data });
            let complete = Request::post(worker_path(template, &worker, "complete")).json(&body);

            let mut waiter = self.caller.clone();
            let complete_at = self.caller.progress.answers() + self.rng.below(ANSWERS_BEFORE_COMPLETION);
            let (woken, completed) = tokio::join!(waiter.call_until_answered(&waiting), async {
                self.caller.progress.wait_for_answers(complete_at).await;
                self.caller.call_until_answered(&complete).await
            });
            let accepted = self.require_ok(&complete, completed.response)?.json();
            // After a retry the answer may be `false`, because the first request completed the promise.
            if accepted != json!(true) && completed.attempts == 1 {
                self.verdict
                    .add_duplicated(1, format!("{worker}: its promise was completed before the request"));
            }
            let received = result_of(&self.require_ok(&waiting, woken.response)?);
            if received != json!(data) {
                self.verdict.add_lost(
                    1,
                    format!("{worker}: received {received} from its promise instead of {data:?}"),
                );
            }
            if self.answer_differs(&complete, &json!(false)).await? {
                self.verdict.add_lost(1, format!("{worker}: its promise could be completed twice"));
            }
        }
        Ok(())
    }

    /// Sends a request and returns whether the answer differs from `expected`.
    async fn answer_differs(&mut self, request: &Request, expected: &Value) -> Result<bool, WrongAnswer> {
        Ok(self.call(request).await?.json() != *expected)
    }

    async fn send_without_result(
        &mut self,
        template: &str,
        index: u64,
        keyed: bool,
    ) -> Result<(), WrongAnswer> {
        let worker = format!("{}-{index}", if keyed { "sent-keyed" } else { "sent" });
        let mut history = UnkeyedHistory::new(worker.as_str());
        loop {
            for _ in 0..SENT_BEFORE_CHECK {
                if self.caller.progress.is_stopped() {
                    break;
                }
                history.issued += 1;
                let key = if keyed { Key::Idempotency(format!("{}", history.issued)) } else { Key::None };
                let request = invocation("invoke", template, &worker, guests::INCREMENT, &json!([]), &key);
                if keyed {
                    self.call(&request).await?;
                    history.acknowledged += 1;
                } else if let Some(response) = self.caller.call_once(&request).await {
                    match response.status {
                        200 => history.acknowledged += 1,
                        429 | 503 => {}
                        _ => drop(self.require_ok(&request, response)?),
                    }
                }
            }
            let stopped = self.caller.progress.is_stopped();
            let get = invocation("invoke-and-await", template, &worker, guests::GET, &json!([]), &Key::None);
            let value = result_of(&self.call(&get).await?).as_u64().unwrap_or_default();
            let found = history.verify(value);
            let clean = found.is_clean();
            self.verdict.merge(found);
            if !clean || stopped {
                return Ok(());
            }
        }
    }

    /// Sends a request until it is answered. The status must be 200.
    async fn call(&mut self, request: &Request) -> Result<Response, WrongAnswer> {
        let answer = self.caller.call_until_answered(request).await;
        self.require_ok(request, answer.response)
    }

    fn require_ok(&mut self, request: &Request, response: Response) -> Result<Response, WrongAnswer> {
        if response.status == 200 {
            return Ok(response);
        }
        // Every request refers to workers and promises that the server has acknowledged, so each status but 200 is a
        // loss.
        self.verdict.add_lost(1, format!("{}: {} {}", request.line(), response.status, response.text()));
        Err(WrongAnswer)
    }
}

fn lock(history: &Mutex<CounterHistory>) -> std::sync::MutexGuard<'_, CounterHistory> {
    history.lock().expect("no client panics while it holds the lock")
}
