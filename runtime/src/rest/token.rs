//! Tokens.

use super::Services;
use super::account::account_scope;
use super::error::ApiError;
use super::extract::{Caller, IdPath};
use axum::Json;
use axum::extract::State;
use golem_api::token::Token;
use golem_model::AccountId;
use std::sync::Arc;

/// `GET /v1/login/token`: the token that the request shows, without its secret.
pub(super) async fn current(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<Token>, ApiError> {
    let token = services.tokens.current(principal).ok_or_else(|| ApiError::not_found("Token not found"))?;
    Ok(Json(Token::from(&token)))
}

/// `GET /v1/accounts/{account_id}/tokens`.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Vec<Token>>, ApiError> {
    let scope = account_scope(principal, id)?;
    Ok(Json(services.tokens.of(&scope).iter().map(Token::from).collect()))
}
