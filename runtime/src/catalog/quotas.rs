//! Compares what accounts use with the limits of their plan.

use super::Templates;
use crate::executor::{AdmissionError, WorkerAdmission, WorkerUsage};
use crate::identity::{Directory, PlanLimitError, PlanResource, check_limit};
use golem_model::{AccountId, ProjectId, TemplateId};
use std::sync::Arc;

/// Bytes of storage that the name of a deleted worker counts for: its row and the row's share of the index.
const DELETED_NAME_BYTES: u64 = 256;

/// Combines the owners of projects with the templates and workers in them.
#[derive(Debug)]
pub struct WorkerQuotas {
    directory: Directory,
    templates: Arc<Templates>,
}

impl WorkerQuotas {
    /// Reads owners from `directory` and templates from `templates`.
    pub fn new(directory: Directory, templates: Arc<Templates>) -> Self {
        Self { directory, templates }
    }

    /// Ids of the templates in all projects of an account.
    pub fn templates_of(&self, account: AccountId) -> Vec<TemplateId> {
        self.templates.ids_in(&self.projects_of(account))
    }

    fn projects_of(&self, account: AccountId) -> Vec<ProjectId> {
        self.directory.projects_of(account).iter().map(|project| project.id).collect()
    }
}

impl WorkerAdmission for WorkerQuotas {
    fn admit(
        &self,
        template: TemplateId,
        usage: &dyn Fn(&[TemplateId]) -> WorkerUsage,
    ) -> Result<(), AdmissionError> {
        let missing = || AdmissionError::NoTemplate(template);
        let project = self.templates.project_accepting_workers(template).ok_or_else(missing)?;
        let owner = self.directory.project(project).ok_or_else(missing)?.owner;
        let limits = &self.directory.plan().limits;
        // Without a limit, workers are not counted.
        if limits.workers_max >= super::UNLIMITED && limits.storage_bytes_max >= super::UNLIMITED {
            return Ok(());
        }
        let projects = self.projects_of(owner);
        let WorkerUsage { workers, deleted_names } = usage(&self.templates.ids_in(&projects));
        let reached = |limit: PlanLimitError| AdmissionError::Limit(limit.to_string());
        check_limit(PlanResource::Workers, limits.workers_max, workers, 1).map_err(reached)?;
        if deleted_names > 0 {
            // The names are kept, so an account that creates and deletes workers without end reaches this limit.
            let names = deleted_names.saturating_mul(DELETED_NAME_BYTES);
            let stored = self.templates.stored_bytes(&projects).saturating_add(names);
            check_limit(PlanResource::StorageBytes, limits.storage_bytes_max, stored, 0).map_err(reached)?;
        }
        Ok(())
    }
}
