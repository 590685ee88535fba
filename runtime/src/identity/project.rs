//! Projects.

use super::account::{account_not_found, check_text, is_conflict};
use super::authorize::{Action, Scope, SystemAction};
use super::directory::{Directory, IdentityError};
use super::plan::{PlanResource, check};
use super::token::Principal;
use crate::storage::ports::CatalogWrite;
use golem_model::{AccountId, Project, ProjectId};
use std::sync::Arc;

/// Properties of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// The project's name; several projects may have the same.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// The owner of the project.
    pub owner: AccountId,
}

impl Directory {
    /// A project, without authorization.
    pub fn project(&self, id: ProjectId) -> Option<Arc<Project>> {
        self.state().project(id).cloned()
    }

    /// The default project of an account.
    pub fn default_project(&self, account: AccountId) -> Option<Arc<Project>> {
        self.state().default_project(account).cloned()
    }

    /// All projects that an account owns, oldest first.
    pub fn projects_of(&self, account: AccountId) -> Vec<Arc<Project>> {
        let mut projects: Vec<_> = self.state().projects_of(account).cloned().collect();
        projects.sort_by_key(|project| (project.created_at, project.id));
        projects
    }

    /// The principal's own projects, oldest first, followed by those that are shared with it.
    pub fn projects_visible_to(&self, principal: Principal) -> Vec<Arc<Project>> {
        let mut projects = self.projects_of(principal.account());
        projects.extend(self.state().projects_shared_with(principal.account()));
        projects
    }

    /// Creates a project.
    pub async fn project_create(
        &self,
        principal: Principal,
        new: NewProject,
    ) -> Result<Arc<Project>, IdentityError> {
        let NewProject { name, description, owner } = new;
        if owner != principal.account() {
            self.authorize_system(principal, SystemAction::CreateForeignProject).map_err(|_| {
                IdentityError::Invalid(format!(
                    "Invalid ownerAccountId: it must be your own account, {}",
                    principal.account()
                ))
            })?;
        }
        check_text("name", &name, false)?;
        check_text("description", &description, true)?;
        self.change(move |directory, state| {
            state.account(owner).ok_or_else(|| account_not_found(owner))?;
            let used = state.projects_of(owner).count() as u64;
            check(PlanResource::Projects, directory.plan().limits.projects_max, used, 1)?;
            let project = Project {
                id: ProjectId(directory.entropy().uuid()),
                owner,
                name,
                description,
                default: false,
                created_at: directory.clock().now(),
            };
            Ok((Arc::new(project.clone()), vec![CatalogWrite::Project(project)]))
        })
        .await
    }

    /// Removes a project with its grants. Fails for the default project, and while the project has a template.
    pub async fn project_delete(&self, scope: &Scope) -> Result<(), IdentityError> {
        debug_assert_eq!(scope.action(), Action::DeleteProject);
        let id = scope.project();
        let outcome = self
            .change(move |_, state| {
                let project = state.project(id).ok_or_else(|| project_not_found(id))?;
                if project.default {
                    return Err(IdentityError::Invalid(
                        "the default project cannot be deleted: requests that name no project use it"
                            .to_owned(),
                    ));
                }
                Ok(((), vec![CatalogWrite::ProjectRemoved(id)]))
            })
            .await;
        match outcome {
            Err(error) if is_conflict(&error, "project") => Err(IdentityError::Invalid(
                "the project cannot be deleted: it has templates; delete their workers and then the templates first"
                    .to_owned(),
            )),
            outcome => outcome,
        }
    }
}

pub(super) fn project_not_found(id: ProjectId) -> IdentityError {
    IdentityError::NotFound { what: "Project", id: id.to_string() }
}
