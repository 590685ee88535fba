//! Buckets and containers in memory. All workers of a store share them, as if they belonged to one project.

use super::store::{Activation, MemoryStore, State, StoreEvent};
use async_trait::async_trait;
use golem_host::ports::{Blobstore, KeyValue, PortError};
use golem_model::blobstore::{self, BlobWrite, Container, Object, ObjectId};
use golem_model::keyvalue::{self, KeyValueWrite};
use golem_model::oplog::HostCall;
use golem_model::shared::{
    CacheMiss, KeyPage, KeySpace, ScopedKey, SharedWrite, StateReader, ValueVersion, Versioned,
};
use golem_model::{Entry, OplogIndex, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The current value of each key.
#[derive(Default)]
struct SharedValues(BTreeMap<ScopedKey, Versioned>);

impl StateReader for SharedValues {
    fn read(&mut self, key: &ScopedKey) -> Result<Versioned, CacheMiss> {
        Ok(self.0.get(key).cloned().unwrap_or_default())
    }
}

impl SharedValues {
    fn keys(&self, space: KeySpace, bucket: &str, after: Option<&str>, limit: usize) -> KeyPage {
        let keys = self.0.keys().filter(|key| key.space == space && *key.bucket == *bucket);
        let keys = keys.map(|key| key.key.to_string());
        let mut keys: Vec<String> =
            keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).collect();
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).cloned();
        KeyPage { keys, next }
    }
}

impl State {
    fn values(&self) -> SharedValues {
        let mut values = SharedValues::default();
        for event in &self.events {
            let StoreEvent::Wrote { changes, version, cause: _ } = event else { continue };
            for (key, value) in changes {
                match value {
                    Some(value) => {
                        let versioned = Versioned { value: Some(value.clone()), version: *version };
                        values.0.insert(key.clone(), versioned);
                    }
                    None => drop(values.0.remove(key)),
                }
            }
        }
        values
    }
}

impl MemoryStore {
    /// The value of a key, including uncommitted changes.
    pub fn value(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let values = self.shared.state.lock().values();
        let found = values.0.get(&keyvalue::value_key(&bucket.into(), &key.into()));
        found.and_then(|found| found.value.as_deref().map(<[u8]>::to_vec))
    }
}

impl Activation {
    fn values(&self) -> SharedValues {
        self.store.shared.state.lock().values()
    }

    /// Applies a shared write. Each write has another time, so that tests can see the order.
    fn apply_write(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: HostCall,
        write: &SharedWrite,
    ) -> Result<Vec<u8>, PortError> {
        let response = {
            let mut state = self.store.shared.state.lock();
            state.check_writable(self)?;
            state.version_last += 1;
            let version = ValueVersion(state.version_last);
            let now = Timestamp::from_nanos(version.0 * 1_000_000_000);
            let Ok(effects) = write.decide(now, &mut state.values()) else {
                return Err(PortError::Discarded);
            };
            let cause = (self.worker.clone(), first.plus(entries.len() as u64));
            state.events.push(StoreEvent::Wrote { changes: effects.changes, version, cause });
            entries.push(Entry::HostCall { call, response: effects.response.clone() });
            state.append(self, first, entries);
            effects.response
        };
        self.store.notify_change();
        Ok(response)
    }
}

/// Unwraps a read: everything is in memory, so there is no cache miss.
fn expect_hit<T>(found: Result<T, CacheMiss>) -> Result<T, PortError> {
    found.map_err(|_| PortError::Discarded)
}

#[async_trait]
impl KeyValue for Activation {
    async fn get(
        &self,
        bucket: &str,
        keys: &[String],
        bytes_max: usize,
    ) -> Result<Vec<Versioned>, PortError> {
        let bucket: Arc<str> = bucket.into();
        let mut values = self.values();
        let mut bytes = 0;
        let mut found = Vec::new();
        for key in keys {
            let value = expect_hit(values.read(&keyvalue::value_key(&bucket, &key.as_str().into())))?;
            bytes += value.value.as_ref().map_or(0, |value| value.len());
            if bytes > bytes_max {
                break;
            }
            found.push(value);
        }
        Ok(found)
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, PortError> {
        Ok(self.values().keys(KeySpace::Values, bucket, after, limit))
    }

    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        bucket: &str,
        write: KeyValueWrite,
    ) -> Result<Vec<u8>, PortError> {
        self.apply_write(first, entries, call, &SharedWrite::KeyValue { bucket: bucket.into(), write })
    }
}

#[async_trait]
impl Blobstore for Activation {
    async fn container(&self, name: &str) -> Result<Option<Container>, PortError> {
        expect_hit(blobstore::read_container(&name.into(), &mut self.values()))
    }

    async fn object(&self, id: &ObjectId) -> Result<Result<Object, blobstore::BlobOutcome>, PortError> {
        expect_hit(blobstore::read_object(id, &mut self.values()))
    }

    async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<KeyPage>, PortError> {
        let mut values = self.values();
        let found = expect_hit(blobstore::read_container(&container.into(), &mut values))?;
        Ok(found.map(|found| values.keys(KeySpace::Objects, &found.generation, after, limit)))
    }

    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        write: BlobWrite,
    ) -> Result<Vec<u8>, PortError> {
        self.apply_write(first, entries, call, &SharedWrite::Blobs(write))
    }
}
