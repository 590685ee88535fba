//! How an invocation, or an instance, can end.

use crate::ports::PortError;
use golem_model::oplog::Suspension;
use golem_model::{IdempotencyKey, OplogIndex, RetryPolicy, Value};

/// The result of running an invocation.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// It returned. All its entries were appended to the store; they need not be durable yet.
    Completed {
        /// The returned value, if the function has a result.
        result: Option<Value>,
    },
    /// It did not return, and the [`Instance`](crate::Instance) is spent.
    Stopped(StopReason),
}

/// Why an instance stopped. It is spent afterwards: a new one is created from the oplog.
#[derive(Debug)]
#[must_use]
pub enum StopReason {
    /// The worker waits. Its `Suspended` entry was appended, and need not be durable yet.
    Suspended(Suspension),
    /// The guest trapped. Its recorded entries were appended; those of its initialisation may be
    /// missing. The caller appends the entry for the failed attempt or invocation.
    Trapped {
        /// The trap and the guest's stack.
        details: String,
        /// Whether another attempt may help. After a stack overflow, another attempt on this
        /// machine would overflow again.
        retry: bool,
        /// The retry policy that the guest set, if it did.
        policy: Option<RetryPolicy>,
    },
    /// The guest called `exit`. Its recorded entries were appended; those of its initialisation may
    /// be missing.
    Exited {
        /// The exit code; 0 is success.
        code: u8,
        /// The end of its standard error.
        stderr: String,
    },
    /// The guest jumped to an earlier position. The `Revert` entry was appended: the next instance continues from
    /// there, at once.
    JumpedBack,
    /// [`InterruptHandle::interrupt`](crate::InterruptHandle::interrupt) was called. The entries recorded before were
    /// appended.
    Interrupted,
    /// Replay asked for another call than the oplog holds. Nothing was appended.
    Diverged {
        /// The index at which they differ.
        index: OplogIndex,
        /// The recorded entry.
        recorded: String,
        /// The guest's request.
        requested: String,
    },
    /// A port failed. The worker is unchanged, and is loaded again later.
    Port(PortError),
}

/// The position that a replay reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ReplayEnd {
    /// The oplog ends between two invocations: the instance runs the next one.
    Ready,
    /// The oplog ends inside this invocation: [`Instance::resume`](crate::Instance::resume) continues it.
    Unfinished {
        /// The invocation's key.
        key: IdempotencyKey,
    },
}
