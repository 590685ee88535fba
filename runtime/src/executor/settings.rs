//! Bounds and policies of the executor.

use golem_model::RetryPolicy;
use std::time::Duration;

/// Bounds and policies of the executor.
#[derive(Debug, Clone)]
pub struct ExecutorSettings {
    /// A wait longer than this takes the worker out of memory.
    pub suspend_after: Duration,
    /// Instances in memory, idle or running; the longest unused idle one makes room for the next.
    pub residents_max: usize,
    /// An instance that was idle for this long leaves memory.
    pub idle_after: Duration,
    /// Heads (a few hundred bytes each) of workers kept in memory beside those that have something to do.
    pub heads_cached_max: usize,
    /// What happens after a failed attempt.
    pub retry: RetryPolicy,
    /// When workers that export `save` and `load` are saved.
    pub snapshots: SnapshotPolicy,
}

/// When a worker is saved between two invocations: whichever comes first. 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Invocations since the last time.
    pub invocations: u64,
    /// Entries in its oplog since the last time.
    pub entries: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { invocations: 1_000, entries: 10_000 }
    }
}

impl Default for ExecutorSettings {
    fn default() -> Self {
        Self {
            suspend_after: Duration::from_secs(10),
            residents_max: 2_000,
            idle_after: Duration::from_mins(10),
            heads_cached_max: 50_000,
            retry: RetryPolicy::default(),
            snapshots: SnapshotPolicy::default(),
        }
    }
}

/// Whether repeated keys are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdempotencyLookup {
    /// The same key is the same invocation.
    #[default]
    Enforced,
    /// Every request is a new invocation. Breaks G2 on purpose: the crash checker must notice.
    Disabled,
}
