//! Policies and grants, which share a project with other accounts.

use super::Services;
use super::account::audit;
use super::error::ApiError;
use super::extract::{Caller, IdPath, JsonBody, TwoIdsPath};
use crate::identity::{Action, GrantPolicy};
use axum::Json;
use axum::extract::State;
use golem_api::grant::{ProjectGrant, ProjectGrantRequest};
use golem_api::policy::{ProjectPolicy, ProjectPolicyData};
use golem_model::{GrantId, PolicyId, ProjectAction, ProjectId};
use std::sync::Arc;

/// `POST /v1/project-policies`.
pub(super) async fn policy_create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(data): JsonBody<ProjectPolicyData>,
) -> Result<Json<ProjectPolicy>, ApiError> {
    let actions = data.project_actions.into_iter().map(ProjectAction::from).collect();
    let policy = services.directory.policy_create(principal, data.name, actions).await?;
    Ok(Json(ProjectPolicy::from(&*policy)))
}

/// `GET /v1/project-policies/{project_policy_id}`.
pub(super) async fn policy_view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<PolicyId>,
) -> Result<Json<ProjectPolicy>, ApiError> {
    Ok(Json(ProjectPolicy::from(&*services.directory.policy(principal, id)?)))
}

/// `GET /v1/projects/{project_id}/grants`.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(project): IdPath<ProjectId>,
) -> Result<Json<Vec<ProjectGrant>>, ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::ViewProjectGrants, project)?;
    Ok(Json(services.directory.grants(&scope).iter().map(|grant| ProjectGrant::from(&**grant)).collect()))
}

/// `GET /v1/projects/{project_id}/grants/{grant_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    TwoIdsPath(project, grant): TwoIdsPath<ProjectId, GrantId>,
) -> Result<Json<ProjectGrant>, ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::ViewProjectGrants, project)?;
    Ok(Json(ProjectGrant::from(&*services.directory.grant(&scope, grant)?)))
}

/// `POST /v1/projects/{project_id}/grants`.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(project): IdPath<ProjectId>,
    JsonBody(request): JsonBody<ProjectGrantRequest>,
) -> Result<Json<ProjectGrant>, ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::CreateProjectGrants, project)?;
    let (grantee, grant_policy) = match request {
        ProjectGrantRequest::Policy { grantee_account_id, project_policy_id } => {
            (grantee_account_id, GrantPolicy::Existing(project_policy_id))
        }
        ProjectGrantRequest::Actions { grantee_account_id, project_actions, project_policy_name } => {
            let actions = project_actions.into_iter().map(ProjectAction::from).collect();
            (grantee_account_id, GrantPolicy::New { actions, name: project_policy_name })
        }
    };
    let grant = services.directory.grant_create(&scope, grantee, grant_policy).await?;
    audit(principal.account(), "grant given", &format_args!("{} in {project} to {grantee}", grant.id));
    Ok(Json(ProjectGrant::from(&*grant)))
}

/// `DELETE /v1/projects/{project_id}/grants/{grant_id}`; the published client sends POST.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    TwoIdsPath(project, grant): TwoIdsPath<ProjectId, GrantId>,
) -> Result<(), ApiError> {
    let (_, scope) = services.authorize_project(principal, Action::DeleteProjectGrants, project)?;
    services.directory.grant_delete(&scope, grant).await?;
    audit(principal.account(), "grant taken back", &format_args!("{grant} in {project}"));
    Ok(())
}
