//! Positions in an oplog.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The position of an entry in a worker's oplog: from 1, without gaps. It is not reused: the oplog of a worker that has
/// the name of a deleted one begins after the last index of that one. 0 is the position before all entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OplogIndex(pub u64);

impl OplogIndex {
    /// The position before the first entry of a name.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position `count` entries after this one.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for OplogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
