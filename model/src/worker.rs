//! Workers: what callers can know of one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a worker is doing, in the words of REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkerStatus {
    /// Executing an invocation.
    Running,
    /// Waiting for an invocation; how every worker starts.
    Idle,
    /// In the middle of an invocation, out of memory, until a time or a promise.
    Suspended,
    /// Stopped by a person in the middle of an invocation; goes on with the next one, or when resumed.
    Interrupted,
    /// Failed; another attempt is scheduled.
    Retrying,
    /// Failed for good.
    Failed,
    /// The program called `exit`.
    Exited,
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
