//! What the workers of a project share: places that hold bytes, and deeds that change them.
//!
//! A deed is decided by a pure function of the places that it looks at. Whoever keeps the places gives it a [`StateReader`];
//! what is not at hand is named, read, and the deed decided again.

use crate::{Timestamp, blobstore, keyvalue};
use std::sync::Arc;

/// What kind of thing a place belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Values of buckets: by bucket and key.
    Values = 0,
    /// Containers of objects: by an empty bucket and the container's name.
    Containers = 1,
    /// Objects: by the container's generation and the object's name.
    Objects = 2,
}

impl Space {
    /// Its code in the store.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Where bytes are, in a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopedKey {
    /// The kind of thing.
    pub space: Space,
    /// What the keys belong to.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

/// Names one write of a place: never given again, so that a value that came back is told from one that stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// Of a place that holds nothing.
    pub const ABSENT: Self = Self(0);
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versioned {
    /// Its bytes, if there are any.
    pub value: Option<Arc<[u8]>>,
    /// The write that they come from; [`Version::ABSENT`] if there are none.
    pub version: Version,
}

/// A page of keys, in order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// If there may be more: ask for those after this one.
    pub next: Option<String>,
}

/// This place must be read first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMiss(pub ScopedKey);

/// What places hold, as far as it is at hand.
pub trait StateReader {
    /// What `key` holds.
    fn read(&mut self, key: &ScopedKey) -> Result<Versioned, CacheMiss>;
}

/// A change of what is shared, done as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedWrite {
    /// A write to a bucket.
    KeyValue {
        /// The bucket.
        bucket: Arc<str>,
        /// What is written.
        write: keyvalue::KeyValueWrite,
    },
    /// A change of containers and objects.
    Blobs(blobstore::BlobWrite),
}

/// What a deed changes and comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteEffects {
    /// Places and their bytes from now on; `None` empties a place.
    pub changes: Vec<(ScopedKey, Option<Arc<[u8]>>)>,
    /// Buckets of [`Space::Objects`] that nobody will ever ask for again.
    pub abandoned: Vec<Arc<str>>,
    /// The bytes that record what it came to, for the oplog.
    pub response: Vec<u8>,
}

impl SharedWrite {
    /// Decides it, at `now`.
    pub fn decide(&self, now: Timestamp, state: &mut dyn StateReader) -> Result<WriteEffects, CacheMiss> {
        match self {
            Self::KeyValue { bucket, write } => write.decide(bucket, state),
            Self::Blobs(write) => write.decide(now, state),
        }
    }
}
