//! Updates of a worker to another version of its template: `…/workers/{name}/update`.

use golem_model::Timestamp;
use golem_model::oplog::UpdateMode;
use serde::{Deserialize, Serialize};

/// Body of `POST …/update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// How the worker is updated: `automatic` or `manual`.
    pub mode: UpdateMode,
    /// The requested version.
    pub target_version: u32,
}

/// The updates of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateReport {
    /// The version that the worker runs.
    pub template_version: u32,
    /// The requested update, which starts as soon as no invocation runs.
    pub pending: Option<PendingUpdate>,
    /// The outcome of the last update.
    pub last: Option<UpdateOutcome>,
}

/// A requested update that has not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingUpdate {
    /// How the worker is updated.
    pub mode: UpdateMode,
    /// The requested version.
    pub target_version: u32,
    /// When it was requested.
    pub requested_at: Timestamp,
}

/// The outcome of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateOutcome {
    /// Whether the update succeeded. If not, the worker is unchanged.
    pub updated: bool,
    /// The requested mode.
    pub mode: UpdateMode,
    /// The version before the update.
    pub from: u32,
    /// The requested version.
    pub to: u32,
    /// Time of the outcome.
    pub at: Timestamp,
    /// Why the update failed, if it did.
    pub details: Option<String>,
    /// The oplog index at which the replay by the new version diverged, if that is the reason.
    pub oplog_index: Option<u64>,
    /// The files that both the worker and the new version had changed. The worker keeps its own.
    #[serde(default)]
    pub file_conflicts: FileConflicts,
}

/// Files that an update did not replace, because the worker had changed them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileConflicts {
    /// Number of files.
    pub total: u64,
    /// The paths of the first ones, sorted.
    pub paths: Vec<String>,
}
