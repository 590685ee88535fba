//! The external model: compares the answers that callers received with the state that the server shows.
//!
//! It does not use the server's code. Its input is the requests, their answers, and the state at the end. It counts
//! acknowledged invocations without an effect (lost) and effects that no invocation accounts for (duplicated). The
//! suite `controls` checks that it detects both.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged invocations whose effect is missing.
    pub lost: u64,
    /// Effects that no invocation accounts for, and keys that got two different answers.
    pub duplicated: u64,
    /// One line of text for each finding.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether there are no findings.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.notes.is_empty()
    }

    /// Adds the findings of another comparison.
    pub fn merge(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.notes.extend(other.notes);
    }

    /// Adds `count` acknowledged effects that are missing.
    pub fn add_lost(&mut self, count: u64, note: impl Into<String>) {
        self.lost += count;
        if count > 0 {
            self.notes.push(format!("lost {count}: {}", note.into()));
        }
    }

    /// Adds `count` effects without a request that explains them.
    pub fn add_duplicated(&mut self, count: u64, note: impl Into<String>) {
        self.duplicated += count;
        if count > 0 {
            self.notes.push(format!("duplicated {count}: {}", note.into()));
        }
    }

    /// Adds a wrong answer that is neither a loss nor a duplicate.
    pub fn add_wrong(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost {}, duplicated {}", self.lost, self.duplicated)?;
        // The first findings are enough to start an analysis.
        for note in self.notes.iter().take(20) {
            write!(f, "\n  {note}")?;
        }
        if self.notes.len() > 20 {
            write!(f, "\n  and {} more", self.notes.len() - 20)?;
        }
        Ok(())
    }
}

/// The requests and answers of one counter. Each `increment` carries a key; its answer is the value after it.
#[derive(Debug, Clone)]
pub struct CounterHistory {
    /// Name of the worker, for the notes.
    worker: String,
    issued: BTreeSet<String>,
    answers: BTreeMap<String, u64>,
    conflicts: Verdict,
}

impl CounterHistory {
    /// The empty history of a worker without calls.
    pub fn new(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            issued: BTreeSet::new(),
            answers: BTreeMap::new(),
            conflicts: Verdict::default(),
        }
    }

    /// The counter.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Records that a request with `key` is about to be sent, for the first time or again.
    pub fn record_issued(&mut self, key: &str) {
        self.issued.insert(key.to_owned());
    }

    /// Records the answer to the request with `key`.
    pub fn record_answer(&mut self, key: &str, value: u64) {
        match self.answers.insert(key.to_owned(), value) {
            Some(before) if before != value => {
                let worker = &self.worker;
                self.conflicts
                    .add_duplicated(1, format!("{worker}: key {key} was answered {before}, then {value}"));
            }
            _ => {}
        }
    }

    /// The `index`-th answered key, modulo their number; `None` if there is none.
    pub fn nth_answered(&self, index: u64) -> Option<String> {
        let count = u64::try_from(self.answers.len()).ok().filter(|count| *count > 0)?;
        self.answers.keys().nth(usize::try_from(index % count).ok()?).cloned()
    }

    /// Compares with the counter's value at the end.
    pub fn verify(&self, value: u64) -> Verdict {
        let mut verdict = self.conflicts.clone();
        let worker = &self.worker;
        // Each surviving execution left one of the values 1 to `value`. Two keys with the same answer share one
        // execution, so the other execution is lost. An answer above `value` is lost as well.
        let accounted: BTreeSet<u64> =
            self.answers.values().copied().filter(|answer| (1..=value).contains(answer)).collect();
        let answered = self.answers.len() as u64;
        let distinct = accounted.len() as u64;
        verdict.add_lost(
            answered - distinct,
            format!("{worker}: {answered} keys were answered, but the value {value} contains only {distinct} of their effects"),
        );
        // A request without an answer may have run once or not at all.
        let open = self.issued.len() as u64 - answered;
        verdict.add_duplicated(
            (value - distinct).saturating_sub(open),
            format!("{worker}: the value is {value}, but only {distinct} answered and {open} open keys account for it"),
        );
        verdict
    }
}

/// The number of requests and acknowledgements, for requests without a key or with an empty answer.
#[derive(Debug, Clone)]
pub struct UnkeyedHistory {
    /// Name of the worker, for the notes.
    pub worker: String,
    /// Requests sent. Each is sent at most once or has its own key.
    pub issued: u64,
    /// Requests acknowledged.
    pub acknowledged: u64,
}

impl UnkeyedHistory {
    /// The empty history of a worker without calls.
    pub fn new(worker: impl Into<String>) -> Self {
        Self { worker: worker.into(), issued: 0, acknowledged: 0 }
    }

    /// Compares with the counter's value at the end.
    pub fn verify(&self, value: u64) -> Verdict {
        let mut verdict = Verdict::default();
        let Self { worker, issued, acknowledged } = self;
        let note =
            format!("{worker}: {acknowledged} of {issued} requests were acknowledged, the value is {value}");
        verdict.add_lost(acknowledged.saturating_sub(value), note.as_str());
        verdict.add_duplicated(value.saturating_sub(*issued), note);
        verdict
    }
}

/// The contents of a cart as its only caller knows them: each operation is answered before the next is sent.
#[derive(Debug, Clone)]
pub struct CartHistory {
    worker: String,
    /// Quantity by product.
    contents: BTreeMap<String, u64>,
}

