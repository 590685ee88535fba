//! Tokens: from a request's header to who asks.

use crate::storage::ports::{Catalog, StoreError};
use golem_model::{AccountId, Timestamp, Token, TokenId};
use http::HeaderValue;
use parking_lot::RwLock;
use std::collections::HashMap;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Who asks: an account, by one of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    account: AccountId,
    token: TokenId,
}

impl Principal {
    pub(super) fn new(account: AccountId, token: TokenId) -> Self {
        Self { account, token }
    }

    /// The account.
    pub fn account(self) -> AccountId {
        self.account
    }

    /// The token that was shown.
    pub fn token(self) -> TokenId {
        self.token
    }
}

/// Why a request is from nobody we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No header.
    #[error("Unauthorized: the header `Authorization: Bearer <token>` is missing")]
    Missing,
    /// A header of another form.
    #[error("Unauthorized: the header Authorization must be `Bearer <token>`, where the token is a UUID")]
    Malformed,
    /// No token has this secret.
    #[error("Unauthorized: the token is not known to this server")]
    Unknown,
    /// The token was good once.
    #[error("Unauthorized: the token has expired; make a new one")]
    Expired,
}

/// BLAKE3 of a token's secret in its one spelling: 36 characters, lower case.
pub fn secret_hash(secret: Uuid) -> [u8; 32] {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    *blake3::hash(secret.hyphenated().encode_lower(&mut text).as_bytes()).as_bytes()
}

/// All tokens, in memory, by their hashes.
#[derive(Debug)]
pub struct Tokens {
    // Keyed by half of the hash. The look-up's timing tells about hashes only, from which nothing leads back to a
    // secret; the other comparison takes the same time for all.
    by_hash: RwLock<HashMap<[u8; 16], Token>>,
}

fn half(hash: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

impl Tokens {
    /// Reads them from the store.
    pub fn load(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let tokens = catalog.tokens()?.into_iter().map(|token| (half(&token.secret_hash), token)).collect();
        Ok(Self { by_hash: RwLock::new(tokens) })
    }

    /// Who sends `authorization` at the time `now`.
    pub fn authenticate(
        &self,
        authorization: Option<&HeaderValue>,
        now: Timestamp,
    ) -> Result<Principal, Unauthenticated> {
        let header = authorization.ok_or(Unauthenticated::Missing)?;
        let text = header.to_str().map_err(|_| Unauthenticated::Malformed)?.trim();
        let (scheme, secret) = text.split_once(' ').ok_or(Unauthenticated::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unauthenticated::Malformed);
        }
        let secret = Uuid::try_parse(secret.trim()).map_err(|_| Unauthenticated::Malformed)?;
        let hash = secret_hash(secret);
        let tokens = self.by_hash.read();
        let token = tokens.get(&half(&hash)).ok_or(Unauthenticated::Unknown)?;
        if !bool::from(token.secret_hash.ct_eq(&hash)) {
            return Err(Unauthenticated::Unknown);
        }
        if token.expires_at <= now {
            return Err(Unauthenticated::Expired);
        }
        Ok(Principal::new(token.account, token.id))
    }

    /// The token that `principal` showed.
    pub fn current(&self, principal: Principal) -> Option<Token> {
        self.by_hash.read().values().find(|token| token.id == principal.token()).cloned()
    }

    /// The tokens of an account, oldest first.
    pub fn of(&self, scope: &super::AccountScope) -> Vec<Token> {
        let mut tokens: Vec<Token> =
            self.by_hash.read().values().filter(|token| token.account == scope.account()).cloned().collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_principals() {
        let secret = Uuid::from_u128(0xabc);
        let token = Token {
            id: TokenId(Uuid::from_u128(1)),
            account: AccountId(Uuid::from_u128(2)),
            secret_hash: secret_hash(secret),
            created_at: Timestamp::from_nanos(1),
            expires_at: Timestamp::from_nanos(100),
        };
        let tokens =
            Tokens { by_hash: RwLock::new(HashMap::from([(half(&token.secret_hash), token.clone())])) };
        let at = |header: &str, now| {
            tokens.authenticate(Some(&HeaderValue::from_str(header).unwrap()), Timestamp::from_nanos(now))
        };
        let known = Principal::new(token.account, token.id);
        assert_eq!(at(&format!("Bearer {secret}"), 5), Ok(known));
        assert_eq!(at(&format!("bearer  {}", secret.to_string().to_uppercase()), 5), Ok(known));
        assert_eq!(at(&format!("Bearer {secret}"), 100), Err(Unauthenticated::Expired));
        assert_eq!(at(&format!("Bearer {}", Uuid::from_u128(0xabd)), 5), Err(Unauthenticated::Unknown));
        assert_eq!(at("Bearer hello", 5), Err(Unauthenticated::Malformed));
        assert_eq!(at("Bearer", 5), Err(Unauthenticated::Malformed));
        assert_eq!(at(&format!("Basic {secret}"), 5), Err(Unauthenticated::Malformed));
        assert_eq!(tokens.authenticate(None, Timestamp::from_nanos(5)), Err(Unauthenticated::Missing));
    }
}
