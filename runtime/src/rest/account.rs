//! Accounts.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, IdPath};
use crate::identity::{AccountScope, Principal, authorize_account};
use axum::Json;
use axum::extract::State;
use golem_api::account::Account;
use golem_model::AccountId;
use std::sync::Arc;
use uuid::Uuid;

/// Every account has the one plan that there is, without limits.
const PLAN: Uuid = Uuid::nil();

/// `GET /v1/accounts/{account_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Account>, ApiError> {
    let scope = account_scope(principal, id)?;
    let account = services.accounts.get(&scope).ok_or_else(|| missing(id))?;
    Ok(Json(Account::of(&account, PLAN)))
}

/// Proof that `principal` may see the account. To others it does not exist.
pub(super) fn account_scope(principal: Principal, id: AccountId) -> Result<AccountScope, ApiError> {
    authorize_account(principal, id).map_err(|_| missing(id))
}

fn missing(id: AccountId) -> ApiError {
    ApiError::not_found(format!("Account not found: {id}"))
}
