//! Resource limits: `/v1/resource-limits`.

use golem_model::AccountId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The remaining resources of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// Remaining processing units.
    pub available_fuel: i64,
    /// Maximum memory of one worker in bytes.
    #[serde(alias = "maxMemoryPerWorker")]
    pub max_memory_per_instance: i64,
}

/// Query of `GET /v1/resource-limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceLimitsQuery {
    /// The account.
    pub account_id: AccountId,
}

/// Body of `POST /v1/resource-limits`: a report of used processing units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimitsUpdate {
    /// Used processing units, by account.
    pub updates: BTreeMap<AccountId, i64>,
}
