//! Compares what accounts use with the limits of their plan.

use super::Templates;
use crate::executor::{AdmissionError, WorkerAdmission};
use crate::identity::{Directory, PlanResource, check_limit};
use golem_model::{AccountId, ProjectId, TemplateId};
use std::sync::Arc;

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
        let projects: Vec<ProjectId> =
            self.directory.projects_of(account).iter().map(|project| project.id).collect();
        self.templates.ids_in(&projects)
    }
}

impl WorkerAdmission for WorkerQuotas {
    fn admit(
        &self,
        template: TemplateId,
        workers: &dyn Fn(&[TemplateId]) -> u64,
    ) -> Result<(), AdmissionError> {
        let missing = || AdmissionError::NoTemplate(template);
        let project = self.templates.project_accepting_workers(template).ok_or_else(missing)?;
        let owner = self.directory.project(project).ok_or_else(missing)?.owner;
        let limit = self.directory.plan().limits.workers_max;
        // Without a limit, workers are not counted.
        if limit >= super::UNLIMITED {
            return Ok(());
        }
        let used = workers(&self.templates_of(owner));
        check_limit(PlanResource::Workers, limit, used, 1)
            .map_err(|reached| AdmissionError::Limit(reached.to_string()))
    }
}
