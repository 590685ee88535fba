//! Workers, as one of them sees the others.

use super::PortError;
use async_trait::async_trait;
use golem_model::{TemplateId, WorkerId, WorkerName, WorkerStatus};

/// What is known of a worker without waking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerMetadata {
    /// Which worker.
    pub id: WorkerId,
    /// The arguments that it was made with.
    pub args: Vec<String>,
    /// The environment that it was made with.
    pub env: Vec<(String, String)>,
    /// What it is doing.
    pub status: WorkerStatus,
    /// The template version that it runs.
    pub template_version: u32,
    /// Failed attempts of its current invocation.
    pub retry_count: u32,
}

/// Which workers to list. What is none does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerQuery {
    /// The template whose workers are listed.
    pub template: TemplateId,
    /// How the names begin.
    pub name_prefix: Option<String>,
    /// What they are doing.
    pub status: Option<WorkerStatus>,
    /// The version that they run.
    pub template_version: Option<u32>,
    /// Only those whose names come after this one.
    pub after: Option<WorkerName>,
}

/// A part of a list, ordered by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerPage {
    /// The workers; may be none although more follow.
    pub workers: Vec<WorkerMetadata>,
    /// More may follow after this name.
    pub next: Option<WorkerName>,
}

/// All workers of this worker's project. Answers are given in commit order, over state that includes what is queued but
/// not yet durable. A worker of another project is not there.
#[async_trait]
pub trait Workers: Send + Sync {
    /// What is known of a worker.
    async fn facts(&self, worker: &WorkerId) -> Result<Option<WorkerMetadata>, PortError>;

    /// A page of workers. Its size is bounded by the adapter, in number and in bytes.
    async fn list(&self, query: &WorkerQuery) -> Result<WorkerPage, PortError>;
}
