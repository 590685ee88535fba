//! Updates of workers.

use super::Services;
use super::error::{ApiError, version_not_found};
use super::extract::{Caller, JsonBody, WorkerPath};
use crate::identity::Action;
use axum::Json;
use axum::extract::State;
use golem_api::update as api;
use std::sync::Arc;

/// `POST …/update`: requests an update to another template version. `GET` shows its result.
pub(super) async fn request(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    JsonBody(request): JsonBody<api::UpdateRequest>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let (template, _) = services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    if template.version(request.target_version).is_none() {
        return Err(version_not_found(template.id, request.target_version));
    }
    services.executor.update(&worker, request.mode, request.target_version).await?;
    Ok(Json(serde_json::json!({})))
}

/// `DELETE …/update`: withdraws the pending update.
pub(super) async fn withdraw(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<serde_json::Value>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    services.executor.withdraw_update(&worker).await?;
    Ok(Json(serde_json::json!({})))
}

/// `GET …/update`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<api::UpdateReport>, ApiError> {
    services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let view = services.executor.updates(&worker).await?;
    Ok(Json(api::UpdateReport {
        template_version: view.version,
        pending: view.pending.map(|(requested_at, mode, target_version)| api::PendingUpdate {
            mode,
            target_version,
            requested_at,
        }),
        last: view.last.map(|last| api::UpdateOutcome {
            updated: last.refused.is_none(),
            mode: last.mode,
            from: last.from,
            to: last.to,
            at: last.at,
            details: last.refused,
            oplog_index: last.index.map(|index| index.0),
            file_conflicts: api::FileConflicts { total: last.conflicts.total, paths: last.conflicts.paths },
        }),
    }))
}
