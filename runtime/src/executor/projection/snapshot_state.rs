//! A worker's snapshots and updates, as recorded in its log.
//!
//! Invariant: at most the two newest snapshots are kept, and only snapshots that the current template version can load.
//! An automatic update clears them; a manual update clears them and adds its own state as their base.

use crate::executor::settings::SnapshotPolicy;
use crate::storage::ports::Seq;
use golem_model::oplog::{FileConflicts, LifecycleEvent, SnapshotImage, UpdateMode};
use golem_model::{OplogIndex, Timestamp};
use serde::{Deserialize, Serialize};

/// Number of snapshots that are kept: if the newest cannot be loaded, the one before it is used.
const SNAPSHOTS_KEPT: usize = 2;
/// A worker that is never idle is saved between two invocations when its snapshot is overdue by this factor.
const OVERDUE_FACTOR: u64 = 4;

/// A worker's snapshots and updates; see the module documentation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotState {
    /// Number of invocations that have begun.
    pub(crate) invocations: u64,
    /// Snapshots, the newest last.
    snapshots: Vec<RestorePoint>,
    /// The state that the last manual update saved. The current version cannot replay the entries before it.
    base: Option<RestorePoint>,
    /// The version whose files the worker had before the first of `file_updates`, if that is an automatic update.
    files_from: Option<u32>,
    /// The updates that merged the files of another version into the worker's, since the last manual update. That one is
    /// the first of them.
    file_updates: Vec<VersionChange>,
    /// Position at which a snapshot was last taken or refused.
    last_attempt: LastAttempt,
    /// The pending update.
    pub(crate) update: Option<PendingUpdate>,
    /// The result of the last update.
    pub(crate) last_update: Option<FinishedUpdate>,
}

/// A position in the oplog from which the worker can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestorePoint {
    /// The row that holds the entry.
    pub(crate) row: u64,
    /// The index of the entry.
    pub(crate) index: OplogIndex,
    /// The hash of the image, if it is stored outside of the row.
    pub(crate) blob_hash: Option<[u8; 32]>,
}

/// A change of the version, at an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionChange {
    pub(crate) index: OplogIndex,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct LastAttempt {
    index: u64,
    invocations: u64,
}

/// An update that is performed when no invocation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingUpdate {
    pub(crate) at: Timestamp,
    pub(crate) mode: UpdateMode,
    pub(crate) to: u32,
}

/// The result of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinishedUpdate {
    pub(crate) at: Timestamp,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) mode: UpdateMode,
    /// Why it was refused, and at which entry. `None` if it was performed.
    pub(crate) refused: Option<(String, Option<u64>)>,
    /// The files that both the worker and the version had changed.
    pub(crate) conflicts: FileConflicts,
}

impl SnapshotState {
    /// Folds a lifecycle event. Returns the template version if it changes.
    pub(super) fn apply_lifecycle_event(
        &mut self,
        row: Seq,
        index: OplogIndex,
        event: &LifecycleEvent,
    ) -> Option<u32> {
        let last_attempt = LastAttempt { index: index.0, invocations: self.invocations };
        match event {
            LifecycleEvent::Snapshot { at: _, state } => {
                self.last_attempt = last_attempt;
                self.snapshots.push(RestorePoint { row: row.0, index, blob_hash: blob_hash(&state.image) });
                if self.snapshots.len() > SNAPSHOTS_KEPT {
                    self.snapshots.remove(0);
                }
                None
            }
            LifecycleEvent::SnapshotRefused { .. } => {
                self.last_attempt = last_attempt;
                None
            }
            LifecycleEvent::Updated { at, from, to, state, files } => {
                self.snapshots.clear();
                let change = VersionChange { index, from: *from, to: *to };
                self.change_files(change, state.is_some(), files.is_some());
                let mode = if let Some(state) = state {
                    self.base = Some(RestorePoint { row: row.0, index, blob_hash: blob_hash(&state.image) });
                    self.last_attempt = last_attempt;
                    UpdateMode::Manual
                } else {
                    // The new version replays everything until it has a snapshot of its own, so one is due as soon as
                    // that replay is long.
                    self.last_attempt = LastAttempt::default();
                    UpdateMode::Automatic
                };
                self.update = None;
                let conflicts = files.clone().unwrap_or_default();
                let report = FinishedUpdate { at: *at, from: *from, to: *to, mode, refused: None, conflicts };
                self.last_update = Some(report);
                Some(*to)
            }
            LifecycleEvent::UpdateRefused { at, from, to, mode, index, details } => {
                let refused = Some((details.clone(), index.map(|index| index.0)));
                self.update = None;
                let conflicts = FileConflicts::default();
                self.last_update =
                    Some(FinishedUpdate { at: *at, from: *from, to: *to, mode: *mode, refused, conflicts });
                None
            }
        }
    }

    /// Folds which version's files the worker has. `merged`: whether the update merged those of the new version.
    fn change_files(&mut self, change: VersionChange, manual: bool, merged: bool) {
        // The worker cannot be loaded from before a manual update. An automatic update that does not merge gives the new
        // version's files to the whole history.
        if manual || (!merged && self.base.is_none()) {
            self.files_from = None;
            self.file_updates.clear();
        }
        if merged {
            if !manual && self.base.is_none() {
                self.files_from.get_or_insert(change.from);
            }
            self.file_updates.push(change);
        }
    }

    /// The version whose files the worker begins with if it is loaded from its first entry; `None` for its present one.
    pub(crate) fn files_from(&self) -> Option<u32> {
        self.files_from
    }

    /// The updates that merged files since the last manual update.
    pub(crate) fn file_updates(&self) -> &[VersionChange] {
        &self.file_updates
    }

    /// Reverts the entries from `from` on. A manual update is never reverted.
    pub(super) fn revert_from(&mut self, from: OplogIndex) {
        self.snapshots.retain(|restore_point| restore_point.index < from);
    }

    /// Positions from which the worker can be loaded, the newest first.
    pub(crate) fn restore_points(&self) -> Vec<RestorePoint> {
        self.snapshots.iter().rev().chain(&self.base).copied().collect()
    }

    /// The state of the last manual update.
    pub(crate) fn last_manual_update(&self) -> Option<RestorePoint> {
        self.base
    }

    /// The hashes of the images that the worker needs.
    pub(crate) fn image_hashes(&self) -> Vec<[u8; 32]> {
        self.restore_points().into_iter().filter_map(|restore_point| restore_point.blob_hash).collect()
    }

    /// Whether the worker, whose oplog is `range` (the index before its first entry, and its last index), should be saved
    /// between two invocations. `idle` means that no invocation waits for it.
    pub(crate) fn snapshot_is_due(
        &self,
        range: (OplogIndex, OplogIndex),
        idle: bool,
        policy: &SnapshotPolicy,
    ) -> bool {
        let (begins_after, end) = range;
        let factor = if idle { 1 } else { OVERDUE_FACTOR };
        let reached = |count: u64, every: u64| every > 0 && count >= every.saturating_mul(factor);
        reached(end.0.saturating_sub(self.last_attempt.index.max(begins_after.0)), policy.entries)
            || reached(self.invocations.saturating_sub(self.last_attempt.invocations), policy.invocations)
    }
}

fn blob_hash(image: &SnapshotImage) -> Option<[u8; 32]> {
    match image {
        SnapshotImage::Inline(_) => None,
        SnapshotImage::Blob { hash, length: _ } => Some(*hash),
    }
}
