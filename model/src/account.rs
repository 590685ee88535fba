//! Accounts, projects and tokens: who owns what.

use crate::{AccountId, ProjectId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// The owner of projects and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name people read.
    pub name: String,
    /// Primary e-mail address; may be empty for the root account of a local server.
    pub email: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A namespace of templates and buckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its name; several projects may share one.
    pub name: String,
    /// What people wrote about it.
    pub description: String,
    /// Whether it is the account's default project, used where none is named.
    pub default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An API token as stored: its secret only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is not secret.
    pub id: TokenId,
    /// The account it speaks for.
    pub account: AccountId,
    /// BLAKE3 of the secret's 36 characters. The secret has 122 random bits, so no salt or slow hash is needed.
    pub secret_hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}
