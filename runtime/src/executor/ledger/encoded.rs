//! Rows, and where they are encoded.
//!
//! Encoding copies every byte of a row and computes its checksum. For entries with the bodies of HTTP responses, or for an
//! invocation with large parameters, that takes milliseconds, during which no other worker could do anything. So no row is
//! encoded under the node's lock:
//!
//! - Rows that may be large are encoded before the lock is taken ([`EncodedEntries::new`], [`EncodedEvent::new`]). The
//!   ledger moves the bytes.
//! - Rows that are composed under the lock are encoded after it is released, with the batch that contains them
//!   ([`UnwrittenRow::encode`]). They contain little, or share it ([`EncodedEvent::acceptance`]).
//!
//! Invariant: no row is encoded while the thread holds the lock (`lock_scope`).

use crate::executor::lock_scope::assert_unlocked;
use crate::executor::state::ANSWER_BYTES_MAX;
use crate::storage::ports::LogRow;
use golem_model::call::{CallAnswer, CallError, encode_answer};
use golem_model::limits::CALL_BYTES_MAX;
use golem_model::oplog::codec::{self, Row};
use golem_model::oplog::{CallEvent, InvocationSource};
use golem_model::{Entry, IdempotencyKey, InboxEvent, Invocation, OplogIndex, Timestamp};
use std::sync::Arc;

/// Entries with at most so many bytes are encoded again to share a row with an entry that the ledger composes: a row costs
/// more than that.
const ENCODED_AGAIN_BYTES_MAX: usize = 4 << 10;

/// The function and the digest of an invocation.
pub(crate) type InvocationDigest = (Arc<str>, [u8; 32]);

/// The bytes of a row that is to be written.
#[derive(Debug, Clone)]
pub(super) enum RowBody {
    Encoded(Vec<u8>),
    /// Encoded with the batch.
    Composed(Row),
    /// The inbox event that accepts this invocation, encoded with the batch.
    Acceptance(Timestamp, Arc<Invocation>),
}

/// A row in its place in the log that is not written yet.
#[derive(Debug, Clone)]
pub(super) struct UnwrittenRow {
    /// The row without its bytes.
    pub(super) row: LogRow,
    pub(super) body: RowBody,
}

impl UnwrittenRow {
    /// Encodes the row, if it was composed under the lock. Called without the lock.
    pub(super) fn encode(self) -> LogRow {
        let encode = |row: &Row| {
            assert_unlocked("a row is encoded");
            codec::encode_row(row)
        };
        let body = match self.body {
            RowBody::Encoded(body) => body,
            RowBody::Composed(row) => encode(&row),
            RowBody::Acceptance(at, invocation) => encode(&Row::InboxEvent(invocation.to_inbox_event(at))),
        };
        LogRow { body, ..self.row }
    }
}

/// The answer to a call between workers, encoded.
#[derive(Debug)]
pub(super) struct EncodedAnswer {
    pub(super) bytes: Vec<u8>,
    /// A copy for the caller in memory, unless it is large.
    pub(super) kept: Option<Arc<[u8]>>,
}

impl EncodedAnswer {
    /// Encodes the result of an invocation. Called without the lock.
    fn result(result: &CallAnswer) -> Self {
        assert_unlocked("an answer is encoded");
        let bytes = encode_answer(result);
        if bytes.len() <= CALL_BYTES_MAX {
            return Self::from_bytes(bytes);
        }
        Self::error(CallError::Invalid(format!(
            "the function ran, but its result needs {} bytes; at most {CALL_BYTES_MAX} can be given to another worker",
            bytes.len()
        )))
    }

    /// Encodes an error, which is a short text.
    pub(super) fn error(error: CallError) -> Self {
        Self::from_bytes(encode_answer(&Err(error)))
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        let kept = (bytes.len() <= ANSWER_BYTES_MAX).then(|| bytes.as_slice().into());
        Self { bytes, kept }
    }
}

