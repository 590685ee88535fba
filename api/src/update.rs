//! Moving a worker to another version of its template: `…/workers/{name}/update`.

use golem_model::Timestamp;
use golem_model::oplog::UpdateMode;
use serde::{Deserialize, Serialize};

/// Body of `POST …/update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// How: `automatic` or `manual`.
    pub mode: UpdateMode,
    /// The version that the worker is to run.
    pub target_version: u32,
}

/// What is known of a worker's updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateReport {
    /// The version that the worker runs.
    pub template_version: u32,
    /// What was asked for and is done as soon as no invocation runs.
    pub pending: Option<PendingUpdate>,
    /// What came of the last one.
    pub last: Option<UpdateOutcome>,
}

/// An update that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingUpdate {
    /// How.
    pub mode: UpdateMode,
    /// The version.
    pub target_version: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateOutcome {
    /// Whether the worker runs the version that was asked for; else it is as it was.
    pub updated: bool,
    /// How.
    pub mode: UpdateMode,
    /// The version before.
    pub from: u32,
    /// The version asked for.
    pub to: u32,
    /// When.
    pub at: Timestamp,
    /// Why it was refused.
    pub details: Option<String>,
    /// The oplog index at which the new version asked for something else than is recorded, if that is why.
    pub oplog_index: Option<u64>,
}
