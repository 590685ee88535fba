//! Number of workers per template, for plan limits and for deleting templates.
//!
//! Invariant: the counts are exact: they start with the counts of the stored projections and follow each row after
//! those.

use golem_model::{TemplateId, WorkerId};
use std::collections::HashMap;

/// Number of workers of each template.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounts {
    by_template: HashMap<TemplateId, u64>,
}

impl WorkerCounts {
    /// Starts with the counts of the stored projections.
    pub(crate) fn new(projections: impl IntoIterator<Item = (TemplateId, u64)>) -> Self {
        Self { by_template: projections.into_iter().collect() }
    }

    pub(crate) fn of(&self, template: TemplateId) -> u64 {
        self.by_template.get(&template).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, worker: &WorkerId) {
        *self.by_template.entry(worker.template).or_insert(0) += 1;
    }

    pub(super) fn remove(&mut self, worker: &WorkerId) {
        let left = self.of(worker.template).saturating_sub(1);
        if left == 0 {
            self.by_template.remove(&worker.template);
        } else {
            self.by_template.insert(worker.template, left);
        }
    }
}
