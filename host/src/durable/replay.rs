//! Replay: answers host calls from the oplog until it ends.
//!
//! Uses `model::oplog` and the pages of the recorded entries. Architecture invariant: nothing here can reach another port.
//! Invariant: the cursor moves only over entries that the guest asks for, in order, over hints and over reverted
//! entries. A request for another entry than the next one is a divergence and ends the instance.
//! Invariant: at most one page is in memory here. An entry is visited once, so the cursor never looks ahead: the scan of
//! the oplog ([`super::History`]) has found how the last invocation ends.

use super::history::{History, LastInvocation};
use super::reverted::RevertedRanges;
use crate::StopReason;
use crate::ports::{HistoryPages, PortError};
use golem_model::oplog::{
    ClockKind, Entry, FailureCause, HostCall, InvocationSource, LifecycleEvent, SavedState,
};
use golem_model::{Convention, IdempotencyKey, OplogIndex, Timestamp, Value};
use std::sync::Arc;

/// Proof that all recorded entries were replayed.
#[derive(Debug)]
pub(crate) struct OplogEnded(());

/// A cursor over the recorded entries.
pub(crate) struct Replay {
    /// The pages after `page`; `None` once they have ended.
    pages: Option<Box<dyn HistoryPages>>,
    page: Vec<Entry>,
    /// Position of the next entry in `page`.
    position: usize,
    /// The index of the next entry.
    next: OplogIndex,
    /// The index of the last recorded entry.
    end: OplogIndex,
    /// Why the next page could not be read. No later page is read then.
    failed: Option<PortError>,
    /// The entries that replay skips.
    reverted: RevertedRanges,
    /// How the last invocation ends.
    last_invocation: LastInvocation,
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
    /// A cursor before the first entry of `history`. `invocations` invocations started before it.
    pub(crate) fn new(invocations: u64, history: History) -> Self {
        let mut reverted = history.reverted;
        if let Some(from) = history.repeat_from {
            // The activation records this revert before anything else.
            reverted.add(from, history.end.next());
        }
        Self {
            pages: Some(history.pages),
            page: Vec::new(),
            position: 0,
            next: history.before.next(),
            end: history.end,
            failed: None,
            reverted,
            last_invocation: history.last_invocation,
            invocations,
            resuming_wait: false,
        }
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
        // If a page cannot be read, the next request for an entry reports that.
        matches!(self.peek(), Ok(None)).then_some(OplogEnded(()))
    }

