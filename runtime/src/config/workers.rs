//! Section `workers`: bounds and policies of running workers.

use super::setting::section;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Bounds and policies of running workers.
    WorkerSettings = "workers" {
        /// Workers in memory at a time; the one that was idle longest makes room for the next.
        residents_max: u64 = 2_000, 1..=30_000;
        /// Workers whose heads (a few hundred bytes each) are kept in memory.
        heads_cached_max: u64 = 50_000, 100..=100_000_000;
        /// Milliseconds of a sleep or wait beyond which a worker leaves memory.
        suspend_after_ms: u64 = 10_000, 0..=DAY_MS;
        /// Milliseconds without an invocation after which a worker leaves memory.
        idle_after_ms: u64 = 600_000, 1..=(30 * DAY_MS);
        /// Attempts of a failing invocation in all, the first included.
        retry_attempts_max: u64 = 3, 1..=1_000;
        /// Milliseconds after the first failed attempt.
        retry_delay_ms_min: u64 = 100, 0..=DAY_MS;
        /// Milliseconds after a failed attempt, at most.
        retry_delay_ms_max: u64 = 1_000, 0..=DAY_MS;
        /// Factor from one delay to the next.
        retry_multiplier: f64 = 3.0, 1.0..=100.0;
        /// Invocations after which a worker that exports golem:durability/snapshot is saved; 0 never.
        snapshot_invocations: u64 = 1_000, 0..=1_000_000_000;
        /// Oplog entries after which it is saved, if that comes first; 0 never.
        snapshot_entries: u64 = 10_000, 0..=1_000_000_000;
    }
}
