//! An event loop: a function that is called once and answers one line per invocation.
//!
//! The call is a future that owns the worker's store. It pauses when the program reads a line that has not arrived: the
//! invocation is complete, and the future is kept, with the guest's stack, until the next invocation. Dropping the
//! future loses nothing, as with any instance: the next activation replays all lines since the call.

use crate::StopReason;
use crate::durable::{NextRecorded, RecordedInvocation};
use crate::invoke::{InvokeError, PreparedCall};
use crate::program::{Console, Handoff, PauseReason, ResumeWith};
use crate::state::WorkerState;
use crate::worker::{AcceptanceRecord, recorded_failure};
use golem_model::oplog::{Entry, InvocationSource};
use golem_model::{Convention, Invocation, Value};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Instance;

/// The output of the call: the store goes back to the caller.
type CallOutput = (Store<WorkerState>, Result<Option<Value>, InvokeError>);

/// A running event loop.
pub(crate) struct EventLoop {
    call: Pin<Box<dyn Future<Output = CallOutput> + Send>>,
    handoff: Handoff,
    function: Arc<str>,
}

/// Why driving a loop ended.
pub(crate) enum DriveEnd {
    /// The loop waits for the next invocation.
    Paused(PauseReason),
    /// The function returned or was stopped.
    Returned(Box<Store<WorkerState>>, Result<Option<Value>, InvokeError>),
}

impl EventLoop {
    /// Prepares the call. It starts with the first [`EventLoop::drive`].
    pub(crate) fn start(
        function: Arc<str>,
        prepared: PreparedCall,
        mut store: Store<WorkerState>,
        exports: Instance,
    ) -> Self {
        let handoff = store.data().handoff.clone();
        let call = Box::pin(async move {
            let called = prepared.call(&mut store, &exports).await;
            (store, called)
        });
        Self { call, handoff, function }
    }

    /// The called function.
    pub(crate) fn function(&self) -> &Arc<str> {
        &self.function
    }

    /// Sets what the loop does when it is driven next.
    pub(crate) fn resume_with(&self, next: ResumeWith) {
        self.handoff.resume_with(next);
    }

    /// Runs it until it pauses or ends.
    pub(crate) async fn drive(&mut self) -> DriveEnd {
        poll_fn(|context| match self.call.as_mut().poll(context) {
            Poll::Ready((store, called)) => Poll::Ready(DriveEnd::Returned(Box::new(store), called)),
            Poll::Pending => match self.handoff.paused() {
                Some(pause) => Poll::Ready(DriveEnd::Paused(pause)),
                None => Poll::Pending,
            },
        })
        .await
    }
}

impl WorkerState {
    /// Called when the program reads the next line. Completes the current invocation and begins the next one once it
    /// arrives.
    pub(crate) async fn next_invocation(&mut self) -> wasmtime::Result<()> {
        let outcome = self.finish_line().await;
        outcome.map_err(|stop| self.stop(stop))
    }

    async fn finish_line(&mut self) -> Result<(), StopReason> {
        let result = Some(self.console.take_output());
        let finished = self.complete_invocation(result.as_ref(), false)?;
        let pause = match (self.journal.replay().peek_next()?, finished) {
            (NextRecorded::OplogEnd, CompletionRecord::New) => PauseReason::Answered(result),
            (NextRecorded::OplogEnd, CompletionRecord::Replayed) => PauseReason::Ready,
            (NextRecorded::Unfinished(key), _) => PauseReason::Unfinished(key),
            (NextRecorded::Failed(cause), _) => return Err(recorded_failure(cause)),
            (NextRecorded::Completed, _) => return self.begin_recorded(),
            // A running loop is not saved: `Instance::can_save` is false.
            (NextRecorded::Reloaded { .. }, _) => {
                return Err(StopReason::Port(crate::ports::PortError::Discarded));
            }
        };
        match self.handoff.clone().pause(pause).await {
            ResumeWith::Recorded => self.begin_recorded(),
            ResumeWith::Invocation(invocation, acceptance) => {
                self.record_start(invocation, acceptance).map(drop)
            }
        }
    }

    /// Begins the next recorded invocation, which must be one of the loop.
    fn begin_recorded(&mut self) -> Result<(), StopReason> {
        let index = self.journal.last_appended();
        let RecordedInvocation { at, key, function, params, start, convention } =
            self.journal.replay().take_invocation()?;
        if convention != Convention::StdioEventLoop {
            return Err(StopReason::Diverged {
                index,
                recorded: format!("the invocation {key} of {function}"),
                requested: "the next line of an event loop".to_owned(),
            });
        }
        self.begin_invocation(key, start, at, Console::new(convention, &params));
        Ok(())
    }

    /// Records the start of an invocation, and begins it.
    pub(crate) fn record_start(
        &mut self,
        invocation: Invocation,
        acceptance: AcceptanceRecord,
    ) -> Result<Arc<str>, StopReason> {
        if self.interrupt_handle.is_interrupted() {
            return Err(StopReason::Interrupted);
        }
        let (source, due) = match acceptance {
            AcceptanceRecord::InboxRow { row } => (InvocationSource::Queued { row }, Duration::MAX),
            AcceptanceRecord::StartEntry(due) => (invocation.source(), due),
        };
        let mut live = self.journal.live().expect("the oplog is replayed before a new invocation");
        let at = live.wall_now();
        let started = Entry::InvocationStarted { at, key: invocation.key.clone(), source };
        let index = live.record_with_deadline(started, due)?;
        let start = self.journal.replay().start_invocation(index);
        let Invocation { key, function, params, convention } = invocation;
        self.begin_invocation(key, start, at, Console::new(convention, &params));
        Ok(function)
    }

    /// Records the invocation's completion and appends all entries; in a replay, checks the recorded completion.
    /// `program_ended`: the worker's program has ended with this invocation.
    pub(crate) fn complete_invocation(
        &mut self,
        result: Option<&Value>,
        program_ended: bool,
    ) -> Result<CompletionRecord, StopReason> {
        let Some(mut live) = self.journal.live() else {
            self.journal.check_completion(result)?;
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
pub(crate) enum CompletionRecord {
    /// It was appended to the oplog.
    New,
    /// It was in the oplog already.
    Replayed,
}
