//! What the clients of a storm do, and what each knows in the end.
//!
//! Every client goes on with one request until it is answered, with the same key, as a careful program would. The one
//! exception are requests without a key, which are sent once: a program that sends them again asks for two runs.

mod sharers;

pub(super) use sharers::conclude_shared;

use super::caller::Caller;
use super::{Crowd, Templates};
use crate::chance::Chance;
use crate::checker::{CartHistory, CountHistory, CounterHistory, Verdict};
use crate::guests;
use crate::http::{Request, Response};
use crate::rest::{Key, invocation, result_of, worker_path};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Milliseconds of a sleep: always long enough to leave memory, short enough to end several times in a storm.
const SLEEP_MS: (u64, u64) = (300, 1_500);

/// Other clients' answers that go by before a promise is completed, at most: often enough a kill is among them.
const ANSWERS_BEFORE_COMPLETION: u64 = 400;

/// Requests that are sent without waiting for results before one looks at the value, which waits for them all.
const SENT_BEFORE_LOOK: u64 = 50;

/// Products in a cart, at most: replies should stay small.
const PRODUCTS_MAX: usize = 30;

/// One client.
#[derive(Debug)]
pub(super) enum Client {
    /// Counts, with keys of its own or of the server's making.
    Counter { index: u64, history: Arc<Mutex<CounterHistory>> },
    /// Fills and empties a cart.
    Cart { index: u64 },
    /// Lets workers sleep.
    Sleeper { index: u64 },
    /// Lets workers wait for promises, and completes them.
    Waiter { index: u64 },
    /// Sends without waiting for results; with keys, or without.
    Sender { index: u64, keyed: bool },
    /// Adds to a number that it shares with others.
    Sharer { index: u64, history: Arc<Mutex<CounterHistory>> },
}

impl Client {
    /// Everyone in `crowd`.
    pub(super) fn of(
        crowd: Crowd,
        counters: &[Arc<Mutex<CounterHistory>>],
        shared: &Arc<Mutex<CounterHistory>>,
    ) -> Vec<Self> {
        let mut clients = Vec::new();
        // Two for each counter, so that one worker has calls of several clients in line.
        for (index, history) in counters.iter().chain(counters).enumerate() {
            clients.push(Self::Counter { index: index as u64, history: history.clone() });
        }
        clients.extend((0..crowd.carts).map(|index| Self::Cart { index }));
        clients.extend((0..crowd.sleepers).map(|index| Self::Sleeper { index }));
        clients.extend((0..crowd.waiters).map(|index| Self::Waiter { index }));
        clients.extend((0..crowd.senders).map(|index| Self::Sender { index, keyed: index % 2 == 1 }));
        clients.extend((0..crowd.sharers).map(|index| Self::Sharer { index, history: shared.clone() }));
        clients
    }

    /// Goes on until the storm is over, or until an answer comes that cannot be.
    pub(super) async fn run(self, caller: Caller, templates: Templates, chance: Chance) -> Verdict {
        let mut act = Act { caller, chance, verdict: Verdict::default() };
        // Something that cannot be has been written down where it was seen.
        let (Ok(()) | Err(Impossible)) = match self {
            Self::Counter { index, history } => act.count(&templates.counter, index, &history).await,
            Self::Cart { index } => act.shop(&templates.cart, index).await,
            Self::Sleeper { index } => act.sleep(&templates.sleeps, index).await,
            Self::Waiter { index } => act.wait(&templates.promises, index).await,
            Self::Sender { index, keyed } => act.send(&templates.counter, index, keyed).await,
            Self::Sharer { index, history } => act.share(&templates.keyvalue, index, &history).await,
        };
        act.verdict
    }
}

/// Compares a counter's history with its value.
pub(super) async fn conclude_counter(
    caller: &mut Caller,
    template: &str,
    history: &CounterHistory,
) -> Verdict {
    let request =
        invocation("invoke-and-await", template, history.worker(), guests::GET, &json!([]), &Key::None);
    let response = caller.ask(&request).await.response;
    if response.status == 200 {
        history.conclude(result_of(&response).as_u64().unwrap_or_default())
    } else {
        let mut verdict = history.conclude(0);
        verdict.wrong(format!("{}: {} {}", history.worker(), response.status, response.text()));
        verdict
    }
}

