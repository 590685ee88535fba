//! Why the executor did not do it.

use crate::storage::ports::StoreError;
use golem_model::oplog::FailureCause;
use golem_model::{IdempotencyKey, PromiseId, WorkerId, WorkerStatus};
use std::sync::Arc;

/// Why a request to the executor failed. The caller's mistake, the worker's end, or our trouble.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecutorError {
    /// No such worker.
    #[error("Worker not found: {worker}")]
    WorkerNotFound {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker of that name exists.
    #[error("Worker already exists: {worker}")]
    WorkerExists {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker may not be made.
    #[error(transparent)]
    NotAdmitted(#[from] super::NotAdmitted),
    /// A key was used for another invocation before.
    #[error(
        "the invocation key {key} was used before for {first} with other parameters or for another function; \
             this request asks for {requested}. A key names one invocation: take a new one"
    )]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
        /// The function of the first use.
        first: Arc<str>,
        /// The function of this one.
        requested: Arc<str>,
    },
    /// Too many invocations wait for the worker.
    #[error("{limit} invocations wait for worker {worker} already; try again when some are done")]
    QueueFull {
        /// The worker.
        worker: WorkerId,
        /// How many may wait.
        limit: usize,
    },
    /// The worker's function runs as an event loop, which takes only lines.
    #[error(
        "worker {worker} runs {function} as an event loop: until that ends, it takes only calls of that function \
             with the calling convention stdio-event-loop"
    )]
    EventLoopRuns {
        /// The worker.
        worker: WorkerId,
        /// The function.
        function: Arc<str>,
    },
    /// The worker failed before.
    #[error("The previously invoked function failed")]
    PreviousInvocationFailed,
    /// The worker called `exit` before.
    #[error("The previously invoked function exited")]
    PreviousInvocationExited,
    /// Somebody stopped the worker while the invocation ran.
    #[error("{}", if *recover_immediately { "Simulated crash via the Golem API" } else { "Interrupted via the Golem API" })]
    Interrupted {
        /// Whether it goes on at once.
        recover_immediately: bool,
    },
    /// There is nothing to recover from: the worker is in the middle of something.
    #[error(
        "worker {worker} is {status}, it has not failed; interrupt it first if its invocation is to be discarded"
    )]
    NotStopped {
        /// The worker.
        worker: WorkerId,
        /// What it does.
        status: WorkerStatus,
    },
    /// The invocation failed for good.
    #[error("{}", describe(cause))]
    InvocationFailed {
        /// Why.
        cause: FailureCause,
    },
    /// The invocation was taken out of the queue before it began.
    #[error("the invocation {key} was cancelled before it began")]
    InvocationCancelled {
        /// Its key.
        key: IdempotencyKey,
    },
    /// The worker knows no invocation of this key.
    #[error("Invocation not found: worker {worker} has none with the key {key}")]
    InvocationNotFound {
        /// The worker.
        worker: WorkerId,
        /// The key.
        key: IdempotencyKey,
    },
    /// Only an invocation that waits can be cancelled.
    #[error("the invocation {key} {}", if *ended {
        "has ended, so that there is nothing to cancel"
    } else {
        "has begun and cannot be cancelled any more; interrupt its worker to stop it"
    })]
    InvocationBegun {
        /// Its key.
        key: IdempotencyKey,
        /// Whether it has ended.
        ended: bool,
    },
    /// One update at a time.
    #[error("worker {worker} is to be updated to version {to} already; wait until that is done")]
    UpdatePending {
        /// The worker.
        worker: WorkerId,
        /// The version that it will run.
        to: u32,
    },
    /// Nothing would change.
    #[error("worker {worker} runs version {version} already")]
    UpdateToSame {
        /// The worker.
        worker: WorkerId,
        /// Its version.
        version: u32,
    },
    /// No such promise.
    #[error("Promise not found: {promise}")]
    PromiseNotFound {
        /// The promise.
        promise: PromiseId,
    },
    /// The bytes are more than a promise holds.
    #[error("the promise's data has {length} bytes; at most {limit} are allowed")]
    PromiseTooLarge {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The worker cannot be loaded.
    #[error("worker {worker} cannot be loaded: {details}")]
    Component {
        /// The worker.
        worker: WorkerId,
        /// What is wrong.
        details: String,
    },
    /// The store cannot be used now. Nothing that was acknowledged is lost; try again.
    #[error(
        "the server cannot write its data now: {reason}. Nothing that was acknowledged is lost; try again later"
    )]
    Unavailable {
        /// What the store said.
        reason: Arc<str>,
    },
    /// The server is shutting down.
    #[error("the server is shutting down; try again when it is back")]
    ShuttingDown,
}

/// How an invocation failed for good, as its caller is told.
pub(crate) fn describe(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Trap { details } => format!("Runtime error: {details}"),
        FailureCause::Discarded { details } => format!("The invocation was discarded: {details}"),
        FailureCause::Exited { code } => format!("Runtime error: the program called exit with code {code}"),
        FailureCause::ExitedWithStderr { code, stderr } => {
            format!("Runtime error: the program exited with code {code}\nstandard error:\n{stderr}")
        }
        FailureCause::Diverged { index, recorded, requested } => format!(
            "Runtime error: replay diverged at oplog index {index}: the oplog holds {recorded}, the program asked for \
             {requested}. The component behaves differently from the one that wrote the oplog"
        ),
    }
}

/// Why an executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is damaged.
    #[error("the oplog is damaged at row {row}: {details}. Restore the data folder from a backup")]
    Damaged {
        /// The row.
        row: u64,
        /// What is wrong.
        details: String,
    },
    /// A thread cannot be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
