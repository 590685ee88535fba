//! Accounts and their plans: `/v1/accounts`.

use golem_model as model;
use golem_model::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A role of an account: `/v1/accounts/{id}/grants`.
pub use golem_model::Role;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Display name.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Its plan.
    pub plan_id: Uuid,
}

impl Account {
    /// The served form of `account`, with the plan `plan_id`.
    pub fn of(account: &model::Account, plan_id: Uuid) -> Self {
        Self { id: account.id, name: account.name.clone(), email: account.email.clone(), plan_id }
    }
}

/// Body of `POST /v1/accounts` and `PUT /v1/accounts/{id}`. A PUT may send a whole [`Account`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountData {
    /// Display name.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Must be the account's plan if given: the request cannot change the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<Uuid>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its id.
    pub plan_id: Uuid,
    /// Its limits.
    pub plan_data: PlanData,
}

/// The limits of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanData {
    /// Number of projects.
    pub project_limit: i32,
    /// Number of templates.
    #[serde(alias = "templateLimit")]
    pub component_limit: i32,
    /// Number of workers in all templates.
    #[serde(alias = "workerLimit")]
    pub instance_limit: i32,
    /// Stored bytes.
    pub storage_limit: i32,
    /// Processing units per month.
    pub monthly_gas_limit: i64,
    /// Uploaded bytes of templates per month.
    pub monthly_upload_limit: i32,
}

/// An element of `GET /admin/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountSummary {
    /// The account.
    pub id: AccountId,
    /// Display name.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Number of its templates.
    #[serde(alias = "componentsCount")]
    pub templates_count: i64,
    /// Number of its workers.
    #[serde(alias = "instancesCount")]
    pub workers_count: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Query of paged lists: `GET /admin/accounts`, `GET /v1/whitelist`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageQuery {
    /// Number of elements to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// Maximum number of elements to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// An element of `GET /v1/whitelist`: an e-mail address that may log in for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhitelistEntry {
    /// The e-mail address.
    pub email: String,
    /// When the address was added.
    pub created_at: Timestamp,
    /// The account that added it.
    pub created_by: AccountId,
}

impl From<&model::Invitation> for WhitelistEntry {
    fn from(invited: &model::Invitation) -> Self {
        Self { email: invited.email.clone(), created_at: invited.created_at, created_by: invited.created_by }
    }
}
