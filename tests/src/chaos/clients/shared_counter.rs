//! Clients whose workers add to one number in a shared bucket.
//!
//! Every answer is the number after an addition. So no two answers may be equal, even from different workers, and in
//! the end the number is the number of additions. The checker treats it as the counter of one worker.

use super::{ClientRun, WrongAnswer, lock};
use crate::chaos::caller::Caller;
use crate::checker::{CounterHistory, Verdict};
use crate::guests;
use crate::http::Request;
use crate::rest::{Key, invocation, result_of};
use serde_json::{Value, json};
use std::sync::Mutex;

fn add(template: &str, worker: &str, delta: u64, key: &Key) -> Request {
    let params = json!(["chaos", "number", delta]);
    invocation("invoke-and-await", template, worker, guests::KEY_VALUE_INCREMENT, &params, key)
}

fn sum(result: &Value) -> u64 {
    result["ok"].as_u64().unwrap_or_default()
}

impl ClientRun {
    pub(super) async fn add_to_shared_counter(
        &mut self,
        template: &str,
        index: u64,
        history: &Mutex<CounterHistory>,
    ) -> Result<(), WrongAnswer> {
        let worker = format!("sharer-{index}");
        let mut number = 0;
        while !self.caller.progress.is_stopped() {
            number += 1;
            let key = format!("{worker}-{number}");
            lock(history).record_issued(&key);
            let request = add(template, &worker, 1, &Key::Idempotency(key.clone()));
            let value = sum(&result_of(&self.call(&request).await?));
            lock(history).record_answer(&key, value);
        }
        Ok(())
    }
}

/// Compares the history of the number with its value.
pub(in crate::chaos) async fn verify_shared(
    caller: &mut Caller,
    template: &str,
    history: &CounterHistory,
) -> Verdict {
    let response = caller.call_until_answered(&add(template, "sharer-of-none", 0, &Key::None)).await.response;
    if response.status == 200 {
        return history.verify(sum(&result_of(&response)));
    }
    let mut verdict = history.verify(0);
    verdict.add_wrong(format!("{}: {} {}", history.worker(), response.status, response.text()));
    verdict
}
