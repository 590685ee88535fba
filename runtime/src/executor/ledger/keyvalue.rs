//! The values of buckets, as far as the ledger must know them: what is queued but not yet durable, and a cache of what
//! the store has.
//!
//! The ledger cannot read the store. Who needs a value that is not here says so first ([`Values::begin_read`]), reads it
//! without the lock, and comes back under the lock: what is here then counts more than what was read.
//!
//! Invariant: whatever was written after a read began stays here until that read has ended, durable or not; so what
//! was read, with what is here laid over it, is the state at the moment of the second look, in commit order.
//! Invariant: what the store does not have is never forgotten.

use super::{Answer, ByWorker, Ledger, Refused};
use crate::storage::ports::{Seq, ValueRow};
use golem_model::ProjectId;
use golem_model::keyvalue::{Change, Held, Version, Write};
use golem_model::oplog::Entry;
use golem_model::oplog::codec::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Bytes of values that are kept although the store has them; the longest unused go first.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// What a value costs beside its bytes, about.
const OVERHEAD_BYTES: usize = 128;
/// Larger values that were only read are not kept: they would push out many that are asked for often.
const CACHED_BYTES_MAX: usize = 256 << 10;

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) project: ProjectId,
    pub(crate) bucket: Arc<str>,
    pub(crate) key: Arc<str>,
}

/// Names a read of the store that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadNo(u64);

/// Values in the ledger.
#[derive(Debug, Default)]
pub(crate) struct Values {
    known: BTreeMap<Place, Known>,
    /// Those that the store has, the longest unused first.
    idle: BTreeMap<u64, Place>,
    idle_bytes: usize,
    uses: u64,
    /// To be written with the next batch.
    queued: BTreeSet<Place>,
    /// Bytes that are on their way to the store.
    unwritten_bytes: usize,
    /// Reads that have begun: what was durable then.
    reads: BTreeMap<ReadNo, Seq>,
    reads_begun: u64,
}

#[derive(Debug)]
struct Known {
    held: Held,
    /// The row that wrote it, also if it removed the key; 0 if it was only read, and the key was not there.
    since: Seq,
    /// Its place in [`Values::idle`]; none while the store does not have it.
    use_no: Option<u64>,
}

impl Values {
    /// The ledger is about to be asked for what the store may have: the store is read after this, and the answer
    /// found before [`Values::end_read`].
    pub(crate) fn begin_read(&mut self, durable: Seq) -> ReadNo {
        self.reads_begun += 1;
        let read = ReadNo(self.reads_begun);
        self.reads.insert(read, durable);
        read
    }

    pub(crate) fn end_read(&mut self, read: ReadNo) {
        self.reads.remove(&read);
        self.forget();
    }

    /// What is known here.
    pub(crate) fn get(&mut self, place: &Place) -> Option<&Held> {
        let known = self.known.get_mut(place)?;
        if let Some(use_no) = &mut known.use_no {
            let place = self.idle.remove(use_no)?;
            self.uses += 1;
            *use_no = self.uses;
            self.idle.insert(self.uses, place);
        }
        Some(&known.held)
    }

    /// Keeps what was read from the store, unless something newer is known.
    pub(crate) fn keep(&mut self, place: Place, held: &Held) {
        if bytes(&place, held) > CACHED_BYTES_MAX || self.known.contains_key(&place) {
            return;
        }
        self.uses += 1;
        self.idle_bytes += bytes(&place, held);
        self.idle.insert(self.uses, place.clone());
        let known = Known { held: held.clone(), since: Seq(held.version.0), use_no: Some(self.uses) };
        self.known.insert(place, known);
        self.forget();
    }

    /// Keys of a bucket after `after` and up to `last`, whether they are there or not, that were written since the read
    /// began.
    pub(crate) fn written_since(
        &self,
        read: ReadNo,
        bucket: &Place,
        after: Option<&Arc<str>>,
        last: Option<&str>,
    ) -> Vec<(Arc<str>, bool)> {
        let since = self.reads.get(&read).copied().unwrap_or_default();
        let from = match after {
            None => Bound::Included(Place { key: "".into(), ..bucket.clone() }),
            Some(key) => Bound::Excluded(Place { key: key.clone(), ..bucket.clone() }),
        };
        self.known
            .range((from, Bound::Unbounded))
            .take_while(|(place, _)| {
                place.project == bucket.project
                    && place.bucket == bucket.bucket
                    && last.is_none_or(|last| &*place.key <= last)
            })
            .filter(|(_, known)| known.since > since)
            .map(|(place, known)| (place.key.clone(), known.held.value.is_some()))
            .collect()
    }

