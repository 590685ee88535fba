//! Answers to calls between workers, for callers that are in memory: they read an answer here, without waiting for a commit
//! and without reading the store.
//!
//! Invariant: the cache has a bound for the node, so many callers with many large answers cost reads of the store, and not
//! memory.

use crate::storage::ports::WorkerNum;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Maximum size in bytes of an answer that is kept. A longer one is read from the store.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Maximum number of answers kept for one caller. Further ones are read from the store.
const ANSWERS_MAX: usize = 100;
/// Maximum size in bytes of all answers that are kept. When it is reached, further ones are read from the store.
const NODE_BYTES_MAX: usize = 64 << 20;

/// The answers by caller and call.
#[derive(Debug, Default)]
pub(crate) struct AnswerCache {
    by_caller: HashMap<WorkerNum, BTreeMap<u64, Arc<[u8]>>>,
    /// Bytes of all answers.
    bytes: usize,
}

impl AnswerCache {
    /// Keeps an answer, if there is room for it. `is_outstanding` says which calls of the caller still need an answer.
    pub(crate) fn insert(
        &mut self,
        caller: WorkerNum,
        call: u64,
        answer: Arc<[u8]>,
        is_outstanding: impl Fn(u64) -> bool,
    ) {
        let answers = self.by_caller.entry(caller).or_default();
        answers.retain(|call, answer| {
            let is_kept = is_outstanding(*call);
            if !is_kept {
                self.bytes -= answer.len();
            }
            is_kept
        });
        let has_room = answer.len() <= ANSWER_BYTES_MAX
            && answers.len() < ANSWERS_MAX
            && self.bytes + answer.len() <= NODE_BYTES_MAX;
        if has_room {
            self.bytes += answer.len();
            if let Some(replaced) = answers.insert(call, answer) {
                self.bytes -= replaced.len();
            }
        }
        if answers.is_empty() {
            self.by_caller.remove(&caller);
        }
    }

    /// The answer to a call.
    pub(crate) fn get(&self, caller: WorkerNum, call: u64) -> Option<Arc<[u8]>> {
        self.by_caller.get(&caller)?.get(&call).cloned()
    }

    /// Number of answers for these callers.
    pub(crate) fn count(&self, of: impl Fn(WorkerNum) -> bool) -> usize {
        let answers = self.by_caller.iter().filter(|(caller, _)| of(**caller));
        answers.map(|(_, answers)| answers.len()).sum()
    }

    /// Drops the answers for a caller that has left memory.
    pub(crate) fn remove_worker(&mut self, caller: WorkerNum) {
        let removed = self.by_caller.remove(&caller).unwrap_or_default();
        self.bytes -= removed.values().map(|answer| answer.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerNum = WorkerNum(1);

    fn answer(bytes: usize) -> Arc<[u8]> {
        vec![7; bytes].into()
    }

    #[test]
    fn answers_are_kept_while_their_calls_are_outstanding() {
        let mut cache = AnswerCache::default();
        cache.insert(A, 1, answer(10), |_| true);
        cache.insert(A, 2, answer(20), |_| true);
        assert_eq!(cache.get(A, 1), Some(answer(10)));
        cache.insert(A, 3, answer(5), |call| call > 1);
        assert_eq!((cache.get(A, 1), cache.bytes), (None, 25));
        cache.insert(A, 3, answer(6), |_| true);
        assert_eq!(cache.bytes, 26);
        cache.remove_worker(A);
        assert_eq!((cache.get(A, 2), cache.bytes), (None, 0));
    }

    #[test]
    fn the_cache_has_bounds() {
        let mut cache = AnswerCache::default();
        cache.insert(A, 1, answer(ANSWER_BYTES_MAX + 1), |_| true);
        assert_eq!(cache.get(A, 1), None);
        for call in 0..=ANSWERS_MAX as u64 {
            cache.insert(A, call, answer(1), |_| true);
        }
        assert_eq!(cache.bytes, ANSWERS_MAX);
        // Regression: only the answers of one worker were bounded.
        for worker in 2..1_000 {
            for call in 0..10 {
                cache.insert(WorkerNum(worker), call, answer(ANSWER_BYTES_MAX), |_| true);
            }
        }
        assert!(cache.bytes <= NODE_BYTES_MAX && cache.bytes > NODE_BYTES_MAX - ANSWER_BYTES_MAX);
        for worker in 1..1_000 {
            cache.remove_worker(WorkerNum(worker));
        }
        assert_eq!(cache.bytes, 0);
    }
}
