//! What clients asked for and what they were told, and the model that checks it.
//!
//! All state of the simulated workers is made of *numbers* that requests increment: the count of a worker, a number in a
//! bucket, the number of texts that a worker holds. Each request increments its number exactly once, because clients
//! repeat it with its key until it is answered; or never, if the answer says that the invocation failed, was cancelled
//! or was discarded. So the model needs no knowledge of crashes:
//!
//! - the final number is the number of requests that were not discarded;
//! - each answer is a number that no other request got;
//! - a request that was sent after another one was answered gets a larger number;
//! - the outcome of a key never changes.

use super::coverage;
use golem_model::{PromiseId, Value, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of a request that increments a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The number in the answer.
    Number(u64),
    /// The answer does not contain the number.
    Done,
    /// The number was not incremented: the invocation failed, was cancelled or was discarded.
    Discarded,
}

/// The invocation of a request that does not wait for its outcome.
#[derive(Debug, Clone)]
pub struct EnqueuedRequest {
    /// The key.
    pub key: String,
    /// The function.
    pub function: &'static str,
    /// Its parameters.
    pub params: Vec<Value>,
}

/// A request that increments a number.
#[derive(Debug, Clone)]
struct Increment {
    key: String,
    sent: u64,
    /// When the outcome was known, and the outcome. A request that does not wait for its outcome has none.
    ended: Option<(u64, Outcome)>,
    /// Its invocation, if its outcome is asked for in the end.
    queued: Option<EnqueuedRequest>,
    /// Whether its acceptance was acknowledged.
    is_accepted: bool,
    /// Whether a read has shown that it has ended.
    is_shown_ended: bool,
}

/// A promise, as its clients know it.
#[derive(Debug, Clone, Default)]
struct Promise {
    /// The key of the invocation that created it.
    created_by: Option<String>,
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
    /// How often each operation was reached.
    reached: BTreeMap<&'static str, u64>,
    /// Paths of HTTP requests whose callers got their answer.
    ended_http: BTreeSet<String>,
    /// Workers whose deletion was requested.
    deleting: BTreeSet<WorkerId>,
    /// Workers whose recovery was requested.
    recovering: BTreeSet<WorkerId>,
    /// Keys of invocations whose cancellation was requested.
    cancelling: BTreeSet<String>,
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

