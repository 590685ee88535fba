//! The beginning and the end of an invocation in the oplog.

use super::Journal;
use super::replay::{NextRecorded, RecordedInvocation};
use crate::file_history::UpdatedFiles;
use crate::ports::PortError;
use crate::program::{Console, PauseReason, ResumeWith};
use crate::state::InvocationState;
use crate::worker::{AcceptanceRecord, recorded_failure};
use crate::{InterruptHandle, StopReason};
use golem_model::oplog::{Entry, InvocationSource};
use golem_model::{Convention, Invocation, Value};
use std::sync::Arc;
use std::time::Duration;

impl Journal {
    /// Called when the program of an event loop reads the next line. Completes the current invocation and begins the next
    /// one once it arrives.
    pub(super) async fn next_invocation(
        &mut self,
        interrupt_handle: &InterruptHandle,
        invocation: &mut InvocationState,
        mut files: UpdatedFiles<'_>,
    ) -> Result<(), StopReason> {
        let result = Some(invocation.console.take_output());
        let finished = self.complete(result.as_ref(), false)?;
        let next = self.replay.peek_next()?;
        let updated = files.apply_before(self.replay.next_index()?, invocation.file_clock.now());
        updated.map_err(|details| StopReason::Trapped { details, retry: false, policy: None })?;
        let pause = match (next, finished) {
            (NextRecorded::OplogEnd, CompletionRecord::New) => PauseReason::Answered(result),
            (NextRecorded::OplogEnd, CompletionRecord::Replayed) => PauseReason::Ready,
            (NextRecorded::Unfinished(key), _) => PauseReason::Unfinished(key),
            (NextRecorded::Failed(cause), _) => return Err(recorded_failure(cause)),
            (NextRecorded::Completed, _) => return self.begin_recorded(invocation),
            // A running loop is not saved: `Instance::can_save` is false.
            (NextRecorded::Reloaded { .. }, _) => return Err(StopReason::Port(PortError::Discarded)),
        };
        match invocation.handoff.clone().pause(pause).await {
            ResumeWith::Recorded => self.begin_recorded(invocation),
            ResumeWith::Invocation(next, acceptance) => {
                self.record_start(interrupt_handle, invocation, next, acceptance).map(drop)
            }
        }
    }

    /// Begins the next recorded invocation, which must be one of the loop.
    fn begin_recorded(&mut self, invocation: &mut InvocationState) -> Result<(), StopReason> {
        let index = self.last_appended();
        let RecordedInvocation { at, key, function, params, start, convention } =
            self.replay.take_invocation()?;
        if convention != Convention::StdioEventLoop {
            return Err(StopReason::Diverged {
                index,
                recorded: format!("the invocation {key} of {function}"),
                requested: "the next line of an event loop".to_owned(),
            });
        }
        invocation.begin(key, start, at, Console::new(convention, &params));
        Ok(())
    }

    /// Records the start of an invocation, and begins it.
    pub(crate) fn record_start(
        &mut self,
        interrupt_handle: &InterruptHandle,
        invocation: &mut InvocationState,
        next: Invocation,
        acceptance: AcceptanceRecord,
    ) -> Result<Arc<str>, StopReason> {
        if interrupt_handle.is_interrupted() {
            return Err(StopReason::Interrupted);
        }
        let (source, due) = match acceptance {
            AcceptanceRecord::InboxRow { row } => (InvocationSource::Queued { row }, Duration::MAX),
            AcceptanceRecord::StartEntry(due) => (next.source(), due),
        };
        let mut live = self.live().expect("the oplog is replayed before a new invocation");
        let at = live.wall_now();
        let started = Entry::InvocationStarted { at, key: next.key.clone(), source };
        let index = live.record_with_deadline(started, due)?;
        let start = self.replay.start_invocation(index);
        let Invocation { key, function, params, convention } = next;
        invocation.begin(key, start, at, Console::new(convention, &params));
        Ok(function)
    }

    /// Records the invocation's completion and appends all entries; in a replay, checks the recorded completion.
    /// `program_ended`: the worker's program has ended with this invocation.
    pub(crate) fn complete_invocation(
        &mut self,
        result: Option<&Value>,
        program_ended: bool,
    ) -> Result<(), StopReason> {
        self.complete(result, program_ended).map(drop)
    }

    fn complete(
        &mut self,
        result: Option<&Value>,
        program_ended: bool,
    ) -> Result<CompletionRecord, StopReason> {
        let Some(mut live) = self.live() else {
            self.check_completion(result)?;
            return Ok(CompletionRecord::Replayed);
        };
        let at = live.wall_now();
        let completed = Entry::InvocationCompleted { at, result: result.cloned() };
        let ended = program_ended.then_some(Entry::ProgramEnded { at });
        // In one row: a crash between the two entries would leave a worker whose program has ended without a record of
        // that.
        live.append_together(std::iter::once(completed).chain(ended))?;
        Ok(CompletionRecord::New)
    }
}

/// Whether a completion was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompletionRecord {
    /// It was appended to the oplog.
    New,
    /// It was in the oplog already.
    Replayed,
}
