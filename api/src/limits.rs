//! Resource limits: `/v1/resource-limits`.

use golem_model::AccountId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an account has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// Processing units.
    pub available_fuel: i64,
    /// Bytes of memory of one worker.
    #[serde(alias = "maxMemoryPerWorker")]
    pub max_memory_per_instance: i64,
}

/// Query of `GET /v1/resource-limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceLimitsQuery {
    /// Whose.
    pub account_id: AccountId,
}

/// Body of `POST /v1/resource-limits`: processing units used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimitsUpdate {
    /// Units by account.
    pub updates: BTreeMap<AccountId, i64>,
}
