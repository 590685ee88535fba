//! The external model: what callers were told, compared with what is there.
//!
//! It knows nothing of the server. It is fed with requests and answers, and in the end with the state that the server
//! shows, and says how many acknowledged invocations have no effect (lost) and how many effects no invocation accounts
//! for (duplicated). The negative controls prove that it can tell.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged invocations whose effect is not there.
    pub lost: u64,
    /// Effects that no invocation accounts for, and keys that were answered in two ways.
    pub duplicated: u64,
    /// What was found, in words.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Nothing to complain of.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.notes.is_empty()
    }

    /// Adds what another comparison found.
    pub fn merge(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.notes.extend(other.notes);
    }

    /// Something that was promised is not there.
    pub fn add_lost(&mut self, count: u64, note: impl Into<String>) {
        self.lost += count;
        if count > 0 {
            self.notes.push(format!("lost {count}: {}", note.into()));
        }
    }

    /// Something happened that nobody, or nobody any more, asked for.
    pub fn add_duplicated(&mut self, count: u64, note: impl Into<String>) {
        self.duplicated += count;
        if count > 0 {
            self.notes.push(format!("duplicated {count}: {}", note.into()));
        }
    }

    /// An answer that is neither, and wrong all the same.
    pub fn add_wrong(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost {}, duplicated {}", self.lost, self.duplicated)?;
        // The first ones tell the story.
        for note in self.notes.iter().take(20) {
            write!(f, "\n  {note}")?;
        }
        if self.notes.len() > 20 {
            write!(f, "\n  and {} more", self.notes.len() - 20)?;
        }
        Ok(())
    }
}

/// What callers know of one counter: each `increment` carried a key, and was answered with the value after it.
#[derive(Debug, Clone)]
pub struct CounterHistory {
    /// For notes.
    worker: String,
    issued: BTreeSet<String>,
    answers: BTreeMap<String, u64>,
    conflicts: Verdict,
}

impl CounterHistory {
    /// Of a worker that nobody called yet.
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

    /// A request with `key` is about to be sent, for the first time or again.
    pub fn record_issued(&mut self, key: &str) {
        self.issued.insert(key.to_owned());
    }

    /// The request with `key` was answered.
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

    /// A key that was answered, the `index`-th modulo their number.
    pub fn nth_answered(&self, index: u64) -> Option<String> {
        let count = u64::try_from(self.answers.len()).ok().filter(|count| *count > 0)?;
        self.answers.keys().nth(usize::try_from(index % count).ok()?).cloned()
    }

    /// Compares with the counter's value at the end.
    pub fn verify(&self, value: u64) -> Verdict {
        let mut verdict = self.conflicts.clone();
        let worker = &self.worker;
        // Each surviving execution left one of the values 1 to `value`. Two keys with the same answer share one
        // execution, so one of them was undone; an answer beyond the value was undone as well.
        let accounted: BTreeSet<u64> =
            self.answers.values().copied().filter(|answer| (1..=value).contains(answer)).collect();
        let answered = self.answers.len() as u64;
        let distinct = accounted.len() as u64;
        verdict.add_lost(
            answered - distinct,
            format!("{worker}: {answered} keys were answered, {distinct} of their effects are in the value {value}"),
        );
        // A request that was never answered may have run once or not at all.
        let open = self.issued.len() as u64 - answered;
        verdict.add_duplicated(
            (value - distinct).saturating_sub(open),
            format!("{worker}: the value is {value}, but only {distinct} answered and {open} open keys account for it"),
        );
        verdict
    }
}

/// What callers know of requests that carried no key, or whose answer says nothing: only how many.
#[derive(Debug, Clone)]
pub struct CountHistory {
    /// For notes.
    pub worker: String,
    /// Requests sent, each at most once or with a key of its own.
    pub issued: u64,
    /// Requests acknowledged.
    pub acknowledged: u64,
}

impl CountHistory {
    /// Of a worker that nobody called yet.
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

/// What the one caller of a cart knows: every operation was answered before the next was sent.
#[derive(Debug, Clone)]
pub struct CartHistory {
    worker: String,
    /// Quantity by product.
    contents: BTreeMap<String, u64>,
}

impl CartHistory {
    /// Of an empty cart.
    pub fn new(worker: impl Into<String>) -> Self {
        Self { worker: worker.into(), contents: BTreeMap::new() }
    }

    /// The cart.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// `add-item` was answered.
    pub fn record_added(&mut self, product: &str, quantity: u64) {
        self.contents.insert(product.to_owned(), quantity);
    }

    /// `remove-item` was answered.
    pub fn record_removed(&mut self, product: &str) {
        self.contents.remove(product);
    }

    /// How many products should be in it.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether none should be in it.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// A product that should be in it, the `index`-th modulo their number.
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
        // Rolled back to 1, then counted on: the value alone would not show it.
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
            "the changed answer, and the effect of the first"
        );
    }

    #[test]
    fn counts_are_bounded_on_both_sides() {
        let history = CountHistory { worker: "w".into(), issued: 5, acknowledged: 3 };
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
