//! Shards: slices of the worker-id space. A node owns whole shards.

use crate::{TemplateId, WorkerName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of shards. The stored rows of workers contain a shard, so the number is fixed for
/// existing data.
pub const SHARDS: u16 = 256;

/// A slice of the worker-id space, `0..SHARDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u8);

impl ShardId {
    /// The shard of a worker: the first byte of BLAKE3 over the template's 16 bytes and the name's UTF-8.
    ///
    /// Invariant: this function never changes, because stored rows contain its result.
    pub fn of(template: TemplateId, name: &WorkerName) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(template.0.as_bytes());
        hasher.update(name.as_str().as_bytes());
        Self(hasher.finalize().as_bytes()[0])
    }

    /// All shards in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that grows at each change of a shard's owner. It fences commits: the store rejects those of an old epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
