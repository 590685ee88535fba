//! The ports: what a worker needs from outside. Crate `runtime` has the adapters; `testing` has memory adapters for
//! tests.
//!
//! A set of ports belongs to one *activation* of one worker, which is one stay in memory. An
//! activation can be discarded: a commit failed, another owner took over, or the worker was
//! deleted. Then a write fails with [`PortError::Discarded`] and changes nothing, and a read may
//! fail in the same way.

mod blobstore;
mod calls;
mod clock;
mod history;
mod keyvalue;
mod log;
mod oplog;
mod outbound_http;
mod promises;
mod tasks;
mod workers;

pub use blobstore::Blobstore;
pub use calls::{AnswerState, Calls, ExpectedResult, OutgoingCall};
pub use clock::Clock;
pub use history::HistoryPages;
pub use keyvalue::KeyValue;
pub use log::{LogEvent, LogLevel, LogSink, PrintedEvent};
pub use oplog::Oplog;
pub use outbound_http::{
    HttpBody, HttpFailure, HttpPart, HttpRequest, HttpResponse, HttpTimeouts, OutboundHttp,
};
pub use promises::Promises;
pub use tasks::{Task, TaskSpawner, TokioTasks};
pub use workers::{WorkerMetadata, WorkerPage, WorkerQuery, Workers};

use std::sync::Arc;

/// The ports of one activation.
#[derive(Clone)]
pub struct Ports {
    /// Takes the worker's entries.
    pub oplog: Arc<dyn Oplog>,
    /// The promises of all workers.
    pub promises: Arc<dyn Promises>,
    /// Calls to other workers.
    pub calls: Arc<dyn Calls>,
    /// The buckets of the worker's project.
    pub keyvalue: Arc<dyn KeyValue>,
    /// The containers of the worker's project.
    pub blobstore: Arc<dyn Blobstore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Takes stdout, stderr and log lines.
    pub log: Arc<dyn LogSink>,
    /// The workers of the worker's project.
    pub workers: Arc<dyn Workers>,
    /// HTTP requests to the outside.
    pub http: Arc<dyn OutboundHttp>,
    /// Runs the exchange of an HTTP request while the guest continues.
    pub tasks: Arc<dyn TaskSpawner>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// An error of the server, never the guest's. The activation ends, and the worker is loaded again later.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PortError {
    /// The worker has another activation now, or none. Nothing that this one does has an effect.
    #[error("this activation of the worker was discarded")]
    Discarded,
    /// The store cannot be written or read now. Nothing is lost; a retry may succeed later.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// The cause.
        reason: Arc<str>,
    },
    /// Stored data of the worker is damaged. A retry fails too, until an operator restores the data.
    #[error("{details}")]
    Damaged {
        /// What is damaged.
        details: Arc<str>,
    },
}
