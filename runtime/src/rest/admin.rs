//! The list of accounts, and the whitelist.

use super::Services;
use super::account::audit;
use super::error::ApiError;
use super::extract::{Caller, JsonBody, QueryParams};
use crate::identity::SystemAction;
use axum::Json;
use axum::extract::State;
use golem_api::account::{AccountSummary, PageQuery, WhitelistEntry};
use golem_model::TemplateId;
use std::sync::Arc;

/// Maximum and default number of elements of a page.
const PAGE_MAX: usize = 1_000;

/// Number of elements to skip, and number of elements to list.
fn page_bounds(query: PageQuery) -> (usize, usize) {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    (query.skip.map_or(0, size), query.limit.map_or(PAGE_MAX, size).min(PAGE_MAX))
}

/// `GET /admin/accounts`: oldest first.
pub(super) async fn accounts(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<Vec<AccountSummary>>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ListAccounts)?;
    let (skip, limit) = page_bounds(query);
    let accounts = services.directory.accounts(&scope, skip, limit);
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let summary = |account: &Arc<golem_model::Account>| {
        let templates: Vec<TemplateId> = services.quotas.templates_of(account.id);
        Ok(AccountSummary {
            id: account.id,
            name: account.name.clone(),
            email: account.email.clone(),
            templates_count: number(templates.len() as u64),
            workers_count: number(services.executor.worker_count(&templates)?),
            created_at: account.created_at,
        })
    };
    accounts.iter().map(summary).collect::<Result<_, ApiError>>().map(Json)
}

/// `GET /admin/accounts/count`.
pub(super) async fn account_count(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<usize>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ListAccounts)?;
    Ok(Json(services.directory.account_count(&scope)))
}

/// `GET /v1/whitelist/enabled`.
pub(super) async fn whitelist_enabled(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<bool>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ViewInvited)?;
    Ok(Json(services.directory.invitation_needed(&scope)))
}

/// `PUT /v1/whitelist/enabled`: whether only addresses on the whitelist may log in for the first time.
pub(super) async fn whitelist_enable(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(enabled): JsonBody<bool>,
) -> Result<(), ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ChangeInvited)?;
    services.directory.invitation_needed_set(&scope, enabled).await?;
    audit(principal.account(), "whitelist enabled", &enabled);
    Ok(())
}

/// `GET /v1/whitelist`.
pub(super) async fn whitelist(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<Vec<WhitelistEntry>>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ViewInvited)?;
    let (skip, limit) = page_bounds(query);
    Ok(Json(services.directory.invited(&scope, skip, limit).iter().map(WhitelistEntry::from).collect()))
}

/// `GET /v1/whitelist/count`.
pub(super) async fn whitelist_count(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<usize>, ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ViewInvited)?;
    Ok(Json(services.directory.invited_count(&scope)))
}

/// `POST /v1/whitelist`: adds e-mail addresses.
pub(super) async fn whitelist_add(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(emails): JsonBody<Vec<String>>,
) -> Result<(), ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ChangeInvited)?;
    let count = emails.len();
    services.directory.invite(&scope, emails).await?;
    audit(principal.account(), "put on the whitelist", &format_args!("{count} addresses"));
    Ok(())
}

/// `POST /v1/whitelist/remove`: removes e-mail addresses.
pub(super) async fn whitelist_remove(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(emails): JsonBody<Vec<String>>,
) -> Result<(), ApiError> {
    let scope = services.authorize_system(principal, SystemAction::ChangeInvited)?;
    let count = emails.len();
    services.directory.uninvite(&scope, emails).await?;
    audit(principal.account(), "taken off the whitelist", &format_args!("{count} addresses"));
    Ok(())
}
