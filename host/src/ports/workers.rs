//! The other workers, from one worker's side.

use super::PortError;
use async_trait::async_trait;
use golem_model::{TemplateId, WorkerId, WorkerName, WorkerStatus};

/// The metadata of a worker, available without loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerMetadata {
    /// Its id.
    pub id: WorkerId,
    /// The arguments with which it was created.
    pub args: Vec<String>,
    /// The environment with which it was created.
    pub env: Vec<(String, String)>,
    /// Its status.
    pub status: WorkerStatus,
    /// The template version that it runs.
    pub template_version: u32,
    /// Failed attempts of its current invocation.
    pub retry_count: u32,
}

/// A filter for workers. `None` matches all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerQuery {
    /// The template whose workers are listed.
    pub template: TemplateId,
    /// Prefix of the names.
    pub name_prefix: Option<String>,
    /// Their status.
    pub status: Option<WorkerStatus>,
    /// The template version that they run.
    pub template_version: Option<u32>,
    /// Only workers whose names come after this one.
    pub after: Option<WorkerName>,
}

/// A page of a list, ordered by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerPage {
    /// The workers. May be empty although more follow.
    pub workers: Vec<WorkerMetadata>,
    /// More may follow after this name.
    pub next: Option<WorkerName>,
}

/// All workers of this worker's project. Answers are given in commit order, over state that includes rows that are
/// queued but not yet durable. For a worker of another project, the answer is as if it did not exist.
#[async_trait]
pub trait Workers: Send + Sync {
    /// The metadata of a worker, if it exists.
    async fn metadata(&self, worker: &WorkerId) -> Result<Option<WorkerMetadata>, PortError>;

    /// A page of workers. The adapter bounds its size, in number and in bytes.
    async fn list(&self, query: &WorkerQuery) -> Result<WorkerPage, PortError>;
}
