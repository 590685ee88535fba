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
use golem_model::shared::{
    CacheMiss, ScopedKey, SharedWrite, StateReader, ValueVersion, Versioned, WriteEffects,
};
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

/// A write, with its effects if they do not depend on the state. These are decided without the lock.
#[derive(Debug)]
pub(crate) enum PlannedWrite {
    Decided(WriteEffects),
    /// The effects depend on the state of a few keys.
    Pending(SharedWrite),
}

impl PlannedWrite {
    pub(crate) fn new(now: Timestamp, write: SharedWrite) -> Self {
        match write.decide(now, &mut NoState) {
            Ok(effects) => Self::Decided(effects),
            Err(CacheMiss(_)) => Self::Pending(write),
        }
    }
}

/// Holds no value at all.
struct NoState;

impl StateReader for NoState {
    fn read(&mut self, scoped_key: &ScopedKey) -> Result<Versioned, CacheMiss> {
        Err(CacheMiss(scoped_key.clone()))
    }
}

/// Number of keys that are looked up or cached while the node's lock is held once.
pub(crate) const KEYS_PER_LOCK_MAX: usize = 256;

/// Keys of which there are at most [`KEYS_PER_LOCK_MAX`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyChunk<'a>(&'a [ScopedKey]);

impl<'a> KeyChunk<'a> {
    /// All of `keys`, unless there are too many.
    pub(crate) fn try_new(keys: &'a [ScopedKey]) -> Option<Self> {
        (keys.len() <= KEYS_PER_LOCK_MAX).then_some(Self(keys))
    }

    /// Splits `keys` into chunks.
    pub(crate) fn split_keys(keys: &'a [ScopedKey]) -> impl Iterator<Item = Self> {
        keys.chunks(KEYS_PER_LOCK_MAX).map(Self)
    }
}

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
    /// Reads that have begun.
    reads: BTreeMap<ReadId, ReadBegin>,
    reads_begun: u64,
    /// The keys that were written, by row: those that the store may not have, and those that a read may have missed.
    recent: BTreeMap<Seq, Vec<ProjectKey>>,
    /// The last durable row.
    durable: Seq,
}

/// The state when a read began.
#[derive(Debug, Clone, Copy)]
struct ReadBegin {
    /// The last durable row: what was written later may be missing in the store.
    durable: Seq,
    /// The last row: what was written later may differ from the values that the ledger had then.
    last: Seq,
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
    /// Begins a read after the row `last`: the caller reads the store after this, and computes its answer before
    /// [`SharedValues::end_read`].
    pub(crate) fn begin_read(&mut self, durable: Seq, last: Seq) -> ReadId {
        self.reads_begun += 1;
        let read = ReadId(self.reads_begun);
        self.reads.insert(read, ReadBegin { durable, last });
        read
    }

    /// Number of reads that have begun and not ended.
    pub(super) fn reads_open(&self) -> usize {
        self.reads.len()
    }

    pub(crate) fn end_read(&mut self, read: ReadId) {
        self.reads.remove(&read);
        self.evict();
        self.trim_recent();
    }

    /// Drops what neither a read nor the store needs any more.
    fn trim_recent(&mut self) {
        let oldest = self.reads.values().map(|begin| begin.durable).min();
        let needed_after = oldest.map_or(self.durable, |oldest| oldest.min(self.durable));
        while let Some(row) = self.recent.first_entry().filter(|row| *row.key() <= needed_after) {
            row.remove();
        }
    }

    /// Copies the values of these keys that the ledger holds to `found`.
    pub(crate) fn copy_cached(&mut self, project: ProjectId, keys: KeyChunk<'_>, found: &mut StoredValues) {
        for scoped_key in keys.0 {
            if let Some(versioned) = self.get(&(project, scoped_key.clone())) {
                found.insert(scoped_key.clone(), versioned.clone());
            }
        }
    }

    /// Applies the writes since the read began to the values in `found`.
    pub(crate) fn apply_writes_since(&self, read: ReadId, project: ProjectId, found: &mut StoredValues) {
        let Some(begin) = self.reads.get(&read) else { return };
        let written =
            self.recent.range((Bound::Excluded(begin.last), Bound::Unbounded)).flat_map(|(_, keys)| keys);
        for project_key in written.filter(|(of, _)| *of == project) {
            if let Some(versioned) = found.get_mut(&project_key.1)
                && let Some(known) = self.values.get(project_key)
            {
                versioned.clone_from(&known.versioned);
            }
        }
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
        let since = self.reads.get(&read).map_or(Seq(0), |begin| begin.durable);
        let written =
            self.recent.range((Bound::Excluded(since), Bound::Unbounded)).flat_map(|(_, keys)| keys);
        let written = written.filter(|(of, scoped_key)| {
            *of == project
                && scoped_key.space == bucket.space
                && scoped_key.bucket == bucket.bucket
                && after.is_none_or(|after| scoped_key.key > *after)
                && last.is_none_or(|last| &*scoped_key.key <= last)
        });
        let keys: BTreeSet<&ProjectKey> = written.collect();
        keys.into_iter()
            .filter_map(|project_key| {
                let known = self.values.get(project_key)?;
                Some((project_key.1.key.clone(), known.versioned.value.is_some()))
            })
            .collect()
    }

    /// Bytes of values that are not yet committed.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    fn write(&mut self, project_key: ProjectKey, value: Option<Arc<[u8]>>, written_at: Seq) {
        let version = if value.is_some() { ValueVersion(written_at.0) } else { ValueVersion::ABSENT };
        let known = CachedValue { versioned: Versioned { value, version }, written_at, last_use: None };
        self.recent.entry(written_at).or_default().push(project_key.clone());
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
    pub(super) fn mark_committed(&mut self, rows: &[ValueRow], durable: Seq) {
        self.durable = durable;
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
        self.trim_recent();
    }

    /// Evicts stored values until the cache is within its limit.
    ///
    /// A value's last use is not before its write. So when a value must stay because of a read, all values after it may
    /// have to stay as well, and eviction stops.
    fn evict(&mut self) {
        let readable = self.reads.values().map(|begin| begin.durable).min();
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
        self.shared.begin_read(self.durable_seq, self.last_seq)
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
        write: PlannedWrite,
        read: &StoredValues,
    ) -> Result<StepOutcome, StepError> {
        let HostCallContext { worker, activation, buffered, call } = context;
        self.check_activation(worker, activation, buffered.first())?;
        let project = self.projections.get(&worker).ok_or(StepError::UnknownWorker)?.projection.project;
        let effects = match write {
            PlannedWrite::Decided(effects) => effects,
            PlannedWrite::Pending(write) => {
                write.decide(now, &mut self.state_reader(project, read)).map_err(|_| StepError::CacheMiss)?
            }
        };
        let mut seq = self.last_seq;
        for row in buffered.into_rows_with(Entry::HostCall { call, response: effects.response.clone() }) {
            seq = self.append_encoded(worker, row);
        }
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
