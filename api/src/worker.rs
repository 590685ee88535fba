//! Workers: `/v1/templates/{template-id}/workers`.

use crate::compat;
use golem_model as model;
use golem_model::{AccountId, OnFailure, RetryPolicy, TemplateId, Timestamp, WorkerName, WorkerStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Body of `POST …/workers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerCreationRequest {
    /// The worker's name. It is a text, so that the server can explain why a name is invalid.
    pub name: String,
    /// Command-line arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables; an object is accepted too.
    #[serde(default, with = "compat::pairs")]
    pub env: Vec<(String, String)>,
    /// How often a failed invocation is retried; by default as for the template.
    #[serde(default, rename = "retryPolicy", skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// What happens after the last attempt, `fail` or `rollback`; by default as for the template.
    #[serde(default, rename = "onFailure", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerId {
    /// Its template.
    #[serde(alias = "templateId")]
    pub raw_template_id: TemplateId,
    /// Its name.
    pub worker_name: WorkerName,
}

/// A worker and the template version that it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionedWorkerId {
    /// The worker.
    pub worker_id: WorkerId,
    /// The version.
    pub template_version_used: u32,
}

/// The public metadata of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerMetadata {
    /// The worker.
    pub worker_id: WorkerId,
    /// The account that owns it.
    pub account_id: AccountId,
    /// Arguments given at its creation.
    pub args: Vec<String>,
    /// Environment given at its creation.
    pub env: BTreeMap<String, String>,
    /// Its status.
    pub status: WorkerStatus,
    /// The template version that it runs.
    pub template_version: u32,
    /// Failures since the last success.
    pub retry_count: u32,
    /// When it was created. Only in lists: in 2023, a single worker did not have the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// Query of `GET …/workers`. The parameter `filter` can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerListQuery {
    /// Conditions, all of which must hold: property, comparison and value, separated by blanks.
    pub filters: Vec<String>,
    /// The cursor of the previous page.
    pub cursor: Option<String>,
    /// Maximum number of workers.
    pub count: Option<usize>,
}

impl WorkerListQuery {
    /// The query as pairs of a query string.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let filters = self.filters.iter().map(|filter| ("filter", filter.clone()));
        let cursor = self.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
        filters.chain(cursor).chain(self.count.map(|count| ("count", count.to_string()))).collect()
    }
}

/// Number of workers on a page by default.
pub const WORKER_COUNT_DEFAULT: usize = 50;
/// Maximum number of workers on a page.
pub const WORKER_COUNT_MAX: usize = 1_000;

/// Response of `GET …/workers`: a page of the list, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkersMetadata {
    /// The workers. A page may be empty although more workers follow.
    pub workers: Vec<WorkerMetadata>,
    /// The cursor of the next page; missing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An invocation key, which names one invocation of one worker. Sent as `{"value": key}`; a plain string is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationKey(#[serde(with = "compat::text_object")] pub String);

/// Body of `invoke` and `invoke-and-await`. `P` is the type of the parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeParameters<P = serde_json::Value> {
    /// One element per parameter, or any JSON value under the stdio conventions.
    pub params: P,
}

/// Response of `invoke-and-await`. A server can use [`ResultJson`](golem_model::value::json::ResultJson) for `R`, which
/// serializes without an intermediate tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeResult<R = serde_json::Value> {
    /// One element per result, or any JSON value under the stdio conventions.
    pub result: R,
}

/// Query of `invoke` and `invoke-and-await`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InvokeQuery {
    /// Full name of the function.
    pub function: String,
    /// A key issued by `POST …/key`. Without it and without the header `Idempotency-Key`, each
    /// request is a new invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_key: Option<String>,
    /// How parameters and result are passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_convention: Option<CallingConvention>,
}

/// The header for an idempotency key that the client chose.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// How parameters and result are passed between caller and guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum CallingConvention {
    /// Typed parameters and results.
    #[default]
    Component,
    /// The parameters are standard input, and standard output is the result.
    Stdio,
    /// Each request is a line of standard input, and each result is a line of standard output.
    StdioEventLoop,
}

/// The text is not the name of a calling convention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown calling convention \"{0}\"; use component, stdio or stdio-event-loop")]
pub struct CallingConventionError(pub String);

impl FromStr for CallingConvention {
    type Err = CallingConventionError;

    /// Accepts every documented spelling: case, dashes and underscores are ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        match plain.to_ascii_lowercase().as_str() {
            "component" => Ok(Self::Component),
            "stdio" => Ok(Self::Stdio),
            "stdioeventloop" => Ok(Self::StdioEventLoop),
            _ => Err(CallingConventionError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for CallingConvention {
    type Error = CallingConventionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CallingConvention> for &'static str {
    fn from(convention: CallingConvention) -> Self {
        match convention {
            CallingConvention::Component => "component",
            CallingConvention::Stdio => "stdio",
            CallingConvention::StdioEventLoop => "stdio-event-loop",
        }
    }
}

impl fmt::Display for CallingConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((*self).into())
    }
}

impl From<CallingConvention> for model::Convention {
    fn from(convention: CallingConvention) -> Self {
        match convention {
            CallingConvention::Component => Self::Component,
            CallingConvention::Stdio => Self::Stdio,
            CallingConvention::StdioEventLoop => Self::StdioEventLoop,
        }
    }
}

impl From<model::Convention> for CallingConvention {
    fn from(convention: model::Convention) -> Self {
        match convention {
            model::Convention::Component => Self::Component,
            model::Convention::Stdio => Self::Stdio,
            model::Convention::StdioEventLoop => Self::StdioEventLoop,
        }
    }
}

/// Body of `complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteParameters {
    /// The promise's position in the worker's oplog, as number or decimal string.
    #[serde(with = "compat::index")]
    pub oplog_idx: u64,
    /// The data of the promise: an array of numbers, or `{"base64": …}`.
    #[serde(with = "compat::bytes")]
    pub data: Vec<u8>,
}

/// Identifies a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromiseId {
    /// The worker that created it.
    #[serde(alias = "workerId")]
    pub instance_id: WorkerId,
    /// Its position in the worker's oplog.
    #[serde(with = "compat::index")]
    pub oplog_idx: u64,
}

/// Query of `interrupt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterruptQuery {
    /// Simulate a crash: the worker is recovered at once.
    #[serde(default, alias = "recovery-immediately")]
    pub recover_immediately: bool,
}

impl From<&model::WorkerId> for WorkerId {
    fn from(worker: &model::WorkerId) -> Self {
        Self { raw_template_id: worker.template, worker_name: worker.name.clone() }
    }
}

impl From<WorkerId> for model::WorkerId {
    fn from(worker: WorkerId) -> Self {
        Self::new(worker.raw_template_id, worker.worker_name)
    }
}

impl From<&model::PromiseId> for PromiseId {
    fn from(promise: &model::PromiseId) -> Self {
        Self { instance_id: (&promise.worker).into(), oplog_idx: promise.index.0 }
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.raw_template_id, self.worker_name)
    }
}
