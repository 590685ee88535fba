//! Whether a worker may be made: the plan of its project's owner, and whether its template is still there.

use super::{Executor, ExecutorError};
use golem_model::TemplateId;

/// Why a worker may not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAdmitted {
    /// The template is gone, or on its way out.
    #[error("Template not found: {0}")]
    NoTemplate(TemplateId),
    /// There are as many as there may be. The text says of what, how many, and what to do.
    #[error("{0}")]
    Limit(String),
}

/// Says whether workers may be made.
pub trait Admission: Send + Sync {
    /// Whether one more worker of `template` may be made; `workers` tells how many the templates given to it have
    /// together, exactly.
    ///
    /// Called under the lock of the node: it must not wait, nor call the executor.
    fn admit(&self, template: TemplateId, workers: &dyn Fn(&[TemplateId]) -> u64) -> Result<(), NotAdmitted>;
}

impl Executor {
    /// How many workers these templates have together, now and exactly.
    pub fn worker_count(&self, templates: &[TemplateId]) -> u64 {
        let state = self.core.lock();
        templates.iter().map(|template| state.ledger.counts.of(*template)).sum()
    }

    /// Returns once everything that has happened to workers up to now is durable.
    pub async fn settled(&self) -> Result<(), ExecutorError> {
        let last = self.core.lock().ledger.last_seq();
        self.core.wait_durable(last).await
    }
}

impl super::core::Core {
    /// Whether one more worker of `template` may be made.
    pub(super) fn admit_new_worker(
        &self,
        state: &super::core::State,
        template: TemplateId,
    ) -> Result<(), ExecutorError> {
        let counts = &state.ledger.counts;
        let workers = |templates: &[TemplateId]| templates.iter().map(|template| counts.of(*template)).sum();
        Ok(self.admission.admit(template, &workers)?)
    }
}
