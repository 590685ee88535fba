//! Counters and gauges of the executor.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters and gauges of the executor. docs/rest.md lists their names and meaning as served at `/metrics`.
#[derive(Debug, Default)]
pub struct ExecutorMetrics {
    /// Invocations that ended, with a result or a failure.
    pub invocations: AtomicU64,
    /// Invocations that failed. Also counts work that was abandoned because of an error of the server.
    pub invocations_failed: AtomicU64,
    /// Requests that were answered from a recorded outcome or joined a pending invocation.
    pub invocations_repeated: AtomicU64,
    /// Commits of the log.
    pub commits: AtomicU64,
    /// Rows in those commits.
    pub rows: AtomicU64,
    /// Nanoseconds spent in commits.
    pub commit_nanos: AtomicU64,
    /// Commits that failed.
    pub commits_failed: AtomicU64,
    /// Panics that were contained. Each is a defect of the server.
    pub panics: AtomicU64,
    /// Times that a worker was loaded into memory.
    pub activations: AtomicU64,
    /// Entries that were replayed while loading workers.
    pub entries_replayed: AtomicU64,
    /// Snapshots that were taken.
    pub snapshots: AtomicU64,
    /// Times that a worker was loaded from a snapshot.
    pub snapshots_loaded: AtomicU64,
    /// Completed updates to another template version.
    pub updates: AtomicU64,
    /// Times that a worker left memory in the middle of an invocation to wait.
    pub parks: AtomicU64,
    /// Instances in memory now.
    pub residents: AtomicI64,
    /// Worker projections in memory now.
    pub heads_cached: AtomicI64,
}

impl ExecutorMetrics {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
