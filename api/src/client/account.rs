//! Accounts, projects and tokens.

use super::{Client, ClientError};
use crate::account::Account;
use crate::project::{Project, ProjectListQuery};
use crate::token::Token;
use golem_model::AccountId;
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

    /// `GET /v1/projects/default`: the caller's default project.
    pub async fn project_default(&self) -> Result<Project, ClientError> {
        self.json(self.request(Method::GET, &["v1", "projects", "default"])).await
    }

    /// `GET /v1/projects`: the caller's projects, all or those of one name.
    pub async fn project_list(&self, name: Option<&str>) -> Result<Vec<Project>, ClientError> {
        let query = ProjectListQuery { project_name: name.map(str::to_owned) };
        self.json(self.request(Method::GET, &["v1", "projects"]).query(&query)).await
    }
}
