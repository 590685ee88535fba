//! Replay: answers host calls from the oplog until it ends.
//!
//! Uses `model::oplog` only. Architecture invariant: nothing here can reach a port.
//! Invariant: the cursor moves only over entries that the guest asks for, in order, over hints and over reverted
//! entries. A request for another entry than the next one is a divergence and ends the instance.

use super::reverted::RevertedRanges;
use crate::StopReason;
use golem_model::oplog::{Entry, FailureCause, HostCall, InvocationSource, LifecycleEvent, SavedState};
use golem_model::{Convention, IdempotencyKey, OplogIndex, Timestamp, Value};
use std::sync::Arc;

/// Proof that all recorded entries were replayed.
#[derive(Debug)]
pub(crate) struct OplogEnded(());

/// A cursor over the recorded entries.
#[derive(Debug)]
pub(crate) struct Replay {
    entries: Vec<Entry>,
    /// Position of the next entry in `entries`.
    position: usize,
    /// Number of oplog entries before the first of `entries`; all recorded entries, once they have ended.
    entries_before: u64,
    /// The entries that replay skips.
    reverted: RevertedRanges,
    /// Number of invocations started so far, including reverted ones.
    invocations: u64,
    /// Whether the worker left memory after the last entry that the guest asked for, and the guest has not reached that
    /// wait again. The earlier activation has printed everything that the guest prints until then.
    resuming_wait: bool,
}

/// An invocation as recorded.
#[derive(Debug)]
pub(crate) struct RecordedInvocation {
    /// Time of its start.
    pub(crate) at: Timestamp,
    /// Its idempotency key.
    pub(crate) key: IdempotencyKey,
    /// Its function.
    pub(crate) function: Arc<str>,
    /// Its parameters; for a program, its input as one string.
    pub(crate) params: Vec<Value>,
    /// How the parameters reach the guest.
    pub(crate) convention: Convention,
    /// Its start in the oplog.
    pub(crate) start: InvocationStart,
}

/// The start of an invocation in the oplog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvocationStart {
    /// The invocation's number, from 1 for the worker's first. Reverted invocations are counted too, so no number is
    /// reused.
    pub(crate) number: u64,
    /// The index of the entry that records the start.
    pub(crate) index: OplogIndex,
}

/// What the oplog holds next, between two invocations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NextRecorded {
    /// Nothing: the oplog ends here.
    OplogEnd,
    /// An invocation that the oplog does not end.
    Unfinished(IdempotencyKey),
    /// An invocation that completed.
    Completed,
    /// An invocation that failed for good.
    Failed(FailureCause),
    /// A snapshot or an update before the next invocation: the guest's state passed through `save` and `load`.
    Reloaded {
        /// The index of its entry.
        index: OplogIndex,
        /// Time of the entry.
        at: Timestamp,
        /// The saved state.
        state: SavedState,
        /// Whether another version loaded it.
        updated: bool,
    },
}

impl Replay {
    /// A cursor before the first of `entries`. The oplog has `before` entries ahead of them, in which `invocations`
    /// invocations started. Entries in `reverted` are skipped.
    pub(crate) fn new(
        before: OplogIndex,
        invocations: u64,
        entries: Vec<Entry>,
        reverted: RevertedRanges,
    ) -> Self {
        // The first entry creates the worker; the guest does not ask for it.
        let position = usize::from(matches!(entries.first(), Some(Entry::Created { .. })));
        Self { entries, position, entries_before: before.0, reverted, invocations, resuming_wait: false }
    }

    /// Number of invocations started so far, including reverted ones.
    pub(crate) fn invocations(&self) -> u64 {
        self.invocations
    }

    /// Moves over the snapshot or update that [`Replay::peek_next`] returned.
    pub(crate) fn skip_reload(&mut self) {
        self.take();
    }

    /// Proof that all entries were replayed, if they were.
    pub(crate) fn proof_of_end(&mut self) -> Option<OplogEnded> {
        self.skip_hints();
        if self.position < self.entries.len() {
            return None;
        }
        // The entries are not needed any more, and there may be many.
        self.entries_before += self.entries.len() as u64;
        self.entries = Vec::new();
        self.position = 0;
        Some(OplogEnded(()))
    }

    /// The recorded answer of `call` and its index; `None` once the recorded entries have ended.
    pub(crate) fn recorded_answer(
        &mut self,
        call: &HostCall,
    ) -> Result<Option<(OplogIndex, Vec<u8>)>, StopReason> {
        let index = self.index();
        match self.peek() {
            None => {
                self.resuming_wait = false;
                Ok(None)
            }
            Some(Entry::HostCall { call: recorded, response }) if recorded == call => {
                let response = std::mem::take(response);
                self.take();
                Ok(Some((index, response)))
            }
            Some(other) => Err(diverged(index, other, call.to_string())),
        }
    }

