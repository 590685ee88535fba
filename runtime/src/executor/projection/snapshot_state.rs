//! What a head knows of a worker's snapshots and updates.
//!
//! Invariant: at most two snapshots are kept, the newest ones, and always those that the present template version can
//! load: an automatic update forgets them, an update by hand puts its own state under them.

use crate::executor::settings::SnapshotPolicy;
use crate::storage::ports::Seq;
use golem_model::oplog::{Image, LifecycleEvent, UpdateMode};
use golem_model::{OplogIndex, Timestamp};
use serde::{Deserialize, Serialize};

/// Snapshots kept: if the newest cannot be loaded, there is one before it.
const SNAPSHOTS_KEPT: usize = 2;
/// A worker that is never idle is saved between two invocations after so many times as many as it should be.
const OVERDUE_FACTOR: u64 = 4;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotState {
    /// Invocations that were begun.
    pub(crate) invocations: u64,
    /// Snapshots, the newest last.
    snapshots: Vec<Checkpoint>,
    /// The last update by hand: the present version cannot replay what came before.
    base: Option<Checkpoint>,
    /// Where a snapshot was last taken or refused.
    last_attempt: LastAttempt,
    /// What was asked for and not done yet.
    pub(crate) update: Option<PendingUpdate>,
    /// What came of the last one.
    pub(crate) last_update: Option<UpdateReport>,
}

/// A place in the oplog from which the worker can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The row that holds its entry.
    pub(crate) row: u64,
    /// The entry.
    pub(crate) index: OplogIndex,
    /// The blob that holds the image, if it is not in the row.
    pub(crate) blob_hash: Option<[u8; 32]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct LastAttempt {
    index: u64,
    invocations: u64,
}

/// An update that is to be done when no invocation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingUpdate {
    pub(crate) at: Timestamp,
    pub(crate) mode: UpdateMode,
    pub(crate) to: u32,
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpdateReport {
    pub(crate) at: Timestamp,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) mode: UpdateMode,
    /// Why it was refused, and at which entry; `None` if it was done.
    pub(crate) refused: Option<(String, Option<u64>)>,
}

impl SnapshotState {
    /// Folds a milestone; gives the template version if that changes.
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
                self.snapshots.push(Checkpoint { row: row.0, index, blob_hash: blob_hash(&state.image) });
                if self.snapshots.len() > SNAPSHOTS_KEPT {
                    self.snapshots.remove(0);
                }
                None
            }
            LifecycleEvent::SnapshotRefused { .. } => {
                self.last_attempt = last_attempt;
                None
            }
            LifecycleEvent::Updated { at, from, to, state } => {
                self.snapshots.clear();
                let mode = if let Some(state) = state {
                    self.base = Some(Checkpoint { row: row.0, index, blob_hash: blob_hash(&state.image) });
                    self.last_attempt = last_attempt;
                    UpdateMode::Manual
                } else {
                    // Until the new version has saved itself, all is replayed: as soon as that takes long, it should.
                    self.last_attempt = LastAttempt::default();
                    UpdateMode::Automatic
                };
                self.update = None;
                let report = UpdateReport { at: *at, from: *from, to: *to, mode, refused: None };
                self.last_update = Some(report);
                Some(*to)
            }
            LifecycleEvent::UpdateRefused { at, from, to, mode, index, details } => {
                let refused = Some((details.clone(), index.map(|index| index.0)));
                self.update = None;
                self.last_update = Some(UpdateReport { at: *at, from: *from, to: *to, mode: *mode, refused });
                None
            }
        }
    }

    /// What the entries from `from` on made is not there any more. An update by hand is never set aside.
    pub(super) fn revert_from(&mut self, from: OplogIndex) {
        self.snapshots.retain(|checkpoint| checkpoint.index < from);
    }

    /// Where the worker can be made from, the newest first.
    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        self.snapshots.iter().rev().chain(&self.base).copied().collect()
    }

    /// The last update by hand.
    pub(crate) fn base(&self) -> Option<Checkpoint> {
        self.base
    }

    /// The blobs that it needs.
    pub(crate) fn image_hashes(&self) -> Vec<[u8; 32]> {
        self.checkpoints().into_iter().filter_map(|checkpoint| checkpoint.blob_hash).collect()
    }

    /// Whether the worker is to be saved between two invocations. `idle` says that nothing waits for it.
    pub(crate) fn snapshot_is_due(&self, end: OplogIndex, idle: bool, policy: &SnapshotPolicy) -> bool {
        let factor = if idle { 1 } else { OVERDUE_FACTOR };
        let reached = |count: u64, every: u64| every > 0 && count >= every.saturating_mul(factor);
        reached(end.0.saturating_sub(self.last_attempt.index), policy.entries)
            || reached(self.invocations.saturating_sub(self.last_attempt.invocations), policy.invocations)
    }
}

fn blob_hash(image: &Image) -> Option<[u8; 32]> {
    match image {
        Image::Inline(_) => None,
        Image::Blob { hash, length: _ } => Some(*hash),
    }
}
