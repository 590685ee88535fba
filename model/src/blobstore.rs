//! Blob containers and objects. Pure functions decide the effects of every write, so that all stores behave alike.
//!
//! A container belongs to a project and must be created before use. The keys of its objects contain the container's
//! *generation*: the version of the container's record. Clearing a container writes its record again, and removing it
//! removes the record. In both cases the objects of the old generation are unreachable: no later record has that
//! version. Such a generation is *abandoned*, and the store deletes its objects later.

use crate::Timestamp;
use crate::keyvalue::{self, LimitError};
use crate::limits::KEY_VALUE_VALUE_BYTES_MAX;
use crate::oplog::wire::DecodeError;
use crate::shared::{CacheMiss, KeySpace, ScopedKey, StateReader, ValueVersion, Versioned, WriteEffects};
use std::sync::Arc;

/// Names an object by its container's name and its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectId {
    /// The container's name.
    pub container: Arc<str>,
    /// The object's name.
    pub object: Arc<str>,
}

/// A write to containers and objects, applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobWrite {
    /// Creates a container.
    Create(Arc<str>),
    /// Removes a container and all its objects.
    Remove(Arc<str>),
    /// Removes all objects of a container.
    Clear(Arc<str>),
    /// Writes an object; an existing object is replaced.
    Put {
        /// The object.
        id: ObjectId,
        /// Its bytes.
        data: Arc<[u8]>,
    },
    /// Removes objects. Names without an object are ignored.
    Delete {
        /// The container's name.
        container: Arc<str>,
        /// The objects' names.
        objects: Vec<Arc<str>>,
    },
    /// Copies or moves an object.
    Copy {
        /// The existing object.
        from: ObjectId,
        /// The object that is written or replaced.
        to: ObjectId,
        /// Whether `from` is removed: a move.
        moves: bool,
    },
}

/// The outcome of a write. It is recorded with the host call, in the same commit as the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobOutcome {
    /// The write was applied.
    #[error("done")]
    Done,
    /// The container exists already; nothing was changed.
    #[error("a container of that name exists")]
    Exists,
    /// There is no such container; nothing was changed.
    #[error("there is no container of that name")]
    NoContainer,
    /// There is no such object; nothing was changed.
    #[error("there is no object of that name")]
    NoObject,
}

impl BlobOutcome {
    /// The byte that stands for the outcome in the oplog.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::Exists => 2,
            Self::NoContainer => 3,
            Self::NoObject => 4,
        }
    }

    /// The outcome with this byte.
    pub fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            1 => Ok(Self::Done),
            2 => Ok(Self::Exists),
            3 => Ok(Self::NoContainer),
            4 => Ok(Self::NoObject),
            tag => Err(DecodeError::UnknownTag { what: "outcome of a blobstore write", tag }),
        }
    }
}

/// An existing container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// When it was created.
    pub created_at: Timestamp,
    /// The current generation, as text: the bucket in the keys of its objects.
    pub generation: Arc<str>,
}

/// An existing object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// When it was written.
    pub created_at: Timestamp,
    /// The bytes of its record: a header of [`HEADER_BYTES`], then the object's data.
    record: Arc<[u8]>,
}

/// Length of a record's header: the time of writing in nanoseconds, little-endian.
const HEADER_BYTES: usize = 8;

impl Object {
    /// The object's data.
    pub fn data(&self) -> &[u8] {
        &self.record[HEADER_BYTES..]
    }
}

/// The key of a container's record.
pub fn container_key(name: &Arc<str>) -> ScopedKey {
    ScopedKey { space: KeySpace::Containers, bucket: "".into(), key: name.clone() }
}

/// Reads the container of this name, if it exists.
pub fn read_container(name: &Arc<str>, state: &mut dyn StateReader) -> Result<Option<Container>, CacheMiss> {
    let versioned = state.read(&container_key(name))?;
    let Versioned { value: Some(record), version: ValueVersion(generation) } = versioned else {
        return Ok(None);
    };
    Ok(Some(Container { created_at: record_time(&record), generation: generation.to_string().into() }))
}

/// Reads an object. If the container or the object does not exist, the inner error says which of them.
pub fn read_object(
    id: &ObjectId,
    state: &mut dyn StateReader,
) -> Result<Result<Object, BlobOutcome>, CacheMiss> {
    let Some(container) = read_container(&id.container, state)? else {
        return Ok(Err(BlobOutcome::NoContainer));
    };
    let versioned = state.read(&container.object_key(&id.object))?;
    Ok(match versioned.value.filter(|record| record.len() >= HEADER_BYTES) {
        Some(record) => Ok(Object { created_at: record_time(&record), record }),
        None => Err(BlobOutcome::NoObject),
    })
}