    /// Bytes that are on their way to the store.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    fn write(&mut self, place: Place, value: Option<Arc<[u8]>>, since: Seq) {
        let version = if value.is_some() { Version(since.0) } else { Version::ABSENT };
        let known = Known { held: Held { value, version }, since, use_no: None };
        let size = bytes(&place, &known.held);
        self.unwritten_bytes += size;
        let before = self.known.insert(place.clone(), known);
        let size_before = before.as_ref().map_or(0, |before| bytes(&place, &before.held));
        let waited = !self.queued.insert(place);
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

    /// What is to be written with the rows that wait.
    pub(super) fn take(&mut self) -> Vec<ValueRow> {
        let places = std::mem::take(&mut self.queued);
        let rows = places.into_iter().filter_map(|place| {
            let known = self.known.get(&place)?;
            Some(ValueRow {
                project: place.project,
                bucket: place.bucket,
                key: place.key,
                value: known.held.value.clone(),
                version: known.since,
            })
        });
        rows.collect()
    }

    /// The store has these now.
    pub(super) fn committed(&mut self, rows: &[ValueRow]) {
        for row in rows {
            let place = Place { project: row.project, bucket: row.bucket.clone(), key: row.key.clone() };
            let size = OVERHEAD_BYTES
                + place.bucket.len()
                + place.key.len()
                + row.value.as_ref().map_or(0, |value| value.len());
            self.unwritten_bytes -= size;
            if let Some(known) = self.known.get_mut(&place).filter(|known| known.since == row.version) {
                self.uses += 1;
                known.use_no = Some(self.uses);
                self.idle.insert(self.uses, place);
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
            && let Some((&use_no, place)) = self.idle.first_key_value()
        {
            let Some(known) = self.known.get(place) else { return };
            if readable.is_some_and(|durable| known.since > durable) {
                return;
            }
            self.idle_bytes -= bytes(place, &known.held);
            self.known.remove(place);
            self.idle.remove(&use_no);
        }
    }
}

fn bytes(place: &Place, held: &Held) -> usize {
    OVERHEAD_BYTES + place.bucket.len() + place.key.len() + held.value.as_ref().map_or(0, |value| value.len())
}

impl Ledger {
    /// The values of buckets.
    pub(crate) fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// Says that the store is about to be read for values.
    pub(crate) fn begin_read(&mut self) -> ReadNo {
        self.values.begin_read(self.durable)
    }

    /// A worker writes to a bucket of its project. What it depends on must be known here, or have been `read` by a read
    /// that has not ended.
    pub(super) fn write_values(
        &mut self,
        by: ByWorker,
        bucket: &Arc<str>,
        write: Write,
        read: Option<&Held>,
    ) -> Result<Answer, Refused> {
        let ByWorker { worker, activation, first, mut entries, call } = by;
        self.check(worker, activation, first)?;
        let project = self.heads.get(&worker).ok_or(Refused::Unknown)?.head.project;
        let held = match write.depends_on() {
            None => Held::default(),
            Some(key) => {
                let place = Place { project, bucket: bucket.clone(), key: key.into() };
                self.values.get(&place).or(read).cloned().ok_or(Refused::Unread)?
            }
        };
        let (changes, outcome) = write.decide(&held);
        entries.push(Entry::HostCall { call, response: outcome.encode() });
        let seq = self.push(worker, &Row::Entries { first, entries });
        self.change(project, bucket, changes, seq);
        Ok(Answer::Wrote(outcome, seq))
    }

    fn change(&mut self, project: ProjectId, bucket: &Arc<str>, changes: Vec<Change>, seq: Seq) {
        for (key, value) in changes {
            self.values.write(Place { project, bucket: bucket.clone(), key }, value, seq);
        }
    }
}

#[cfg(test)]
mod tests;
