//! Access of one activation to the shared state of its project: buckets and containers of objects.
//!
//! Values that the ledger holds are returned at once. Other values are read from the store on a thread that may block,
//! between two accesses under the lock. All of that runs in one closure, so every read that has begun also ends, even
//! if its caller is dropped.

use super::{ActivationAdapter, step_port_error};
use crate::executor::core::{Core, State};
use crate::executor::error::{port_error, unavailable};
use crate::executor::ledger::shared_values::{
    KEYS_PER_LOCK_MAX, KeyChunk, PlannedWrite, ReadId, StoredValues,
};
use crate::executor::ledger::{HostCallContext, LedgerEvent, StepOutcome};
use crate::executor::panics::StateGuard;
use crate::executor::position::RowPosition;
use crate::storage::ports::{StoreError, WorkerNum};
use async_trait::async_trait;
use golem_host::ports::{Blobstore, KeyValue, PortError};
use golem_model::blobstore::{self, BlobWrite, ObjectId};
use golem_model::keyvalue::{self, KeyValueWrite};
use golem_model::oplog::HostCall;
use golem_model::shared::{
    CacheMiss, KeyPage, KeySpace, ScopedKey, SharedWrite, StateReader, ValueVersion, Versioned,
};
use golem_model::{Entry, OplogIndex, ProjectId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Maximum number of bytes of values that are not yet committed. At this limit, a write returns once its own value is
/// durable.
const UNWRITTEN_BYTES_MAX: usize = 64 << 20;

/// Access of one worker to the shared state, for code that may block.
#[derive(Clone)]
struct SharedAccess {
    core: Arc<Core>,
    worker: WorkerNum,
    generation: u64,
}

impl ActivationAdapter {
    fn shared_access(&self) -> SharedAccess {
        SharedAccess { core: self.core.clone(), worker: self.worker, generation: self.generation }
    }

    /// Runs `work` on a thread that may block.
    async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SharedAccess) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let shared_access = self.shared_access();
        let done = self.core.run_blocking(move || work(&shared_access)).await;
        done.unwrap_or_else(|error| Err(port_error(error)))
    }

    /// Evaluates `query` on a consistent state.
    async fn read_state<T: Send + 'static>(
        &self,
        query: impl Fn(&mut dyn StateReader) -> Result<T, CacheMiss> + Send + 'static,
    ) -> Result<T, PortError> {
        {
            let shared_access = self.shared_access();
            let mut state = shared_access.lock()?;
            let project = shared_access.project(&state)?;
            if let Ok(found) = query(&mut state.ledger.state_reader(project, &StoredValues::new())) {
                return Ok(found);
            }
        }
        self.run_blocking(move |shared_access| {
            shared_access.with_store_reads(|project, state, read| {
                Ok(query(&mut state.ledger.state_reader(project, read)))
            })
        })
        .await
    }

    /// Applies `write` and records `call` with the response. Returns the recorded response.
    async fn apply_write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        write: SharedWrite,
    ) -> Result<Vec<u8>, PortError> {
        let shared_access = self.shared_access();
        let context = self.host_call_context(first, entries, call);
        let mut pending = Some((context, PlannedWrite::new(self.core.clock.now(), write)));
        let done = {
            let mut state = shared_access.lock()?;
            let project = shared_access.project(&state)?;
            shared_access.try_apply(&mut state, project, &mut pending, &StoredValues::new())?
        };
        let (outcome, unwritten) = match done {
            Ok(done) => done,
            Err(_) => {
                self.run_blocking(move |shared_access| {
                    shared_access.with_store_reads(|project, state, read| {
                        shared_access.try_apply(state, project, &mut pending, read)
                    })
                })
                .await?
            }
        };
        self.track_row(&outcome);
        let StepOutcome::SharedWritten(response, seq) = outcome else { return Err(PortError::Discarded) };
        if unwritten > UNWRITTEN_BYTES_MAX {
            let written = RowPosition::new(self.generation, seq);
            self.core.wait_until_durable(written).await.map_err(port_error)?;
        }
        Ok(response)
    }
}

/// A read of the store that has begun. It ends when this is dropped, also by a panic of the store: until then, the ledger
/// keeps every value that is written.
struct OpenRead<'a> {
    access: &'a SharedAccess,
    project: ProjectId,
    id: ReadId,
    is_open: bool,
}

