//! What workers share, the values of buckets and objects in containers, as far as the ledger must know them: what is queued but not yet durable, and a cache of what
//! the store has.
//!
//! The ledger cannot read the store. Who needs a value that is not here says so first ([`SharedValues::begin_read`]), reads it
//! without the lock, and comes back under the lock: what is here then counts more than what was read.
//!
//! Invariant: whatever was written after a read began stays here until that read has ended, durable or not; so what
//! was read, with what is here laid over it, is the state at the moment of the second look, in commit order.
//! Invariant: what the store does not have is never forgotten.

use super::{HostCallContext, Ledger, StepError, StepOutcome};
use crate::storage::ports::{Abandoned, Seq, ValueRow};
use golem_model::oplog::Entry;
use golem_model::oplog::codec::Row;
use golem_model::shared::{CacheMiss, ScopedKey, SharedWrite, StateReader, Version, Versioned};
use golem_model::{ProjectId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Bytes of values that are kept although the store has them; the longest unused go first.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// What a value costs beside its bytes, about.
const OVERHEAD_BYTES: usize = 128;
/// Larger values that were only read are not kept: they would push out many that are asked for often.
const CACHED_BYTES_MAX: usize = 256 << 10;

/// A place and whose it is.
type ProjectKey = (ProjectId, ScopedKey);

/// What was read from the store.
pub(crate) type StoredValues = BTreeMap<ScopedKey, Versioned>;

/// Names a read of the store that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadId(u64);

/// Values in the ledger.
#[derive(Debug, Default)]
pub(crate) struct SharedValues {
    known: BTreeMap<ProjectKey, CachedValue>,
    /// Those that the store has, the longest unused first.
    idle: BTreeMap<u64, ProjectKey>,
    idle_bytes: usize,
    uses: u64,
    /// To be written with the next batch.
    queued: BTreeSet<ProjectKey>,
    /// To be written with the next batch: buckets that nobody will ever ask for again.
    abandoned: BTreeSet<Abandoned>,
    /// Bytes that are on their way to the store.
    unwritten_bytes: usize,
    /// Reads that have begun: what was durable then.
    reads: BTreeMap<ReadId, Seq>,
    reads_begun: u64,
}

#[derive(Debug)]
struct CachedValue {
    held: Versioned,
    /// The row that wrote it, also if it removed the key; 0 if it was only read, and the key was not there.
    since: Seq,
    /// Its place in [`SharedValues::idle`]; none while the store does not have it.
    use_no: Option<u64>,
}

impl SharedValues {
    /// The ledger is about to be asked for what the store may have: the store is read after this, and the answer
    /// found before [`SharedValues::end_read`].
    pub(crate) fn begin_read(&mut self, durable: Seq) -> ReadId {
        self.reads_begun += 1;
        let read = ReadId(self.reads_begun);
        self.reads.insert(read, durable);
        read
    }

    pub(crate) fn end_read(&mut self, read: ReadId) {
        self.reads.remove(&read);
        self.forget();
    }

    /// What is known here.
    pub(crate) fn get(&mut self, spot: &ProjectKey) -> Option<&Versioned> {
        let known = self.known.get_mut(spot)?;
        if let Some(use_no) = &mut known.use_no {
            let spot = self.idle.remove(use_no)?;
            self.uses += 1;
            *use_no = self.uses;
            self.idle.insert(self.uses, spot);
        }
        Some(&known.held)
    }

    /// Keeps what was read from the store, unless something newer is known.
    pub(crate) fn keep(&mut self, spot: ProjectKey, held: &Versioned) {
        if bytes(&spot, held) > CACHED_BYTES_MAX || self.known.contains_key(&spot) {
            return;
        }
        self.uses += 1;
        self.idle_bytes += bytes(&spot, held);
        self.idle.insert(self.uses, spot.clone());
        let known = CachedValue { held: held.clone(), since: Seq(held.version.0), use_no: Some(self.uses) };
        self.known.insert(spot, known);
        self.forget();
    }

    /// Keys of a bucket after `after` and up to `last`, whether they are there or not, that were written since the read
    /// began.
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
        self.known
            .range((from, Bound::Unbounded))
            .take_while(|((of, place), _)| {
                *of == project
                    && place.space == bucket.space
                    && place.bucket == bucket.bucket
                    && last.is_none_or(|last| &*place.key <= last)
            })
            .filter(|(_, known)| known.since > since)
            .map(|((_, place), known)| (place.key.clone(), known.held.value.is_some()))
            .collect()
    }

    /// Bytes that are on their way to the store.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    fn write(&mut self, spot: ProjectKey, value: Option<Arc<[u8]>>, since: Seq) {
        let version = if value.is_some() { Version(since.0) } else { Version::ABSENT };
        let known = CachedValue { held: Versioned { value, version }, since, use_no: None };
        self.unwritten_bytes += bytes(&spot, &known.held);
        let before = self.known.insert(spot.clone(), known);
        let size_before = before.as_ref().map_or(0, |before| bytes(&spot, &before.held));
        let waited = !self.queued.insert(spot);
        if let Some(before) = before {
            if let Some(use_no) = before.use_no {
                self.idle.remove(&use_no);
                self.idle_bytes -= size_before;
            }
            if waited {
                // Nobody will ever see it: the last one in a batch counts.
                self.unwritten_bytes -= size_before;
            }
        }
    }

    /// What is to be written with the rows that wait: values, and buckets that are abandoned after them.
    pub(super) fn take(&mut self) -> (Vec<ValueRow>, Vec<Abandoned>) {
        let spots = std::mem::take(&mut self.queued);
        let rows = spots.into_iter().filter_map(|spot| {
            let known = self.known.get(&spot)?;
            let (value, version) = (known.held.value.clone(), known.since);
            let (project, place) = spot;
            Some(ValueRow { project, place, value, version })
        });
        let rows = rows.collect();
        (rows, std::mem::take(&mut self.abandoned).into_iter().collect())
    }

    /// The store has these now.
    pub(super) fn committed(&mut self, rows: &[ValueRow]) {
        for row in rows {
            let spot = (row.project, row.place.clone());
            let size = size(&row.place, row.value.as_deref());
            self.unwritten_bytes -= size;
            if let Some(known) = self.known.get_mut(&spot).filter(|known| known.since == row.version) {
                self.uses += 1;
                known.use_no = Some(self.uses);
                self.idle.insert(self.uses, spot);
                self.idle_bytes += size;
            }
        }
        self.forget();
    }

    /// Forgets what the store has until few enough bytes are left. A value was last used no earlier than it was
    /// written, so once one must stay for a read's sake, all after it may have to.
    fn forget(&mut self) {
        let readable = self.reads.values().min().copied();
        while self.idle_bytes > CACHE_BYTES_MAX
            && let Some((&use_no, spot)) = self.idle.first_key_value()
        {
            let Some(known) = self.known.get(spot) else { return };
            if readable.is_some_and(|durable| known.since > durable) {
                return;
            }
            self.idle_bytes -= bytes(spot, &known.held);
            self.known.remove(spot);
            self.idle.remove(&use_no);
        }
    }
}

