//! Decides whether a worker may be created: the plan of its project's owner must allow it, and its template must still
//! exist.

use super::core::Core;
use super::{Executor, ExecutorError};
use golem_model::TemplateId;

/// Why a worker may not be created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdmissionError {
    /// The template does not exist, or is being deleted.
    #[error("Template not found: {0}")]
    NoTemplate(TemplateId),
    /// A limit is reached. The text says which limit, its value, and what to do.
    #[error("{0}")]
    Limit(String),
}

/// What the workers of templates use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerUsage {
    /// The exact number of workers.
    pub workers: u64,
    /// Number of names of deleted workers that are kept.
    pub deleted_names: u64,
}

/// Decides whether workers may be created.
pub trait WorkerAdmission: Send + Sync {
    /// Decides whether one more worker of `template` may be created. `usage` returns what the given templates use
    /// together.
    ///
    /// Called under the node's lock: an implementation must not wait and must not call the executor.
    fn admit(
        &self,
        template: TemplateId,
        usage: &dyn Fn(&[TemplateId]) -> WorkerUsage,
    ) -> Result<(), AdmissionError>;
}

impl Executor {
    /// Returns the exact number of workers that these templates have together. Fails while the store recovers: the
    /// ledger is empty then.
    pub fn worker_count(&self, templates: &[TemplateId]) -> Result<u64, ExecutorError> {
        let state = self.core.lock();
        Core::check_available(&state)?;
        Ok(templates.iter().map(|template| state.ledger.counts.of(*template)).sum())
    }

    /// Like [`Executor::worker_count`]. Returns once everything that the count is based on is durable.
    pub async fn durable_worker_count(&self, templates: &[TemplateId]) -> Result<u64, ExecutorError> {
        let (count, position) = {
            let state = self.core.lock();
            Core::check_available(&state)?;
            let count = templates.iter().map(|template| state.ledger.counts.of(*template)).sum();
            (count, state.last_position())
        };
        self.core.wait_until_durable(position).await?;
        Ok(count)
    }
}

impl super::core::Core {
    /// Decides whether one more worker of `template` may be created.
    pub(super) fn admit_new_worker(
        &self,
        state: &super::core::State,
        template: TemplateId,
    ) -> Result<(), ExecutorError> {
        let usage = |templates: &[TemplateId]| {
            templates.iter().fold(WorkerUsage::default(), |sum, template| WorkerUsage {
                workers: sum.workers + state.ledger.counts.of(*template),
                deleted_names: sum.deleted_names + state.ledger.deleted_name_count(*template),
            })
        };
        Ok(self.admission.admit(template, &usage)?)
    }
}
