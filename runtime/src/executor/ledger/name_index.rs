//! Workers in memory in the order of their names.
//!
//! Invariant: the index holds exactly the projections in memory.

use super::Ledger;
use crate::storage::ports::WorkerNum;
use golem_model::{TemplateId, WorkerId};
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

/// Projections in memory by template and name.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    ordered: BTreeMap<(TemplateId, String), WorkerNum>,
}

fn key(id: &WorkerId) -> (TemplateId, String) {
    (id.template, id.name.as_str().to_owned())
}

impl NameIndex {
    pub(super) fn insert(&mut self, id: &WorkerId, worker: WorkerNum) {
        self.ordered.insert(key(id), worker);
    }

    pub(super) fn remove(&mut self, id: &WorkerId) {
        self.ordered.remove(&key(id));
    }
}

impl Ledger {
    /// Lists at most `limit` of a template's workers in memory whose names begin with `prefix` and come after `after`,
    /// in order.
    pub(crate) fn list_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Vec<(String, WorkerNum)> {
        let from = if after < prefix {
            Bound::Included((template, prefix.to_owned()))
        } else {
            Bound::Excluded((template, after.to_owned()))
        };
        self.name_index
            .ordered
            .range((from, Bound::Unbounded))
            .take_while(|((of, name), _)| *of == template && name.starts_with(prefix))
            .take(limit)
            .map(|((_, name), worker)| (name.clone(), *worker))
            .collect()
    }

    /// Workers that were deleted and whose projections the store may still have.
    pub(crate) fn removed_workers(&self) -> HashSet<WorkerNum> {
        self.removed_workers.clone()
    }
}