    /// The recorded answer of `call` and its index; `None` once the recorded entries have ended.
    pub(crate) fn recorded_answer(
        &mut self,
        call: &HostCall,
    ) -> Result<Option<(OplogIndex, Vec<u8>)>, StopReason> {
        let index = self.index()?;
        match self.peek()? {
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

    /// The recorded reading of `clock`; `None` once the recorded entries have ended.
    pub(crate) fn recorded_reading(&mut self, clock: ClockKind) -> Result<Option<u64>, StopReason> {
        let index = self.index()?;
        let function = clock.function();
        let (reading, is_last) = match self.peek()? {
            None => {
                self.resuming_wait = false;
                return Ok(None);
            }
            Some(Entry::HostCall { call, response }) if call.function == function => {
                (super::clock::decode(response), true)
            }
            Some(Entry::ClockReadings(readings)) if readings.of(clock).count > 0 => {
                let reading = readings.of_mut(clock).take_first().unwrap_or_default();
                (Ok(reading), readings.is_empty())
            }
            Some(other) => return Err(diverged(index, other, format!("{function}()"))),
        };
        let reading = reading.map_err(|error| super::unreadable_answer(function, index, &error))?;
        if is_last {
            self.take();
        } else {
            self.resuming_wait = false;
        }
        Ok(Some(reading))
    }

    /// The index of the next entry that the guest could ask for; after the last one, the index that the next entry gets.
    pub(crate) fn next_index(&mut self) -> Result<OplogIndex, StopReason> {
        self.index()
    }

    /// What the oplog holds next, between two invocations.
    pub(crate) fn peek_next(&mut self) -> Result<NextRecorded, StopReason> {
        let index = self.index()?;
        let key = match self.peek()? {
            None => return Ok(NextRecorded::OplogEnd),
            Some(Entry::InvocationStarted { key, .. }) => key.clone(),
            Some(Entry::LifecycleEvent(event)) if let Some(state) = event.saved_state() => {
                let updated = matches!(event, LifecycleEvent::Updated { .. });
                let (at, state) = (event.at(), state.clone());
                return Ok(NextRecorded::Reloaded { index, at, state, updated });
            }
            Some(other) => return Err(diverged(index, other, "the next invocation".to_owned())),
        };
        Ok(match &self.last_invocation {
            LastInvocation::Unfinished(start) if *start == index => NextRecorded::Unfinished(key),
            LastInvocation::Failed(start, cause) if *start == index => NextRecorded::Failed(cause.clone()),
            LastInvocation::Unfinished(_) | LastInvocation::Failed(..) | LastInvocation::Completed => {
                NextRecorded::Completed
            }
        })
    }

    /// Takes the next invocation, which [`Replay::peek_next`] has found.
    pub(crate) fn take_invocation(&mut self) -> Result<RecordedInvocation, StopReason> {
        let index = self.index()?;
        match self.peek()? {
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
        let index = self.index()?;
        match self.peek()? {
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
        let recorded = match self.peek()? {
            Some(Entry::InvocationCompleted { result, .. }) => result.clone(),
            _ => None,
        };
        self.check_completion(recorded.as_ref())
    }

    /// The divergence of a guest that trapped, exited or jumped while recorded entries remain; `None` if none remain.
    pub(crate) fn unexpected_end(&mut self, how: String) -> Option<StopReason> {
        let index = match self.index() {
            Ok(index) => index,
            Err(stop) => return Some(stop),
        };
        match self.peek() {
            Ok(entry) => entry.map(|entry| diverged(index, entry, how)),
            Err(stop) => Some(stop),
        }
    }

    /// Whether the guest repeats what it did before it left memory.
    pub(crate) fn is_resuming_wait(&self) -> bool {
        self.resuming_wait
    }

    /// Moves over the entry that the guest asked for.
    fn take(&mut self) {
        self.resuming_wait = false;
        self.advance();
    }

    fn advance(&mut self) {
        self.position += 1;
        self.next = self.next.next();
    }

    fn index(&mut self) -> Result<OplogIndex, StopReason> {
        self.skip_hints()?;
        Ok(self.next)
    }

    fn peek(&mut self) -> Result<Option<&mut Entry>, StopReason> {
        self.skip_hints()?;
        Ok(self.page.get_mut(self.position))
    }

    /// Reads the next page if all entries of this one were visited. `false` once all entries were.
    fn fill(&mut self) -> Result<bool, StopReason> {
        if self.position < self.page.len() {
            return Ok(true);
        }
        if let Some(error) = &self.failed {
            return Err(StopReason::Port(error.clone()));
        }
        let Some(pages) = &mut self.pages else { return Ok(false) };
        // The page leaves memory before the next one is read.
        (self.page, self.position) = (Vec::new(), 0);
        let next = pages.next_page().and_then(|page| match (page.is_empty(), self.next > self.end) {
            (false, false) => Ok(Some(page)),
            (true, true) => Ok(None),
            (is_empty, _) => {
                let (next, end) = (self.next, self.end);
                let found = if is_empty { "no entry" } else { "an entry" };
                let details =
                    format!("the store has {found} at oplog index {next} of an oplog that ends at {end}");
                Err(PortError::Damaged { details: details.into() })
            }
        });
        match next {
            Ok(Some(page)) => {
                self.page = page;
                Ok(true)
            }
            Ok(None) => {
                self.pages = None;
                Ok(false)
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(StopReason::Port(error))
            }
        }
    }

    fn skip_hints(&mut self) -> Result<(), StopReason> {
        // The first entry after the range of reverted entries that the cursor is in.
        let mut kept = OplogIndex(0);
        while self.fill()? {
            let entry = &self.page[self.position];
            if self.next >= kept {
                kept = self.reverted.next_kept(self.next);
            }
            if self.next < kept {
                self.invocations += u64::from(matches!(entry, Entry::InvocationStarted { .. }));
                // After a revert, the guest takes another path, and its output is new.
                self.resuming_wait = false;
                self.advance();
                continue;
            }
            match entry {
                // The guest does not ask for its creation.
                Entry::Created { .. }
                | Entry::Activated { .. }
                | Entry::Configured { .. }
                | Entry::Revert { .. }
                | Entry::ProgramEnded { .. } => {}
                // The output of another attempt is new.
                Entry::AttemptFailed { .. } => self.resuming_wait = false,
                Entry::Suspended(_) => self.resuming_wait = true,
                Entry::LifecycleEvent(event) if event.saved_state().is_none() => {}
                Entry::LifecycleEvent(_)
                | Entry::InvocationStarted { .. }
                | Entry::HostCall { .. }
                | Entry::ClockReadings(_)
                | Entry::InvocationCompleted { .. }
                | Entry::InvocationFailed { .. } => return Ok(()),
            }
            self.advance();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
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
        Entry::ClockReadings(readings) => {
            let calls = [ClockKind::Wall, ClockKind::Monotonic].map(|clock| {
                let function = clock.function();
                match readings.of(clock).count {
                    0 => String::new(),
                    1 => format!("{function}()"),
                    count => format!("{count} times {function}()"),
                }
            });
            let [wall, monotonic] = &calls;
            let and = if wall.is_empty() || monotonic.is_empty() { "" } else { " and " };
            format!("{wall}{and}{monotonic}")
        }
        Entry::InvocationCompleted { result, .. } => completion(result.as_ref()),
        Entry::AttemptFailed { details, .. } => format!("a failed attempt: {details}"),
        Entry::InvocationFailed { cause, .. } => format!("the invocation's failure: {cause:?}"),
        Entry::Suspended(_) => "the worker leaving memory".to_owned(),
        Entry::Configured { .. } => "what was chosen for failures".to_owned(),
        Entry::Revert { from, .. } => format!("the revert of what follows {from}"),
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
