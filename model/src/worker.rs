//! Workers: their status, and the options for their failures.

use crate::RetryPolicy;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of a worker, with the names of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkerStatus {
    /// Executing an invocation.
    Running,
    /// Waiting for an invocation. The status of a new worker.
    Idle,
    /// In the middle of an invocation and unloaded. A time or a promise resumes it.
    Suspended,
    /// Stopped by an operator while an invocation runs or waits. The next invocation or a request
    /// to resume continues it.
    Interrupted,
    /// Failed; another attempt is scheduled.
    Retrying,
    /// Failed permanently.
    Failed,
    /// The program called `exit`.
    Exited,
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What happens to a worker after an invocation failed permanently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The worker is `Failed` and accepts no more invocations until an operator recovers it, as in 2023.
    #[default]
    Fail,
    /// The worker is rolled back to its state before the invocation, and then takes the next invocation. The caller of
    /// the failed invocation gets the error.
    Rollback,
}

/// Options for the failures of a worker, or of all workers of a template version.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureOptions {
    /// How often a failed invocation is retried. Without it, the server's setting applies.
    #[serde(default)]
    pub retry_policy: Option<RetryPolicy>,
    /// What happens after the last attempt. Without it, [`OnFailure::Fail`] applies.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
}

impl FailureOptions {
    /// These options, completed by those of `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            retry_policy: self.retry_policy.or(others.retry_policy),
            on_failure: self.on_failure.or(others.on_failure),
        }
    }

    /// Whether no option is set.
    pub fn is_empty(&self) -> bool {
        self.retry_policy.is_none() && self.on_failure.is_none()
    }
}
