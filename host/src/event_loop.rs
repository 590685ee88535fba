//! A function that is called once and answers a line for each invocation.
//!
//! The call is a future that owns the worker's store. Where the program asks for a line that is not there, it pauses:
//! the invocation is over, and the future is kept, with the guest's stack, until the next one comes. Dropping it is
//! what dropping any instance is: the next activation replays all lines since the function was called.

use crate::StopReason;
use crate::durable::{NextRecorded, RecordedInvocation};
use crate::invoke::{InvokeError, PreparedCall};
use crate::program::{Console, Handoff, PauseReason, ResumeWith};
use crate::state::WorkerState;
use crate::worker::recorded_failure;
use golem_model::oplog::{Entry, InvocationSource};
use golem_model::{Convention, Invocation, Value};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use wasmtime::Store;
use wasmtime::component::Instance;

/// How a call ended: the store is the caller's again.
type CallOutput = (Store<WorkerState>, Result<Option<Value>, InvokeError>);

/// A running event loop.
pub(crate) struct EventLoop {
    call: Pin<Box<dyn Future<Output = CallOutput> + Send>>,
    handoff: Handoff,
    function: Arc<str>,
}

/// What driving a loop came to.
pub(crate) enum DriveEnd {
    /// It waits for the next invocation.
    Paused(PauseReason),
    /// The function has ended.
    Returned(Box<Store<WorkerState>>, Result<Option<Value>, InvokeError>),
}

impl EventLoop {
    /// Calls the function, as soon as it is driven.
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

    /// The function that it is.
    pub(crate) fn function(&self) -> &Arc<str> {
        &self.function
    }

    /// Lets it go on when it is driven next.
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
    /// The program asks for the next line: its invocation is over, and the next one begins when there is one.
    pub(crate) async fn next_line(&mut self) -> wasmtime::Result<()> {
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
            // A loop that runs is never saved.
            (NextRecorded::Reloaded { .. }, _) => {
                return Err(StopReason::Port(crate::ports::PortError::Discarded));
            }
        };
        match self.handoff.clone().pause(pause).await {
            ResumeWith::Recorded => self.begin_recorded(),
            ResumeWith::Invocation(invocation, event) => self.record_start(invocation, event).map(drop),
        }
    }

    /// Turns to the next recorded invocation, which must be one of the loop.
    fn begin_recorded(&mut self) -> Result<(), StopReason> {
        let index = self.journal.appended();
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

    /// Records that an invocation begins, and turns to it.
    pub(crate) fn record_start(
        &mut self,
        invocation: Invocation,
        event: Option<u64>,
    ) -> Result<Arc<str>, StopReason> {
        if self.interrupt_handle.is_interrupted() {
            return Err(StopReason::Interrupted);
        }
        let source = match event {
            Some(event) => InvocationSource::Queued { arrival: event },
            None => invocation.source(),
        };
        let mut live = self.journal.live().expect("the oplog is replayed before a new invocation");
        let at = live.wall_now();
        let index = live.record(Entry::InvocationStarted { at, key: invocation.key.clone(), source })?;
        let start = self.journal.replay().count_invocation(index);
        let Invocation { key, function, params, convention } = invocation;
        self.begin_invocation(key, start, at, Console::new(convention, &params));
        Ok(function)
    }

    /// Records that the invocation came to its result, and hands everything to the store; or finds it recorded.
    /// `program_ended` says that the worker's program has come to its end with it.
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
        if program_ended {
            // The two entries below must be one row: a crash between them would leave a worker whose program has ended
            // and that says that it has not.
            live.flush()?;
        }
        live.record(Entry::InvocationCompleted { at, result: result.cloned() })?;
        if program_ended {
            live.record(Entry::ProgramEnded { at })?;
        }
        live.flush()?;
        Ok(CompletionRecord::New)
    }
}

/// Whether an invocation's end was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompletionRecord {
    /// It was added to the oplog.
    New,
    /// It was in the oplog.
    Replayed,
}
