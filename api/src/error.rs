//! Error bodies.
//!
//! In 2023, each family of endpoints had its own shape: `{"errors": […]}`, `{"error": …}`, `{"message": …}`,
//! `{"golemError": …}`. [`ErrorBody`] combines them. Its constructors fill every field that a published client reads
//! for the kind of error, so one body serves all families. Parsing accepts each of the shapes.

use crate::template::VersionedTemplateId;
use crate::worker::{PromiseId, WorkerId};
use golem_model::TemplateId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The body of an error response.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct ErrorBody {
    /// The errors in the request (400).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The error text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error text, for the families of endpoints that use `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The existing template of the same name (409).
    #[serde(default, alias = "component_id", skip_serializing_if = "Option::is_none")]
    pub component_id: Option<TemplateId>,
    /// The error of the worker (500).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golem_error: Option<GolemError>,
}

impl ErrorBody {
    /// The body for an invalid request: status 400, with one text per error.
    pub fn invalid(errors: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { errors: errors.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The body with one text: for every status except 400.
    pub fn from_text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { error: Some(text.clone()), message: Some(text), ..Self::default() }
    }

    /// The body for status 409: the template `id` already has the name.
    pub fn template_exists(id: TemplateId, text: impl Into<String>) -> Self {
        Self { component_id: Some(id), ..Self::from_text(text) }
    }

    /// The body for an error of a worker.
    pub fn from_golem_error(error: GolemError) -> Self {
        let text = error.to_string();
        Self { golem_error: Some(error), ..Self::from_text(text) }
    }

    /// The error texts for the user, from the fields that are present.
    pub fn messages(&self) -> Vec<String> {
        if !self.errors.is_empty() {
            return self.errors.clone();
        }
        // Texts have precedence over `golem_error`: they may contain more details.
        let mut texts: Vec<String> = [&self.error, &self.message].into_iter().flatten().cloned().collect();
        texts.dedup();
        if let (true, Some(error)) = (texts.is_empty(), &self.golem_error) {
            texts.push(error.to_string());
        }
        if let (true, Some(id)) = (texts.is_empty(), self.component_id) {
            texts.push(format!("The template exists already: {id}"));
        }
        texts
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages().join(", "))
    }
}

/// An error of a worker, or of a request to it.
///
/// Tags and field names are those of 2023. The names from before October 2023 are accepted too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "the error text explains the fields")]
pub enum GolemError {
    /// The request is invalid.
    #[error("Invalid request: {details}")]
    InvalidRequest { details: String },
    /// The name is taken.
    #[error("Worker already exists: {instance_id}")]
    #[serde(alias = "InstanceAlreadyExists")]
    WorkerAlreadyExists {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
    },
    /// There is no such worker.
    #[error("Worker not found: {instance_id}")]
    #[serde(alias = "InstanceNotFound")]
    WorkerNotFound {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
    },
    /// The worker could not be created.
    #[error("Failed to create worker: {instance_id}: {details}")]
    #[serde(alias = "InstanceCreationFailed")]
    WorkerCreationFailed {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
        details: String,
    },
    /// The worker could not be resumed.
    #[error("Failed to resume worker: {instance_id}")]
    #[serde(alias = "FailedToResumeInstance")]
    FailedToResumeWorker {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
    },
    /// The template's component could not be read.
    #[error("Failed to download template {} version {}: {reason}", .component_id.raw_template_id, .component_id.version)]
    #[serde(alias = "ComponentDownloadFailed")]
    TemplateDownloadFailed {
        #[serde(alias = "templateId")]
        component_id: VersionedTemplateId,
        reason: String,
    },
    /// The template's bytes are not a component that this server can run.
    #[error("Failed to parse template {} version {}: {reason}", .component_id.raw_template_id, .component_id.version)]
    #[serde(alias = "ComponentParseFailed")]
    TemplateParseFailed {
        #[serde(alias = "templateId")]
        component_id: VersionedTemplateId,
        reason: String,
    },
    /// The template's latest version could not be determined.
    #[error("Failed to get the latest version of template {component_id}: {reason}")]
    #[serde(alias = "GetLatestVersionOfComponentFailed")]
    GetLatestVersionOfTemplateFailed {
        #[serde(alias = "templateId")]
        component_id: TemplateId,
        reason: String,
    },
    /// There is no such promise: it was never created, or it was deleted.
    #[error("Promise not found: {promise_id}")]
    PromiseNotFound { promise_id: PromiseId },
    /// The promise was dropped while a request waited for it.
    #[error("Promise dropped: {promise_id}")]
    PromiseDropped { promise_id: PromiseId },
    /// The promise was completed before.
    #[error("Promise already completed: {promise_id}")]
    PromiseAlreadyCompleted { promise_id: PromiseId },
    /// An operator interrupted the worker, or simulated a crash.
    #[error("{}", if *.recover_immediately { "Simulated crash via the Golem API" } else { "Interrupted via the Golem API" })]
    Interrupted { recover_immediately: bool },
    /// The parameters do not match the function's types.
    #[error("Parameter type mismatch")]
    ParamTypeMismatch {},
    /// A message contains no value.
    #[error("No value in message")]
    NoValueInMessage {},
    /// A value differs from the expected one.
    #[error("Value mismatch: {details}")]
    ValueMismatch { details: String },
    /// A divergence: during replay, the worker requested another call than its oplog has recorded.
    #[error("Unexpected oplog entry: expected {expected}, got {got}")]
    UnexpectedOplogEntry { expected: String, got: String },
    /// The guest failed.
    #[error("Runtime error: {details}")]
    RuntimeError { details: String },
    /// The node does not own the worker's shard.
    #[error("Invalid shard: {}, this node has {}", .shard_id.value, join_shards(.shard_ids))]
    InvalidShardId { shard_id: ShardId, shard_ids: Vec<ShardId> },
    /// The worker failed before and cannot be used.
    #[error("The previously invoked function failed")]
    PreviousInvocationFailed {},
    /// The worker's program has exited.
    #[error("The previously invoked function exited")]
    PreviousInvocationExited {},
    /// Any other error.
    #[error("Unknown error: {details}")]
    Unknown { details: String },
    /// The worker is temporarily unavailable.
    #[error("The worker is not available")]
    InstanceUnavailable {},
    /// The account may not use the worker.
    #[error("Invalid account")]
    InvalidAccount {},
}

/// The number of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardId {
    /// The number.
    pub value: i64,
}

fn join_shards(shards: &[ShardId]) -> String {
    shards.iter().map(|shard| shard.value.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.instance_id, self.oplog_idx)
    }
}
