//! Health, version and metrics of the server.

use super::Services;
use super::error::ApiError;
use crate::metrics::MetricsSample;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use golem_api::info::VersionInfo;
use http::header;
use std::sync::Arc;

/// `GET /healthcheck`: 200 without a body if requests are accepted, otherwise 503 with the reason.
pub(super) async fn healthcheck(State(services): State<Arc<Services>>) -> Result<(), ApiError> {
    Ok(services.executor.health()?)
}

/// `GET /v1/version`.
pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// `GET /v1/{account_id}/golem-cli`: the hosted service of 2023 distributed its command line here. This server does
/// not.
pub(super) async fn cli_download() -> ApiError {
    ApiError::invalid(
        "this server does not distribute programs; the command line is in the program `golem` that runs this server, and \
         in `golem-cli`, which is built from the same sources",
    )
}

/// `GET /metrics`, in the OpenMetrics text format, which Prometheus can scrape.
pub(super) async fn metrics(State(services): State<Arc<Services>>) -> impl IntoResponse {
    // If the store cannot be read now, only this gauge is missing.
    let workers = services.executor.count(None).await.ok();
    let (templates, template_versions) = services.templates.count();
    let page = services.metrics.render(MetricsSample {
        store_syncs: services.store.syncs(),
        answers_waiting: services.executor.answers_waiting(),
        wakes_waiting: services.executor.wakes_waiting(),
        workers,
        templates,
        template_versions,
        uptime: services.clock.elapsed(),
    });
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page)
}
