//! How many workers each template has, for plan limits and for removing templates.
//!
//! Invariant: exact at every moment: it begins with what the store's heads say and follows every row after them.

use golem_model::{TemplateId, WorkerId};
use std::collections::HashMap;

/// Workers of each template.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounts {
    by_template: HashMap<TemplateId, u64>,
}

impl WorkerCounts {
    /// What the store's heads say.
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