    /// What the oplog holds next, between two invocations.
    pub(crate) fn peek_next(&mut self) -> Result<NextRecorded, StopReason> {
        let index = self.index();
        let key = match self.peek() {
            None => return Ok(NextRecorded::OplogEnd),
            Some(Entry::InvocationStarted { key, .. }) => key.clone(),
            Some(Entry::LifecycleEvent(event)) if let Some(state) = event.saved_state() => {
                let updated = matches!(event, LifecycleEvent::Updated { .. });
                let (at, state) = (event.at(), state.clone());
                return Ok(NextRecorded::Reloaded { index, at, state, updated });
            }
            Some(other) => return Err(diverged(index, other, "the next invocation".to_owned())),
        };
        let mut at = self.position + 1;
        while let Some(entry) = self.entries.get(at) {
            let kept = self.next_replayed(at);
            if kept > at {
                at = kept;
                continue;
            }
            at += 1;
            match entry {
                Entry::InvocationCompleted { .. } => return Ok(NextRecorded::Completed),
                Entry::InvocationFailed { cause, .. } => return Ok(NextRecorded::Failed(cause.clone())),
                Entry::HostCall { .. }
                | Entry::Activated { .. }
                | Entry::AttemptFailed { .. }
                | Entry::ProgramEnded { .. }
                | Entry::Suspended(_)
                | Entry::Configured { .. }
                | Entry::Revert { .. } => {}
                Entry::Created { .. } | Entry::InvocationStarted { .. } | Entry::LifecycleEvent(_) => break,
            }
        }
        Ok(NextRecorded::Unfinished(key))
    }

    /// Takes the next invocation, which [`Replay::peek_next`] has found.
    pub(crate) fn take_invocation(&mut self) -> Result<RecordedInvocation, StopReason> {
        let index = self.index();
        match self.peek() {
            Some(Entry::InvocationStarted {
                at,
                key,
                source: InvocationSource::Inline { function, params },
            }) => {
                let at = *at;
                let (key, function, params) = (key.clone(), Arc::clone(function), std::mem::take(params));
                self.take();
                let (start, convention) = (self.start_invocation(index), Convention::Component);
                Ok(RecordedInvocation { at, key, function, params, convention, start })
            }
            Some(Entry::InvocationStarted {
                at,
                key,
                source: InvocationSource::Program { function, convention, input },
            }) => {
                let (at, convention) = (*at, *convention);
                let (key, function) = (key.clone(), Arc::clone(function));
                let params = vec![Value::String(std::mem::take(input))];
                self.take();
                Ok(RecordedInvocation {
                    at,
                    key,
                    function,
                    params,
                    convention,
                    start: self.start_invocation(index),
                })
            }
            Some(other) => Err(diverged(index, other, "an invocation with its parameters".to_owned())),
            None => Err(StopReason::Diverged {
                index,
                recorded: "nothing: the oplog ends here".to_owned(),
                requested: "the next invocation".to_owned(),
            }),
        }
    }

    /// Counts an invocation that begins with the entry `index`.
    pub(crate) fn start_invocation(&mut self, index: OplogIndex) -> InvocationStart {
        self.invocations += 1;
        InvocationStart { number: self.invocations, index }
    }

    /// Whether the state before this entry is unreachable, because a revert removed the entries that lead to it.
    pub(crate) fn is_state_reverted(&self, index: OplogIndex) -> bool {
        self.reverted.is_state_reverted(index)
    }

    /// Checks that the next recorded entry is this completion.
    pub(crate) fn check_completion(&mut self, result: Option<&Value>) -> Result<(), StopReason> {
        let index = self.index();
        match self.peek() {
            Some(Entry::InvocationCompleted { result: recorded, .. })
                if bytes(recorded.as_ref()) == bytes(result) =>
            {
                self.take();
                Ok(())
            }
            Some(other) => Err(diverged(index, other, completion(result))),
            None => Err(StopReason::Diverged {
                index,
                recorded: "nothing: the oplog ends here".to_owned(),
                requested: completion(result),
            }),
        }
    }

    /// Checks that the next recorded entry is a completion, with any result.
    pub(crate) fn check_any_completion(&mut self) -> Result<(), StopReason> {
        let recorded = match self.peek() {
            Some(Entry::InvocationCompleted { result, .. }) => result.clone(),
            _ => None,
        };
        self.check_completion(recorded.as_ref())
    }

