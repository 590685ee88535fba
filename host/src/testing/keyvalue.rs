//! Buckets in memory. All workers of a store share them: to a test they are of one project.

use super::store::{Activation, Event, MemoryStore, State};
use crate::ports::{KeyValue, PortError};
use async_trait::async_trait;
use golem_model::keyvalue::{Held, KeyPage, Outcome, Version, Write};
use golem_model::oplog::Call;
use golem_model::{Entry, OplogIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

impl State {
    fn bucket(&self, name: &str) -> BTreeMap<Arc<str>, Held> {
        let mut values = BTreeMap::new();
        for event in &self.events {
            let Event::Wrote { bucket, changes, version, by: _ } = event else { continue };
            for (key, value) in changes.iter().filter(|_| **bucket == *name) {
                match value {
                    Some(value) => {
                        let held = Held { value: Some(value.clone()), version: *version };
                        values.insert(key.clone(), held);
                    }
                    None => drop(values.remove(key)),
                }
            }
        }
        values
    }
}

impl MemoryStore {
    /// The value of a key, with what is not committed yet.
    pub fn value(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let bucket = self.shared.state.lock().bucket(bucket);
        bucket.get(key).and_then(|held| held.value.as_deref().map(<[u8]>::to_vec))
    }
}

#[async_trait]
impl KeyValue for Activation {
    async fn get(&self, bucket: &str, keys: &[String], bytes_max: usize) -> Result<Vec<Held>, PortError> {
        let bucket = self.store.shared.state.lock().bucket(bucket);
        let mut bytes = 0;
        let found = keys.iter().map(|key| bucket.get(key.as_str()).cloned().unwrap_or_default());
        Ok(found
            .take_while(|held| {
                bytes += held.value.as_ref().map_or(0, |value| value.len());
                bytes <= bytes_max
            })
            .collect())
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, PortError> {
        let bucket = self.store.shared.state.lock().bucket(bucket);
        let mut keys: Vec<String> = bucket
            .keys()
            .map(ToString::to_string)
            .filter(|key| after.is_none_or(|after| key.as_str() > after))
            .collect();
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).cloned();
        Ok(KeyPage { keys, next })
    }

    async fn write(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: Call,
        bucket: &str,
        write: Write,
    ) -> Result<Outcome, PortError> {
        let outcome = {
            let mut state = self.store.shared.state.lock();
            state.admit(self)?;
            let held =
                write.depends_on().and_then(|key| state.bucket(bucket).remove(key)).unwrap_or_default();
            let (changes, outcome) = write.decide(&held);
            state.version_last += 1;
            let version = Version(state.version_last);
            let by = (self.worker.clone(), first.plus(entries.len() as u64));
            state.events.push(Event::Wrote { bucket: bucket.into(), changes, version, by });
            entries.push(Entry::HostCall { call, response: outcome.encode() });
            state.append(self, first, entries);
            outcome
        };
        self.store.changed();
        Ok(outcome)
    }
}