fn bytes(spot: &ProjectKey, held: &Versioned) -> usize {
    size(&spot.1, held.value.as_deref())
}

fn size(place: &ScopedKey, value: Option<&[u8]>) -> usize {
    OVERHEAD_BYTES + place.bucket.len() + place.key.len() + value.map_or(0, <[u8]>::len)
}

/// What is known here, and for the rest what was read.
pub(crate) struct SharedStateReader<'a> {
    values: &'a mut SharedValues,
    project: ProjectId,
    read: &'a StoredValues,
}

impl StateReader for SharedStateReader<'_> {
    fn read(&mut self, place: &ScopedKey) -> Result<Versioned, CacheMiss> {
        let known = self.values.get(&(self.project, place.clone()));
        known.or_else(|| self.read.get(place)).cloned().ok_or_else(|| CacheMiss(place.clone()))
    }
}

impl Ledger {
    /// What is shared.
    pub(crate) fn values(&mut self) -> &mut SharedValues {
        &mut self.values
    }

    /// Says that the store is about to be read for values.
    pub(crate) fn begin_read(&mut self) -> ReadId {
        self.values.begin_read(self.durable)
    }

    /// Looks at what is shared in a project.
    pub(crate) fn looking<'a>(
        &'a mut self,
        project: ProjectId,
        read: &'a StoredValues,
    ) -> SharedStateReader<'a> {
        SharedStateReader { values: &mut self.values, project, read }
    }

    /// A worker changes what is shared in its project. What that depends on must be known here, or have been `read` by a
    /// read that has not ended.
    pub(super) fn apply_shared(
        &mut self,
        now: Timestamp,
        by: HostCallContext,
        deed: &SharedWrite,
        read: &StoredValues,
    ) -> Result<StepOutcome, StepError> {
        let HostCallContext { worker, activation, first, mut entries, call } = by;
        self.check(worker, activation, first)?;
        let project = self.heads.get(&worker).ok_or(StepError::Unknown)?.head.project;
        let decided = deed.decide(now, &mut self.looking(project, read)).map_err(|_| StepError::CacheMiss)?;
        entries.push(Entry::HostCall { call, response: decided.response.clone() });
        let seq = self.push(worker, &Row::Entries { first, entries });
        for (place, value) in decided.changes {
            self.values.write((project, place), value, seq);
        }
        let abandoned = decided.abandoned.into_iter().map(|bucket| Abandoned { project, bucket });
        self.values.abandoned.extend(abandoned);
        Ok(StepOutcome::SharedWritten(decided.response, seq))
    }
}

#[cfg(test)]
mod tests;
