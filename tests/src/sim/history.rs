//! What clients asked for and what they were told, and the model that checks it.
//!
//! All state of the simulated workers is made of *numbers* that requests increment: the count of a worker, a number in a
//! bucket, the number of texts that a worker holds. Each request increments its number exactly once, because clients
//! repeat it with its key until it is answered. So the model needs no knowledge of crashes:
//!
//! - the final number is the number of requests;
//! - each answer is a number that no other request got;
//! - a request that was sent after another one was answered gets a larger number.

use golem_model::PromiseId;
use std::collections::{BTreeMap, BTreeSet};

/// A request that increments a number.
#[derive(Debug, Clone)]
struct Increment {
    key: String,
    sent: u64,
    /// When it was answered, and the number in the answer. A request that does not wait for its outcome has none.
    answered: Option<(u64, u64)>,
}

/// A promise, as its clients know it.
#[derive(Debug, Clone, Default)]
struct Promise {
    /// The data of all requests to complete it.
    offered: BTreeSet<Vec<u8>>,
    /// The data of the request that got the answer that it completed the promise.
    completed: Option<Vec<u8>>,
    /// The data that its waiters got.
    awaited: Option<Vec<u8>>,
}

/// Everything that clients know.
#[derive(Debug, Default)]
pub struct History {
    numbers: BTreeMap<String, Vec<Increment>>,
    promises: BTreeMap<PromiseId, Promise>,
    /// Number of answered requests by kind.
    answered: BTreeMap<&'static str, u64>,
    /// The first contradiction.
    failure: Option<String>,
    /// The last events, for the reader of a failure.
    events: Vec<String>,
    moment: u64,
}

impl History {
    /// The next moment. Moments order what clients send and receive.
    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Notes an event, for the reader of a failure.
    pub fn note(&mut self, event: &str) {
        let moment = self.next_moment();
        self.events.push(format!("{moment}: {event}"));
    }

    /// Notes a contradiction.
    pub fn fail(&mut self, text: String) {
        self.note(&format!("FAILURE: {text}"));
        self.failure.get_or_insert(text);
    }

    /// The first contradiction.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The events.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// Number of answered requests by kind.
    pub fn answered(&self) -> &BTreeMap<&'static str, u64> {
        &self.answered
    }

    /// Counts an answered request.
    pub fn count(&mut self, kind: &'static str) {
        *self.answered.entry(kind).or_default() += 1;
    }

    /// A client sends a request with this key that increments `number`. Later sendings of the same key are repetitions.
    pub fn send_increment(&mut self, number: &str, key: &str) {
        let sent = self.next_moment();
        let increments = self.numbers.entry(number.to_owned()).or_default();
        if increments.iter().all(|increment| increment.key != key) {
            increments.push(Increment { key: key.to_owned(), sent, answered: None });
        }
    }

    /// The request with this key was answered with a number.
    pub fn answer_increment(&mut self, number: &str, key: &str, value: u64) {
        let moment = self.next_moment();
        let increments = self.numbers.entry(number.to_owned()).or_default();
        let mut contradiction = None;
        for increment in increments.iter_mut().filter(|increment| increment.key == key) {
            match increment.answered {
                Some((_, before)) if before != value => contradiction = Some(before),
                Some(_) => {}
                None => increment.answered = Some((moment, value)),
            }
        }
        if let Some(before) = contradiction {
            self.fail(format!("{number}: the key {key} was answered with {before}, and then with {value}"));
        }
    }

    /// The numbers.
    pub fn numbers(&self) -> Vec<String> {
        self.numbers.keys().cloned().collect()
    }

    /// How often a number was incremented.
    pub fn increments(&self, number: &str) -> u64 {
        self.numbers.get(number).map_or(0, |increments| increments.len() as u64)
    }

    /// Checks all answers about a number, and its final value.
    pub fn check_number(&mut self, number: &str, last: u64) {
        let increments = self.numbers.get(number).cloned().unwrap_or_default();
        let count = increments.len() as u64;
        if last != count {
            self.fail(format!("{number} is {last} after {count} increments"));
        }
        let answered: Vec<_> =
            increments.iter().filter_map(|increment| Some((increment, increment.answered?))).collect();
        let mut seen = BTreeMap::new();
        for (increment, (_, value)) in &answered {
            if *value == 0 || *value > count {
                self.fail(format!("{number}: {} was answered with {value} of {count}", increment.key));
            }
            if let Some(other) = seen.insert(*value, &increment.key) {
                self.fail(format!("{number}: {other} and {} were both answered with {value}", increment.key));
            }
        }
        for (first, (answered_at, earlier)) in &answered {
            for (second, (_, later)) in &answered {
                if *answered_at < second.sent && later < earlier {
                    self.fail(format!(
                        "{number}: {} got {earlier} before {} was sent, which got {later}",
                        first.key, second.key
                    ));
                }
            }
        }
    }

    /// A promise was created.
    pub fn create_promise(&mut self, promise: PromiseId) {
        self.promises.entry(promise).or_default();
    }

    /// The promises.
    pub fn promises(&self) -> Vec<PromiseId> {
        self.promises.keys().cloned().collect()
    }

    /// A client wants to complete a promise with this data.
    pub fn offer(&mut self, promise: &PromiseId, data: &[u8]) {
        self.promises.entry(promise.clone()).or_default().offered.insert(data.to_vec());
    }

    /// A client got the answer that its data completed the promise.
    pub fn complete(&mut self, promise: &PromiseId, data: &[u8]) {
        let known = self.promises.entry(promise.clone()).or_default();
        let before = known.completed.replace(data.to_vec());
        let awaited = known.awaited.clone();
        if let Some(before) = before {
            self.fail(format!("{promise} was completed twice, with {before:?} and {data:?}"));
        }
        if awaited.is_some_and(|awaited| awaited != data) {
            self.fail(format!("{promise} was completed with {data:?}, but its waiter got something else"));
        }
    }

    /// A waiter got this data.
    pub fn awaited(&mut self, promise: &PromiseId, data: &[u8]) {
        let known = self.promises.entry(promise.clone()).or_default().clone();
        if !known.offered.contains(data) {
            self.fail(format!("{promise} was never completed with {data:?}"));
        }
        if known.completed.as_ref().is_some_and(|completed| completed != data) {
            self.fail(format!("{promise} was completed with {:?}, its waiter got {data:?}", known.completed));
        }
        if known.awaited.as_ref().is_some_and(|awaited| awaited != data) {
            self.fail(format!("two waiters of {promise} got {:?} and {data:?}", known.awaited));
        }
        if let Some(known) = self.promises.get_mut(promise) {
            known.awaited = Some(data.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answers_about_numbers_are_found() {
        // (key, number in the answer) in the order of the answers; each request is sent after the answer before it.
        for (answers, last, expected) in [
            (vec![("a", 1), ("b", 2)], 2, None),
            (vec![("a", 1), ("b", 2)], 3, Some("n is 3 after 2 increments")),
            (vec![("a", 1), ("b", 1)], 2, Some("n: a and b were both answered with 1")),
            (vec![("a", 2), ("b", 1)], 2, Some("n: a got 2 before b was sent, which got 1")),
            (vec![("a", 1), ("b", 3)], 2, Some("n: b was answered with 3 of 2")),
            (vec![("a", 1), ("a", 2)], 1, Some("n: the key a was answered with 1, and then with 2")),
        ] {
            let mut history = History::default();
            for (key, value) in answers {
                history.send_increment("n", key);
                history.answer_increment("n", key, value);
            }
            history.check_number("n", last);
            assert_eq!(history.failure(), expected);
        }
    }
}
