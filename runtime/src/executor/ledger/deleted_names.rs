//! The ends of the oplogs of deleted workers, by name.
//!
//! A worker that is created under the name of a deleted one continues after the last index of that one, so an oplog
//! index, and with it a promise id, is never used twice.
//!
//! Invariant: a deleted name is here until a commit has written it to the store.

use super::Ledger;
use super::counts::WorkerCounts;
use crate::storage::ports::{DeletedName, Seq, Store, StoreError};
use golem_model::{OplogIndex, TemplateId, WorkerId};
use std::collections::HashMap;

/// Deleted names; see the module documentation.
#[derive(Debug, Default)]
pub(super) struct DeletedNames {
    /// Names that the store does not have, or not with this end, and the rows that deleted their workers.
    unwritten: HashMap<WorkerId, (OplogIndex, Seq)>,
    /// Number of names of each template, written and unwritten.
    counts: WorkerCounts,
}

impl DeletedNames {
    /// Adds the name of a worker that is being deleted. `is_first` means that the name has no row yet.
    pub(super) fn add(&mut self, name: &DeletedName, row: Seq, is_first: bool) {
        if is_first {
            self.counts.add(&name.id);
        }
        self.unwritten.insert(name.id.clone(), (name.oplog_end, row));
    }

    /// The last index of the deleted worker with this id, if the store does not have it.
    pub(super) fn unwritten_oplog_end(&self, id: &WorkerId) -> Option<OplogIndex> {
        self.unwritten.get(id).map(|(end, _)| *end)
    }

    /// Removes a name that the store has now.
    pub(super) fn mark_written(&mut self, name: &DeletedName) {
        if self.unwritten.get(&name.id).is_some_and(|(end, _)| *end == name.oplog_end) {
            self.unwritten.remove(&name.id);
        }
    }
}

impl Ledger {
    /// The row that deleted the last worker with this id, if a commit has not written the name yet.
    pub(crate) fn unwritten_deletion(&self, id: &WorkerId) -> Option<Seq> {
        self.deleted_names.unwritten.get(id).map(|(_, row)| *row)
    }

    /// Number of deleted names of a template.
    pub(crate) fn deleted_name_count(&self, template: TemplateId) -> u64 {
        self.deleted_names.counts.of(template)
    }

    /// Counts the deleted names after recovery. A row that was folded again may be of a worker whose name is written
    /// already, so the counts during recovery are not exact.
    pub(crate) fn recount_deleted_names(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let mut counts = WorkerCounts::new(store.deleted_name_counts()?);
        for id in self.deleted_names.unwritten.keys().collect::<std::collections::BTreeSet<_>>() {
            if store.deleted_name(id)?.is_none() {
                counts.add(id);
            }
        }
        self.deleted_names.counts = counts;
        Ok(())
    }
}
