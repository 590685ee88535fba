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
    /// The content of the project.
    pub project_data: ProjectData,
}

/// The content of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectData {
    /// Its name. Not unique: several projects may have the same name.
    pub name: String,
    /// The account that owns it.
    pub owner_account_id: AccountId,
    /// Description, free text.
    pub description: String,
    /// Always `default`: environments do not exist, but clients of 2023 expect the field.
    pub default_environment_id: String,
    /// Whether it is the account's default project.
    pub project_type: ProjectType,
}

/// Whether a project is its account's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectType {
    /// The default project, which requests without a project use.
    Default,
    /// Any other project.
    NonDefault,
}

/// Body of `POST /v1/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDataRequest {
    /// Its name.
    pub name: String,
    /// Must be the account of the caller.
    pub owner_account_id: AccountId,
    /// Description, free text.
    pub description: String,
}

/// Query of `GET /v1/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProjectListQuery {
    /// Only projects of this name.
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
