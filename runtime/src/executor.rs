//! The executor: runs the workers of this node, durably.
//!
//! An invocation passes through these steps:
//!
//! - [`Executor::invoke`] admits it under the node's one lock (`core`).
//! - A task runs it on the worker's instance (`worker_task`).
//! - The `ledger` gives each recorded entry its position in the log.
//! - The `committer` makes the entries durable, in one transaction with everything else that is pending.
//! - The reply is sent after that commit.
//!
//! Architecture invariant: the outcome of an invocation (its result or its recorded failure) is delivered after the
//! commit of its row (`Core::when_durable`), or it is read back from a committed row. Every other answer that rests on
//! rows waits for them as well (`position`). Errors that rest on no row (the store is unavailable, the server is
//! shutting down) are delivered at once.

mod adapters;
mod admission;
mod authorization;
mod committer;
mod core;
mod discard;
mod error;
mod event_loop;
mod footprint;
mod history;
mod interrupt;
mod invoke;
mod ledger;
mod listing;
mod load;
mod locate;
mod lock_scope;
mod logs;
mod metrics;
mod oplog_search;
mod panics;
mod position;
mod process_ends;
mod progress;
mod projection;
mod promise_watches;
mod queue;
mod residency;
mod retry;
mod scheduler;
mod settings;
mod snapshot;
mod startup;
mod state;
mod update;
mod wakes;
mod worker_calls;
mod worker_task;
mod workers;

pub use admission::{AdmissionError, WorkerAdmission, WorkerUsage};
pub use authorization::HostAuthorization;
pub(crate) use error::with_causes;
pub use error::{ComponentFault, ExecutorError, StartError};
pub use footprint::Footprint;
pub use invoke::KeyState;
pub use listing::{WorkerRange, WorkersPage};
pub use lock_scope::forbid_work_under_lock;
pub use logs::{LogNotice, LogSubscription};
pub use metrics::ExecutorMetrics;
pub use oplog_search::{EntryFilterMap, OplogPage, OplogSearch};
pub use queue::QueuedInvocation;
pub use settings::{Deduplication, ExecutorSettings, SnapshotPolicy};
pub use update::{UpdateOutcome, UpdateView};
pub use workers::{WorkerSpec, WorkerView};

use crate::entropy::Entropy;
use crate::spawner::Spawner;
use crate::storage::ports::{ContentStore, Store};
use async_trait::async_trait;
use golem_host::ports::{Clock, OutboundHttp};
use golem_model::template::Function;
use golem_model::{FailureOptions, ProjectId, TemplateId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gives the executor its compiled components.
#[async_trait]
pub trait TemplateLookup: Send + Sync {
    /// Returns the component of a template version.
    async fn component(
        &self,
        template: TemplateId,
        version: u32,
    ) -> Result<golem_host::Component, ComponentFault>;

    /// Returns the files that a template version ships with, if it has any.
    async fn files(
        &self,
        template: TemplateId,
        version: u32,
    ) -> Result<Option<golem_host::Files>, ComponentFault>;

    /// Returns a template's project and newest version, if the template exists. Does not wait.
    fn newest_version(&self, template: TemplateId) -> Option<(ProjectId, u32)>;

    /// Returns a function that a template version exports, by its full name. Does not wait.
    fn function(&self, template: TemplateId, version: u32, name: &str) -> Option<Arc<Function>>;

    /// Returns the failure options that were chosen for the workers of a template version. Does not wait.
    fn failure_options(&self, template: TemplateId, version: u32) -> FailureOptions;

    /// Returns the templates that a template version calls, by the name of the client interface. Does not wait.
    fn links(&self, template: TemplateId, version: u32) -> BTreeMap<String, TemplateId>;
}

/// Gives workers their outbound HTTP.
pub trait OutboundProvider: Send + Sync {
    /// Returns the HTTP client for the workers of a project.
    fn for_project(&self, project: ProjectId) -> Arc<dyn OutboundHttp>;
}

/// The dependencies of an executor.
pub struct ExecutorParts {
    /// Stores the log and the state derived from it.
    pub store: Arc<dyn Store>,
    /// Stores the images of workers that are too large for the log.
    pub snapshots: Arc<dyn ContentStore>,
    /// Gives the compiled components.
    pub templates: Arc<dyn TemplateLookup>,
    /// Decides whether a worker may be created.
    pub admission: Arc<dyn WorkerAdmission>,
    /// Authorizes host calls on objects of other projects.
    pub authorization: Arc<dyn HostAuthorization>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Source of the workers' random seeds.
    pub entropy: Arc<dyn Entropy>,
    /// Gives workers their outbound HTTP.
    pub outbound: Arc<dyn OutboundProvider>,
    /// Runs tasks and blocking jobs.
    pub spawner: Arc<dyn Spawner>,
    /// Limits and policies.
    pub settings: ExecutorSettings,
    /// Counters and gauges of this executor.
    pub metrics: Arc<ExecutorMetrics>,
    /// Whether repeated keys are recognised. Always [`Deduplication::Enforced`], except in one negative control of
    /// the tests.
    pub idempotency: Deduplication,
}

impl std::fmt::Debug for ExecutorParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecutorParts").finish_non_exhaustive()
    }
}

/// Runs the workers of this node. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    core: Arc<core::Core>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}
