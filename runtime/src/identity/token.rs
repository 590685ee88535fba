//! Tokens: authenticating a request's header, and creating and revoking tokens.

use super::account::account_not_found;
use super::authorize::AccountScope;
use super::directory::{Directory, IdentityError};
use super::plan::check_expiry;
use super::state::half_hash;
use crate::storage::ports::CatalogWrite;
use golem_model::{AccountId, Timestamp, Token, TokenId};
use http::HeaderValue;
use std::time::Duration;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Validity of a token that a login creates.
const LOGIN_TOKEN_LIFE: Duration = Duration::from_hours(365 * 24);
/// Tokens of one account, at most.
const TOKENS_MAX: usize = 1_000;

/// An authenticated caller: an account, by one of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    account: AccountId,
    token: TokenId,
}

impl Principal {
    pub(super) fn new(account: AccountId, token: TokenId) -> Self {
        Self { account, token }
    }

    /// The caller's account.
    pub fn account(self) -> AccountId {
        self.account
    }

    /// The token that the request carried.
    pub fn token(self) -> TokenId {
        self.token
    }
}

/// Why a request is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// The header is missing.
    #[error("Unauthorized: the header `Authorization: Bearer <token>` is missing")]
    Missing,
    /// The header has another form.
    #[error("Unauthorized: the header Authorization must be `Bearer <token>`, where the token is a UUID")]
    Malformed,
    /// There is no token with this secret.
    #[error("Unauthorized: the token is not known to this server")]
    Unknown,
    /// The token has expired.
    #[error("Unauthorized: the token has expired; create a new one")]
    Expired,
}

/// BLAKE3 of a token's secret in its canonical form: 36 characters, lower case.
pub fn secret_hash(secret: Uuid) -> [u8; 32] {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    *blake3::hash(secret.hyphenated().encode_lower(&mut text).as_bytes()).as_bytes()
}

/// A new token with its secret. The secret is not stored, so it cannot be shown again.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The stored token.
    pub token: Token,
    /// The token's secret.
    pub secret: Uuid,
}

impl std::fmt::Debug for NewToken {
    /// Omits the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token.id).finish_non_exhaustive()
    }
}

fn token_not_found(id: TokenId) -> IdentityError {
    IdentityError::NotFound { what: "Token", id: id.to_string() }
}

/// The secret of a header `Bearer <uuid>`.
fn bearer_secret(authorization: Option<&HeaderValue>) -> Result<Uuid, AuthenticationError> {
    let header = authorization.ok_or(AuthenticationError::Missing)?;
    let text = header.to_str().map_err(|_| AuthenticationError::Malformed)?.trim();
    let (scheme, secret) = text.split_once(' ').ok_or(AuthenticationError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthenticationError::Malformed);
    }
    Uuid::try_parse(secret.trim()).map_err(|_| AuthenticationError::Malformed)
}

