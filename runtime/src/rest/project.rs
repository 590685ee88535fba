//! Projects.

use super::Services;
use super::account::audit;
use super::error::ApiError;
use super::extract::{Caller, IdPath, JsonBody, QueryParams};
use crate::identity::{Action, NewProject};
use axum::Json;
use axum::extract::State;
use golem_api::policy::ProjectAction;
use golem_api::project::{Project, ProjectDataRequest, ProjectListQuery};
use golem_model::ProjectId;
use std::sync::Arc;

/// `GET /v1/projects`: the caller's projects and those that are shared with it, optionally only those with a name.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    QueryParams(params): QueryParams<ProjectListQuery>,
) -> Json<Vec<Project>> {
    let projects = services.directory.projects_visible_to(principal);
    let named = |name: &str| params.project_name.as_deref().is_none_or(|asked| asked == name);
    Json(
        projects
            .iter()
            .filter(|project| named(&project.name))
            .map(|project| Project::from(&**project))
            .collect(),
    )
}

/// `GET /v1/projects/default`: the project of requests that name none.
pub(super) async fn default(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<Project>, ApiError> {
    let project = services.directory.default_project(principal.account());
    let project = project.ok_or_else(|| ApiError::not_found("Project not found: no default project"))?;
    Ok(Json(Project::from(&*project)))
}

/// `POST /v1/projects`.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(request): JsonBody<ProjectDataRequest>,
) -> Result<Json<Project>, ApiError> {
    let new =
        NewProject { name: request.name, description: request.description, owner: request.owner_account_id };
    let project = services.directory.project_create(principal, new).await?;
    audit(principal.account(), "project created", &project.id);
    Ok(Json(Project::from(&*project)))
}

/// `GET /v1/projects/{project_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<ProjectId>,
) -> Result<Json<Project>, ApiError> {
    let (project, _) = services.authorize_project(principal, Action::ViewProject, id)?;
    Ok(Json(Project::from(&*project)))
}

/// `DELETE /v1/projects/{project_id}`.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<ProjectId>,
) -> Result<(), ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::DeleteProject, id)?;
    services.directory.project_delete(&scope).await?;
    audit(principal.account(), "project deleted", &id);
    Ok(())
}

/// `GET /v1/projects/{project_id}/actions`: the actions that the caller may do there.
pub(super) async fn actions(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<ProjectId>,
) -> Result<Json<Vec<ProjectAction>>, ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::ViewProject, id)?;
    Ok(Json(scope.allowed_actions().iter().map(ProjectAction::from).collect()))
}