    /// How often each operation was reached.
    pub fn reached(&self) -> &BTreeMap<&'static str, u64> {
        &self.reached
    }

    /// Counts an operation that was reached: an answered request, a fault, or what followed from one.
    ///
    /// # Panics
    /// If the operation is not one of [`coverage::OPERATIONS`].
    pub fn count_operation(&mut self, operation: &'static str) {
        self.count_times(operation, 1);
    }

    /// Counts an operation that was reached several times.
    ///
    /// # Panics
    /// If the operation is not one of [`coverage::OPERATIONS`].
    pub fn count_times(&mut self, operation: &'static str, times: u64) {
        assert!(coverage::OPERATIONS.contains(&operation), "{operation} is not in the list of operations");
        *self.reached.entry(operation).or_default() += times;
    }

    /// A client sends a request with this key that increments `number`. Later sendings of the same key are repetitions.
    pub fn send_increment(&mut self, number: &str, key: &str) {
        self.send(number, key, None);
    }

    /// A client sends a request that increments `number`, and does not wait for its outcome.
    pub fn send_queued(&mut self, number: &str, queued: EnqueuedRequest) {
        let key = queued.key.clone();
        self.send(number, &key, Some(queued));
    }

    fn send(&mut self, number: &str, key: &str, queued: Option<EnqueuedRequest>) {
        let sent = self.next_moment();
        let increments = self.numbers.entry(number.to_owned()).or_default();
        if increments.iter().all(|increment| increment.key != key) {
            increments.push(Increment {
                key: key.to_owned(),
                sent,
                ended: None,
                queued,
                is_accepted: false,
                is_shown_ended: false,
            });
        }
    }

    /// The outcome of the request with this key is known.
    pub fn end_increment(&mut self, number: &str, key: &str, outcome: Outcome) {
        let moment = self.next_moment();
        let increments = self.numbers.entry(number.to_owned()).or_default();
        let mut contradiction = None;
        for increment in increments.iter_mut().filter(|increment| increment.key == key) {
            match increment.ended {
                Some((_, before)) if before != outcome => contradiction = Some(before),
                Some(_) => {}
                None => increment.ended = Some((moment, outcome)),
            }
        }
        if let Some(before) = contradiction {
            self.fail(format!(
                "{number}: the key {key} was answered with {before:?}, and then with {outcome:?}"
            ));
        }
    }

    fn find_increment(&mut self, number: &str, key: &str) -> Option<&mut Increment> {
        self.numbers.get_mut(number)?.iter_mut().find(|increment| increment.key == key)
    }

    /// The acceptance of the request with this key was acknowledged.
    pub fn accept(&mut self, number: &str, key: &str) {
        if let Some(increment) = self.find_increment(number, key) {
            increment.is_accepted = true;
        }
    }

    /// The keys whose acceptance was acknowledged.
    pub fn accepted_keys(&self, number: &str) -> Vec<String> {
        let increments = self.numbers.get(number).into_iter().flatten();
        increments.filter(|increment| increment.is_accepted).map(|increment| increment.key.clone()).collect()
    }

    /// Whether a client knows that the invocation with this key has ended.
    pub fn has_ended(&mut self, number: &str, key: &str) -> bool {
        self.find_increment(number, key)
            .is_some_and(|increment| increment.ended.is_some() || increment.is_shown_ended)
    }

    /// A read has shown that the invocation with this key has ended.
    pub fn note_ended(&mut self, number: &str, key: &str) {
        if let Some(increment) = self.find_increment(number, key) {
            increment.is_shown_ended = true;
        }
    }

    /// The requests that increment a number and did not wait for their outcome.
    pub fn queued(&self, number: &str) -> Vec<EnqueuedRequest> {
        let increments = self.numbers.get(number).into_iter().flatten();
        increments.filter_map(|increment| increment.queued.clone()).collect()
    }

    /// The caller of an invocation that sends the HTTP request with this path got its answer.
    pub fn end_http(&mut self, path: &str) {
        self.ended_http.insert(path.to_owned());
    }

    /// Whether the caller of the invocation that sends the HTTP request with this path got its answer.
    pub fn has_http_ended(&self, path: &str) -> bool {
        self.ended_http.contains(path)
    }

    /// The names of the numbers.
    pub fn number_names(&self) -> Vec<String> {
        self.numbers.keys().cloned().collect()
    }

    /// Checks all answers about a number, and its final value.
    pub fn check_number(&mut self, number: &str, last: u64) {
        let mut increments = self.numbers.get(number).cloned().unwrap_or_default();
        increments.retain(|increment| !matches!(increment.ended, Some((_, Outcome::Discarded))));
        let count = increments.len() as u64;
        if last != count {
            self.fail(format!("{number} is {last} after {count} increments"));
        }
        let answer = |increment: &Increment| match increment.ended {
            Some((moment, Outcome::Number(value))) => Some((moment, value)),
            _ => None,
        };
        let answered: Vec<_> =
            increments.iter().filter_map(|increment| Some((increment, answer(increment)?))).collect();
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

    /// The invocation with this key created a promise. Its id is of no other promise, also not of a deleted worker.
    pub fn create_promise(&mut self, promise: &PromiseId, key: &str) {
        let known = self.promises.entry(promise.clone()).or_default();
        let first = known.created_by.get_or_insert_with(|| key.to_owned());
        if first != key {
            let text = format!("{promise} was created by {first}, and again by {key}");
            self.fail(text);
        }
    }

    /// The promises.
    pub fn promises(&self) -> Vec<PromiseId> {
        self.promises.keys().cloned().collect()
    }

    /// A client sends a request to delete a worker.
    pub fn send_delete(&mut self, worker: WorkerId) {
        self.deleting.insert(worker);
    }

    /// Whether a request to delete this worker was sent.
    pub fn is_deleting(&self, worker: &WorkerId) -> bool {
        self.deleting.contains(worker)
    }

    /// A client sends a request to recover a worker, which may discard an invocation.
    pub fn send_recover(&mut self, worker: WorkerId) {
        self.recovering.insert(worker);
    }

    /// Whether a request to recover this worker was sent.
    pub fn is_recovering(&self, worker: &WorkerId) -> bool {
        self.recovering.contains(worker)
    }

    /// A client sends a request to cancel the invocation with this key.
    pub fn send_cancel(&mut self, key: &str) {
        self.cancelling.insert(key.to_owned());
    }

    /// Whether a request to cancel the invocation with this key was sent.
    pub fn is_cancelling(&self, key: &str) -> bool {
        self.cancelling.contains(key)
    }

    /// A client wants to complete a promise with this data.
    pub fn send_completion(&mut self, promise: &PromiseId, data: &[u8]) {
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
    pub fn answer_await(&mut self, promise: &PromiseId, data: &[u8]) {
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
        use Outcome::{Discarded, Number};
        // (key, outcome) in the order of the answers; each request is sent after the answer before it.
        for (answers, last, expected) in [
            (vec![("a", Number(1)), ("b", Number(2))], 2, None),
            (vec![("a", Number(1)), ("b", Discarded)], 1, None),
            (vec![("a", Number(1)), ("b", Discarded)], 2, Some("n is 2 after 1 increments")),
            (vec![("a", Number(1)), ("b", Number(2))], 3, Some("n is 3 after 2 increments")),
            (vec![("a", Number(1)), ("b", Number(1))], 2, Some("n: a and b were both answered with 1")),
            (vec![("a", Number(2)), ("b", Number(1))], 2, Some("n: a got 2 before b was sent, which got 1")),
            (vec![("a", Number(1)), ("b", Number(3))], 2, Some("n: b was answered with 3 of 2")),
            (
                vec![("a", Number(1)), ("a", Discarded)],
                1,
                Some("n: the key a was answered with Number(1), and then with Discarded"),
            ),
        ] {
            let mut history = History::default();
            for (key, outcome) in answers {
                history.send_increment("n", key);
                history.end_increment("n", key, outcome);
            }
            history.check_number("n", last);
            assert_eq!(history.failure(), expected);
        }
    }
}
