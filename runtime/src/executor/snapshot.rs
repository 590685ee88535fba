//! Taking snapshots of workers between two invocations.
//!
//! Write order (W6, W7): the image is synced before the entry that names it is appended. An image is removed only when
//! the entry that makes it unused is durable. A crash in between leaves an image that no entry names; the next start
//! removes it.

use super::core::{Core, ResidentInstance, State};
use super::position::RowPosition;
use super::worker_task::append_entries;
use super::{ExecutorError, ExecutorMetrics};
use crate::storage::ports::{StoreError, WorkerNum};
use golem_host::{ReloadTarget, SnapshotError, image_owner};
use golem_model::Entry;
use golem_model::oplog::{LifecycleEvent, SnapshotImage};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Maximum size of an image that is stored in the entry itself. For a small image, a file and two syncs would cost more
/// than they save.
const INLINE_BYTES_MAX: usize = 16 << 10;
/// Maximum size of an image. A worker with a larger state is not saved.
const IMAGE_BYTES_MAX: usize = 128 << 20;
/// Bytes of an image that contain its owner: the id of a worker is shorter.
const IMAGE_HEAD_BYTES: usize = 4 << 10;

/// Takes a snapshot. The worker continues on an instance that was loaded from it. If `resident` is `None` afterwards,
/// the worker is loaded again.
pub(super) async fn take_snapshot(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> Result<(), ExecutorError> {
    let Some(mut loaded) = resident.take() else { return Ok(()) };
    let before = image_hashes(core, worker).unwrap_or_default();
    let outcome = match save_and_reload(core, &mut loaded, ReloadTarget::Snapshot).await {
        Ok(outcome) => outcome,
        // The log is complete without a snapshot, so the callers that wait for the worker get no error.
        Err(error) => {
            tracing::warn!(worker = %worker, %error, "the worker was not saved; it is saved another time");
            return Ok(());
        }
    };
    match outcome {
        Ok(()) => {
            ExecutorMetrics::add(&core.metrics.snapshots, 1);
            *resident = Some(loaded);
            remove_unused_images(core, worker, before);
        }
        Err(SnapshotError::Refused { details }) => {
            tracing::info!(worker = %worker, %details, "a worker cannot be saved");
            drop(loaded);
            let refused = LifecycleEvent::SnapshotRefused { at: core.clock.now(), details };
            let mut state = core.lock();
            // Otherwise all in-memory state was discarded meanwhile, and another task may drive the worker.
            if state.generation == generation {
                append_entries(core, &mut state, worker, vec![Entry::LifecycleEvent(refused)]);
            }
        }
        // Interrupted, shut down, or replaced: the worker is loaded again, and saved another time.
        Err(SnapshotError::Stopped(stop)) => tracing::debug!(worker = %worker, ?stop, "not saved"),
    }
    Ok(())
}

/// Lets the guest save its state, stores the image, and continues on an instance that was loaded from it. The outer
/// error is an error of the server.
pub(super) async fn save_and_reload(
    core: &Arc<Core>,
    resident: &mut ResidentInstance,
    reload: ReloadTarget<'_>,
) -> Result<Result<(), SnapshotError>, ExecutorError> {
    let bytes = match resident.instance.save().await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    if bytes.len() > IMAGE_BYTES_MAX {
        let details = format!("its state has {} bytes; at most {IMAGE_BYTES_MAX} are kept", bytes.len());
        return Ok(Err(SnapshotError::Refused { details }));
    }
    let _image_guard = core.image_lock.read().await;
    let (image, bytes) = store_image(core, bytes).await?;
    Ok(resident.instance.reload(reload, image, &bytes).await)
}

/// Makes an image durable, unless it is small enough for the entry.
async fn store_image(core: &Arc<Core>, bytes: Vec<u8>) -> Result<(SnapshotImage, Vec<u8>), ExecutorError> {
    if bytes.len() <= INLINE_BYTES_MAX {
        return Ok((SnapshotImage::Inline(bytes.clone()), bytes));
    }
    let snapshots = core.snapshots.clone();
    let stored = core.run_blocking(move || {
        let hash = *blake3::hash(&bytes).as_bytes();
        snapshots
            .put(hash, &bytes)
            .map(|()| (SnapshotImage::Blob { hash, length: bytes.len() as u64 }, bytes))
    });
    stored.await?.map_err(|error| super::error::unavailable(&error))
}

/// Returns the hashes of the images that the worker needs now. `None` if its projection is not in memory.
pub(super) fn image_hashes(core: &Arc<Core>, worker: WorkerNum) -> Option<Vec<[u8; 32]>> {
    let state = core.lock();
    Some(state.ledger.projection(worker)?.snapshot_state.image_hashes())
}

/// Removes those of the images `before` that the worker does not need any more, once the entry that makes them unused
/// is durable.
pub(super) fn remove_unused_images(core: &Arc<Core>, worker: WorkerNum, before: Vec<[u8; 32]>) {
    let (position, needed) = {
        let state = core.lock();
        let Some(projection) = state.ledger.projection(worker) else { return };
        (
            state.worker_position(worker),
            projection.snapshot_state.image_hashes().into_iter().collect::<BTreeSet<_>>(),
        )
    };
    let unused: Vec<_> = before.into_iter().filter(|hash| !needed.contains(hash)).collect();
    remove_images_when_durable(core, position, unused);
}

/// Removes images once the row at `position` is durable.
pub(super) fn remove_images_when_durable(core: &Arc<Core>, position: RowPosition, unused: Vec<[u8; 32]>) {
    if unused.is_empty() {
        return;
    }
    let core_of_task = core.clone();
    core.spawn(async move {
        let core = core_of_task;
        if core.wait_until_durable(position).await.is_err() {
            return;
        }
        let snapshots = core.snapshots.clone();
        let removed =
            core.run_blocking(move || unused.into_iter().try_for_each(|hash| snapshots.remove(hash)));
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "an unused image cannot be removed");
        }
    });
}

