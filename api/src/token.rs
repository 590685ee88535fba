//! Tokens: `/v1/accounts/{id}/tokens`.

use crate::compat;
use golem_model as model;
use golem_model::{AccountId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its id, which is not secret.
    pub id: TokenId,
    /// The account that it authenticates.
    pub account_id: AccountId,
    /// When it was created.
    pub created_at: Timestamp,
    /// It is rejected from this time on.
    pub expires_at: Timestamp,
}

impl From<&model::Token> for Token {
    fn from(token: &model::Token) -> Self {
        Self {
            id: token.id,
            account_id: token.account,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

/// A token with its secret. The server returns it once, at the token's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsafeToken {
    /// The token.
    pub data: Token,
    /// The secret for the header `Authorization: Bearer …`.
    pub secret: Secret,
}

/// The secret of a token, sent as `{"value": uuid}`; a plain string is accepted.
///
/// Invariant: `Debug` does not print it, so that it does not appear in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(#[serde(with = "compat::text_object")] pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Body of `POST /v1/accounts/{id}/tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCreationRequest {
    /// The token will be rejected from this time on.
    pub expires_at: Timestamp,
}
