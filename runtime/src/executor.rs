//! The executor: runs the workers of this node, durably.
//!
//! The way of an invocation: [`Executor::invoke`] admits it under the one lock of the node (`core`), a task drives
//! the worker's instance (`worker_task`), what that did gets its place in the `ledger`, the `committer` makes it
//! durable together with everything else that waits, and only then the reply leaves.
//!
//! Architecture invariant: a reply is delivered by the committer after the commit that holds its outcome, or from a
//! row read back from the store; there is no third way.

mod adapters;
mod admission;
mod committer;
mod core;
mod discard;
mod error;
mod event_loop;
mod history;
mod invoke;
mod ledger;
mod lifecycle;
mod listing;
mod load;
mod logs;
mod metrics;
mod oplog_search;
mod projection;
mod queue;
mod retry;
mod scheduler;
mod settings;
mod snapshot;
mod startup;
mod update;
mod worker_calls;
mod worker_task;

pub use admission::{Admission, NotAdmitted};
pub use error::{ExecutorError, StartError};
pub use invoke::KeyState;
pub use lifecycle::{WorkerSpec, WorkerView};
pub use listing::{WorkerRange, WorkersPage};
pub use logs::{LogNotice, LogSubscription};
pub use metrics::ExecutorMetrics;
pub use oplog_search::{EntryFilter, OplogPage, OplogSearch};
pub use queue::QueuedInvocation;
pub use settings::{ExecutorSettings, IdempotencyLookup, SnapshotPolicy};
pub use update::{UpdateOutcome, UpdateView};

use crate::entropy::Entropy;
use crate::storage::ports::{Blobs, Store};
use async_trait::async_trait;
use golem_host::ports::{Clock, OutboundHttp};
use golem_model::template::Function;
use golem_model::{FailureOptions, ProjectId, TemplateId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the executor gets compiled components.
#[async_trait]
pub trait Components: Send + Sync {
    /// The component of a template version. The error says what is wrong with it.
    async fn component(&self, template: TemplateId, version: u32) -> Result<golem_host::Component, String>;

    /// A template's project and newest version, if it exists. Never waits.
    fn newest(&self, template: TemplateId) -> Option<(ProjectId, u32)>;

    /// A function that a template version exports, by its full name. Never waits.
    fn function(&self, template: TemplateId, version: u32, name: &str) -> Option<Arc<Function>>;

    /// What was chosen for the failures of a template version's workers. Never waits.
    fn failure_options(&self, template: TemplateId, version: u32) -> FailureOptions;

    /// Which template the workers belong to that a template version calls, by the interface. Never waits.
    fn links(&self, template: TemplateId, version: u32) -> BTreeMap<String, TemplateId>;
}

/// How workers reach the outside.
pub trait Outbound: Send + Sync {
    /// The way of a project's workers.
    fn of_project(&self, project: ProjectId) -> Arc<dyn OutboundHttp>;
}

/// What an executor is made of.
pub struct ExecutorParts {
    /// Where the log is kept.
    pub store: Arc<dyn Store>,
    /// Where images of workers are kept that are too large for the log.
    pub snapshots: Arc<dyn Blobs>,
    /// Where components come from.
    pub components: Arc<dyn Components>,
    /// Whether workers may be made.
    pub admission: Arc<dyn Admission>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Seeds of workers.
    pub entropy: Arc<dyn Entropy>,
    /// Where HTTP requests of workers go.
    pub outbound: Arc<dyn Outbound>,
    /// Bounds and policies.
    pub settings: ExecutorSettings,
    /// Where it counts.
    pub metrics: Arc<ExecutorMetrics>,
    /// Whether repeated keys are recognised; always [`IdempotencyLookup::Enforced`] outside one negative control.
    pub idempotency: IdempotencyLookup,
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
