//! Shared state of projects (values of buckets, objects of containers) as far as the ledger holds it: values that are
//! queued but not yet durable, and a cache of stored values.
//!
//! The ledger cannot read the store. A caller that needs a value which is not here calls [`SharedValues::begin_read`],
//! reads the store without the lock, and takes the lock again. Values in the ledger then override the values that were
//! read.
//!
//! Invariant: a value that is written after a read began stays here until that read has ended, durable or not. So the
//! values that were read, overlaid with the values that are here, are the state at the moment when the lock is taken
//! again, in commit order.
//!
//! Invariant: a value that the store does not have is not evicted.

use super::{HostCallContext, Ledger, StepError, StepOutcome};
use crate::storage::ports::{AbandonedBucket, Seq, ValueRow};
use golem_model::oplog::Entry;
use golem_model::oplog::codec::Row;
use golem_model::shared::{CacheMiss, ScopedKey, SharedWrite, StateReader, ValueVersion, Versioned};
use golem_model::{ProjectId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Bytes of values that are cached although the store has them. The longest unused values are evicted first.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// Approximate memory that a value uses beside its bytes.
const OVERHEAD_BYTES: usize = 128;
/// Larger values that were only read are not cached: they would evict many smaller values that are read often.
const CACHED_BYTES_MAX: usize = 256 << 10;

/// A key with its project.
type ProjectKey = (ProjectId, ScopedKey);

/// Values that were read from the store.
pub(crate) type StoredValues = BTreeMap<ScopedKey, Versioned>;

/// Identifies a read of the store that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadId(u64);

/// The shared values that the ledger holds.
#[derive(Debug, Default)]
pub(crate) struct SharedValues {
    values: BTreeMap<ProjectKey, CachedValue>,
    /// Values that the store has, the longest unused first.
    evictable: BTreeMap<u64, ProjectKey>,
    evictable_bytes: usize,
    use_counter: u64,
    /// Values to write with the next batch.
    unwritten: BTreeSet<ProjectKey>,
    /// Buckets to remove with the next batch. Their names are not used again.
    abandoned: BTreeSet<AbandonedBucket>,
    /// Bytes of values that are not yet committed.
    unwritten_bytes: usize,
    /// Reads that have begun, with the last durable row at that time.
    reads: BTreeMap<ReadId, Seq>,
    reads_begun: u64,
}

#[derive(Debug)]
struct CachedValue {
    versioned: Versioned,
    /// The row that wrote the value or removed the key. 0 if the key was only read and was absent.
    written_at: Seq,
    /// Its key in [`SharedValues::evictable`]. `None` while the store does not have the value.
    last_use: Option<u64>,
}

impl SharedValues {
    /// Begins a read: the caller reads the store after this, and computes its answer before [`SharedValues::end_read`].
    pub(crate) fn begin_read(&mut self, durable: Seq) -> ReadId {
        self.reads_begun += 1;
        let read = ReadId(self.reads_begun);
        self.reads.insert(read, durable);
        read
    }

    pub(crate) fn end_read(&mut self, read: ReadId) {
        self.reads.remove(&read);
        self.evict();
    }

    /// Returns the value that the ledger holds.
    pub(crate) fn get(&mut self, project_key: &ProjectKey) -> Option<&Versioned> {
        let known = self.values.get_mut(project_key)?;
        if let Some(last_use) = &mut known.last_use {
            let project_key = self.evictable.remove(last_use)?;
            self.use_counter += 1;
            *last_use = self.use_counter;
            self.evictable.insert(self.use_counter, project_key);
        }
        Some(&known.versioned)
    }

    /// Caches a value that was read from the store, unless the ledger holds a newer one.
    pub(crate) fn cache(&mut self, project_key: ProjectKey, versioned: &Versioned) {
        if bytes(&project_key, versioned) > CACHED_BYTES_MAX || self.values.contains_key(&project_key) {
            return;
        }
        self.use_counter += 1;
        self.evictable_bytes += bytes(&project_key, versioned);
        self.evictable.insert(self.use_counter, project_key.clone());
        let known = CachedValue {
            versioned: versioned.clone(),
            written_at: Seq(versioned.version.0),
            last_use: Some(self.use_counter),
        };
        self.values.insert(project_key, known);
        self.evict();
    }

    /// Returns the keys of a bucket after `after` and up to `last` that were written since the read began, and whether
    /// each is present.
    pub(crate) fn written_since(
        &self,
        read: ReadId,
        project: ProjectId,
        bucket: &ScopedKey,
        after: Option<&Arc<str>>,
        last: Option<&str>,
    ) -> Vec<(Arc<str>, bool)> {
        let since = self.reads.get(&read).copied().unwrap_or_default();
        let from = match after {
            None => Bound::Included((project, ScopedKey { key: "".into(), ..bucket.clone() })),
            Some(key) => Bound::Excluded((project, ScopedKey { key: key.clone(), ..bucket.clone() })),
        };
        self.values
            .range((from, Bound::Unbounded))
            .take_while(|((of, scoped_key), _)| {
                *of == project
                    && scoped_key.space == bucket.space
                    && scoped_key.bucket == bucket.bucket
                    && last.is_none_or(|last| &*scoped_key.key <= last)
            })
            .filter(|(_, known)| known.written_at > since)
            .map(|((_, scoped_key), known)| (scoped_key.key.clone(), known.versioned.value.is_some()))
            .collect()
    }

    /// Bytes of values that are not yet committed.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    fn write(&mut self, project_key: ProjectKey, value: Option<Arc<[u8]>>, written_at: Seq) {
        let version = if value.is_some() { ValueVersion(written_at.0) } else { ValueVersion::ABSENT };
        let known = CachedValue { versioned: Versioned { value, version }, written_at, last_use: None };
        self.unwritten_bytes += bytes(&project_key, &known.versioned);
        let before = self.values.insert(project_key.clone(), known);
        let size_before = before.as_ref().map_or(0, |before| bytes(&project_key, &before.versioned));
        let waited = !self.unwritten.insert(project_key);
        if let Some(before) = before {
            if let Some(last_use) = before.last_use {
                self.evictable.remove(&last_use);
                self.evictable_bytes -= size_before;
            }
            if waited {
                // The value before is overwritten within the batch, so it is not written to the store.
                self.unwritten_bytes -= size_before;
            }
        }
    }

    /// Takes the values to write with the next batch, and the buckets to remove after them.
    pub(super) fn take_unwritten(&mut self) -> (Vec<ValueRow>, Vec<AbandonedBucket>) {
        let project_keys = std::mem::take(&mut self.unwritten);
        let rows = project_keys.into_iter().filter_map(|project_key| {
            let known = self.values.get(&project_key)?;
            let (value, version) = (known.versioned.value.clone(), known.written_at);
            let (project, place) = project_key;
            Some(ValueRow { project, scoped_key: place, value, version })
        });
        let rows = rows.collect();
        (rows, std::mem::take(&mut self.abandoned).into_iter().collect())
    }

    /// Marks these values as stored.
    pub(super) fn mark_committed(&mut self, rows: &[ValueRow]) {
        for row in rows {
            let project_key = (row.project, row.scoped_key.clone());
            let size = size(&row.scoped_key, row.value.as_deref());
            self.unwritten_bytes -= size;
            if let Some(known) =
                self.values.get_mut(&project_key).filter(|known| known.written_at == row.version)
            {
                self.use_counter += 1;
                known.last_use = Some(self.use_counter);
                self.evictable.insert(self.use_counter, project_key);
                self.evictable_bytes += size;
            }
        }
        self.evict();
    }

    /// Evicts stored values until the cache is within its limit.
    ///
    /// A value's last use is not before its write. So when a value must stay because of a read, all values after it may
    /// have to stay as well, and eviction stops.
    fn evict(&mut self) {
        let readable = self.reads.values().min().copied();
        while self.evictable_bytes > CACHE_BYTES_MAX
            && let Some((&last_use, project_key)) = self.evictable.first_key_value()
        {
            let Some(known) = self.values.get(project_key) else { return };
            if readable.is_some_and(|durable| known.written_at > durable) {
                return;
            }
            self.evictable_bytes -= bytes(project_key, &known.versioned);
            self.values.remove(project_key);
            self.evictable.remove(&last_use);
        }
    }
}

