//! A function that is called once and answers a line for each invocation.
//!
//! The call is a future that owns the worker's store. Where the program asks for a line that is not there, it pauses:
//! the invocation is over, and the future is kept, with the guest's stack, until the next one comes. Dropping it is
//! what dropping any instance is: the next activation replays all lines since the function was called.

use crate::StopReason;
use crate::durable::{Ending, Started};
use crate::invoke::{Prepared, Uncalled};
use crate::program::{Console, Next, Pause, Turns};
use crate::state::WorkerState;
use crate::worker::failed;
use golem_model::oplog::{Entry, InvocationSource};
use golem_model::{Convention, Invocation, Value};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use wasmtime::Store;
use wasmtime::component::Instance;

/// How a call ended: the store is the caller's again.
type Returned = (Store<WorkerState>, Result<Option<Value>, Uncalled>);

/// A running event loop.
pub(crate) struct EventLoop {
    call: Pin<Box<dyn Future<Output = Returned> + Send>>,
    turns: Turns,
    function: Arc<str>,
}

/// What driving a loop came to.
pub(crate) enum Driven {
    /// It waits for the next invocation.
    Paused(Pause),
    /// The function has ended.
    Returned(Box<Store<WorkerState>>, Result<Option<Value>, Uncalled>),
}

impl EventLoop {
    /// Calls the function, as soon as it is driven.
    pub(crate) fn start(
        function: Arc<str>,
        prepared: Prepared,
        mut store: Store<WorkerState>,
        exports: Instance,
    ) -> Self {
        let turns = store.data().turns.clone();
        let call = Box::pin(async move {
            let called = prepared.call(&mut store, &exports).await;
            (store, called)
        });
        Self { call, turns, function }
    }

    /// The function that it is.
    pub(crate) fn function(&self) -> &Arc<str> {
        &self.function
    }

    /// Lets it go on when it is driven next.
    pub(crate) fn go_on(&self, next: Next) {
        self.turns.go_on(next);
    }

    /// Runs it until it pauses or ends.
    pub(crate) async fn drive(&mut self) -> Driven {
        poll_fn(|context| match self.call.as_mut().poll(context) {
            Poll::Ready((store, called)) => Poll::Ready(Driven::Returned(Box::new(store), called)),
            Poll::Pending => match self.turns.paused() {
                Some(pause) => Poll::Ready(Driven::Paused(pause)),
                None => Poll::Pending,
            },
        })
        .await
    }
}

impl WorkerState {
    /// The program asks for the next line: its invocation is over, and the next one begins when there is one.
    pub(crate) async fn next_line(&mut self) -> wasmtime::Result<()> {
        let turned = self.turn().await;
        turned.map_err(|stop| self.stop(stop))
    }

    async fn turn(&mut self) -> Result<(), StopReason> {
        let result = Some(self.console.take_output());
        let finished = self.conclude(result.as_ref(), false)?;
        let pause = match (self.journal.replay().ending()?, finished) {
            (Ending::None, Finished::Recorded) => Pause::Answered(result),
            (Ending::None, Finished::ReplayEnd) => Pause::Ready,
            (Ending::Unfinished(key), _) => Pause::Unfinished(key),
            (Ending::Failed(cause), _) => return Err(failed(cause)),
            (Ending::Completed, _) => return self.next_recorded(),
            // A loop that runs is never saved.
            (Ending::Reloaded { .. }, _) => return Err(StopReason::Port(crate::ports::PortError::Discarded)),
        };
        match self.turns.clone().pause(pause).await {
            Next::Resume => self.next_recorded(),
            Next::Invoke(invocation, arrival) => self.start(invocation, arrival).map(drop),
        }
    }

    /// Turns to the next recorded invocation, which must be one of the loop.
    fn next_recorded(&mut self) -> Result<(), StopReason> {
        let index = self.journal.appended();
        let Started { at, key, function, params, begun, convention } = self.journal.replay().started()?;
        if convention != Convention::StdioEventLoop {
            return Err(StopReason::Diverged {
                index,
                recorded: format!("the invocation {key} of {function}"),
                requested: "the next line of an event loop".to_owned(),
            });
        }
        self.begin(key, begun, at, Console::new(convention, &params));
        Ok(())
    }

    /// Records that an invocation begins, and turns to it.
    pub(crate) fn start(
        &mut self,
        invocation: Invocation,
        arrival: Option<u64>,
    ) -> Result<Arc<str>, StopReason> {
        if self.interrupt_handle.is_interrupted() {
            return Err(StopReason::Interrupted);
        }
        let source = match arrival {
            Some(arrival) => InvocationSource::Queued { arrival },
            None => invocation.source(),
        };
        let mut live = self.journal.live().expect("the oplog is replayed before a new invocation");
        let at = live.wall_now();
        let index = live.record(Entry::InvocationStarted { at, key: invocation.key.clone(), source })?;
        let begun = self.journal.replay().begin(index);
        let Invocation { key, function, params, convention } = invocation;
        self.begin(key, begun, at, Console::new(convention, &params));
        Ok(function)
    }

    /// Records that the invocation came to its result, and hands everything to the store; or finds it recorded.
    /// `over` says that the worker's program has come to its end with it.
    pub(crate) fn conclude(&mut self, result: Option<&Value>, over: bool) -> Result<Finished, StopReason> {
        let Some(mut live) = self.journal.live() else {
            self.journal.completed(result)?;
            return Ok(Finished::ReplayEnd);
        };
        let at = live.wall_now();
        if over {
            // The two entries below must be one row: a crash between them would leave a worker whose program has ended
            // and that says that it has not.
            live.flush()?;
        }
        live.record(Entry::InvocationCompleted { at, result: result.cloned() })?;
        if over {
            live.record(Entry::ProgramEnded { at })?;
        }
        live.flush()?;
        Ok(Finished::Recorded)
    }
}

/// Whether an invocation's end was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It was added to the oplog.
    Recorded,
    /// It was in the oplog.
    ReplayEnd,
}
