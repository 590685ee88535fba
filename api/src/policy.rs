//! Project policies: `/v1/project-policies`, named sets of actions.

use crate::compat;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPolicy {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it allows; a bare list is accepted.
    #[serde(with = "compat::actions")]
    pub project_actions: Vec<ProjectAction>,
}

/// Body of `POST /v1/project-policies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPolicyData {
    /// Its name.
    pub name: String,
    /// What it allows; a bare list is accepted.
    #[serde(with = "compat::actions")]
    pub project_actions: Vec<ProjectAction>,
}

/// Something that can be done in a project. A component is a template, an instance a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectAction {
    /// See templates.
    #[serde(alias = "ViewTemplate")]
    ViewComponent,
    /// Upload new templates.
    #[serde(alias = "CreateTemplate")]
    CreateComponent,
    /// Upload new versions.
    #[serde(alias = "UpdateTemplate")]
    UpdateComponent,
    /// Delete templates.
    #[serde(alias = "DeleteTemplate")]
    DeleteComponent,
    /// See workers.
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
    /// See who may do what.
    ViewProjectGrants,
    /// Allow others.
    CreateProjectGrants,
    /// No longer allow others.
    DeleteProjectGrants,
}
