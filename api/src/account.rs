//! Accounts: `/v1/accounts`, and what their plans allow.

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
    /// The name people read.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Its plan.
    pub plan_id: Uuid,
}

impl Account {
    /// `account` under the plan `plan_id`.
    pub fn of(account: &model::Account, plan_id: Uuid) -> Self {
        Self { id: account.id, name: account.name.clone(), email: account.email.clone(), plan_id }
    }
}

/// Body of `POST /v1/accounts` and `PUT /v1/accounts/{id}`. A PUT may send a whole [`Account`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountData {
    /// The name people read.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Only to be compared: a plan cannot be changed by this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<Uuid>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its id.
    pub plan_id: Uuid,
    /// What it allows.
    pub plan_data: PlanData,
}

/// What a plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanData {
    /// Projects.
    pub project_limit: i32,
    /// Templates.
    #[serde(alias = "templateLimit")]
    pub component_limit: i32,
    /// Workers in all templates.
    #[serde(alias = "workerLimit")]
    pub instance_limit: i32,
    /// Bytes stored.
    pub storage_limit: i32,
    /// Processing units per month.
    pub monthly_gas_limit: i64,
    /// Bytes of templates uploaded per month.
    pub monthly_upload_limit: i32,
}

/// An element of `GET /admin/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountSummary {
    /// The account.
    pub id: AccountId,
    /// The name people read.
    pub name: String,
    /// Primary e-mail address.
    pub email: String,
    /// Its templates.
    #[serde(alias = "componentsCount")]
    pub templates_count: i64,
    /// Its workers.
    #[serde(alias = "instancesCount")]
    pub workers_count: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Query of the lists that can be long: `GET /admin/accounts`, `GET /v1/whitelist`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageQuery {
    /// How many to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// How many to list, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// An element of `GET /v1/whitelist`: someone who may log in for a first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhitelistEntry {
    /// The e-mail address.
    pub email: String,
    /// When it was put there.
    pub created_at: Timestamp,
    /// Who put it there.
    pub created_by: AccountId,
}

impl From<&model::Invited> for WhitelistEntry {
    fn from(invited: &model::Invited) -> Self {
        Self { email: invited.email.clone(), created_at: invited.created_at, created_by: invited.created_by }
    }
}
