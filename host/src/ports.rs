//! What a worker needs from outside. The adapters live in `runtime`; memory ones for tests in `testing`.
//!
//! A set of ports is bound to one *activation* of one worker: one stay in memory. When the activation was
//! discarded (a commit failed, another owner took over, the worker was deleted) every call fails with
//! [`PortError::Discarded`], and nothing that it did afterwards has an effect.

mod blobstore;
mod calls;
mod clock;
mod keyvalue;
mod log;
mod oplog;
mod outbound_http;
mod promises;
mod workers;

pub use blobstore::Blobstore;
pub use calls::{AnswerState, Calls, ExpectedResult, OutgoingCall};
pub use clock::Clock;
pub use keyvalue::KeyValue;
pub use log::{LogEvent, LogLevel, LogSink};
pub use oplog::Oplog;
pub use outbound_http::{
    HttpBody, HttpFailure, HttpPart, HttpRequest, HttpResponse, HttpTimeouts, OutboundHttp,
};
pub use promises::Promises;
pub use workers::{WorkerMetadata, WorkerPage, WorkerQuery, Workers};

use std::sync::Arc;

/// The ports of one activation.
#[derive(Clone)]
pub struct Ports {
    /// Where entries go.
    pub oplog: Arc<dyn Oplog>,
    /// The promises of all workers.
    pub promises: Arc<dyn Promises>,
    /// Calls of other workers.
    pub calls: Arc<dyn Calls>,
    /// The buckets of the worker's project.
    pub keyvalue: Arc<dyn KeyValue>,
    /// The containers of the worker's project.
    pub blobstore: Arc<dyn Blobstore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where stdout, stderr and log lines go.
    pub log: Arc<dyn LogSink>,
    /// What is known of other workers.
    pub workers: Arc<dyn Workers>,
    /// HTTP requests to the outside.
    pub http: Arc<dyn OutboundHttp>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// Our own trouble, never the guest's: the activation ends, the worker is loaded again later.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PortError {
    /// This activation is no longer the worker's: whatever it does has no effect any more.
    #[error("this activation of the worker was discarded")]
    Discarded,
    /// The store cannot be written or read now. Nothing is lost; the same may succeed later.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What the store said.
        reason: Arc<str>,
    },
}
