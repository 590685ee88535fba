//! Projects, in memory.

use crate::storage::ports::{Catalog, StoreError};
use golem_model::{AccountId, Project, ProjectId};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All projects.
#[derive(Debug)]
pub struct Projects {
    by_id: RwLock<BTreeMap<ProjectId, Arc<Project>>>,
}

impl Projects {
    /// Reads them from the store.
    pub fn load(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let projects =
            catalog.projects()?.into_iter().map(|project| (project.id, Arc::new(project))).collect();
        Ok(Self { by_id: RwLock::new(projects) })
    }

    /// One of them.
    pub fn get(&self, id: ProjectId) -> Option<Arc<Project>> {
        self.by_id.read().get(&id).cloned()
    }

    /// The default project of an account.
    pub fn default_of(&self, account: AccountId) -> Option<Arc<Project>> {
        self.by_id.read().values().find(|project| project.owner == account && project.default).cloned()
    }

    /// All projects of an account, oldest first.
    pub fn of(&self, account: AccountId) -> Vec<Arc<Project>> {
        let mut projects: Vec<_> =
            self.by_id.read().values().filter(|project| project.owner == account).cloned().collect();
        projects.sort_by_key(|project| (project.created_at, project.id));
        projects
    }
}
