//! Error bodies.
//!
//! Each family of endpoints had its own shape: `{"errors": […]}`, `{"error": …}`, `{"message": …}`,
//! `{"golemError": …}`. [`ErrorBody`] is all of them: its constructors fill every field that some published client
//! reads for that kind of error, so one body serves all families; on input it takes any of the shapes.

use crate::template::VersionedTemplateId;
use crate::worker::{PromiseId, WorkerId};
use golem_model::TemplateId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The body of an answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct ErrorBody {
    /// What is wrong with the request (400).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, for the families that say `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The template that has the name already (409).
    #[serde(default, alias = "component_id", skip_serializing_if = "Option::is_none")]
    pub component_id: Option<TemplateId>,
    /// What happened in the worker (500).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golem_error: Option<GolemError>,
}

impl ErrorBody {
    /// The request is wrong in these ways; for status 400.
    pub fn invalid(errors: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { errors: errors.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// One text; for every status but 400.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { error: Some(text.clone()), message: Some(text), ..Self::default() }
    }

    /// The template `id` has the name already; for status 409.
    pub fn template_exists(id: TemplateId, text: impl Into<String>) -> Self {
        Self { component_id: Some(id), ..Self::text(text) }
    }

    /// Something happened in a worker.
    pub fn golem(error: GolemError) -> Self {
        let text = error.to_string();
        Self { golem_error: Some(error), ..Self::text(text) }
    }

    /// What people should read, from whichever fields there are.
    pub fn texts(&self) -> Vec<String> {
        if !self.errors.is_empty() {
            return self.errors.clone();
        }
        // The texts first: they may say more than the variant can.
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
        f.write_str(&self.texts().join(", "))
    }
}

/// What can happen to a worker, or on the way to it. Its text is what people read.
///
/// Tags and field names are those of 2023, with the names of before October 2023 accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "the fields are explained by the text beside them")]
pub enum GolemError {
    /// The request cannot be carried out as it is.
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
    /// The worker could not be made.
    #[error("Failed to create worker: {instance_id}: {details}")]
    #[serde(alias = "InstanceCreationFailed")]
    WorkerCreationFailed {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
        details: String,
    },
    /// The worker could not be brought back.
    #[error("Failed to resume worker: {instance_id}")]
    #[serde(alias = "FailedToResumeInstance")]
    FailedToResumeWorker {
        #[serde(alias = "workerId")]
        instance_id: WorkerId,
    },
    /// The template's bytes could not be read.
    #[error("Failed to download template {} version {}: {reason}", .component_id.raw_template_id, .component_id.version)]
    #[serde(alias = "ComponentDownloadFailed")]
    TemplateDownloadFailed {
        #[serde(alias = "templateId")]
        component_id: VersionedTemplateId,
        reason: String,
    },
    /// The template's bytes are no component that runs here.
    #[error("Failed to parse template {} version {}: {reason}", .component_id.raw_template_id, .component_id.version)]
    #[serde(alias = "ComponentParseFailed")]
    TemplateParseFailed {
        #[serde(alias = "templateId")]
        component_id: VersionedTemplateId,
        reason: String,
    },
    /// Nobody knows the template's latest version.
    #[error("Failed to get the latest version of template {component_id}: {reason}")]
    #[serde(alias = "GetLatestVersionOfComponentFailed")]
    GetLatestVersionOfTemplateFailed {
        #[serde(alias = "templateId")]
        component_id: TemplateId,
        reason: String,
    },
    /// There is no such promise: it never was, or it was deleted.
    #[error("Promise not found: {promise_id}")]
    PromiseNotFound { promise_id: PromiseId },
    /// The promise was dropped while somebody waited.
    #[error("Promise dropped: {promise_id}")]
    PromiseDropped { promise_id: PromiseId },
    /// The promise has its value already.
    #[error("Promise already completed: {promise_id}")]
    PromiseAlreadyCompleted { promise_id: PromiseId },
    /// A person stopped the worker.
    #[error("{}", if *.recover_immediately { "Simulated crash via the Golem API" } else { "Interrupted via the Golem API" })]
    Interrupted { recover_immediately: bool },
    /// Parameters are not of the function's types.
    #[error("Parameter type mismatch")]
    ParamTypeMismatch {},
    /// A message without a value.
    #[error("No value in message")]
    NoValueInMessage {},
    /// A value is not the one that was expected.
    #[error("Value mismatch: {details}")]
    ValueMismatch { details: String },
    /// On replay, the worker asked for something else than its oplog holds.
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
    /// Anything else.
    #[error("Unknown error: {details}")]
    Unknown { details: String },
    /// The worker cannot be reached now.
    #[error("The worker is not available")]
    InstanceUnavailable {},
    /// The account may not use the worker.
    #[error("Invalid account")]
    InvalidAccount {},
}

/// A shard's number, as sent.
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
