//! Requests about accounts, their roles and tokens, and the whitelist.

use super::{Client, ClientError};
use crate::account::{Account, AccountData, AccountSummary, PageQuery, Plan, Role, WhitelistEntry};
use crate::limits::{ResourceLimits, ResourceLimitsQuery, ResourceLimitsUpdate};
use crate::token::{Token, TokenCreationRequest, UnsafeToken};
use golem_model::{AccountId, Timestamp, TokenId};
use reqwest::Method;

impl Client {
    /// `GET /v1/login/token`: the token that this client authenticates with.
    pub async fn token_current(&self) -> Result<Token, ClientError> {
        self.json(self.request(Method::GET, &["v1", "login", "token"])).await
    }

    /// `GET /v1/accounts/{id}`.
    pub async fn account_get(&self, account: AccountId) -> Result<Account, ClientError> {
        self.json(self.request(Method::GET, &["v1", "accounts", &account.to_string()])).await
    }

    /// `GET /v1/accounts/{id}/plan`.
    pub async fn account_plan(&self, account: AccountId) -> Result<Plan, ClientError> {
        self.json(self.request(Method::GET, &["v1", "accounts", &account.to_string(), "plan"])).await
    }

    /// `POST /v1/accounts`.
    pub async fn account_create(&self, data: &AccountData) -> Result<Account, ClientError> {
        self.json(self.request(Method::POST, &["v1", "accounts"]).json(data)).await
    }

    /// `PUT /v1/accounts/{id}`.
    pub async fn account_update(
        &self,
        account: AccountId,
        data: &AccountData,
    ) -> Result<Account, ClientError> {
        self.json(self.request(Method::PUT, &["v1", "accounts", &account.to_string()]).json(data)).await
    }

    /// `DELETE /v1/accounts/{id}`.
    pub async fn account_delete(&self, account: AccountId) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["v1", "accounts", &account.to_string()])).await.map(drop)
    }

    /// `GET /v1/accounts/{id}/grants`: the account's roles.
    pub async fn role_list(&self, account: AccountId) -> Result<Vec<Role>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "accounts", &account.to_string(), "grants"])).await
    }

    /// `PUT /v1/accounts/{id}/grants/{role}`: grants the role.
    pub async fn role_add(&self, account: AccountId, role: Role) -> Result<Role, ClientError> {
        let path = ["v1", "accounts", &account.to_string(), "grants", &role.to_string()];
        self.json(self.request(Method::PUT, &path)).await
    }

    /// `DELETE /v1/accounts/{id}/grants/{role}`: revokes the role.
    pub async fn role_remove(&self, account: AccountId, role: Role) -> Result<(), ClientError> {
        let path = ["v1", "accounts", &account.to_string(), "grants", &role.to_string()];
        self.send(self.request(Method::DELETE, &path)).await.map(drop)
    }

    /// `GET /v1/accounts/{id}/tokens`.
    pub async fn token_list(&self, account: AccountId) -> Result<Vec<Token>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "accounts", &account.to_string(), "tokens"])).await
    }

    /// `GET /v1/accounts/{id}/tokens/{token}`.
    pub async fn token_get(&self, account: AccountId, token: TokenId) -> Result<Token, ClientError> {
        let path = ["v1", "accounts", &account.to_string(), "tokens", &token.to_string()];
        self.json(self.request(Method::GET, &path)).await
    }

    /// `POST /v1/accounts/{id}/tokens`: creates a token and returns it with its secret.
    pub async fn token_create(
        &self,
        account: AccountId,
        expires_at: Timestamp,
    ) -> Result<UnsafeToken, ClientError> {
        let path = ["v1", "accounts", &account.to_string(), "tokens"];
        self.json(self.request(Method::POST, &path).json(&TokenCreationRequest { expires_at })).await
    }

    /// `DELETE /v1/accounts/{id}/tokens/{token}`.
    pub async fn token_delete(&self, account: AccountId, token: TokenId) -> Result<(), ClientError> {
        let path = ["v1", "accounts", &account.to_string(), "tokens", &token.to_string()];
        self.send(self.request(Method::DELETE, &path)).await.map(drop)
    }

    /// `GET /v1/resource-limits`: the remaining resources of an account.
    pub async fn resource_limits(&self, account: AccountId) -> Result<ResourceLimits, ClientError> {
        let query = ResourceLimitsQuery { account_id: account };
        self.json(self.request(Method::GET, &["v1", "resource-limits"]).query(&query)).await
    }

    /// `POST /v1/resource-limits`: reports the processing units that accounts have used.
    pub async fn resource_limits_report(&self, update: &ResourceLimitsUpdate) -> Result<(), ClientError> {
        self.send(self.request(Method::POST, &["v1", "resource-limits"]).json(update)).await.map(drop)
    }

    /// `GET /admin/accounts`: all accounts, oldest first.
    pub async fn account_list(&self, page: PageQuery) -> Result<Vec<AccountSummary>, ClientError> {
        self.json(self.request(Method::GET, &["admin", "accounts"]).query(&page)).await
    }

    /// `GET /admin/accounts/count`.
    pub async fn account_count(&self) -> Result<u64, ClientError> {
        self.json(self.request(Method::GET, &["admin", "accounts", "count"])).await
    }

    /// `GET /v1/whitelist/enabled`: whether a first login requires an entry on the whitelist.
    pub async fn whitelist_enabled(&self) -> Result<bool, ClientError> {
        self.json(self.request(Method::GET, &["v1", "whitelist", "enabled"])).await
    }

    /// `PUT /v1/whitelist/enabled`: sets whether a first login requires an entry on the whitelist.
    pub async fn whitelist_enable(&self, enabled: bool) -> Result<(), ClientError> {
        self.send(self.request(Method::PUT, &["v1", "whitelist", "enabled"]).json(&enabled)).await.map(drop)
    }

    /// `GET /v1/whitelist`.
    pub async fn whitelist_list(&self, page: PageQuery) -> Result<Vec<WhitelistEntry>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "whitelist"]).query(&page)).await
    }

    /// `GET /v1/whitelist/count`.
    pub async fn whitelist_count(&self) -> Result<u64, ClientError> {
        self.json(self.request(Method::GET, &["v1", "whitelist", "count"])).await
    }

    /// `POST /v1/whitelist`: adds e-mail addresses.
    pub async fn whitelist_add(&self, emails: &[String]) -> Result<(), ClientError> {
        self.send(self.request(Method::POST, &["v1", "whitelist"]).json(emails)).await.map(drop)
    }

    /// `POST /v1/whitelist/remove`: removes e-mail addresses.
    pub async fn whitelist_remove(&self, emails: &[String]) -> Result<(), ClientError> {
        self.send(self.request(Method::POST, &["v1", "whitelist", "remove"]).json(emails)).await.map(drop)
    }
}
