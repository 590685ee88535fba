//! Promises: slots that a worker creates and that are completed once, from anywhere.

use crate::{OplogIndex, WorkerId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identifies a promise by the worker that created it and the oplog index of its creation. Replay therefore creates the
/// same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PromiseId {
    /// The worker whose oplog holds the promise.
    pub worker: WorkerId,
    /// The index of the entry that created it.
    pub index: OplogIndex,
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.worker, self.index)
    }
}

/// The state of a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromiseState {
    /// Not completed yet.
    Pending,
    /// Completed with these bytes. This state is final, unless the promise is deleted.
    Completed(std::sync::Arc<[u8]>),
    /// The promise does not exist: it was never created, or it or its worker was deleted.
    Unknown,
}

/// The outcome of a request to complete a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseCompletion {
    /// This request completed the promise.
    Completed,
    /// An earlier request completed it.
    AlreadyCompleted,
    /// The promise does not exist.
    Unknown,
}
