//! Buckets for one activation.
//!
//! What the ledger knows is answered at once. For the rest the store is read on a thread that may block, between two
//! looks under the lock; all of that is one closure, so that no read stays begun when its caller goes away.

use super::{ActivationPort, port_error, refused};
use crate::executor::core::{Core, State, unavailable};
use crate::executor::ledger::keyvalue::{Place, ReadNo};
use crate::executor::ledger::{Answer, ByWorker, Event};
use crate::storage::ports::{StoreError, WorkerNo};
use async_trait::async_trait;
use golem_host::ports::{KeyValue, PortError};
use golem_model::keyvalue::{Held, KeyPage, Outcome, Version, Write};
use golem_model::oplog::Call;
use golem_model::{Entry, OplogIndex, ProjectId};
use parking_lot::MutexGuard;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of values that may be on their way to the store; a worker that writes more waits until its own are there.
const UNWRITTEN_BYTES_MAX: usize = 64 << 20;

/// Who asks.
#[derive(Clone)]
struct Asker {
    core: Arc<Core>,
    worker: WorkerNo,
    generation: u64,
}

impl ActivationPort {
    fn asker(&self) -> Asker {
        Asker { core: self.core.clone(), worker: self.worker, generation: self.generation }
    }

    /// Runs `act` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Asker) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let asker = self.asker();
        let done = self.core.runtime.spawn_blocking(move || act(&asker)).await;
        done.unwrap_or(Err(PortError::Discarded))
    }
}

#[async_trait]
impl KeyValue for ActivationPort {
    async fn get(&self, bucket: &str, keys: &[String], bytes_max: usize) -> Result<Vec<Held>, PortError> {
        let bucket: Arc<str> = bucket.into();
        let keys: Vec<Arc<str>> = keys.iter().map(|key| key.as_str().into()).collect();
        {
            let asker = self.asker();
            let mut state = asker.lock()?;
            let project = asker.project(&state)?;
            if let Some(found) = known(&mut state, project, &bucket, &keys, bytes_max, &BTreeMap::new()) {
                return Ok(found);
            }
        }
        self.blocking(move |asker| asker.get(&bucket, &keys, bytes_max)).await
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, PortError> {
        let (bucket, after): (Arc<str>, Option<Arc<str>>) = (bucket.into(), after.map(Into::into));
        self.blocking(move |asker| asker.keys(&bucket, after.as_ref(), limit)).await
    }

    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        bucket: &str,
        write: Write,
    ) -> Result<Outcome, PortError> {
        let bucket: Arc<str> = bucket.into();
        let asker = self.asker();
        let by = ByWorker { worker: self.worker, activation: self.activation, first, entries, call };
        let must_read = {
            let mut state = asker.lock()?;
            let project = asker.project(&state)?;
            write.depends_on().is_some_and(|key| {
                let place = Place { project, bucket: bucket.clone(), key: key.into() };
                state.ledger.values().get(&place).is_none()
            })
        };
        let (answer, unwritten) = if must_read {
            self.blocking(move |asker| asker.read_and_write(by, bucket, write)).await?
        } else {
            asker.write(by, bucket, write)?
        };
        self.note(&answer);
        let Answer::Wrote(outcome, seq) = answer else { return Err(PortError::Discarded) };
        if unwritten > UNWRITTEN_BYTES_MAX {
            self.core.durable(seq).await.map_err(port_error)?;
        }
        Ok(outcome)
    }
}

