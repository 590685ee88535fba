//! Errors of the executor.

use crate::storage::ports::StoreError;
use golem_host::ports::PortError;
use golem_model::oplog::FailureCause;
use golem_model::{IdempotencyKey, PromiseId, TemplateId, WorkerId, WorkerStatus};
use std::sync::Arc;

/// Why a request to the executor failed: a mistake of the caller, a failure of the worker, or a failure of the server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecutorError {
    /// The worker does not exist.
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
    /// The worker may not be created.
    #[error(transparent)]
    NotAdmitted(#[from] super::AdmissionError),
    /// The key was used for another invocation before.
    #[error(
        "the invocation key {key} was used before for {first} with other parameters or for another function; \
             this request asks for {requested}. A key names one invocation: take a new one"
    )]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
        /// The function of the first use.
        first: Arc<str>,
        /// The function of this request.
        requested: Arc<str>,
    },
    /// Too many invocations wait for the worker.
    #[error("{limit} invocations wait for worker {worker} already; try again when some are done")]
    QueueFull {
        /// The worker.
        worker: WorkerId,
        /// The maximum number of waiting invocations.
        limit: usize,
    },
    /// The worker's function runs as an event loop, which accepts only lines.
    #[error(
        "worker {worker} runs {function} as an event loop: until that ends, it accepts only calls of that function \
             with the calling convention stdio-event-loop"
    )]
    EventLoopRuns {
        /// The worker.
        worker: WorkerId,
        /// The function.
        function: Arc<str>,
    },
    /// The worker has failed.
    #[error("The previously invoked function failed")]
    PreviousInvocationFailed,
    /// The worker has called `exit`.
    #[error("The previously invoked function exited")]
    PreviousInvocationExited,
    /// An operator interrupted the worker while the invocation ran.
    #[error("{}", if *recover_immediately { "Simulated crash via the Golem API" } else { "Interrupted via the Golem API" })]
    Interrupted {
        /// Whether the worker continues at once.
        recover_immediately: bool,
    },
    /// There is nothing to recover from: the worker is running its invocation.
    #[error("worker {worker} is {status} and has not failed; interrupt it first to discard its invocation")]
    NotStopped {
        /// The worker.
        worker: WorkerId,
        /// The worker's status.
        status: WorkerStatus,
    },
    /// The invocation failed and is not retried.
    #[error("{}", describe(cause))]
    InvocationFailed {
        /// The cause of the failure.
        cause: FailureCause,
    },
    /// The invocation was removed from the queue before it began.
    #[error("the invocation {key} was cancelled before it began")]
    InvocationCancelled {
        /// The invocation's key.
        key: IdempotencyKey,
    },
    /// The worker has no invocation with this key.
    #[error("Invocation not found: worker {worker} has none with the key {key}")]
    InvocationNotFound {
        /// The worker.
        worker: WorkerId,
        /// The key.
        key: IdempotencyKey,
    },
    /// Only an invocation that has not begun can be cancelled.
    #[error("the invocation {key} {}", if *ended {
        "has ended, so there is nothing to cancel"
    } else {
        "has begun and cannot be cancelled any more; interrupt its worker to stop it"
    })]
    InvocationBegun {
        /// The invocation's key.
        key: IdempotencyKey,
        /// Whether the invocation has ended.
        ended: bool,
    },
    /// There is no update to withdraw.
    #[error(
        "worker {worker} has no pending update, and runs version {version}; `worker update-report` shows the outcome of the \
             last update"
    )]
    NoUpdatePending {
        /// The worker.
        worker: WorkerId,
        /// The version that it runs.
        version: u32,
    },
    /// The worker runs the requested version already.
    #[error("worker {worker} runs version {version} already")]
    UpdateToSame {
        /// The worker.
        worker: WorkerId,
        /// The version that it runs.
        version: u32,
    },
    /// The promise does not exist.
    #[error("Promise not found: {promise}")]
    PromiseNotFound {
        /// The promise.
        promise: PromiseId,
    },
    /// The data is larger than a promise can hold.
    #[error("the promise's data has {length} bytes; at most {limit} are allowed")]
    PromiseTooLarge {
        /// Number of bytes that were given.
        length: usize,
        /// Maximum number of bytes.
        limit: usize,
    },
    /// The component of the worker's template cannot be used.
    #[error("Failed to {} template {template} version {version}: {fault}", fault.operation())]
    Template {
        /// The template.
        template: TemplateId,
        /// The version.
        version: u32,
        /// What is wrong with its component.
        fault: ComponentFault,
    },
    /// The worker cannot be loaded.
    #[error("worker {worker} cannot be loaded: {details}")]
    Component {
        /// The worker.
        worker: WorkerId,
        /// Why it cannot be loaded.
        details: String,
    },
    /// Stored data is damaged. A retry fails too, until an operator restores the data.
    #[error("{details}")]
    Damaged {
        /// What is damaged, and what to do.
        details: Arc<str>,
    },
    /// The store cannot be used now. Nothing that was acknowledged is lost; the caller can retry.
    #[error(
        "the server cannot write its data now: {reason}. Nothing that was acknowledged is lost; try again later"
    )]
    Unavailable {
        /// The error of the store.
        reason: Arc<str>,
    },
    /// The server is shutting down.
    #[error("the server is shutting down; try again when it is back")]
    ShuttingDown,
}

