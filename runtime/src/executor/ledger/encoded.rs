//! Rows that are encoded before the node's lock is taken.
//!
//! Encoding copies every byte of a row and computes its checksum. For entries with the bodies of HTTP responses, or for an
//! invocation with large parameters, that takes milliseconds, during which no other worker could do anything. So events
//! that may be large contain the encoded row, which the ledger only moves. Rows that the ledger composes itself are small,
//! or bounded by the size of a call between workers.

use golem_model::oplog::codec::{self, Row};
use golem_model::{Entry, IdempotencyKey, InboxEvent, OplogIndex, Timestamp};
use std::sync::Arc;

/// Entries with at most so many bytes are encoded again to share a row with an entry that the ledger composes: a row costs
/// more than that.
const ENCODED_AGAIN_BYTES_MAX: usize = 4 << 10;

/// The function and the digest of an invocation.
pub(crate) type InvocationDigest = (Arc<str>, [u8; 32]);

/// A row with everything about it that takes time in proportion to its size.
#[derive(Debug)]
pub(super) struct EncodedRow {
    pub(super) row: Row,
    /// The encoding of the row.
    pub(super) body: Vec<u8>,
    /// The invocations that the row accepts or begins, by key. Not anonymous ones.
    pub(super) invocations: Vec<(IdempotencyKey, InvocationDigest)>,
}

impl EncodedRow {
    pub(super) fn new(row: Row) -> Self {
        let (body, invocations) = (codec::encode_row(&row), digests(&row));
        Self { row, body, invocations }
    }
}

/// The invocations in a row whose functions and parameters it contains.
pub(super) fn digests(row: &Row) -> Vec<(IdempotencyKey, InvocationDigest)> {
    let named = |key: &IdempotencyKey, digest: Option<InvocationDigest>| {
        digest.filter(|_| !key.is_anonymous()).map(|digest| (key.clone(), digest))
    };
    match row {
        Row::InboxEvent(event) => {
            event.key().and_then(|key| named(key, event.digest())).into_iter().collect()
        }
        Row::Entries { first: _, entries } => {
            let begun = entries.iter().filter_map(|entry| match entry {
                Entry::InvocationStarted { key, source, .. } => named(key, source.digest()),
                _ => None,
            });
            begun.collect()
        }
    }
}

/// Consecutive entries of one worker, encoded.
#[derive(Debug)]
pub(crate) struct EncodedEntries {
    first: OplogIndex,
    count: u64,
    /// `None` if there are no entries.
    row: Option<EncodedRow>,
}

impl EncodedEntries {
    /// Encodes `entries`, of which the first has the index `first`.
    pub(crate) fn new(first: OplogIndex, entries: Vec<Entry>) -> Self {
        let count = entries.len() as u64;
        let row = (count > 0).then(|| EncodedRow::new(Row::Entries { first, entries }));
        Self { first, count, row }
    }

    pub(crate) fn first(&self) -> OplogIndex {
        self.first
    }

    /// The index after the last entry.
    pub(crate) fn end(&self) -> OplogIndex {
        self.first.plus(self.count)
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> Option<&[u8]> {
        self.row.as_ref().map(|row| &*row.body)
    }

    pub(super) fn into_row(self) -> Option<EncodedRow> {
        self.row
    }

    /// The rows of these entries and of `last`, which follows them. They share a row if that is cheap.
    pub(super) fn into_rows_with(self, last: Entry) -> Vec<EncodedRow> {
        let (first, end) = (self.first, self.end());
        match self.row {
            Some(EncodedRow { row: Row::Entries { first, mut entries }, body, .. })
                if body.len() <= ENCODED_AGAIN_BYTES_MAX =>
            {
                entries.push(last);
                vec![EncodedRow::new(Row::Entries { first, entries })]
            }
            Some(row) => vec![row, EncodedRow::new(Row::Entries { first: end, entries: vec![last] })],
            None => vec![EncodedRow::new(Row::Entries { first, entries: vec![last] })],
        }
    }
}

/// An inbox event of one worker, encoded.
#[derive(Debug)]
pub(crate) struct EncodedEvent(EncodedRow);

impl EncodedEvent {
    pub(crate) fn new(event: InboxEvent) -> Self {
        Self(EncodedRow::new(Row::InboxEvent(event)))
    }

    /// The completion of a promise of the worker that gets the event.
    pub(crate) fn promise_completed(at: Timestamp, promise: OplogIndex, data: Vec<u8>) -> Self {
        Self::new(InboxEvent::PromiseCompleted { at, promise, data })
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.0.body
    }

    pub(super) fn into_row(self) -> EncodedRow {
        self.0
    }
}