impl Asker {
    fn lock(&self) -> Result<MutexGuard<'_, State>, PortError> {
        let state = self.core.lock();
        if state.generation == self.generation { Ok(state) } else { Err(PortError::Discarded) }
    }

    fn project(&self, state: &State) -> Result<ProjectId, PortError> {
        state.ledger.head(self.worker).map(|head| head.project).ok_or(PortError::Discarded)
    }

    /// Begins a read: the project and the read's number.
    fn begin(&self) -> Result<(ProjectId, ReadNo), PortError> {
        let mut state = self.lock()?;
        let project = self.project(&state)?;
        Ok((project, state.ledger.begin_read()))
    }

    /// Ends it with `look`, which is given what was read.
    fn end<R, T>(
        &self,
        read: ReadNo,
        found: Result<R, StoreError>,
        look: impl FnOnce(&mut State, R) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut state = self.lock()?;
        let outcome = match found {
            Ok(found) => look(&mut state, found),
            Err(error) => Err(port_error(unavailable(&error))),
        };
        state.ledger.values().end_read(read);
        outcome
    }

    fn get(&self, bucket: &Arc<str>, keys: &[Arc<str>], bytes_max: usize) -> Result<Vec<Held>, PortError> {
        let (project, read) = self.begin()?;
        // What is known now holds good for this read: what is newer stays known until it ends.
        let mut stored: BTreeMap<Arc<str>, Held> = {
            let mut state = self.lock()?;
            let values = state.ledger.values();
            let known = keys.iter().filter_map(|key| {
                let place = Place { project, bucket: bucket.clone(), key: key.clone() };
                values.get(&place).map(|held| (key.clone(), held.clone()))
            });
            known.collect()
        };
        let mut bytes = 0;
        let mut failed = None;
        for key in keys {
            let held = match stored.get(key) {
                Some(held) => held.clone(),
                None => match self.stored(project, bucket, key) {
                    Ok(held) => held,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                },
            };
            bytes += held.value.as_ref().map_or(0, |value| value.len());
            stored.insert(key.clone(), held);
            // What comes after is not needed, unless one of these values was made smaller since: then once more.
            if bytes > bytes_max {
                break;
            }
        }
        let found = failed.map_or(Ok(stored), Err);
        let found = self.end(read, found, |state, stored| {
            let found = known(state, project, bucket, keys, bytes_max, &stored);
            for (key, held) in &stored {
                let place = Place { project, bucket: bucket.clone(), key: key.clone() };
                state.ledger.values().keep(place, held);
            }
            Ok(found)
        })?;
        match found {
            Some(found) => Ok(found),
            None => self.get(bucket, keys, bytes_max),
        }
    }

    fn stored(&self, project: ProjectId, bucket: &str, key: &str) -> Result<Held, StoreError> {
        let row = self.core.store.value(project, bucket, key)?;
        Ok(row.map_or_else(Held::default, |row| Held { value: row.value, version: Version(row.version.0) }))
    }

    fn keys(&self, bucket: &Arc<str>, after: Option<&Arc<str>>, limit: usize) -> Result<KeyPage, PortError> {
        let (project, read) = self.begin()?;
        // One more than wanted says whether there are more.
        let found = self.core.store.keys(project, bucket, after.map(|after| &**after), limit + 1);
        self.end(read, found, |state, stored| {
            let last = if stored.len() > limit { stored.last().cloned() } else { None };
            let of = Place { project, bucket: bucket.clone(), key: "".into() };
            let written = state.ledger.values().written_since(read, &of, after, last.as_deref());
            Ok(page(stored, written, last, limit))
        })
    }

    fn write(&self, by: ByWorker, bucket: Arc<str>, write: Write) -> Result<(Answer, usize), PortError> {
        let mut state = self.lock()?;
        self.step(&mut state, by, bucket, write, None)
    }

    fn read_and_write(
        &self,
        by: ByWorker,
        bucket: Arc<str>,
        write: Write,
    ) -> Result<(Answer, usize), PortError> {
        let (project, read) = self.begin()?;
        let found = match write.depends_on() {
            Some(key) => self.stored(project, &bucket, key),
            None => Ok(Held::default()),
        };
        self.end(read, found, |state, held| self.step(state, by, bucket, write, Some(held)))
    }

    /// The answer, and the bytes of values that are on their way to the store now.
    fn step(
        &self,
        state: &mut State,
        by: ByWorker,
        bucket: Arc<str>,
        write: Write,
        read: Option<Held>,
    ) -> Result<(Answer, usize), PortError> {
        let event = Event::Write { by, bucket, write, read };
        let answer = self.core.step(state, event).map_err(refused)?;
        Ok((answer, state.ledger.values().unwritten_bytes()))
    }
}

/// What the keys hold, by what the ledger knows and what was read; `None` if that is not enough.
fn known(
    state: &mut State,
    project: ProjectId,
    bucket: &Arc<str>,
    keys: &[Arc<str>],
    bytes_max: usize,
    stored: &BTreeMap<Arc<str>, Held>,
) -> Option<Vec<Held>> {
    let mut found = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in keys {
        let place = Place { project, bucket: bucket.clone(), key: key.clone() };
        let held = state.ledger.values().get(&place).or_else(|| stored.get(key))?;
        bytes += held.value.as_ref().map_or(0, |value| value.len());
        if bytes > bytes_max {
            break;
        }
        found.push(held.clone());
    }
    Some(found)
}

/// The keys that were stored, with what was written since laid over them. `last` is the last one that was looked at, if
/// there may be more after it.
fn page(stored: Vec<String>, written: Vec<(Arc<str>, bool)>, last: Option<String>, limit: usize) -> KeyPage {
    let mut keys: std::collections::BTreeSet<String> = stored.into_iter().collect();
    for (key, there) in written {
        if there {
            keys.insert(key.to_string());
        } else {
            keys.remove(&*key);
        }
    }
    let mut keys: Vec<String> = keys.into_iter().collect();
    let mut next = last;
    if keys.len() > limit {
        keys.truncate(limit);
        next = keys.last().cloned();
    }
    KeyPage { keys, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        stored: &[&str],
        written: &[(&str, bool)],
        last: Option<&str>,
        keys: &[&str],
        next: Option<&str>,
    ) {
        let stored = stored.iter().map(ToString::to_string).collect();
        let written = written.iter().map(|(key, there)| ((*key).into(), *there)).collect();
        let found = page(stored, written, last.map(str::to_owned), 2);
        assert_eq!(found.keys, keys);
        assert_eq!(found.next.as_deref(), next);
    }

    #[test]
    fn what_was_written_since_lies_over_what_was_stored() {
        check(&[], &[], None, &[], None);
        check(&["a", "b"], &[], None, &["a", "b"], None);
        check(&["a", "b", "c"], &[], Some("c"), &["a", "b"], Some("b"));
        check(&["a", "c"], &[("b", true)], None, &["a", "b"], Some("b"));
        check(&["a", "b", "c"], &[("a", false)], Some("c"), &["b", "c"], Some("c"));
        check(&["a", "b", "c"], &[("a", false), ("b", false), ("c", false)], Some("c"), &[], Some("c"));
        check(&["b"], &[("b", true), ("a", false)], None, &["b"], None);
    }
}
