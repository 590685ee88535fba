//! Section `workers`: limits and policies of running workers.

use super::setting::section;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Limits and policies of running workers.
    WorkerSettings = "workers" {
        /// Workers in memory at the same time; to load another one, the one that was idle longest is evicted.
        residents_max: u64 = 2_000, 1..=30_000;
        /// Workers whose projection (a few hundred bytes each) is kept in memory.
        heads_cached_max: u64 = 50_000, 100..=100_000_000;
        /// Bytes of its log that are read at a time while a worker is replayed. Two such pages are in memory. A larger
        /// row of the log is read alone.
        replay_page_bytes: u64 = 262_144, 1..=8_388_608;
        /// A worker that sleeps or waits for longer than these milliseconds leaves memory.
        suspend_after_ms: u64 = 10_000, 0..=DAY_MS;
        /// Milliseconds after which the acceptance of an invocation, and each entry of a running one, is written to the
        /// log, unless the invocation ends before. A crash loses at most what was recorded in this time and during one commit.
        progress_ms: u64 = 50, 1..=60_000;
        /// A worker without an invocation for these milliseconds leaves memory.
        idle_after_ms: u64 = 600_000, 1..=(30 * DAY_MS);
        /// Attempts of a failing invocation, including the first one.
        retry_attempts_max: u64 = 3, 1..=1_000;
        /// Milliseconds to wait after the first failed attempt.
        retry_delay_ms_min: u64 = 100, 0..=DAY_MS;
        /// Milliseconds to wait after a failed attempt, at most.
        retry_delay_ms_max: u64 = 1_000, 0..=DAY_MS;
        /// Factor from one delay to the next one.
        retry_multiplier: f64 = 3.0, 1.0..=100.0;
        /// Attempts to continue an invocation after a restart that may end with the server's process, without progress in
        /// between, before the invocation fails. A worker that makes the server run out of memory is such a case.
        process_ends_max: u64 = 10, 1..=1_000;
        /// Invocations after which a snapshot is taken of a worker that exports golem:durability/snapshot; 0 means
        /// never.
        snapshot_invocations: u64 = 1_000, 0..=1_000_000_000;
        /// Oplog entries after which the snapshot is taken, if that comes first; 0 means never.
        snapshot_entries: u64 = 10_000, 0..=1_000_000_000;
    }
}