/// A row with everything about it that takes time in proportion to its size.
#[derive(Debug)]
pub(super) struct EncodedRow {
    /// The row. What only its encoding needs is missing if it is large.
    pub(super) row: Row,
    /// Its encoding. `None` if it is encoded with the batch.
    pub(super) body: Option<RowBody>,
    /// The invocations that the row accepts or begins, by key. Not anonymous ones.
    pub(super) invocations: Vec<(IdempotencyKey, InvocationDigest)>,
    /// The results that the row records and that other workers may wait for, by the index of the entry.
    pub(super) answers: Vec<(OplogIndex, EncodedAnswer)>,
}

impl EncodedRow {
    fn new(mut row: Row) -> Self {
        assert_unlocked("a row is encoded");
        let (body, invocations, answers) = (codec::encode_row(&row), digests(&row), answers(&row));
        if body.len() > ENCODED_AGAIN_BYTES_MAX {
            strip(&mut row);
        }
        Self { row, body: Some(RowBody::Encoded(body)), invocations, answers }
    }

    /// A row that is composed under the lock.
    pub(super) fn composed(row: Row) -> Self {
        Self { row, body: None, invocations: Vec::new(), answers: Vec::new() }
    }
}

/// The invocations in a row whose functions and parameters it contains.
pub(super) fn digests(row: &Row) -> Vec<(IdempotencyKey, InvocationDigest)> {
    // Computing a digest reads all parameters.
    let named = |key: &IdempotencyKey, digest: &dyn Fn() -> Option<InvocationDigest>| {
        if key.is_anonymous() { None } else { digest().map(|digest| (key.clone(), digest)) }
    };
    match row {
        Row::InboxEvent(event) => {
            event.key().and_then(|key| named(key, &|| event.digest())).into_iter().collect()
        }
        Row::Entries { first: _, entries } => {
            let begun = entries.iter().filter_map(|entry| match entry {
                Entry::InvocationStarted { key, source, .. } => named(key, &|| source.digest()),
                _ => None,
            });
            begun.collect()
        }
    }
}

/// The results in a row, unless it shows that no other worker made the call: such an invocation begins from a queue.
fn answers(row: &Row) -> Vec<(OplogIndex, EncodedAnswer)> {
    let Row::Entries { first, entries } = row else { return Vec::new() };
    let mut may_be_call = true;
    let mut found = Vec::new();
    for (offset, entry) in (0..).zip(entries) {
        match entry {
            Entry::InvocationStarted { source, .. } => {
                may_be_call = matches!(source, InvocationSource::Queued { .. });
            }
            Entry::InvocationCompleted { result, .. } if may_be_call => {
                found.push((first.plus(offset), EncodedAnswer::result(&Ok(result.clone()))));
            }
            _ => {}
        }
    }
    found
}

/// Removes parameters and results, which are in the encoding: dropping them under the lock takes time as well.
fn strip(row: &mut Row) {
    match row {
        Row::InboxEvent(
            InboxEvent::Invocation { params, .. } | InboxEvent::Call(CallEvent::Queued { params, .. }),
        ) => params.clear(),
        Row::InboxEvent(_) => {}
        Row::Entries { entries, .. } => {
            for entry in entries {
                match entry {
                    Entry::InvocationStarted { source: InvocationSource::Inline { params, .. }, .. } => {
                        params.clear();
                    }
                    Entry::InvocationCompleted { result, .. } => *result = None,
                    _ => {}
                }
            }
        }
    }
}

/// Consecutive entries of one worker, encoded or composed under the lock.
#[derive(Debug)]
pub(crate) struct EncodedEntries {
    first: OplogIndex,
    count: u64,
    /// `None` if there are no entries.
    row: Option<Box<EncodedRow>>,
}

impl EncodedEntries {
    /// Encodes `entries`, of which the first has the index `first`. Called without the lock.
    pub(crate) fn new(first: OplogIndex, entries: Vec<Entry>) -> Self {
        Self::from_entries(first, entries, EncodedRow::new)
    }

