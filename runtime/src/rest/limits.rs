//! The remaining resources of an account.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, JsonBody, QueryParams};
use crate::identity::{AccountAction, SystemAction};
use axum::Json;
use axum::extract::State;
use golem_api::limits::{ResourceLimits, ResourceLimitsQuery, ResourceLimitsUpdate};
use std::sync::Arc;

/// `GET /v1/resource-limits`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    QueryParams(query): QueryParams<ResourceLimitsQuery>,
) -> Result<Json<ResourceLimits>, ApiError> {
    let scope = services.authorize_account(principal, AccountAction::ViewUsage, query.account_id)?;
    services.directory.account(&scope)?;
    let limit = i64::try_from(services.directory.plan().limits.monthly_gas_max).unwrap_or(i64::MAX);
    let used = services.directory.usage(query.account_id).gas;
    Ok(Json(ResourceLimits {
        available_fuel: limit.saturating_sub(used).max(0),
        max_memory_per_instance: i64::try_from(services.limits.memory_bytes_max).unwrap_or(i64::MAX),
    }))
}

/// `POST /v1/resource-limits`: adds to the processing units that accounts have used.
pub(super) async fn report(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    JsonBody(body): JsonBody<ResourceLimitsUpdate>,
) -> Result<(), ApiError> {
    services.authorize_system(principal, SystemAction::ReportUsage)?;
    Ok(services.directory.report_gas(body.updates.into_iter().collect()).await?)
}