impl CartHistory {
    /// The history of an empty cart.
    pub fn new(worker: impl Into<String>) -> Self {
        Self { worker: worker.into(), contents: BTreeMap::new() }
    }

    /// The cart.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Records that `add-item` was answered.
    pub fn record_added(&mut self, product: &str, quantity: u64) {
        self.contents.insert(product.to_owned(), quantity);
    }

    /// Records that `remove-item` was answered.
    pub fn record_removed(&mut self, product: &str) {
        self.contents.remove(product);
    }

    /// Number of products that should be in the cart.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether the cart should be empty.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// The `index`-th product that should be in the cart, modulo their number; `None` if it is empty.
    pub fn nth_product(&self, index: u64) -> Option<String> {
        let count = u64::try_from(self.contents.len()).ok().filter(|count| *count > 0)?;
        self.contents.keys().nth(usize::try_from(index % count).ok()?).cloned()
    }

    /// Compares with what `get-cart-contents` returned.
    pub fn verify(&self, contents: &Value) -> Verdict {
        let mut verdict = Verdict::default();
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for item in contents.as_array().into_iter().flatten() {
            let product = item["product-id"].as_str().unwrap_or_default().to_owned();
            *found.entry(product).or_default() += item["quantity"].as_u64().unwrap_or_default();
        }
        let products: BTreeSet<&String> = self.contents.keys().chain(found.keys()).collect();
        for product in products {
            let worker = &self.worker;
            match (self.contents.get(product), found.get(product)) {
                (Some(expected), Some(actual)) if actual > expected => verdict.add_duplicated(
                    1,
                    format!("{worker}: {product} has quantity {actual} instead of {expected}"),
                ),
                (Some(expected), Some(actual)) if actual < expected => {
                    verdict.add_lost(
                        1,
                        format!("{worker}: {product} has quantity {actual} instead of {expected}"),
                    );
                }
                (Some(_), None) => verdict.add_lost(1, format!("{worker}: {product} is missing")),
                (None, Some(_)) => {
                    verdict.add_lost(1, format!("{worker}: the removal of {product} had no effect"));
                }
                _ => {}
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(answers: &[(&str, u64)], open: &[&str], value: u64, expected: (u64, u64)) {
        let mut history = CounterHistory::new("w");
        for (key, answer) in answers {
            history.record_issued(key);
            history.record_answer(key, *answer);
        }
        for key in open {
            history.record_issued(key);
        }
        let verdict = history.verify(value);
        assert_eq!((verdict.lost, verdict.duplicated), expected, "{verdict}");
    }

    #[test]
    fn a_counter_with_exact_answers_is_clean() {
        check(&[], &[], 0, (0, 0));
        check(&[("a", 1), ("b", 2)], &[], 2, (0, 0));
        check(&[("a", 1), ("b", 2), ("a", 1)], &[], 2, (0, 0));
        // An open key may have run, or not.
        check(&[("a", 1), ("c", 3)], &["b"], 3, (0, 0));
        check(&[("a", 1)], &["b"], 1, (0, 0));
    }

    #[test]
    fn a_counter_below_its_answers_has_lost() {
        check(&[("a", 1), ("b", 2)], &[], 1, (1, 0));
        check(&[("a", 1), ("b", 2)], &[], 0, (2, 0));
        // The counter was rolled back to 1 and then incremented: the value alone does not show it.
        check(&[("a", 1), ("b", 2), ("c", 2), ("d", 3)], &[], 3, (1, 0));
    }

    #[test]
    fn a_counter_that_ran_a_key_twice_has_duplicated() {
        check(&[("a", 2)], &[], 2, (0, 1));
        check(&[("a", 1), ("b", 2)], &["c"], 4, (0, 1));
        let verdict = {
            let mut history = CounterHistory::new("w");
            history.record_issued("a");
            history.record_answer("a", 1);
            history.record_answer("a", 2);
            history.verify(2)
        };
        assert_eq!(
            (verdict.lost, verdict.duplicated),
            (0, 2),
            "the changed answer, and the effect that the first answer named"
        );
    }

    #[test]
    fn counts_are_bounded_on_both_sides() {
        let history = UnkeyedHistory { worker: "w".into(), issued: 5, acknowledged: 3 };
        for (value, expected) in [(2, (1, 0)), (3, (0, 0)), (5, (0, 0)), (6, (0, 1))] {
            let verdict = history.verify(value);
            assert_eq!((verdict.lost, verdict.duplicated), expected);
        }
    }

    #[test]
    fn carts_are_compared_by_product() {
        let mut history = CartHistory::new("w");
        history.record_added("p1", 2);
        history.record_added("p2", 1);
        history.record_added("p3", 1);
        history.record_removed("p3");
        let item = |product: &str, quantity: u64| json!({ "product-id": product, "quantity": quantity });
        for (contents, expected) in [
            (json!([item("p2", 1), item("p1", 2)]), (0, 0)),
            (json!([item("p1", 2)]), (1, 0)),
            (json!([item("p1", 2), item("p2", 1), item("p2", 1)]), (0, 1)),
            (json!([item("p1", 1), item("p2", 1)]), (1, 0)),
            (json!([item("p1", 2), item("p2", 1), item("p3", 1)]), (1, 0)),
        ] {
            let verdict = history.verify(&contents);
            assert_eq!((verdict.lost, verdict.duplicated), expected, "{contents}");
        }
    }
}