/// An answer came that a server which keeps its word never gives. It is in the verdict.
struct Impossible;

struct Act {
    caller: Caller,
    chance: Chance,
    verdict: Verdict,
}

impl Act {
    async fn count(
        &mut self,
        template: &str,
        index: u64,
        history: &Mutex<CounterHistory>,
    ) -> Result<(), Impossible> {
        let worker = lock(history).worker().to_owned();
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let again =
                if self.chance.once_in(8) { lock(history).any_answered(self.chance.number()) } else { None };
            let key = match again {
                Some(key) => key,
                None if self.chance.once_in(3) => {
                    let request = Request::post(worker_path(template, &worker, "key"));
                    let answer = self.ask(&request).await?;
                    // The prefix tells the two kinds apart when the key is used again.
                    format!("I{}", answer.json()["value"].as_str().unwrap_or_default())
                }
                None => format!("H{index}-{number}"),
            };
            let kind = match key.strip_prefix('I') {
                Some(made) => Key::Invocation(made.to_owned()),
                None => Key::Idempotency(key.clone()),
            };
            lock(history).issued(&key);
            let request =
                invocation("invoke-and-await", template, &worker, guests::INCREMENT, &json!([]), &kind);
            let value = result_of(&self.ask(&request).await?).as_u64().unwrap_or_default();
            lock(history).answered(&key, value);
        }
        Ok(())
    }

    async fn shop(&mut self, template: &str, index: u64) -> Result<(), Impossible> {
        let worker = format!("cart-{index}");
        let mut history = CartHistory::new(worker.as_str());
        self.cart(template, &worker, "initialize-cart", &json!(["user"]), "start").await?;
        let mut number = 0_u64;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let key = format!("cart-{index}-{number}");
            let present = history.any(self.chance.number());
            match (self.chance.below(4), present) {
                (0, Some(product)) => {
                    self.cart(template, &worker, "remove-item", &json!([product]), &key).await?;
                    history.removed(&product);
                }
                (1, Some(product)) => {
                    let quantity = self.chance.between(1, 9);
                    let params = json!([product, quantity]);
                    self.cart(template, &worker, "update-item-quantity", &params, &key).await?;
                    history.added(&product, quantity);
                }
                _ if history.len() < PRODUCTS_MAX => {
                    let (product, quantity) = (format!("p{number}"), self.chance.between(1, 9));
                    let item =
                        json!({ "product-id": product, "name": "thing", "price": 1.5, "quantity": quantity });
                    self.cart(template, &worker, "add-item", &json!([item]), &key).await?;
                    history.added(&product, quantity);
                }
                _ => {}
            }
            if self.chance.once_in(16) {
                self.look_into(template, &history).await?;
            }
        }
        self.look_into(template, &history).await
    }

    async fn cart(
        &mut self,
        template: &str,
        worker: &str,
        function: &str,
        params: &Value,
        key: &str,
    ) -> Result<Response, Impossible> {
        let function = format!("{}/{function}", guests::CART_API);
        let key = Key::Idempotency(key.to_owned());
        self.ask(&invocation("invoke-and-await", template, worker, &function, params, &key)).await
    }

    async fn look_into(&mut self, template: &str, history: &CartHistory) -> Result<(), Impossible> {
        let function = format!("{}/get-cart-contents", guests::CART_API);
        let request =
            invocation("invoke-and-await", template, history.worker(), &function, &json!([]), &Key::None);
        let contents = result_of(&self.ask(&request).await?);
        let found = history.conclude(&contents);
        let clean = found.is_clean();
        self.verdict.add(found);
        if clean { Ok(()) } else { Err(Impossible) }
    }

    async fn sleep(&mut self, template: &str, index: u64) -> Result<(), Impossible> {
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let worker = format!("sleeper-{index}-{number}");
            let millis = self.chance.between(SLEEP_MS.0, SLEEP_MS.1);
            let key = Key::Idempotency(worker.clone());
            let request =
                invocation("invoke-and-await", template, &worker, guests::SLEEP, &json!([millis]), &key);
            let first = self.ask(&request).await?.text();
            let second = self.ask(&request).await?.text();
            if first != second {
                self.verdict.duplicate(1, format!("{worker}: slept {first}, then {second}"));
            }
        }
        Ok(())
    }

    async fn wait(&mut self, template: &str, index: u64) -> Result<(), Impossible> {
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let worker = format!("waiter-{index}-{number}");
            let key = |act: &str| Key::Idempotency(format!("{act}-{worker}"));
            let create = invocation(
                "invoke-and-await",
                template,
                &worker,
                guests::CREATE_PROMISE,
                &json!([]),
                &key("create"),
            );
            let promise = result_of(&self.ask(&create).await?);
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
            let wake_at = self.caller.progress.answers() + self.chance.below(ANSWERS_BEFORE_COMPLETION);
            let (woken, completed) = tokio::join!(waiter.ask(&waiting), async {
                self.caller.progress.reach(wake_at).await;
                self.caller.ask(&complete).await
            });
            let filled = self.check(&complete, completed.response)?.json();
            // A repeated request may find that the first one had done it.
            if filled != json!(true) && completed.attempts == 1 {
                self.verdict
                    .duplicate(1, format!("{worker}: its promise was filled before it was completed"));
            }
            let received = result_of(&self.check(&waiting, woken.response)?);
            if received != json!(data) {
                self.verdict.lose(1, format!("{worker}: was woken with {received} instead of {data:?}"));
            }
            if self.check_again(&complete, &json!(false)).await? {
                self.verdict.lose(1, format!("{worker}: its promise could be filled twice"));
            }
        }
        Ok(())
    }

    /// Whether a request that must be answered `expected` now is answered otherwise.
    async fn check_again(&mut self, request: &Request, expected: &Value) -> Result<bool, Impossible> {
        Ok(self.ask(request).await?.json() != *expected)
    }

    async fn send(&mut self, template: &str, index: u64, keyed: bool) -> Result<(), Impossible> {
        let worker = format!("{}-{index}", if keyed { "sent-keyed" } else { "sent" });
        let mut history = CountHistory::new(worker.as_str());
        loop {
            for _ in 0..SENT_BEFORE_LOOK {
                if self.caller.progress.is_stopped() {
                    break;
                }
                history.issued += 1;
                let key = if keyed { Key::Idempotency(format!("{}", history.issued)) } else { Key::None };
                let request = invocation("invoke", template, &worker, guests::INCREMENT, &json!([]), &key);
                if keyed {
                    self.ask(&request).await?;
                    history.acknowledged += 1;
                } else if let Some(response) = self.caller.ask_once(&request).await {
                    match response.status {
                        200 => history.acknowledged += 1,
                        429 | 503 => {}
                        _ => drop(self.check(&request, response)?),
                    }
                }
            }
            let stopped = self.caller.progress.is_stopped();
            let look = invocation("invoke-and-await", template, &worker, guests::GET, &json!([]), &Key::None);
            let value = result_of(&self.ask(&look).await?).as_u64().unwrap_or_default();
            let found = history.conclude(value);
            let clean = found.is_clean();
            self.verdict.add(found);
            if !clean || stopped {
                return Ok(());
            }
        }
    }

    /// Asks until there is an answer, which must be 200.
    async fn ask(&mut self, request: &Request) -> Result<Response, Impossible> {
        let answer = self.caller.ask(request).await;
        self.check(request, answer.response)
    }

    fn check(&mut self, request: &Request, response: Response) -> Result<Response, Impossible> {
        if response.status == 200 {
            return Ok(response);
        }
        // Everything that a client asks for is there, by what it was told before.
        self.verdict.lose(1, format!("{}: {} {}", request.line(), response.status, response.text()));
        Err(Impossible)
    }
}

fn lock(history: &Mutex<CounterHistory>) -> std::sync::MutexGuard<'_, CounterHistory> {
    history.lock().expect("no client panics while it writes")
}
