//! Promises: slots made by a worker, completed once from anywhere.

use crate::{OplogIndex, WorkerId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A promise: the worker that made it and the oplog index of its creation, so that replay makes the same id.
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

/// What is known of a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromiseState {
    /// Nobody has completed it yet.
    Pending,
    /// Completed with these bytes, for ever.
    Completed(std::sync::Arc<[u8]>),
    /// It never existed, was deleted, or its worker was.
    Unknown,
}

/// What an attempt to complete a promise came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// This attempt filled it.
    Completed,
    /// An earlier one had.
    AlreadyCompleted,
    /// There is no such promise.
    Unknown,
}
