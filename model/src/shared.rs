//! State that the workers of a project share: versioned values under scoped keys, and the writes that change them.
//!
//! A pure function decides the effects of a shared write. The store passes it a [`StateReader`] of the current state.
//! The reader may hold only a part of the state in memory. The function then returns a [`CacheMiss`] with the missing
//! key; the store loads that key and calls the function again.

use crate::{Timestamp, blobstore, keyvalue};
use std::sync::Arc;

/// The key space: which kind of object a [`ScopedKey`] belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeySpace {
    /// Values of key-value buckets, by bucket and key.
    Values = 0,
    /// Records of blob containers, by an empty bucket and the container's name.
    Containers = 1,
    /// Blob objects, by the container's generation and the object's name.
    Objects = 2,
}

impl KeySpace {
    /// The code of the key space in the store.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The key of a shared value within a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopedKey {
    /// The key space.
    pub space: KeySpace,
    /// The bucket, or its counterpart in the other key spaces.
    pub bucket: Arc<str>,
    /// The key within the bucket.
    pub key: Arc<str>,
}

/// Identifies the write that set a value. Versions are not reused: a compare-and-swap by version therefore detects
/// that a value was changed and changed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ValueVersion(pub u64);

impl ValueVersion {
    /// The version of a key without a value.
    pub const ABSENT: Self = Self(0);
}

/// A value with its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versioned {
    /// The value, if the key has one.
    pub value: Option<Arc<[u8]>>,
    /// The write that set the value; [`ValueVersion::ABSENT`] if there is none.
    pub version: ValueVersion,
}

/// A page of keys, sorted by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// The next page starts after this key. `None` if there are no more keys.
    pub next: Option<String>,
}

/// The reader does not hold this key; it must be loaded first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMiss(pub ScopedKey);

/// Reads the shared state, as far as it is in memory.
pub trait StateReader {
    /// The value and version of `key`. A key without a value is not an error: see [`ValueVersion::ABSENT`].
    fn read(&mut self, key: &ScopedKey) -> Result<Versioned, CacheMiss>;
}

/// A write to the shared state, applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedWrite {
    /// A write to a bucket.
    KeyValue {
        /// The bucket.
        bucket: Arc<str>,
        /// The write.
        write: keyvalue::KeyValueWrite,
    },
    /// A write to containers and objects.
    Blobs(blobstore::BlobWrite),
}

/// The effects of a shared write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteEffects {
    /// Keys with their new values; `None` removes the value.
    pub changes: Vec<(ScopedKey, Option<Arc<[u8]>>)>,
    /// Buckets of [`KeySpace::Objects`] that became unreachable: generations of cleared or removed containers. The store
    /// deletes their objects later.
    pub abandoned: Vec<Arc<str>>,
    /// The encoded outcome, which becomes the response of the host call in the oplog.
    pub response: Vec<u8>,
}

impl SharedWrite {
    /// Decides the effects of the write on `state`. `now` is the time of creation of new containers and objects.
    pub fn decide(&self, now: Timestamp, state: &mut dyn StateReader) -> Result<WriteEffects, CacheMiss> {
        match self {
            Self::KeyValue { bucket, write } => write.decide(bucket, state),
            Self::Blobs(write) => write.decide(now, state),
        }
    }
}