    /// The divergence of a guest that trapped, exited or jumped while recorded entries remain; `None` if none remain.
    pub(crate) fn unexpected_end(&mut self, how: String) -> Option<StopReason> {
        let index = self.index();
        self.peek().map(|entry| diverged(index, entry, how))
    }

    /// Whether the guest repeats what it did before it left memory.
    pub(crate) fn is_resuming_wait(&self) -> bool {
        self.resuming_wait
    }

    /// Moves over the entry that the guest asked for.
    fn take(&mut self) {
        self.resuming_wait = false;
        self.position += 1;
    }

    fn index(&mut self) -> OplogIndex {
        self.skip_hints();
        OplogIndex(self.entries_before + self.position as u64 + 1)
    }

    fn peek(&mut self) -> Option<&mut Entry> {
        self.skip_hints();
        self.entries.get_mut(self.position)
    }

    /// The first position from `at` on that is replayed, or the end.
    fn next_replayed(&self, at: usize) -> usize {
        self.reverted.next_kept(at).min(self.entries.len())
    }

    fn skip_hints(&mut self) {
        while let Some(entry) = self.entries.get(self.position) {
            let kept = self.next_replayed(self.position);
            if kept > self.position {
                let over = &self.entries[self.position..kept];
                let started = over.iter().filter(|entry| matches!(entry, Entry::InvocationStarted { .. }));
                self.invocations += started.count() as u64;
                self.position = kept;
                // After a revert, the guest takes another path, and its output is new.
                self.resuming_wait = false;
                continue;
            }
            match entry {
                Entry::Activated { .. }
                | Entry::Configured { .. }
                | Entry::Revert { .. }
                | Entry::ProgramEnded { .. } => {}
                // The output of another attempt is new.
                Entry::AttemptFailed { .. } => self.resuming_wait = false,
                Entry::Suspended(_) => self.resuming_wait = true,
                Entry::LifecycleEvent(event) if event.saved_state().is_none() => {}
                Entry::LifecycleEvent(_)
                | Entry::Created { .. }
                | Entry::InvocationStarted { .. }
                | Entry::HostCall { .. }
                | Entry::InvocationCompleted { .. }
                | Entry::InvocationFailed { .. } => return,
            }
            self.position += 1;
        }
    }
}

fn diverged(index: OplogIndex, recorded: &Entry, requested: String) -> StopReason {
    StopReason::Diverged { index, recorded: describe(recorded), requested }
}

/// Encodes a result for comparison: as bytes, a NaN equals itself.
fn bytes(result: Option<&Value>) -> Option<Vec<u8>> {
    result.map(|value| {
        let mut out = Vec::new();
        golem_model::value::codec::encode(value, &mut out);
        out
    })
}

fn completion(result: Option<&Value>) -> String {
    match result {
        Some(value) => format!("the invocation's end with the result {}", Truncated(value)),
        None => "the invocation's end without a result".to_owned(),
    }
}

/// Describes an entry for a divergence.
fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Created { id, .. } => format!("the creation of worker {id}"),
        Entry::Activated { engine, .. } => format!("the activation by {engine}"),
        Entry::InvocationStarted { key, source, .. } => match source {
            InvocationSource::Inline { function, .. } | InvocationSource::Program { function, .. } => {
                format!("the invocation {key} of {function}")
            }
            InvocationSource::Queued { row: accepted_row } => {
                format!("the invocation {key} that arrived at {accepted_row}")
            }
        },
        Entry::HostCall { call, .. } => call.to_string(),
        Entry::InvocationCompleted { result, .. } => completion(result.as_ref()),
        Entry::AttemptFailed { details, .. } => format!("a failed attempt: {details}"),
        Entry::InvocationFailed { cause, .. } => format!("the invocation's failure: {cause:?}"),
        Entry::Suspended(_) => "the worker leaving memory".to_owned(),
        Entry::Configured { .. } => "what was chosen for failures".to_owned(),
        Entry::Revert { from, .. } => format!("the setting aside of what follows {from}"),
        Entry::ProgramEnded { .. } => "the end of the worker's program".to_owned(),
        Entry::LifecycleEvent(event) => match event {
            LifecycleEvent::Snapshot { .. } => "a snapshot of the worker".to_owned(),
            LifecycleEvent::SnapshotRefused { .. } => "a snapshot that could not be taken".to_owned(),
            LifecycleEvent::Updated { from, to, .. } => format!("the update from version {from} to {to}"),
            LifecycleEvent::UpdateRefused { to, .. } => format!("a refused update to version {to}"),
        },
    }
}

/// Prints a value, truncated if it is long.
struct Truncated<'a>(&'a Value);

/// Characters of a value that a divergence shows.
const SHOWN_CHARS_MAX: usize = 200;

impl std::fmt::Display for Truncated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:?}", self.0);
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}
