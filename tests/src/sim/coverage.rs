//! The operations that the programs must reach, and how often they did.

use std::collections::BTreeMap;

/// Every operation: requests that were answered, faults, and what followed from them.
pub const OPERATIONS: &[&str] = &[
    "create",
    "delete",
    "increment",
    "enqueue",
    "cancel before the begin",
    "cancel after the begin",
    "add to a shared value",
    "sleep",
    "call of another worker",
    "call of a worker that fails",
    "call without answer",
    "calls at the same time",
    "request of an update",
    "update",
    "refused update",
    "replaced update",
    "withdrawn update",
    "change of a saved state",
    "state that cannot be saved",
    "call that versions replay differently",
    "read of a file of the version",
    "create promise",
    "begin to await a promise",
    "complete promise",
    "await promise",
    "failing invocation",
    "failure after all attempts",
    "exit",
    "rollback",
    "recover",
    "discarded invocation",
    "atomic region",
    "jump",
    "HTTP request",
    "failed HTTP request",
    "HTTP request that must not be repeated",
    "HTTP requests at the same time",
    "repeated HTTP request",
    "interrupt",
    "crash of an instance",
    "resume",
    "read",
    "pause",
    "failed commit",
    "failed read",
    "failed recovery",
    "failed start",
    "component that does not load",
    "panic of a worker's task",
    "slow commit",
    "wall clock set forwards",
    "wall clock set back",
    "crash of the process",
];

/// Number of seeds from which on every operation must be reached.
pub const SEEDS_MIN: u64 = 1_000;

/// The operations that were not reached.
pub fn unreached(reached: &BTreeMap<String, u64>) -> Vec<&'static str> {
    OPERATIONS
        .iter()
        .copied()
        .filter(|operation| reached.get(*operation).is_none_or(|count| *count == 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_that_are_not_reached_are_found() {
        let all: BTreeMap<_, _> = OPERATIONS.iter().map(|operation| ((*operation).to_owned(), 1)).collect();
        assert!(unreached(&all).is_empty());
        assert_eq!(all.len(), OPERATIONS.len(), "each operation is listed once");
        let mut without = all.clone();
        without.remove("jump");
        without.insert("exit".to_owned(), 0);
        assert_eq!(unreached(&without), ["exit", "jump"]);
    }
}
