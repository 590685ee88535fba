//! Invocations in the oplog: from an entry or an inbox event back to the invocation.

use super::CallEvent;
use super::{FailureCause, InboxEvent, InvocationSource};
use crate::{Convention, IdempotencyKey, Invocation};
use std::sync::Arc;

impl InvocationSource {
    /// The function and the [digest](Invocation::digest) of the invocation. `None` if they are in an inbox event.
    pub fn digest(&self) -> Option<(Arc<str>, [u8; 32])> {
        match self {
            Self::Inline { function, params } => {
                Some((Arc::clone(function), Invocation::digest_of(function, params)))
            }
            Self::Program { function, convention, input } => {
                let digest = Invocation::digest_of_program(function, *convention, input);
                Some((Arc::clone(function), digest))
            }
            Self::Queued { .. } => None,
        }
    }
}

impl InboxEvent {
    /// The invocation that the event enqueues, if it enqueues one.
    pub fn into_invocation(self) -> Option<Invocation> {
        match self {
            Self::Invocation { at: _, key, function, params }
            | Self::Call(CallEvent::Queued { key, function, params, .. }) => {
                Some(Invocation { key, function, params, convention: Convention::Component })
            }
            Self::Program { at: _, key, function, convention, input } => {
                Some(Invocation::for_program(key, function, convention, input))
            }
            Self::PromiseCompleted { .. }
            | Self::PromiseDeleted { .. }
            | Self::Interrupted { .. }
            | Self::Resumed { .. }
            | Self::Deleted { .. }
            | Self::Admin(_)
            | Self::Process(_)
            | Self::Call(
                CallEvent::DelayElapsed { .. } | CallEvent::Cancelled { .. } | CallEvent::Answered { .. },
            ) => None,
        }
    }

    /// The key of the invocation that the event enqueues, if it enqueues one.
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match self {
            Self::Invocation { key, .. }
            | Self::Program { key, .. }
            | Self::Call(CallEvent::Queued { key, .. }) => Some(key),
            Self::PromiseCompleted { .. }
            | Self::PromiseDeleted { .. }
            | Self::Interrupted { .. }
            | Self::Resumed { .. }
            | Self::Deleted { .. }
            | Self::Admin(_)
            | Self::Process(_)
            | Self::Call(
                CallEvent::DelayElapsed { .. } | CallEvent::Cancelled { .. } | CallEvent::Answered { .. },
            ) => None,
        }
    }

    /// The function and the [digest](Invocation::digest) of the invocation that the event enqueues, if it enqueues one.
    pub fn digest(&self) -> Option<(Arc<str>, [u8; 32])> {
        match self {
            Self::Invocation { function, params, .. }
            | Self::Call(CallEvent::Queued { function, params, .. }) => {
                Some((Arc::clone(function), Invocation::digest_of(function, params)))
            }
            Self::Program { function, convention, input, .. } => {
                let digest = Invocation::digest_of_program(function, *convention, input);
                Some((Arc::clone(function), digest))
            }
            Self::PromiseCompleted { .. }
            | Self::PromiseDeleted { .. }
            | Self::Interrupted { .. }
            | Self::Resumed { .. }
            | Self::Deleted { .. }
            | Self::Admin(_)
            | Self::Process(_)
            | Self::Call(
                CallEvent::DelayElapsed { .. } | CallEvent::Cancelled { .. } | CallEvent::Answered { .. },
            ) => None,
        }
    }
}

impl FailureCause {
    /// The text of [`FailureCause::ProcessEnded`].
    pub fn process_ended_text(times: u32) -> String {
        format!("the process ended {times} times while this invocation ran")
    }

    /// The cause for an `exit` with `code`. `stderr` is the end of the program's standard error; it may be empty.
    pub fn from_exit(code: u8, stderr: String) -> Self {
        if stderr.is_empty() { Self::Exited { code } } else { Self::ExitedWithStderr { code, stderr } }
    }
}