fn bytes(project_key: &ProjectKey, versioned: &Versioned) -> usize {
    size(&project_key.1, versioned.value.as_deref())
}

fn size(scoped_key: &ScopedKey, value: Option<&[u8]>) -> usize {
    OVERHEAD_BYTES + scoped_key.bucket.len() + scoped_key.key.len() + value.map_or(0, <[u8]>::len)
}

/// Reads the values of the ledger, and otherwise the values that were read from the store.
pub(crate) struct SharedStateReader<'a> {
    shared: &'a mut SharedValues,
    project: ProjectId,
    read: &'a StoredValues,
}

impl StateReader for SharedStateReader<'_> {
    fn read(&mut self, scoped_key: &ScopedKey) -> Result<Versioned, CacheMiss> {
        let known = self.shared.get(&(self.project, scoped_key.clone()));
        known.or_else(|| self.read.get(scoped_key)).cloned().ok_or_else(|| CacheMiss(scoped_key.clone()))
    }
}

impl Ledger {
    /// The shared values.
    pub(crate) fn shared_values(&mut self) -> &mut SharedValues {
        &mut self.shared
    }

    /// Begins a read of values in the store.
    pub(crate) fn begin_read(&mut self) -> ReadId {
        self.shared.begin_read(self.durable_seq)
    }

    /// Returns a reader of the shared state of a project.
    pub(crate) fn state_reader<'a>(
        &'a mut self,
        project: ProjectId,
        read: &'a StoredValues,
    ) -> SharedStateReader<'a> {
        SharedStateReader { shared: &mut self.shared, project, read }
    }

    /// Applies a write to the shared state of the worker's project. The values that the write depends on must be in the
    /// ledger, or in `read`, from a read that has not ended.
    pub(super) fn apply_shared(
        &mut self,
        now: Timestamp,
        context: HostCallContext,
        write: &SharedWrite,
        read: &StoredValues,
    ) -> Result<StepOutcome, StepError> {
        let HostCallContext { worker, activation, first, mut entries, call } = context;
        self.check_activation(worker, activation, first)?;
        let project = self.projections.get(&worker).ok_or(StepError::UnknownWorker)?.projection.project;
        let effects =
            write.decide(now, &mut self.state_reader(project, read)).map_err(|_| StepError::CacheMiss)?;
        entries.push(Entry::HostCall { call, response: effects.response.clone() });
        let seq = self.append_row(worker, &Row::Entries { first, entries });
        for (scoped_key, value) in effects.changes {
            self.shared.write((project, scoped_key), value, seq);
        }
        let abandoned = effects.abandoned.into_iter().map(|bucket| AbandonedBucket { project, bucket });
        self.shared.abandoned.extend(abandoned);
        Ok(StepOutcome::SharedWritten(effects.response, seq))
    }
}

#[cfg(test)]
mod tests;
