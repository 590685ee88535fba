//! Project policies: `/v1/project-policies`, named sets of actions.

use crate::compat;
use golem_model as model;
use golem_model::PolicyId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPolicy {
    /// Its id.
    pub id: PolicyId,
    /// Its name.
    pub name: String,
    /// The permitted actions; a plain list is accepted too.
    #[serde(with = "compat::actions")]
    pub project_actions: Vec<ProjectAction>,
}

/// Body of `POST /v1/project-policies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPolicyData {
    /// Its name.
    pub name: String,
    /// The permitted actions; a plain list is accepted too.
    #[serde(with = "compat::actions")]
    pub project_actions: Vec<ProjectAction>,
}

/// An action in a project. In the names, a component is a template and an instance is a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectAction {
    /// View templates.
    #[serde(alias = "ViewTemplate")]
    ViewComponent,
    /// Upload new templates.
    #[serde(alias = "CreateTemplate")]
    CreateComponent,
    /// Upload new versions of templates.
    #[serde(alias = "UpdateTemplate")]
    UpdateComponent,
    /// Delete templates.
    #[serde(alias = "DeleteTemplate")]
    DeleteComponent,
    /// View workers.
    #[serde(alias = "ViewWorker")]
    ViewInstance,
    /// Create workers.
    #[serde(alias = "CreateWorker")]
    CreateInstance,
    /// Invoke, interrupt and resume workers, complete their promises.
    #[serde(alias = "UpdateWorker")]
    UpdateInstance,
    /// Delete workers.
    #[serde(alias = "DeleteWorker")]
    DeleteInstance,
    /// View the grants of the project.
    ViewProjectGrants,
    /// Create grants.
    CreateProjectGrants,
    /// Delete grants.
    DeleteProjectGrants,
}

impl ProjectAction {
    /// All actions.
    pub const ALL: [Self; 11] = [
        Self::ViewComponent,
        Self::CreateComponent,
        Self::UpdateComponent,
        Self::DeleteComponent,
        Self::ViewInstance,
        Self::CreateInstance,
        Self::UpdateInstance,
        Self::DeleteInstance,
        Self::ViewProjectGrants,
        Self::CreateProjectGrants,
        Self::DeleteProjectGrants,
    ];
}

impl fmt::Display for ProjectAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The text is not the name of an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an action; the actions are {}",
    model::ProjectAction::ALL.map(|action| format!("{action:?}")).join(", "))]
pub struct ProjectActionError {
    /// The given text.
    pub text: String,
}

impl FromStr for ProjectAction {
    type Err = ProjectActionError;

    /// Accepts both vocabularies: `ViewComponent` and `ViewTemplate`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |action: &Self| {
            action.to_string() == text || format!("{:?}", model::ProjectAction::from(*action)) == text
        };
        let found = Self::ALL.into_iter().find(named);
        found.ok_or_else(|| ProjectActionError { text: text.to_owned() })
    }
}

impl From<ProjectAction> for model::ProjectAction {
    fn from(action: ProjectAction) -> Self {
        match action {
            ProjectAction::ViewComponent => Self::ViewTemplate,
            ProjectAction::CreateComponent => Self::CreateTemplate,
            ProjectAction::UpdateComponent => Self::UpdateTemplate,
            ProjectAction::DeleteComponent => Self::DeleteTemplate,
            ProjectAction::ViewInstance => Self::ViewWorker,
            ProjectAction::CreateInstance => Self::CreateWorker,
            ProjectAction::UpdateInstance => Self::UpdateWorker,
            ProjectAction::DeleteInstance => Self::DeleteWorker,
            ProjectAction::ViewProjectGrants => Self::ViewProjectGrants,
            ProjectAction::CreateProjectGrants => Self::CreateProjectGrants,
            ProjectAction::DeleteProjectGrants => Self::DeleteProjectGrants,
        }
    }
}

impl From<model::ProjectAction> for ProjectAction {
    fn from(action: model::ProjectAction) -> Self {
        match action {
            model::ProjectAction::ViewTemplate => Self::ViewComponent,
            model::ProjectAction::CreateTemplate => Self::CreateComponent,
            model::ProjectAction::UpdateTemplate => Self::UpdateComponent,
            model::ProjectAction::DeleteTemplate => Self::DeleteComponent,
            model::ProjectAction::ViewWorker => Self::ViewInstance,
            model::ProjectAction::CreateWorker => Self::CreateInstance,
            model::ProjectAction::UpdateWorker => Self::UpdateInstance,
            model::ProjectAction::DeleteWorker => Self::DeleteInstance,
            model::ProjectAction::ViewProjectGrants => Self::ViewProjectGrants,
            model::ProjectAction::CreateProjectGrants => Self::CreateProjectGrants,
            model::ProjectAction::DeleteProjectGrants => Self::DeleteProjectGrants,
        }
    }
}

impl From<&model::Policy> for ProjectPolicy {
    fn from(policy: &model::Policy) -> Self {
        Self {
            id: policy.id,
            name: policy.name.clone(),
            project_actions: policy.actions.iter().map(ProjectAction::from).collect(),
        }
    }
}
