//! Accounts, their plans and roles.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, IdPath, JsonBody, RolePath};
use crate::identity::{AccountAction, SystemAction};
use axum::Json;
use axum::extract::State;
use golem_api::account::{Account, AccountData, Plan, PlanData, Role};
use golem_model::AccountId;
use std::sync::Arc;

/// `GET /v1/accounts/{account_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Account>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::View, id)?;
    Ok(Json(to_api(&services, &*services.directory.account(&scope)?)))
}

/// `GET /v1/accounts/{account_id}/plan`.
pub(super) async fn plan(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Plan>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::View, id)?;
    services.directory.account(&scope)?;
    let plan = services.directory.plan();
    let limits = &plan.limits;
    let small = |limit: u64| i32::try_from(limit).unwrap_or(i32::MAX);
    let plan_data = PlanData {
        project_limit: small(limits.projects_max),
        component_limit: small(limits.templates_max),
        instance_limit: small(limits.workers_max),
        storage_limit: small(limits.storage_bytes_max),
        monthly_gas_limit: i64::try_from(limits.monthly_gas_max).unwrap_or(i64::MAX),
        monthly_upload_limit: small(limits.monthly_upload_bytes_max),
    };
    Ok(Json(Plan { plan_id: plan.id, plan_data }))
}

/// `POST /v1/accounts`.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(data): JsonBody<AccountData>,
) -> Result<Json<Account>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::CreateAccount)?;
    check_plan(&services, &data)?;
    let account = services.directory.account_create(&scope, data.name, data.email).await?;
    audit(principal.account(), "account created", &account.id);
    Ok(Json(to_api(&services, &account)))
}

/// `PUT /v1/accounts/{account_id}`: name and e-mail address.
pub(super) async fn update(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
    JsonBody(data): JsonBody<AccountData>,
) -> Result<Json<Account>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::Update, id)?;
    check_plan(&services, &data)?;
    let account = services.directory.account_update(&scope, data.name, data.email).await?;
    Ok(Json(to_api(&services, &account)))
}

/// `DELETE /v1/accounts/{account_id}`.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<(), ApiError> {
    let scope = services.authorize_account(principal, AccountAction::Delete, id)?;
    services.directory.account_delete(&scope).await?;
    audit(principal.account(), "account deleted", &id);
    Ok(())
}

/// `GET /v1/accounts/{account_id}/grants`: the account's roles.
pub(super) async fn roles(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Vec<Role>>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::View, id)?;
    Ok(Json(services.directory.account(&scope)?.roles.iter().copied().collect()))
}

/// `GET /v1/accounts/{account_id}/grants/{role}`: the role, if the account has it.
pub(super) async fn role(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    RolePath(id, role): RolePath,
) -> Result<Json<Role>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::View, id)?;
    if services.directory.account(&scope)?.roles.contains(&role) {
        return Ok(Json(role));
    }
    Err(ApiError::not_found(format!(
        "Account grant not found: the account {id} does not have the role {role}"
    )))
}

/// `PUT /v1/accounts/{account_id}/grants/{role}`: adds the role.
pub(super) async fn role_add(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    RolePath(id, role): RolePath,
) -> Result<Json<Role>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::ChangeRoles, id)?;
    services.directory.role_add(&scope, role).await?;
    audit(principal.account(), "role given", &format_args!("{role} to {id}"));
    Ok(Json(role))
}

/// `DELETE /v1/accounts/{account_id}/grants/{role}`: removes the role.
pub(super) async fn role_remove(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    RolePath(id, role): RolePath,
) -> Result<(), ApiError> {
    let scope = services.authorize_account(principal, AccountAction::ChangeRoles, id)?;
    services.directory.role_remove(&scope, role).await?;
    audit(principal.account(), "role taken", &format_args!("{role} from {id}"));
    Ok(())
}

fn to_api(services: &Services, account: &golem_model::Account) -> Account {
    Account::of(account, services.directory.plan().id)
}

fn check_plan(services: &Services, data: &AccountData) -> Result<(), ApiError> {
    let plan = services.directory.plan().id;
    match data.plan_id {
        Some(other) if other != plan => Err(ApiError::invalid(format!(
            "Invalid planId: an account's plan cannot be changed; it is {plan}"
        ))),
        _ => Ok(()),
    }
}

/// Logs one line for an administrative operation, under the target `golem::audit`, so that these lines can be stored
/// separately.
pub(super) fn audit(by: AccountId, operation: &str, about: &dyn std::fmt::Display) {
    tracing::info!(target: "golem::audit", %by, "{operation}: {about}");
}
