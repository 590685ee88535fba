//! A worker's oplog and queue, formatted for people.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, KeyPath, QueryParams, WorkerPath};
use crate::catalog::Template;
use crate::executor::OplogSearch;
use crate::identity::Action;
use axum::Json;
use axum::extract::State;
use golem_api::oplog as api;
use golem_api::worker::CallingConvention;
use golem_model::oplog::{
    FailureCause, HostCall, HostCallRequest, InvocationSource, LifecycleEvent, RevertReason, SavedState,
    SnapshotImage, Suspension,
};
use golem_model::value::json::to_json;
use golem_model::{Entry, Function, OplogIndex, Timestamp, Type, Value};
use serde_json::{Value as AnyJson, json};
use std::sync::Arc;

/// Bytes of a host call's response that are shown; of a longer one only the length is shown.
const RESPONSE_BYTES_SHOWN: usize = 256;
/// Characters of a value that is shown without its type, at most.
const UNTYPED_CHARS_SHOWN: usize = 1_000;

/// `GET …/oplog`.
pub(super) async fn read(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(query): QueryParams<api::OplogQuery>,
) -> Result<Json<api::OplogPage>, ApiError> {
    let (template, _) = services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let count = query.count.unwrap_or(api::OPLOG_COUNT_DEFAULT);
    if !(1..=api::OPLOG_COUNT_MAX).contains(&count) {
        let most = api::OPLOG_COUNT_MAX;
        return Err(ApiError::invalid(format!("Invalid query: count must be from 1 to {most}")));
    }
    let words: Vec<String> =
        query.query.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let searched = template.clone();
    let wanted = move |index, entry: &Entry| {
        words.is_empty() || {
            let shown = show_entry(&searched, index, entry);
            let text = format!("{} {} {}", shown.kind, shown.text, shown.details).to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        }
    };
    let from = OplogIndex(query.from.unwrap_or(1).max(1));
    let page =
        services.executor.oplog(&worker, OplogSearch { from, count, wanted: Box::new(wanted) }).await?;
    Ok(Json(api::OplogPage {
        entries: page.entries.iter().map(|(index, entry)| show_entry(&template, *index, entry)).collect(),
        next: page.next.map(|index| index.0),
        end: page.end.0,
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

/// Formats an entry as text and as JSON.
fn show_entry(template: &Template, index: OplogIndex, entry: &Entry) -> api::OplogEntry {
    let (kind, at, text, details) = match entry {
        Entry::Created { at, id, project, account, template_version, args, env, seed: _ } => (
            "created",
            Some(*at),
            format!("worker {} of template version {template_version}", id.name),
            json!({
                "worker": id.name, "template": id.template, "templateVersion": template_version,
                "project": project, "account": account, "args": args, "env": env,
            }),
        ),
        Entry::Activated { at, engine } => {
            ("activated", Some(*at), format!("loaded by {engine}"), json!({ "engine": engine }))
        }
        Entry::InvocationStarted { at, key, source } => {
            let key = (!key.is_anonymous()).then(|| key.as_str().to_owned());
            match source {
                InvocationSource::Inline { function, params } => {
                    let params = params_json(template, function, params);
                    (
                        "invocation-started",
                        Some(*at),
                        format!("{function} with {params}"),
                        json!({ "key": key, "function": function.as_ref(), "params": params }),
                    )
                }
                InvocationSource::Program { function, convention, input } => {
                    let convention = CallingConvention::from(*convention);
                    (
                        "invocation-started",
                        Some(*at),
                        format!("{function} by {convention} with {input}"),
                        json!({
                            "key": key, "function": function.as_ref(), "callingConvention": convention,
                            "input": input,
                        }),
                    )
                }
                InvocationSource::Queued { row: accepted_row } => (
                    "invocation-started",
                    Some(*at),
                    format!("the invocation of row {accepted_row}"),
                    json!({ "key": key, "row": accepted_row }),
                ),
            }
        }
        Entry::HostCall { call, response } => (
            "host-call",
            None,
            format!("{call} = {}", response_text(response)),
            json!({
                "function": call.function.name(),
                "request": request_text(call),
                "answer": response_text(response),
                "answerBytes": response.len(),
            }),
        ),
        Entry::InvocationCompleted { at, result } => {
            let result = result.as_ref().map_or(AnyJson::Null, untyped_json);
            ("invocation-completed", Some(*at), format!("returned {result}"), json!({ "result": result }))
        }
        Entry::AttemptFailed { at, details, retry_at } => (
            "attempt-failed",
            Some(*at),
            format!("failed, to be tried again at {retry_at}: {details}"),
            json!({ "details": details, "retryAt": retry_at }),
        ),
        Entry::InvocationFailed { at, cause } => {
            let details = cause_text(cause);
            ("invocation-failed", Some(*at), details.clone(), json!({ "details": details }))
        }
        Entry::ProgramEnded { at } => {
            ("program-ended", Some(*at), "the worker's program has ended".to_owned(), json!({}))
        }
        Entry::Suspended(Suspension { at, monotonic_nanos, wake_at, promises }) => {
            let promises: Vec<String> = promises.iter().map(ToString::to_string).collect();
            let until = wake_at.map_or_else(|| "it is woken".to_owned(), |at| at.to_string());
            (
                "parked",
                Some(*at),
                format!("waits outside memory until {until}, for {} promises", promises.len()),
                json!({ "wakeAt": wake_at, "promises": promises, "monotonicNanos": monotonic_nanos }),
            )
        }
        Entry::Configured { at, options } => (
            "configured",
            Some(*at),
            "what was chosen for its failures".to_owned(),
            serde_json::to_value(options).unwrap_or_default(),
        ),
        Entry::Revert { at, from, reason } => {
            let reason = match reason {
                RevertReason::RegionRetry => "region",
                RevertReason::Jump => "jump",
                RevertReason::OperatorRecovery => "recovered",
                RevertReason::FailureRollback => "rolled-back",
                RevertReason::OperatorRevert => "reverted",
            };
            let text = format!("from {from} up to here is not replayed any more ({reason})");
            ("set-aside", Some(*at), text, json!({ "from": from.0, "reason": reason }))
        }
        Entry::LifecycleEvent(event) => show_lifecycle_event(event),
    };
    api::OplogEntry { index: index.0, kind: kind.to_owned(), at, text, details }
}

fn show_lifecycle_event(event: &LifecycleEvent) -> (&'static str, Option<Timestamp>, String, AnyJson) {
    let saved = |state: &SavedState| {
        let bytes = match &state.image {
            SnapshotImage::Inline(bytes) => bytes.len() as u64,
            SnapshotImage::Blob { length, hash: _ } => *length,
        };
        let digest = blake3::Hash::from_bytes(state.image.digest()).to_hex().to_string();
        json!({ "version": state.version, "invocations": state.invocations, "bytes": bytes, "digest": digest })
    };
    let (kind, text, details) = match event {
        LifecycleEvent::Snapshot { at: _, state } => {
            let details = saved(state);
            ("snapshot", format!("saved and loaded {} bytes", details["bytes"]), details)
        }
        LifecycleEvent::SnapshotRefused { at: _, details } => {
            ("snapshot-refused", format!("cannot be saved: {details}"), json!({ "details": details }))
        }
        LifecycleEvent::Updated { at: _, from, to, state } => (
            "updated",
            format!("runs version {to} instead of {from}"),
            json!({ "from": from, "to": to, "saved": state.as_ref().map(saved) }),
        ),
        LifecycleEvent::UpdateRefused { at: _, from, to, mode, index, details } => (
            "update-refused",
            format!("stays on version {from}, the update to {to} would fail: {details}"),
            json!({
                "from": from, "to": to, "mode": mode, "index": index.map(|index| index.0), "details": details,
            }),
        ),
    };
    (kind, Some(event.at()), text, details)
}

fn cause_text(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Trap { details } => details.clone(),
        FailureCause::Discarded { details } => format!("discarded: {details}"),
        FailureCause::Exited { code } => format!("the program called exit with code {code}"),
        FailureCause::ExitedWithStderr { code, stderr } => {
            format!("the program exited with code {code}\nstandard error:\n{stderr}")
        }
        FailureCause::Diverged { index, recorded, requested } => format!(
            "replay diverged at {index}: the oplog holds {recorded}, the program asked for {requested}"
        ),
    }
}

fn request_text(call: &HostCall) -> String {
    match &call.request {
        HostCallRequest::Inline(bytes) => bytes.escape_ascii().to_string(),
        HostCallRequest::Digest { length, hash } => {
            format!("{length} bytes, blake3 {}", blake3::Hash::from_bytes(*hash).to_hex())
        }
    }
}

fn response_text(response: &[u8]) -> String {
    if response.len() <= RESPONSE_BYTES_SHOWN {
        response.escape_ascii().to_string()
    } else {
        format!("{} bytes", response.len())
    }
}

/// Parameters as JSON, with the types of the newest version whose function accepts them.
fn params_json(template: &Template, name: &str, params: &[Value]) -> AnyJson {
    let typed = |function: &Arc<Function>| -> Option<AnyJson> {
        if function.params.len() != params.len() {
            return None;
        }
        let values = function.params.iter().zip(params).map(|(param, value)| to_json(&param.ty, value).ok());
        values.collect::<Option<Vec<_>>>().map(AnyJson::Array)
    };
    let mut versions = template.versions().iter().rev();
    let found = versions.find_map(|version| version.functions.get(name).and_then(|(_, found)| typed(found)));
    found.unwrap_or_else(|| params.iter().map(untyped_json).collect())
}

/// A value as JSON without its type. The oplog does not contain the names of fields and cases.
fn untyped_json(value: &Value) -> AnyJson {
    let primitive = |ty| to_json(&ty, value).ok();
    let json = match value {
        Value::Bool(_) => primitive(Type::Bool),
        Value::S8(_) => primitive(Type::S8),
        Value::U8(_) => primitive(Type::U8),
        Value::S16(_) => primitive(Type::S16),
        Value::U16(_) => primitive(Type::U16),
        Value::S32(_) => primitive(Type::S32),
        Value::U32(_) => primitive(Type::U32),
        Value::S64(_) => primitive(Type::S64),
        Value::U64(_) => primitive(Type::U64),
        Value::F32(_) => primitive(Type::F32),
        Value::F64(_) => primitive(Type::F64),
        Value::Char(_) => primitive(Type::Char),
        Value::String(_) => primitive(Type::String),
        Value::List(items) | Value::Tuple(items) | Value::Record(items) => {
            Some(items.iter().map(untyped_json).collect())
        }
        Value::Option(None) => Some(AnyJson::Null),
        Value::Option(Some(inner)) => Some(untyped_json(inner)),
        Value::Result(Ok(side)) => Some(json!({ "ok": side.as_deref().map(untyped_json) })),
        Value::Result(Err(side)) => Some(json!({ "err": side.as_deref().map(untyped_json) })),
        Value::Bytes(_) | Value::Variant(..) | Value::Enum(_) | Value::Flags(_) => None,
    };
    json.unwrap_or_else(|| {
        let text = format!("{value:?}");
        let cut: String = text.chars().take(UNTYPED_CHARS_SHOWN).collect();
        AnyJson::String(if cut.len() < text.len() { format!("{cut}…") } else { cut })
    })
}
