//! Projects: `/v1/projects`.

use golem_model as model;
use golem_model::{AccountId, ProjectId};
use serde::{Deserialize, Serialize};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its id.
    pub project_id: ProjectId,
    /// All else about it.
    pub project_data: ProjectData,
}

/// What a project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectData {
    /// Its name; several projects may share one.
    pub name: String,
    /// Who owns it.
    pub owner_account_id: AccountId,
    /// What people wrote about it.
    pub description: String,
    /// Always `default`: environments never came.
    pub default_environment_id: String,
    /// Whether it is the one used where none is named.
    pub project_type: ProjectType,
}

/// Whether a project is its account's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectType {
    /// Used where no project is named.
    Default,
    /// Made by a person.
    NonDefault,
}

/// Body of `POST /v1/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDataRequest {
    /// Its name.
    pub name: String,
    /// Must be the caller.
    pub owner_account_id: AccountId,
    /// What people should know about it.
    pub description: String,
}

/// Query of `GET /v1/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProjectListQuery {
    /// Projects of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
}

impl From<&model::Project> for Project {
    fn from(project: &model::Project) -> Self {
        Self {
            project_id: project.id,
            project_data: ProjectData {
                name: project.name.clone(),
                owner_account_id: project.owner,
                description: project.description.clone(),
                default_environment_id: "default".to_owned(),
                project_type: if project.default { ProjectType::Default } else { ProjectType::NonDefault },
            },
        }
    }
}
