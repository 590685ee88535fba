//! Saving workers between two invocations.
//!
//! Write order (W6, W7): the image is synced before the entry that names it is handed over, and an image is removed
//! only when the entry that makes it useless is durable. A crash in between leaves an image that nobody names, which the
//! next start removes.

use super::core::{Core, ResidentInstance};
use super::worker_task::append;
use super::{ExecutorError, ExecutorMetrics};
use crate::storage::ports::{Seq, StoreError, WorkerNum};
use golem_host::{ReloadTarget, SnapshotError, image_owner};
use golem_model::Entry;
use golem_model::oplog::{Image, LifecycleEvent};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes of an image that are kept in the entry itself: a file and two syncs would cost more than they save.
const INLINE_BYTES_MAX: usize = 16 << 10;
/// Bytes of an image, at most; a worker whose state is larger is not saved.
const IMAGE_BYTES_MAX: usize = 128 << 20;

/// Saves the worker, which goes on as what was saved. Without an instance afterwards, it is loaded again.
pub(super) async fn take(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> Result<(), ExecutorError> {
    let Some(mut saving) = resident.take() else { return Ok(()) };
    let before = blobs(core, no);
    let outcome = match reload(core, &mut saving, ReloadTarget::Snapshot).await {
        Ok(outcome) => outcome,
        // The log is whole without it: nobody who waits for the worker is told.
        Err(error) => {
            tracing::warn!(worker = %no, %error, "the worker was not saved; it is tried another time");
            return Ok(());
        }
    };
    match outcome {
        Ok(()) => {
            ExecutorMetrics::add(&core.metrics.snapshots, 1);
            *resident = Some(saving);
            forget(core, no, before);
        }
        Err(SnapshotError::Refused { details }) => {
            tracing::info!(worker = %no, %details, "a worker cannot be saved");
            drop(saving);
            let refused = LifecycleEvent::SnapshotRefused { at: core.clock.now(), details };
            let mut state = core.lock();
            // Otherwise everything in memory was discarded meanwhile, and another task may drive the worker.
            if state.generation == generation {
                append(core, &mut state, no, vec![Entry::LifecycleEvent(refused)]);
            }
        }
        // Stopped by a person, by shutdown, or replaced: it is loaded again, and saved another time.
        Err(SnapshotError::Stopped(stop)) => tracing::debug!(worker = %no, ?stop, "not saved"),
    }
    Ok(())
}

/// Has the guest save, keeps the image, and goes on from it. The outer error is our own trouble.
pub(super) async fn reload(
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
    let _keeping = core.keeping.read().await;
    let (image, bytes) = keep(core, bytes).await?;
    Ok(resident.instance.reload(reload, image, &bytes).await)
}

/// Makes an image durable, unless it is small enough for the entry.
async fn keep(core: &Arc<Core>, bytes: Vec<u8>) -> Result<(Image, Vec<u8>), ExecutorError> {
    if bytes.len() <= INLINE_BYTES_MAX {
        return Ok((Image::Inline(bytes.clone()), bytes));
    }
    let snapshots = core.snapshots.clone();
    let kept = core.runtime.spawn_blocking(move || {
        let hash = *blake3::hash(&bytes).as_bytes();
        snapshots.put(hash, &bytes).map(|()| (Image::Blob { hash, length: bytes.len() as u64 }, bytes))
    });
    match kept.await {
        Ok(kept) => kept.map_err(|error| super::core::unavailable(&error)),
        Err(_) => Err(ExecutorError::ShuttingDown),
    }
}

/// The blobs that the worker needs now.
pub(super) fn blobs(core: &Arc<Core>, no: WorkerNum) -> Vec<[u8; 32]> {
    core.lock().ledger.head(no).map(|head| head.life.blobs()).unwrap_or_default()
}

/// Removes those of `before` that the worker does not need any more, once that is durable.
pub(super) fn forget(core: &Arc<Core>, no: WorkerNum, before: Vec<[u8; 32]>) {
    let (seq, needed) = {
        let state = core.lock();
        let Some(head) = state.ledger.head(no) else { return };
        (Seq(head.last_row), head.life.blobs().into_iter().collect::<BTreeSet<_>>())
    };
    let useless: Vec<_> = before.into_iter().filter(|hash| !needed.contains(hash)).collect();
    remove_when_durable(core, seq, useless);
}

/// Removes images once `seq` is durable.
pub(super) fn remove_when_durable(core: &Arc<Core>, seq: Seq, useless: Vec<[u8; 32]>) {
    if useless.is_empty() {
        return;
    }
    let core_of_task = core.clone();
    core.tasks.spawn_on(
        async move {
            let core = core_of_task;
            if core.durable(seq).await.is_err() {
                return;
            }
            let snapshots = core.snapshots.clone();
            let removed = core
                .runtime
                .spawn_blocking(move || useless.into_iter().try_for_each(|hash| snapshots.remove(hash)));
            if let Ok(Err(error)) = removed.await {
                tracing::warn!(%error, "an image that nobody needs cannot be removed");
            }
        },
        &core.runtime,
    );
}

/// After a start: removes images that no worker names, one after the other.
pub(super) async fn sweep(core: Arc<Core>) {
    let snapshots = core.snapshots.clone();
    let listed = core.runtime.spawn_blocking(move || {
        // What a crash left of a file that was being written.
        snapshots.sweep(&|_| true)?;
        snapshots.list()
    });
    let hashes = match listed.await {
        Ok(Ok(hashes)) => hashes,
        Ok(Err(error)) => return tracing::warn!(%error, "images that nobody needs cannot be looked for"),
        Err(_) => return,
    };
    for hash in hashes {
        if core.stop.is_cancelled() {
            return;
        }
        if let Err(error) = sweep_one(&core, hash).await {
            tracing::warn!(%error, "an image that nobody may need cannot be removed");
        }
    }
}

async fn sweep_one(core: &Arc<Core>, hash: [u8; 32]) -> Result<(), ExecutorError> {
    let blocking = |work: Box<dyn FnOnce() -> Result<Option<Vec<u8>>, StoreError> + Send>| async {
        let done = core.runtime.spawn_blocking(work).await;
        done.map_err(|_| ExecutorError::ShuttingDown)?.map_err(|error| super::core::unavailable(&error))
    };
    let snapshots = core.snapshots.clone();
    let image = blocking(Box::new(move || snapshots.get(hash))).await?;
    // One that cannot be read is left to people.
    let Some(owner) = image.as_deref().and_then(image_owner) else { return Ok(()) };
    // Never waited for: who waits to write would hold up whoever saves meanwhile. The next start looks again.
    let Ok(_nobody_keeps) = core.keeping.try_write() else { return Ok(()) };
    let needed = match core.locate(&owner).await? {
        None => false,
        Some(no) => blobs(core, no).contains(&hash),
    };
    if !needed {
        let snapshots = core.snapshots.clone();
        blocking(Box::new(move || snapshots.remove(hash).map(|()| None))).await?;
    }
    Ok(())
}
