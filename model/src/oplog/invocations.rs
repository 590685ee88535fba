//! Invocations in the oplog: from an entry or an arrival back to what was called.

use super::CallEvent;
use super::{FailureCause, InboxEvent, InvocationSource};
use crate::{Convention, Invocation};
use std::sync::Arc;

impl InvocationSource {
    /// Its function, and the [digest](Invocation::digest) of the invocation, if it is here.
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
    /// The invocation that it brings, if it brings one.
    pub fn into_invocation(self) -> Option<Invocation> {
        match self {
            Self::Invocation { at: _, key, function, params }
            | Self::Call(CallEvent::Queued { key, function, params, .. }) => {
                Some(Invocation { key, function, params, convention: Convention::Component })
            }
            Self::Program { at: _, key, function, convention, input } => {
                Some(Invocation::program(key, function, convention, input))
            }
            Self::PromiseCompleted { .. }
            | Self::PromiseDeleted { .. }
            | Self::Interrupted { .. }
            | Self::Resumed { .. }
            | Self::Deleted { .. }
            | Self::Admin(_)
            | Self::Call(CallEvent::Due { .. } | CallEvent::Withdrawn { .. } | CallEvent::Answered { .. }) => {
                None
            }
        }
    }

    /// Its function and the [digest](Invocation::digest) of the invocation, if it brings one.
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
            | Self::Call(CallEvent::Due { .. } | CallEvent::Withdrawn { .. } | CallEvent::Answered { .. }) => {
                None
            }
        }
    }
}

impl FailureCause {
    /// The cause of an `exit` with `code`, after this at the end of standard error.
    pub fn exited(code: u8, stderr: String) -> Self {
        if stderr.is_empty() { Self::Exited { code } } else { Self::ExitedWithStderr { code, stderr } }
    }
}