/// Checks the found token: the whole hash must match, and the token must be valid at time `now`.
fn check_token(
    token: Option<&Token>,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Principal, AuthenticationError> {
    let token = token.ok_or(AuthenticationError::Unknown)?;
    if !bool::from(token.secret_hash.ct_eq(hash)) {
        return Err(AuthenticationError::Unknown);
    }
    if token.expires_at <= now {
        return Err(AuthenticationError::Expired);
    }
    Ok(Principal::new(token.account, token.id))
}

impl Directory {
    /// Authenticates a request by its header `Authorization`.
    pub fn authenticate(
        &self,
        authorization: Option<&HeaderValue>,
    ) -> Result<Principal, AuthenticationError> {
        let hash = secret_hash(bearer_secret(authorization)?);
        check_token(self.state().token(&half_hash(&hash)), &hash, self.clock().now())
    }

    /// The token that `principal` authenticated with.
    pub fn token_current(&self, principal: Principal) -> Result<Token, IdentityError> {
        let (account, id) = (principal.account(), principal.token());
        self.state().token_of(account, id).cloned().ok_or_else(|| token_not_found(id))
    }

    /// The tokens of an account, oldest first.
    pub fn tokens(&self, scope: &AccountScope) -> Result<Vec<Token>, IdentityError> {
        let state = self.state();
        state.account(scope.account()).ok_or_else(|| account_not_found(scope.account()))?;
        let mut tokens: Vec<Token> = state.tokens_of(scope.account()).cloned().collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        Ok(tokens)
    }

    /// A token of an account.
    pub fn token(&self, scope: &AccountScope, id: TokenId) -> Result<Token, IdentityError> {
        self.state().token_of(scope.account(), id).cloned().ok_or_else(|| token_not_found(id))
    }

    /// Creates a token. Its secret is only in the result.
    pub async fn token_create(
        &self,
        scope: &AccountScope,
        expires_at: Timestamp,
    ) -> Result<NewToken, IdentityError> {
        self.token_issue(scope.account(), Some(expires_at)).await
    }

    /// Creates a token for an account that was authenticated by a login. Without `expires_at` it is valid for
    /// [`LOGIN_TOKEN_LIFE`].
    pub(crate) async fn token_issue(
        &self,
        account: AccountId,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken, IdentityError> {
        self.change(move |directory, state| {
            let now = directory.now();
            let expires_at = expires_at.unwrap_or_else(|| now.plus(LOGIN_TOKEN_LIFE));
            check_expiry(expires_at, now)?;
            state.account(account).ok_or_else(|| account_not_found(account))?;
            // Expired tokens are removed here, because logins create tokens that people do not delete.
            let expired = state.tokens_of(account).filter(|token| token.expires_at <= now);
            let mut writes: Vec<_> = expired.map(|token| CatalogWrite::TokenRemoved(token.id)).collect();
            if state.tokens_of(account).count() - writes.len() >= TOKENS_MAX {
                return Err(IdentityError::Invalid(format!(
                    "the account has {TOKENS_MAX} tokens, which is the maximum; delete some"
                )));
            }
            let secret = directory.entropy().uuid();
            let token = Token {
                id: TokenId(directory.entropy().uuid()),
                account,
                secret_hash: secret_hash(secret),
                created_at: now,
                expires_at,
            };
            writes.push(CatalogWrite::Token(token.clone()));
            Ok((NewToken { token, secret }, writes))
        })
        .await
    }

    /// Revokes a token. The next request that carries it is refused.
    pub async fn token_delete(&self, scope: &AccountScope, id: TokenId) -> Result<(), IdentityError> {
        let account = scope.account();
        self.change(move |_, state| {
            state.token_of(account, id).ok_or_else(|| token_not_found(id))?;
            Ok(((), vec![CatalogWrite::TokenRemoved(id)]))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_authenticated() {
        let secret = Uuid::from_u128(0xabc);
        let token = Token {
            id: TokenId(Uuid::from_u128(1)),
            account: AccountId(Uuid::from_u128(2)),
            secret_hash: secret_hash(secret),
            created_at: Timestamp::from_nanos(1),
            expires_at: Timestamp::from_nanos(100),
        };
        let at = |header: &str, now| {
            let hash = secret_hash(bearer_secret(Some(&HeaderValue::from_str(header).unwrap()))?);
            let found = Some(&token).filter(|token| half_hash(&token.secret_hash) == half_hash(&hash));
            check_token(found, &hash, Timestamp::from_nanos(now))
        };
        let known = Principal::new(token.account, token.id);
        assert_eq!(at(&format!("Bearer {secret}"), 5), Ok(known));
        assert_eq!(at(&format!("bearer  {}", secret.to_string().to_uppercase()), 5), Ok(known));
        assert_eq!(at(&format!("Bearer {secret}"), 100), Err(AuthenticationError::Expired));
        assert_eq!(at(&format!("Bearer {}", Uuid::from_u128(0xabd)), 5), Err(AuthenticationError::Unknown));
        assert_eq!(at("Bearer hello", 5), Err(AuthenticationError::Malformed));
        assert_eq!(at("Bearer", 5), Err(AuthenticationError::Malformed));
        assert_eq!(at(&format!("Basic {secret}"), 5), Err(AuthenticationError::Malformed));
        assert_eq!(bearer_secret(None), Err(AuthenticationError::Missing));
        // Two hashes with the same half are different.
        let mut near = secret_hash(secret);
        near[31] ^= 1;
        assert_eq!(
            check_token(Some(&token), &near, Timestamp::from_nanos(5)),
            Err(AuthenticationError::Unknown)
        );
    }
}
