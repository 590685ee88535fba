//! Tokens.

use super::Services;
use super::account::audit;
use super::error::ApiError;
use super::extract::{Caller, IdPath, JsonBody, TwoIdsPath};
use crate::identity::{AccountAction, NewToken};
use axum::Json;
use axum::extract::State;
use golem_api::token::{Secret, Token, TokenCreationRequest, UnsafeToken};
use golem_model::{AccountId, TokenId};
use std::sync::Arc;

/// `GET /v1/login/token`: the token that the request carries, without its secret.
pub(super) async fn current(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
) -> Result<Json<Token>, ApiError> {
    Ok(Json(Token::from(&services.directory.token_current(principal)?)))
}

/// `GET /v1/accounts/{account_id}/tokens`.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
) -> Result<Json<Vec<Token>>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::ViewTokens, id)?;
    Ok(Json(services.directory.tokens(&scope)?.iter().map(Token::from).collect()))
}

/// `GET /v1/accounts/{account_id}/tokens/{token_id}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    TwoIdsPath(account, token): TwoIdsPath<AccountId, TokenId>,
) -> Result<Json<Token>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::ViewTokens, account)?;
    Ok(Json(Token::from(&services.directory.token(&scope, token)?)))
}

/// `POST /v1/accounts/{account_id}/tokens`: a new token, with its secret.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<AccountId>,
    JsonBody(request): JsonBody<TokenCreationRequest>,
) -> Result<Json<UnsafeToken>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::CreateToken, id)?;
    let new = services.directory.token_create(&scope, request.expires_at).await?;
    audit(principal.account(), "token created", &new.token.id);
    Ok(Json(unsafe_token(&new)))
}

/// `DELETE /v1/accounts/{account_id}/tokens/{token_id}`.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    TwoIdsPath(account, token): TwoIdsPath<AccountId, TokenId>,
) -> Result<(), ApiError> {
    let scope = services.authorize_account(principal, AccountAction::DeleteToken, account)?;
    services.directory.token_delete(&scope, token).await?;
    audit(principal.account(), "token revoked", &token);
    Ok(())
}

/// A new token as JSON. This is the only response that contains its secret.
pub(super) fn unsafe_token(new: &NewToken) -> UnsafeToken {
    UnsafeToken { data: Token::from(&new.token), secret: Secret(new.secret.to_string()) }
}