/// After a start: removes the images that no worker names, one after the other.
pub(super) async fn sweep_images(core: Arc<Core>) {
    let snapshots = core.snapshots.clone();
    let listed = core.run_blocking(move || {
        // Removes incomplete files that a crash left behind.
        snapshots.sweep(&|_| true)?;
        snapshots.list()
    });
    let hashes = match listed.await {
        Ok(Ok(hashes)) => hashes,
        Ok(Err(error)) => return tracing::warn!(%error, "cannot list the images to find unused ones"),
        Err(_) => return,
    };
    for hash in hashes {
        if core.stop.is_cancelled() {
            return;
        }
        if let Err(error) = sweep_image(&core, hash).await {
            tracing::warn!(%error, "cannot check an image, or remove it if it is unused");
        }
    }
}

async fn sweep_image(core: &Arc<Core>, hash: [u8; 32]) -> Result<(), ExecutorError> {
    // The owner is in the first bytes. The rest is read only if the image seems to be unused: the first bytes alone cannot
    // be checked against the hash.
    let snapshots = core.snapshots.clone();
    let head = read_image(core, move || snapshots.read_prefix(hash, IMAGE_HEAD_BYTES)).await?;
    // An image that cannot be decoded is left for an operator.
    let Some(owner) = head.as_deref().and_then(image_owner) else { return Ok(()) };
    // `try_write`, because a queued writer would block tasks that take snapshots meanwhile. An image that is skipped
    // here is checked again at the next start.
    let Ok(_image_guard) = core.image_lock.try_write() else { return Ok(()) };
    let is_needed = |state: &mut State, worker: Option<WorkerNum>| {
        let projection = worker.and_then(|worker| state.ledger.projection(worker));
        projection.is_some_and(|projection| projection.snapshot_state.image_hashes().contains(&hash))
    };
    let needed = core.with_worker_if_exists(&owner, is_needed).await?;
    if !needed {
        let snapshots = core.snapshots.clone();
        read_image(core, move || match snapshots.get(hash)? {
            Some(_) => snapshots.remove(hash).map(|()| None),
            None => Ok(None),
        })
        .await?;
    }
    Ok(())
}

async fn read_image(
    core: &Arc<Core>,
    read: impl FnOnce() -> Result<Option<Vec<u8>>, StoreError> + Send + 'static,
) -> Result<Option<Vec<u8>>, ExecutorError> {
    core.run_blocking(read).await?.map_err(|error| super::error::unavailable(&error))
}
