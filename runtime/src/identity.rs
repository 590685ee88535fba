//! Who asks, and what they may.
//!
//! `bootstrap` makes the rows and secrets of a first start; `token` turns a request's header into a [`Principal`];
//! `authorize` decides what a principal may and gives a [`Scope`] as proof.
//!
//! Invariant: no secret is kept in the store, in memory or in the log: of a token there is only a hash.

mod authorize;
mod bootstrap;
mod secret_file;
mod token;

pub use authorize::{AccountScope, Action, Denied, Scope, authorize, authorize_account};
pub use bootstrap::{BootstrapError, Bootstrapped, ROOT_TOKEN_FILE, SECRET_KEY_FILE, bootstrap};
pub use token::{Principal, Tokens, Unauthenticated, secret_hash};

use crate::storage::ports::{Catalog, StoreError};
use golem_model::{Account, AccountId};
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// All accounts, in memory.
#[derive(Debug)]
pub struct Accounts {
    by_id: RwLock<BTreeMap<AccountId, Account>>,
}

impl Accounts {
    /// Reads them from the store.
    pub fn load(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let accounts = catalog.accounts()?.into_iter().map(|account| (account.id, account)).collect();
        Ok(Self { by_id: RwLock::new(accounts) })
    }

    /// One of them.
    pub fn get(&self, scope: &AccountScope) -> Option<Account> {
        self.by_id.read().get(&scope.account()).cloned()
    }
}