impl OpenRead<'_> {
    /// Ends the read, and caches the values that were read.
    fn end(mut self, state: &mut State, read: &StoredValues) {
        let values = state.ledger.shared_values();
        for (scoped_key, versioned) in read {
            values.cache((self.project, scoped_key.clone()), versioned);
        }
        values.end_read(self.id);
        self.is_open = false;
    }
}

impl Drop for OpenRead<'_> {
    fn drop(&mut self) {
        // The reads of a discarded ledger went with it.
        if self.is_open
            && let Ok(mut state) = self.access.lock()
        {
            state.ledger.shared_values().end_read(self.id);
        }
    }
}

impl SharedAccess {
    fn lock(&self) -> Result<StateGuard<'_>, PortError> {
        let state = self.core.lock();
        if state.generation == self.generation { Ok(state) } else { Err(PortError::Discarded) }
    }

    fn project(&self, state: &State) -> Result<ProjectId, PortError> {
        state.ledger.projection(self.worker).map(|projection| projection.project).ok_or(PortError::Discarded)
    }

    /// Begins a read of the store.
    fn begin_read(&self) -> Result<OpenRead<'_>, PortError> {
        let mut state = self.lock()?;
        let project = self.project(&state)?;
        let id = state.ledger.begin_read();
        Ok(OpenRead { access: self, project, id, is_open: true })
    }

    /// Calls `work` under the lock. While it misses a value, reads that value from the store and calls it again.
    fn with_store_reads<T>(
        &self,
        mut work: impl FnMut(ProjectId, &mut State, &StoredValues) -> Result<Result<T, CacheMiss>, PortError>,
    ) -> Result<T, PortError> {
        let open = self.begin_read()?;
        let project = open.project;
        let mut read = StoredValues::new();
        loop {
            let mut state = self.lock()?;
            let scoped_key = match work(project, &mut state, &read) {
                Ok(Err(CacheMiss(scoped_key))) => scoped_key,
                outcome => {
                    open.end(&mut state, &read);
                    return outcome.and_then(|found| found.map_err(|_| PortError::Discarded));
                }
            };
            drop(state);
            match self.read_stored(project, &scoped_key) {
                Ok(versioned) => drop(read.insert(scoped_key, versioned)),
                Err(error) => {
                    open.end(&mut *self.lock()?, &read);
                    return Err(port_error(unavailable(&error)));
                }
            }
        }
    }

    fn read_stored(&self, project: ProjectId, scoped_key: &ScopedKey) -> Result<Versioned, StoreError> {
        let row = self.core.store.value(project, scoped_key)?;
        Ok(row.map_or_else(Versioned::default, |row| Versioned {
            value: row.value,
            version: ValueVersion(row.version.0),
        }))
    }

    /// Applies the write if all values that it depends on are in the ledger or were read. Returns the outcome, and the
    /// bytes of values that are not yet committed.
    fn try_apply(
        &self,
        state: &mut State,
        project: ProjectId,
        pending: &mut Option<(HostCallContext, PlannedWrite)>,
        read: &StoredValues,
    ) -> Result<Result<(StepOutcome, usize), CacheMiss>, PortError> {
        let Some((_, write)) = pending else { return Err(PortError::Discarded) };
        // The ledger decides the outcome under the same lock. This check only finds out whether a value is missing.
        if let PlannedWrite::Pending(write) = write
            && let Err(miss) =
                write.decide(self.core.clock.now(), &mut state.ledger.state_reader(project, read))
        {
            return Ok(Err(miss));
        }
        let Some((context, write)) = pending.take() else { return Err(PortError::Discarded) };
        let event = LedgerEvent::SharedWrite { context, write, stored: read.clone() };
        let outcome = self.core.step(state, event).map_err(step_port_error)?;
        Ok(Ok((outcome, state.ledger.shared_values().unwritten_bytes())))
    }

    /// Reads the values of many keys of one bucket at one moment, but stops after `bytes_max` bytes. The lock is taken for
    /// some keys at a time.
    fn get_many(&self, scoped_keys: &[ScopedKey], bytes_max: usize) -> Result<Vec<Versioned>, PortError> {
        loop {
            let open = self.begin_read()?;
            let project = open.project;
            // Values that the ledger holds now stay valid for this read: newer ones stay in the ledger until it ends.
            let mut found = StoredValues::new();
            for keys in KeyChunk::split_keys(scoped_keys) {
                self.lock()?.ledger.shared_values().copy_cached(project, keys, &mut found);
            }
            let mut read = Vec::new();
            let failed = self.read_missing(project, scoped_keys, bytes_max, &mut found, &mut read);
            // What was read is cached before the read ends: until then the ledger has every newer value.
            for read in read.chunks(KEYS_PER_LOCK_MAX) {
                let mut state = self.lock()?;
                for (scoped_key, versioned) in read {
                    state.ledger.shared_values().cache((project, scoped_key.clone()), versioned);
                }
            }
            {
                let mut state = self.lock()?;
                state.ledger.shared_values().apply_writes_since(open.id, project, &mut found);
                open.end(&mut state, &StoredValues::new());
            }
            if let Err(error) = failed {
                return Err(port_error(unavailable(&error)));
            }
            // A value that was replaced by a smaller one meanwhile may leave room for a key that was not read.
            if let Some(found) = take_found(scoped_keys, bytes_max, &found) {
                return Ok(found);
            }
        }
    }

    /// Reads the values that are not in `found` from the store, adds them, and lists them in `read`.
    fn read_missing(
        &self,
        project: ProjectId,
        scoped_keys: &[ScopedKey],
        bytes_max: usize,
        found: &mut StoredValues,
        read: &mut Vec<(ScopedKey, Versioned)>,
    ) -> Result<(), StoreError> {
        let mut bytes = 0;
        for scoped_key in scoped_keys {
            if !found.contains_key(scoped_key) {
                let versioned = self.read_stored(project, scoped_key)?;
                read.push((scoped_key.clone(), versioned.clone()));
                found.insert(scoped_key.clone(), versioned);
            }
            bytes += found.get(scoped_key).map_or(0, length);
            if bytes > bytes_max {
                break;
            }
        }
        Ok(())
    }

    /// Lists keys of the bucket that `find` returns, in a consistent state.
    fn keys(
        &self,
        find: impl Fn(&mut dyn StateReader) -> Result<Option<(KeySpace, Arc<str>)>, CacheMiss>,
        after: Option<&Arc<str>>,
        limit: usize,
    ) -> Result<Option<KeyPage>, PortError> {
        loop {
            let query = |project, state: &mut State, read: &StoredValues| {
                Ok(find(&mut state.ledger.state_reader(project, read)))
            };
            let Some((space, bucket)) = self.with_store_reads(query)? else { return Ok(None) };
            let open = self.begin_read()?;
            let project = open.project;
            // One key more than the limit shows whether there are more.
            let stored =
                self.core.store.keys(project, space, &bucket, after.map(|after| &**after), limit + 1);
            let mut state = self.lock()?;
            // The name may refer to another bucket by now, or to one that must be looked up again.
            let now = find(&mut state.ledger.state_reader(project, &StoredValues::new()));
            let same = space == KeySpace::Values || now == Ok(Some((space, bucket.clone())));
            let of = ScopedKey { space, bucket, key: "".into() };
            let last = stored.as_ref().ok().and_then(|stored| stored.get(limit).cloned());
            let written =
                state.ledger.shared_values().written_since(open.id, project, &of, after, last.as_deref());
            open.end(&mut state, &StoredValues::new());
            drop(state);
            let stored = stored.map_err(|error| port_error(unavailable(&error)))?;
            if same {
                return Ok(Some(key_page(stored, written, last, limit)));
            }
        }
    }
}

