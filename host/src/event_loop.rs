//! An event loop: a function that is called once and answers one line per invocation.
//!
//! The call is a future that owns the worker's store. It pauses when the program reads a line that has not arrived: the
//! invocation is complete, and the future is kept, with the guest's stack, until the next invocation. Dropping the
//! future loses nothing, as with any instance: the next activation replays all lines since the call.

use crate::invoke::{InvokeError, PreparedCall};
use crate::program::{Handoff, PauseReason, ResumeWith};
use crate::state::WorkerState;
use golem_model::Value;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
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
        let handoff = store.data().invocation.handoff.clone();
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