impl Container {
    fn object_key(&self, object: &Arc<str>) -> ScopedKey {
        ScopedKey { space: KeySpace::Objects, bucket: self.generation.clone(), key: object.clone() }
    }
}

fn record_time(record: &[u8]) -> Timestamp {
    let nanos = record.first_chunk::<HEADER_BYTES>().map_or(0, |nanos| u64::from_le_bytes(*nanos));
    Timestamp::from_nanos(nanos)
}

fn encode_record(at: Timestamp, data: &[u8]) -> Arc<[u8]> {
    [&at.as_nanos().to_le_bytes(), data].concat().into()
}

impl BlobWrite {
    /// Checks names and data against the limits.
    pub fn check(&self) -> Result<(), LimitError> {
        let ids: [Option<&ObjectId>; 2] = match self {
            Self::Create(name) | Self::Remove(name) | Self::Clear(name) => {
                return keyvalue::check_bucket(name);
            }
            Self::Delete { container, objects } => {
                keyvalue::check_bucket(container)?;
                return keyvalue::check_keys(objects.iter().map(|name| &**name));
            }
            Self::Put { id, data } => {
                if data.len() > KEY_VALUE_VALUE_BYTES_MAX - HEADER_BYTES {
                    return Err(LimitError::Value(data.len()));
                }
                [Some(id), None]
            }
            Self::Copy { from, to, moves: _ } => [Some(from), Some(to)],
        };
        ids.into_iter().flatten().try_for_each(check_object_id)
    }

    /// Decides the effects of the write on `state`. A write that fails changes nothing and has only an outcome.
    pub fn decide(&self, now: Timestamp, state: &mut dyn StateReader) -> Result<WriteEffects, CacheMiss> {
        let mut effects = WriteEffects::default();
        let outcome = self.collect_effects(now, state, &mut effects)?;
        if outcome != BlobOutcome::Done {
            effects = WriteEffects::default();
        }
        effects.response = vec![outcome.code()];
        Ok(effects)
    }

