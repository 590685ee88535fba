//! Workers: what callers can know of one, and what they can choose for it.

use crate::RetryPolicy;
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

/// What becomes of a worker whose invocation failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is `Failed` and takes no more invocations, until somebody recovers it: as in 2023.
    #[default]
    Fail,
    /// It goes back to what it was before that invocation, whose caller gets the error, and takes the next one.
    Rollback,
}

/// What was chosen for a worker's failures: for the worker itself, or for all workers of a template version.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureOptions {
    /// How often a failed invocation is tried again; as the server is set where it is not said.
    #[serde(default)]
    pub retry_policy: Option<RetryPolicy>,
    /// What happens after the last attempt; [`OnFailure::Fail`] where it is not said.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
}

impl FailureOptions {
    /// These choices, and those of `others` where nothing is chosen here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            retry_policy: self.retry_policy.or(others.retry_policy),
            on_failure: self.on_failure.or(others.on_failure),
        }
    }

    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        self.retry_policy.is_none() && self.on_failure.is_none()
    }
}
