//! A worker's oplog and queue, formatted for people.
//!
//! Invariant: the memory of an answer is bounded, whatever the oplog holds: a page is cut, an entry is streamed.

mod entry;
mod field;
mod value;

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, EntryPath, KeyPath, QueryParams, WorkerPath};
use super::stream::json_stream;
use crate::executor::OplogSearch;
use crate::identity::Action;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use entry::show_entry;
use golem_api::oplog as api;
use golem_model::{Entry, OplogIndex};
use serde_json::{Value as AnyJson, json};
use std::sync::Arc;

/// Bytes of a page's entries, at most. The next page continues after them.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// `GET …/oplog`.
pub(super) async fn read(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(query): QueryParams<api::OplogQuery>,
) -> Result<Json<api::OplogPage>, ApiError> {
    let account = principal.account();
    let (template, _) = services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let count = query.count.unwrap_or(api::OPLOG_COUNT_DEFAULT);
    if !(1..=api::OPLOG_COUNT_MAX).contains(&count) {
        let most = api::OPLOG_COUNT_MAX;
        return Err(ApiError::invalid(format!("Invalid query: count must be from 1 to {most}")));
    }
    let permit = services.limits.oplog_reads.acquire(account).await;
    let words: Vec<String> =
        query.query.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let is_filtered = !words.is_empty();
    let filter_map = move |index, entry: &Entry| {
        // The search holds the permit, because it continues to its end after the caller has disconnected.
        let _permit = &permit;
        let shown = show_entry(&template, index, entry);
        (words.is_empty() || shown.contains(&words)).then(|| shown.in_page())
    };
    let from = OplogIndex(query.from.unwrap_or(1).max(1));
    let search =
        OplogSearch { from, count, bytes_max: PAGE_BYTES_MAX, is_filtered, filter_map: Box::new(filter_map) };
    let page = services.executor.oplog(&worker, search).await?;
    Ok(Json(api::OplogPage { entries: page.entries, next: page.next.map(|index| index.0), end: page.end.0 }))
}

/// `GET …/oplog/{index}`: one entry with all its values.
pub(super) async fn read_entry(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    EntryPath(worker, index): EntryPath,
) -> Result<Response, ApiError> {
    let account = principal.account();
    let (template, _) = services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let permit = services.limits.oplog_reads.acquire(account).await;
    let entry = services.executor.oplog_entry(&worker, index).await?;
    let missing = || ApiError::not_found(format!("Oplog entry not found: the oplog has no entry {index}"));
    let entry = entry.ok_or_else(missing)?;
    Ok(json_stream(move |out| {
        let _permit = permit;
        show_entry(&template, index, &entry).write_whole(out)
    }))
}

/// `GET …/queue`.
pub(super) async fn queue(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<Vec<api::QueuedInvocation>>, ApiError> {
    services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let queue = services.executor.queue(&worker).await?;
    let shown = queue.into_iter().map(|invocation| api::QueuedInvocation {
        key: invocation.key,
        function: invocation.function.as_ref().to_owned(),
        accepted_at: invocation.accepted_at,
        begun: invocation.begun,
    });
    Ok(Json(shown.collect()))
}

/// `DELETE …/invocations/{key}`.
pub(super) async fn cancel(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    KeyPath(worker, key): KeyPath,
) -> Result<Json<AnyJson>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    services.executor.cancel(&worker, &key).await?;
    Ok(Json(json!({})))
}