    fn collect_effects(
        &self,
        now: Timestamp,
        state: &mut dyn StateReader,
        effects: &mut WriteEffects,
    ) -> Result<BlobOutcome, CacheMiss> {
        match self {
            Self::Create(name) => {
                if read_container(name, state)?.is_some() {
                    return Ok(BlobOutcome::Exists);
                }
                effects.changes.push((container_key(name), Some(encode_record(now, &[]))));
            }
            Self::Remove(name) => {
                let Some(existing) = read_container(name, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                effects.changes.push((container_key(name), None));
                effects.abandoned.push(existing.generation);
            }
            Self::Clear(name) => {
                let Some(existing) = read_container(name, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                // Writing the unchanged record gives it a new version, which is the next generation.
                effects.changes.push((container_key(name), Some(encode_record(existing.created_at, &[]))));
                effects.abandoned.push(existing.generation);
            }
            Self::Put { id, data } => {
                let Some(existing) = read_container(&id.container, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                effects.changes.push((existing.object_key(&id.object), Some(encode_record(now, data))));
            }
            Self::Delete { container: name, objects } => {
                let Some(existing) = read_container(name, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                effects.changes.extend(objects.iter().map(|object| (existing.object_key(object), None)));
            }
            Self::Copy { from, to, moves } => {
                let Some(source) = read_container(&from.container, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                let Some(target) = read_container(&to.container, state)? else {
                    return Ok(BlobOutcome::NoContainer);
                };
                let found = match read_object(from, state)? {
                    Ok(found) => found,
                    Err(missing) => return Ok(missing),
                };
                // The removal comes first: an object may be moved onto itself.
                if *moves {
                    effects.changes.push((source.object_key(&from.object), None));
                }
                effects.changes.push((target.object_key(&to.object), Some(encode_record(now, found.data()))));
            }
        }
        Ok(BlobOutcome::Done)
    }
}

/// Checks both names of an object against the limits.
pub fn check_object_id(id: &ObjectId) -> Result<(), LimitError> {
    keyvalue::check_bucket(&id.container)?;
    keyvalue::check_keys(std::iter::once(&*id.object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A state that is entirely in memory and so has no cache misses.
    #[derive(Default)]
    struct MemoryState {
        values: BTreeMap<ScopedKey, Versioned>,
        writes: u64,
        abandoned: Vec<Arc<str>>,
    }

    impl StateReader for MemoryState {
        fn read(&mut self, key: &ScopedKey) -> Result<Versioned, CacheMiss> {
            Ok(self.values.get(key).cloned().unwrap_or_default())
        }
    }

    impl MemoryState {
        fn apply(&mut self, write: &BlobWrite) -> BlobOutcome {
            self.writes += 1;
            let effects = write.decide(Timestamp::from_nanos(self.writes * 1_000), self).unwrap();
            for (key, value) in effects.changes {
                match value {
                    Some(_) => {
                        drop(
                            self.values.insert(key, Versioned { value, version: ValueVersion(self.writes) }),
                        );
                    }
                    None => drop(self.values.remove(&key)),
                }
            }
            self.abandoned.extend(effects.abandoned);
            BlobOutcome::from_code(effects.response[0]).unwrap()
        }

        fn read(&mut self, container: &str, object: &str) -> Result<Vec<u8>, BlobOutcome> {
            super::read_object(&id(container, object), self).unwrap().map(|found| found.data().to_vec())
        }
    }

    fn id(container: &str, object: &str) -> ObjectId {
        ObjectId { container: container.into(), object: object.into() }
    }

    fn put(container: &str, object: &str, data: &[u8]) -> BlobWrite {
        BlobWrite::Put { id: id(container, object), data: data.into() }
    }

    #[test]
    fn containers_must_be_created_and_only_once() {
        let mut state = MemoryState::default();
        assert_eq!(state.apply(&put("c", "o", b"x")), BlobOutcome::NoContainer);
        assert_eq!(state.apply(&BlobWrite::Remove("c".into())), BlobOutcome::NoContainer);
        assert_eq!(state.apply(&BlobWrite::Create("c".into())), BlobOutcome::Done);
        assert_eq!(state.apply(&BlobWrite::Create("c".into())), BlobOutcome::Exists);
        assert_eq!(state.apply(&put("c", "o", b"x")), BlobOutcome::Done);
        assert_eq!(state.read("c", "o"), Ok(b"x".to_vec()));
        assert_eq!(state.read("c", "p"), Err(BlobOutcome::NoObject));
        assert_eq!(state.read("d", "o"), Err(BlobOutcome::NoContainer));
    }

    #[test]
    fn clearing_or_removing_a_container_abandons_its_generation() {
        let mut state = MemoryState::default();
        state.apply(&BlobWrite::Create("c".into()));
        state.apply(&put("c", "o", b"x"));
        let created = read_container(&"c".into(), &mut state).unwrap().unwrap();
        assert_eq!(state.apply(&BlobWrite::Clear("c".into())), BlobOutcome::Done);
        assert_eq!(state.read("c", "o"), Err(BlobOutcome::NoObject));
        let cleared = read_container(&"c".into(), &mut state).unwrap().unwrap();
        assert_eq!(cleared.created_at, created.created_at);
        state.apply(&put("c", "o", b"y"));
        assert_eq!(state.apply(&BlobWrite::Remove("c".into())), BlobOutcome::Done);
        assert_eq!(state.apply(&BlobWrite::Create("c".into())), BlobOutcome::Done);
        assert_eq!(state.read("c", "o"), Err(BlobOutcome::NoObject));
        assert_eq!(state.abandoned, [created.generation, cleared.generation]);
    }

    #[test]
    fn objects_are_copied_and_moved() {
        let mut state = MemoryState::default();
        let copy = |from: ObjectId, to: ObjectId, moves| BlobWrite::Copy { from, to, moves };
        state.apply(&BlobWrite::Create("c".into()));
        state.apply(&put("c", "o", b"x"));
        assert_eq!(state.apply(&copy(id("c", "o"), id("d", "o"), false)), BlobOutcome::NoContainer);
        assert_eq!(state.apply(&copy(id("c", "n"), id("c", "o"), false)), BlobOutcome::NoObject);
        state.apply(&BlobWrite::Create("d".into()));
        assert_eq!(state.apply(&copy(id("c", "o"), id("d", "p"), false)), BlobOutcome::Done);
        assert_eq!(state.apply(&copy(id("c", "o"), id("c", "o"), true)), BlobOutcome::Done, "onto itself");
        assert_eq!(state.apply(&copy(id("c", "o"), id("d", "q"), true)), BlobOutcome::Done);
        assert_eq!(state.read("c", "o"), Err(BlobOutcome::NoObject));
        assert_eq!((state.read("d", "p"), state.read("d", "q")), (Ok(b"x".to_vec()), Ok(b"x".to_vec())));
        let objects = vec!["p".into(), "never there".into()];
        assert_eq!(state.apply(&BlobWrite::Delete { container: "d".into(), objects }), BlobOutcome::Done);
        assert_eq!(state.read("d", "p"), Err(BlobOutcome::NoObject));
    }
}