    /// Small entries that are composed under the lock. None of them completes an invocation.
    pub(crate) fn composed(first: OplogIndex, entries: Vec<Entry>) -> Self {
        Self::from_entries(first, entries, EncodedRow::composed)
    }

    fn from_entries(first: OplogIndex, entries: Vec<Entry>, to_row: fn(Row) -> EncodedRow) -> Self {
        let count = entries.len() as u64;
        let row = (count > 0).then(|| Box::new(to_row(Row::Entries { first, entries })));
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
        self.row.as_ref().and_then(|row| row.encoding())
    }

    pub(super) fn into_row(self) -> Option<EncodedRow> {
        self.row.map(|row| *row)
    }

    /// The rows of these entries and of `last`, which follows them. They share a row if that is cheap.
    pub(super) fn into_rows_with(self, last: Entry) -> Vec<EncodedRow> {
        let (first, end) = (self.first, self.end());
        match self.into_row() {
            Some(EncodedRow {
                row: Row::Entries { first, mut entries },
                body: Some(RowBody::Encoded(body)),
                invocations,
                answers,
            }) if body.len() <= ENCODED_AGAIN_BYTES_MAX => {
                entries.push(last);
                vec![EncodedRow { row: Row::Entries { first, entries }, body: None, invocations, answers }]
            }
            Some(row) => vec![row, EncodedRow::composed(Row::Entries { first: end, entries: vec![last] })],
            None => vec![EncodedRow::composed(Row::Entries { first, entries: vec![last] })],
        }
    }
}

/// An inbox event of one worker, encoded or composed under the lock.
#[derive(Debug)]
pub(crate) struct EncodedEvent(Box<EncodedRow>);

impl EncodedEvent {
    /// Encodes an event. Called without the lock.
    pub(crate) fn new(event: InboxEvent) -> Self {
        Self(Box::new(EncodedRow::new(Row::InboxEvent(event))))
    }

    /// The completion of a promise of the worker that gets the event.
    pub(crate) fn promise_completed(at: Timestamp, promise: OplogIndex, data: Vec<u8>) -> Self {
        Self::new(InboxEvent::PromiseCompleted { at, promise, data })
    }

    /// A small event that is composed under the lock.
    pub(super) fn composed(event: InboxEvent) -> Self {
        Self(Box::new(EncodedRow::composed(Row::InboxEvent(event))))
    }

    /// The acceptance of an invocation, composed under the lock. The parameters are neither copied nor read there. So the
    /// ledger's record of the key has no digest.
    pub(crate) fn acceptance(at: Timestamp, invocation: Arc<Invocation>) -> Self {
        let row = Row::InboxEvent(invocation.to_inbox_event_without_params(at));
        let mut composed = EncodedRow::composed(row);
        composed.body = Some(RowBody::Acceptance(at, invocation));
        Self(Box::new(composed))
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        self.0.encoding().unwrap_or_default()
    }

    pub(super) fn into_row(self) -> EncodedRow {
        *self.0
    }
}

#[cfg(test)]
impl EncodedRow {
    fn encoding(&self) -> Option<&[u8]> {
        match &self.body {
            Some(RowBody::Encoded(body)) => Some(body),
            Some(RowBody::Composed(_) | RowBody::Acceptance(..)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::lock_scope::LockScope;

    fn event() -> InboxEvent {
        InboxEvent::Resumed { at: Timestamp::default() }
    }

    #[test]
    fn a_row_is_composed_under_the_lock() {
        let _scope = LockScope::new();
        assert!(EncodedEvent::composed(event()).0.encoding().is_none());
    }

    #[test]
    #[should_panic(expected = "a row is encoded while this thread holds the node's lock")]
    fn encoding_a_row_under_the_lock_is_detected() {
        let _scope = LockScope::new();
        drop(EncodedEvent::new(event()));
    }
}
