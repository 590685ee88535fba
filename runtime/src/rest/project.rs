//! Projects.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, IdPath, Params};
use crate::identity::{Action, authorize};
use axum::Json;
use axum::extract::State;
use golem_api::project::Project;
use golem_model::ProjectId;
use serde::Deserialize;
use std::sync::Arc;

/// Query of `GET /v1/projects`.
#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    #[serde(rename = "project-name")]
    project_name: Option<String>,
}

/// `GET /v1/projects`: the caller's projects, all or those of a name.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    Params(params): Params<ListParams>,
) -> Json<Vec<Project>> {
    let projects = services.projects.of(principal.account());
    let named = |name: &str| params.project_name.as_deref().is_none_or(|asked| asked == name);
    Json(
        projects
            .iter()
            .filter(|project| named(&project.name))
            .map(|project| Project::from(&**project))
            .collect(),
    )
}

/// `GET /v1/projects/default`: where everything goes that names no project.
pub(super) async fn default(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<Project>, ApiError> {
    let project = services.projects.default_of(principal.account());
    let project = project.ok_or_else(|| ApiError::not_found("Project not found: no default project"))?;
    Ok(Json(Project::from(&*project)))
}

/// `GET /v1/projects/{project_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<ProjectId>,
) -> Result<Json<Project>, ApiError> {
    let missing = || ApiError::not_found(format!("Project not found: {id}"));
    let project = services.projects.get(id).ok_or_else(missing)?;
    authorize(principal, Action::ViewProject, &project).map_err(|_| missing())?;
    Ok(Json(Project::from(&*project)))
}
