//! How an invocation, or a worker, can end.

use crate::ports::PortError;
use golem_model::oplog::Parked;
use golem_model::{IdempotencyKey, OplogIndex, RetryPolicy, Value};

/// What an invocation came to.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// It returned. All its entries were handed to the store, none need be durable.
    Completed {
        /// What it returned, if its function has a result.
        result: Option<Value>,
    },
    /// It did not return, and the [`Instance`](crate::Instance) is spent.
    Stopped(StopReason),
}

/// Why an instance stopped. It is spent afterwards: a new one is made from the oplog.
#[derive(Debug)]
#[must_use]
pub enum StopReason {
    /// It waits. The entry that says so was appended, and is not durable yet.
    Parked(Parked),
    /// The guest trapped. What it had recorded was appended; how the attempt or the invocation failed is for
    /// the caller to append.
    Trapped {
        /// The trap and the guest's stack.
        details: String,
        /// Whether another attempt may help. A stack overflow depends on the machine and would not.
        retry: bool,
        /// What the guest chose for its failures, if it did.
        policy: Option<RetryPolicy>,
    },
    /// The guest called `exit`. What it had recorded was appended.
    Exited {
        /// The exit code; 0 is success.
        code: u8,
        /// What it had written to standard error last.
        stderr: String,
    },
    /// The guest went back to an earlier position. The entry that says so was appended: the next instance goes on
    /// from there, at once.
    JumpedBack,
    /// [`InterruptHandle::interrupt`](crate::Control::interrupt) was called. What was recorded before was appended.
    Interrupted,
    /// Replay asked for another call than the oplog holds. Nothing was appended.
    Diverged {
        /// The entry at which they part.
        index: OplogIndex,
        /// What the oplog holds there.
        recorded: String,
        /// What replay asked for.
        requested: String,
    },
    /// Our own trouble: the worker is as it was, and is loaded again later.
    Port(PortError),
}

/// How far a replay came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ReplayEnd {
    /// The oplog ends between two invocations: the instance takes the next one.
    Ready,
    /// The oplog ends inside this invocation: [`Instance::resume`](crate::Instance::resume) goes on with it.
    Unfinished {
        /// The invocation.
        key: IdempotencyKey,
    },
}