/// Describes a failure to the invocation's caller.
pub(crate) fn describe(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Trap { details } => format!("Runtime error: {details}"),
        FailureCause::Discarded { details } => format!("The invocation was discarded: {details}"),
        FailureCause::ProcessEnded { times } => FailureCause::process_ended_text(*times),
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

/// Why the component of a template version cannot be used. The texts contain no path of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentFault {
    /// The template does not have this version any more.
    #[error("the template does not have this version")]
    NoVersion,
    /// Its bytes cannot be read. Reading them again may succeed.
    #[error("{0}")]
    Unreadable(String),
    /// Its bytes are damaged, or are not a component that this server can run.
    #[error("{0}")]
    Invalid(String),
}

impl ComponentFault {
    /// The fault of a component whose file cannot be read.
    pub(crate) fn from_store(error: &StoreError) -> Self {
        match error {
            StoreError::Corrupt { details, .. } => {
                Self::Invalid(format!("its file is damaged: {details}. Restore it from a backup"))
            }
            other => Self::Unreadable(other.for_callers()),
        }
    }

    /// The fault of a component whose file does not exist.
    pub(crate) fn missing(hash: [u8; 32]) -> Self {
        let name = blake3::Hash::from_bytes(hash).to_hex();
        Self::Unreadable(format!("its file {name} is missing from the data folder; restore it from a backup"))
    }

    /// The operation that failed, in the terms of 2023.
    fn operation(&self) -> &'static str {
        match self {
            Self::NoVersion | Self::Unreadable(_) => "download",
            Self::Invalid(_) => "parse",
        }
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
        /// The damaged row.
        row: u64,
        /// What is wrong with it.
        details: String,
    },
    /// The store was not opened: the server is shutting down, or panicked.
    #[error("opening the store did not end: the server is shutting down, or panicked (see its log)")]
    Interrupted,
    /// A thread cannot be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// The name of the thread.
        name: &'static str,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

impl StartError {
    /// The error for callers of the API, without paths of the server.
    pub(crate) fn for_callers(&self) -> String {
        match self {
            Self::Store(error) => error.for_callers(),
            Self::Damaged { .. } | Self::Interrupted | Self::Thread { .. } => self.to_string(),
        }
    }
}

/// Logs an error of the store, and converts it into the error for the caller.
pub(crate) fn unavailable(error: &StoreError) -> ExecutorError {
    tracing::error!(error = %with_causes(error), "the store cannot be used");
    let text = error.for_callers().into();
    match error {
        StoreError::Corrupt { .. } => ExecutorError::Damaged { details: text },
        _ => ExecutorError::Unavailable { reason: text },
    }
}

/// The text of an error and of its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> Arc<str> {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    reason.into()
}

/// Converts an error into the error for a guest's host call.
pub(crate) fn port_error(error: ExecutorError) -> PortError {
    match error {
        ExecutorError::Unavailable { reason } => PortError::Unavailable { reason },
        ExecutorError::Damaged { details } => PortError::Damaged { details },
        _ => PortError::Discarded,
    }
}
