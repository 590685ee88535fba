//! Limits and policies of the executor.

use golem_model::RetryPolicy;
use std::time::Duration;

/// Limits and policies of the executor.
#[derive(Debug, Clone)]
pub struct ExecutorSettings {
    /// A wait that is longer than this suspends the worker: its instance leaves memory.
    pub suspend_after: Duration,
    /// Maximum time between an invocation's admission and its first row in the log, and the maximum time that an entry of
    /// a running invocation waits before it is appended.
    pub progress: Duration,
    /// Maximum number of instances in memory, idle or running. At the limit, the longest idle instance is evicted.
    pub residents_max: usize,
    /// An instance that was idle for this long leaves memory, at the latest after twice this time.
    pub idle_after: Duration,
    /// Number of worker projections (a few hundred bytes each) to keep in memory. Projections that are in use or not
    /// yet written to the store are kept beyond this number.
    pub heads_cached_max: usize,
    /// Bytes of the log that a replay reads at a time. Two such pages are in memory for each worker that is replayed.
    pub replay_page_bytes: usize,
    /// Attempts of an invocation that may end with the process, without progress of the worker, before it fails.
    pub process_ends_max: u32,
    /// The retry policy after a failed attempt.
    pub retry: RetryPolicy,
    /// When a worker that exports `save` and `load` is saved.
    pub snapshots: SnapshotPolicy,
}

/// When a worker is saved between two invocations: at whichever limit is reached first. 0 disables a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Invocations since the last attempt to save it.
    pub invocations: u64,
    /// Entries in its oplog since the last attempt to save it.
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
            progress: Duration::from_millis(50),
            residents_max: 2_000,
            idle_after: Duration::from_mins(10),
            heads_cached_max: 50_000,
            replay_page_bytes: 256 << 10,
            process_ends_max: 10,
            retry: RetryPolicy::default(),
            snapshots: SnapshotPolicy::default(),
        }
    }
}

/// Whether repeated keys are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deduplication {
    /// Requests with the same key belong to the same invocation.
    #[default]
    Enforced,
    /// Every request is a new invocation. This breaks G2 on purpose: the crash checker must report it.
    Disabled,
}