fn length(versioned: &Versioned) -> usize {
    versioned.value.as_ref().map_or(0, |value| value.len())
}

/// Returns the values of the keys, until they exceed `bytes_max` bytes. `None` if a value is missing.
fn take_found(scoped_keys: &[ScopedKey], bytes_max: usize, found: &StoredValues) -> Option<Vec<Versioned>> {
    let mut taken = Vec::with_capacity(scoped_keys.len());
    let mut bytes = 0;
    for scoped_key in scoped_keys {
        let versioned = found.get(scoped_key)?;
        bytes += length(versioned);
        if bytes > bytes_max {
            break;
        }
        taken.push(versioned.clone());
    }
    Some(taken)
}

/// Merges the stored keys with the keys that were written since. `last` is the last key that was read from the store,
/// if there may be more after it.
fn key_page(
    stored: Vec<String>,
    written: Vec<(Arc<str>, bool)>,
    last: Option<String>,
    limit: usize,
) -> KeyPage {
    let mut keys: BTreeSet<String> = stored.into_iter().collect();
    for (key, present) in written {
        if present {
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

#[async_trait]
impl KeyValue for ActivationAdapter {
    async fn get(
        &self,
        bucket: &str,
        keys: &[String],
        bytes_max: usize,
    ) -> Result<Vec<Versioned>, PortError> {
        let bucket: Arc<str> = bucket.into();
        let scoped_keys: Vec<ScopedKey> =
            keys.iter().map(|key| keyvalue::value_key(&bucket, &key.as_str().into())).collect();
        if let Some(all) = KeyChunk::try_new(&scoped_keys) {
            let shared_access = self.shared_access();
            let mut found = StoredValues::new();
            {
                let mut state = shared_access.lock()?;
                let project = shared_access.project(&state)?;
                state.ledger.shared_values().copy_cached(project, all, &mut found);
            }
            if let Some(found) = take_found(&scoped_keys, bytes_max, &found) {
                return Ok(found);
            }
        }
        self.run_blocking(move |shared_access| shared_access.get_many(&scoped_keys, bytes_max)).await
    }

    async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, PortError> {
        let (bucket, after): (Arc<str>, Option<Arc<str>>) = (bucket.into(), after.map(Into::into));
        let find = move |_: &mut dyn StateReader| Ok(Some((KeySpace::Values, bucket.clone())));
        let found =
            self.run_blocking(move |shared_access| shared_access.keys(find, after.as_ref(), limit)).await?;
        Ok(found.unwrap_or_default())
    }

    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        bucket: &str,
        write: KeyValueWrite,
    ) -> Result<Vec<u8>, PortError> {
        self.apply_write(first, entries, call, SharedWrite::KeyValue { bucket: bucket.into(), write }).await
    }
}

#[async_trait]
impl Blobstore for ActivationAdapter {
    async fn container(&self, name: &str) -> Result<Option<blobstore::Container>, PortError> {
        let name: Arc<str> = name.into();
        self.read_state(move |state| blobstore::read_container(&name, state)).await
    }

    async fn object(
        &self,
        id: &ObjectId,
    ) -> Result<Result<blobstore::Object, blobstore::BlobOutcome>, PortError> {
        let id = id.clone();
        self.read_state(move |state| blobstore::read_object(&id, state)).await
    }

    async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<KeyPage>, PortError> {
        let (name, after): (Arc<str>, Option<Arc<str>>) = (container.into(), after.map(Into::into));
        let find = move |state: &mut dyn StateReader| {
            let found = blobstore::read_container(&name, state)?;
            Ok(found.map(|container| (KeySpace::Objects, container.generation)))
        };
        self.run_blocking(move |shared_access| shared_access.keys(find, after.as_ref(), limit)).await
    }

    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        write: BlobWrite,
    ) -> Result<Vec<u8>, PortError> {
        self.apply_write(first, entries, call, SharedWrite::Blobs(write)).await
    }
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
        let written = written.iter().map(|(key, present)| ((*key).into(), *present)).collect();
        let found = key_page(stored, written, last.map(str::to_owned), 2);
        assert_eq!(found.keys, keys);
        assert_eq!(found.next.as_deref(), next);
    }

    #[test]
    fn written_keys_override_stored_keys() {
        check(&[], &[], None, &[], None);
        check(&["a", "b"], &[], None, &["a", "b"], None);
        check(&["a", "b", "c"], &[], Some("c"), &["a", "b"], Some("b"));
        check(&["a", "c"], &[("b", true)], None, &["a", "b"], Some("b"));
        check(&["a", "b", "c"], &[("a", false)], Some("c"), &["b", "c"], Some("c"));
        check(&["a", "b", "c"], &[("a", false), ("b", false), ("c", false)], Some("c"), &[], Some("c"));
        check(&["b"], &[("b", true), ("a", false)], None, &["b"], None);
    }
}
