//! Loading a worker into memory: from its newest snapshot that can be loaded, or from its first entry.
//!
//! Invariant: a snapshot that cannot be loaded costs time but not the worker, as long as an earlier position can be
//! loaded: the snapshot before it, the state of the last manual update, or the start of the log.

use super::adapters::ActivationAdapter;
use super::core::{Core, ResidentInstance, ResidentPermit};
use super::history::{self, HistoryRange, WorkerLog};
use super::ledger::{LedgerEvent, StepOutcome};
use super::position::RowPosition;
use super::projection::{RestorePoint, VersionChange, WorkerProjection};
use super::{ExecutorError, ExecutorMetrics};
use crate::storage::ports::{Seq, StoreError, WorkerNum};
use golem_host::ports::{PortError, Ports};
use golem_host::{
    Component, FileHistory, FileUpdate, History, Instance, InterruptHandle, ReplayEnd, SnapshotBase,
    SnapshotError, StopReason, WorkerInit,
};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{SavedState, SnapshotImage};
use golem_model::{Entry, OplogIndex, WorkerId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::Arc;

/// Why a worker was not loaded.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The guest stopped.
    Stopped(StopReason),
    /// An error of the server.
    Server(ExecutorError),
}

/// The inputs for loading a worker, whichever position it is loaded from.
pub(super) struct Loader<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) projection: &'a WorkerProjection,
    pub(super) component: &'a Component,
    pub(super) init: WorkerInit,
    pub(super) ports: Ports,
    pub(super) interrupt_handle: InterruptHandle,
    pub(super) generation: u64,
}

/// Loads the worker into memory and replays its log.
pub(super) async fn load(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
) -> Result<(ResidentInstance, ReplayEnd), LoadError> {
    let (permit, interrupt_handle) = acquire_permit_unless_interrupted(core, worker, generation).await?;
    let (id, version) = {
        let state = core.lock();
        let projection = state.ledger.projection(worker).filter(|_| state.generation == generation);
        let Some(projection) = projection else { return Err(discarded()) };
        (projection.id.clone(), projection.template_version)
    };
    let component = load_component(core, &id, version, &interrupt_handle).await?;
    let (projection, activation, continued) = {
        let mut state = core.lock();
        if state.generation != generation {
            return Err(discarded());
        }
        let continued = core.record_continued(&mut state, worker);
        let Ok(StepOutcome::Activated(activation)) = core.step(&mut state, LedgerEvent::Activate { worker })
        else {
            return Err(discarded());
        };
        let Some(projection) = state.ledger.shared_projection(worker) else { return Err(discarded()) };
        (projection, activation, continued)
    };
    if let Some(continued) = continued {
        core.wait_until_durable(continued).await.map_err(LoadError::Server)?;
    }
    ExecutorMetrics::add(&core.metrics.activations, 1);
    let files = file_history(core, &projection, &component, None, &interrupt_handle).await?;
    let loader = Loader {
        core,
        projection: &projection,
        component: &component,
        init: worker_init(core, &projection, projection.template_version, files),
        ports: ActivationAdapter::new(core.clone(), worker, activation, generation, Seq(projection.last_row))
            .ports(projection.project),
        interrupt_handle: interrupt_handle.clone(),
        generation,
    };
    let mut instance = Box::new(loader.load_newest().await?);
    let replayed = instance.replay().await.map_err(LoadError::Stopped)?;
    check_same_end(&projection, &replayed).map_err(LoadError::Stopped)?;
    Ok((ResidentInstance { instance, interrupt_handle, permit }, replayed))
}

fn discarded() -> LoadError {
    LoadError::Stopped(StopReason::Port(PortError::Discarded))
}

/// Waits for permission to keep an instance in memory, and returns it with the handle that interrupts the instance. The
/// slot has this handle since the task chose its work, so no interrupt in between is missed. An interrupt ends the
/// wait. A worker that is interrupted already gets no instance.
pub(super) async fn acquire_permit_unless_interrupted(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
) -> Result<(ResidentPermit, InterruptHandle), LoadError> {
    let interrupt_handle = interrupt_handle_of_task(core, worker, generation)?;
    tokio::select! {
        biased;
        permit = core.acquire_resident_permit() => Ok((permit.ok_or_else(discarded)?, interrupt_handle)),
        () = interrupt_handle.interrupted() => Err(LoadError::Stopped(StopReason::Interrupted)),
    }
}

/// Returns the handle that interrupts the work of the worker's task. An error if the worker is interrupted already.
pub(super) fn interrupt_handle_of_task(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
) -> Result<InterruptHandle, LoadError> {
    let mut state = core.lock();
    if state.generation != generation {
        return Err(discarded());
    }
    let interrupted = state.ledger.projection(worker).map(|projection| projection.interrupted);
    let Some(slot) = state.slots.get_mut(&worker) else { return Err(discarded()) };
    match interrupted {
        None => Err(discarded()),
        Some(true) => Err(LoadError::Stopped(StopReason::Interrupted)),
        Some(false) => slot.life_cycle.interrupt_handle().ok_or_else(discarded),
    }
}

/// Checks that replay found the same unfinished invocation as the projection, which was folded from the same entries.
///
/// If they differ, neither view can be trusted, and a retry would meet the same difference. So it is a divergence, which
/// pauses the worker.
fn check_same_end(projection: &WorkerProjection, replayed: &ReplayEnd) -> Result<(), StopReason> {
    let folded = projection.current.as_ref().map(|current| current.key.0.as_str());
    let found = match replayed {
        ReplayEnd::Ready => None,
        ReplayEnd::Unfinished { key } => Some(key.as_str()),
    };
    if folded == found {
        return Ok(());
    }
    let view = |key: Option<&str>| match key {
        Some(key) if key.starts_with(' ') => "an unfinished invocation without a key".to_owned(),
        Some(key) => format!("the unfinished invocation {key}"),
        None => "no unfinished invocation".to_owned(),
    };
    Err(StopReason::Diverged {
        index: projection.oplog_end,
        recorded: format!("{}, according to the worker's projection", view(folded)),
        requested: format!("{}, according to replay", view(found)),
    })
}

/// Loads the component of a version of the worker's template, which may have to be compiled. An interrupt ends the wait.
pub(super) async fn load_component(
    core: &Arc<Core>,
    id: &WorkerId,
    version: u32,
    interrupt_handle: &InterruptHandle,
) -> Result<Component, LoadError> {
    tokio::select! {
        biased;
        component = core.component(id.template, version) => component.map_err(LoadError::Server),
        () = interrupt_handle.interrupted() => Err(LoadError::Stopped(StopReason::Interrupted)),
    }
}

/// The files of the versions that the worker has run. `component` is that of its version, or of the version to which
/// `rehearsed` updates it. An interrupt ends the wait.
pub(super) async fn file_history(
    core: &Arc<Core>,
    projection: &WorkerProjection,
    component: &Component,
    rehearsed: Option<VersionChange>,
    interrupt_handle: &InterruptHandle,
) -> Result<FileHistory, LoadError> {
    let current = rehearsed.map_or(projection.template_version, |change| change.to);
    let snapshot_state = &projection.snapshot_state;
    let changes = snapshot_state.file_updates().iter().copied().chain(rehearsed);
    let first = snapshot_state.files_from().unwrap_or(projection.template_version);
    let mut known = BTreeMap::from([(current, component.files().cloned())]);
    for version in changes.clone().flat_map(|change| [change.from, change.to]).chain([first]) {
        if let MapEntry::Vacant(unknown) = known.entry(version) {
            let files = tokio::select! {
                biased;
                files = core.template_files(projection.id.template, version) => files.map_err(LoadError::Server)?,
                () = interrupt_handle.interrupted() => return Err(LoadError::Stopped(StopReason::Interrupted)),
            };
            unknown.insert(files);
        }
    }
    let of = |version: u32| known.get(&version).cloned().flatten();
    let update = |change: VersionChange| FileUpdate::new(change.index, of(change.from), of(change.to));
    Ok(FileHistory { initial: of(first), updates: changes.map(update).collect() })
}

/// The worker's identity and environment when it runs `version`.
pub(super) fn worker_init(
    core: &Arc<Core>,
    projection: &WorkerProjection,
    version: u32,
    files: FileHistory,
) -> WorkerInit {
    WorkerInit {
        id: projection.id.clone(),
        account: projection.account,
        template_version: version,
        args: projection.args.clone(),
        env: projection.env.clone(),
        begins_after: projection.begins_after,
        seed: projection.seed,
        links: core.templates.links(projection.id.template, version),
        files,
        suspend_after: core.settings.suspend_after,
        progress: core.settings.progress,
        retry: projection.options.retry_policy.unwrap_or(core.settings.retry),
    }
}

impl Loader<'_> {
    /// Creates an instance from the newest position that can be loaded. The rest of the log is not replayed yet.
    async fn load_newest(&self) -> Result<Instance, LoadError> {
        for restore_point in self.projection.snapshot_state.restore_points() {
            match self.load_from_restore_point(restore_point).await? {
                Ok(instance) => return Ok(instance),
                Err(details) => {
                    let (worker, index) = (&self.projection.id, restore_point.index);
                    tracing::warn!(%worker, %index, %details, "a saved state cannot be loaded; trying the one before it");
                }
            }
        }
        if let Some(base) = self.projection.snapshot_state.last_manual_update() {
            let details = format!(
                "none of its saved states can be loaded, and its version cannot replay the entries before the manual \
                 update in entry {}",
                base.index
            );
            return Err(LoadError::Server(ExecutorError::Component {
                worker: self.projection.id.clone(),
                details,
            }));
        }
        self.load_from_start().await
    }

    /// Creates an instance from the first entry.
    pub(super) async fn load_from_start(&self) -> Result<Instance, LoadError> {
        let Self { core, projection, component, init, ports, interrupt_handle, .. } = self;
        let history = if let Some(entries) = projection.only_creation_entries() {
            let count = entries.len();
            History::from_entries(projection.begins_after, entries, count)
        } else {
            self.read_history(Seq(0), projection.begins_after).await?
        };
        self.check_entry_count(projection.begins_after, history.entry_count())?;
        ExecutorMetrics::add(&core.metrics.entries_replayed, history.entry_count());
        Instance::activate(component, init.clone(), history, ports.clone(), interrupt_handle.clone())
            .await
            .map_err(LoadError::Stopped)
    }

    /// Creates an instance from a saved state. The inner error describes why that state cannot be loaded.
    pub(super) async fn load_from_restore_point(
        &self,
        restore_point: RestorePoint,
    ) -> Result<Result<Instance, String>, LoadError> {
        let RestorePoint { row, index, blob_hash: _ } = restore_point;
        let history = self.read_history(Seq(row), index).await?;
        self.check_entry_count(index, history.entry_count())?;
        let base = match self.read_snapshot(restore_point).await? {
            Ok(base) => base,
            Err(details) => return Ok(Err(details)),
        };
        let Self { core, component, init, ports, interrupt_handle, .. } = self;
        let count = history.entry_count();
        let loaded = Instance::activate_from(
            component,
            init.clone(),
            base,
            history,
            ports.clone(),
            interrupt_handle.clone(),
        );
        match loaded.await {
            Ok(instance) => {
                ExecutorMetrics::add(&core.metrics.entries_replayed, count);
                ExecutorMetrics::add(&core.metrics.snapshots_loaded, 1);
                Ok(Ok(instance))
            }
            Err(SnapshotError::Refused { details }) => Ok(Err(details)),
            Err(SnapshotError::Stopped(stop)) => Err(LoadError::Stopped(stop)),
        }
    }

    async fn read_snapshot(
        &self,
        restore_point: RestorePoint,
    ) -> Result<Result<SnapshotBase, String>, LoadError> {
        let row = Seq(restore_point.row);
        let worker = WorkerNum(self.projection.worker);
        let body = self.read_store(move |store, _| WorkerLog::new(store, worker).row(row)).await?;
        let Some((at, state)) = saved_state(&body, restore_point) else {
            return Ok(Err(format!("row {row} should hold a saved state, and does not")));
        };
        let image = match &state.image {
            SnapshotImage::Inline(bytes) => bytes.clone(),
            SnapshotImage::Blob { hash, length: _ } => {
                let (snapshots, hash) = (self.core.snapshots.clone(), *hash);
                match self.core.run_blocking(move || snapshots.get(hash)).await {
                    Ok(Ok(Some(bytes))) => bytes,
                    Ok(Ok(None)) => return Ok(Err("its image is missing".to_owned())),
                    // The caller logs the text.
                    Ok(Err(error @ StoreError::Corrupt { .. })) => return Ok(Err(error.to_string())),
                    Ok(Err(error)) => {
                        return Err(LoadError::Server(super::error::unavailable(&error)));
                    }
                    Err(error) => return Err(LoadError::Server(error)),
                }
            }
        };
        Ok(Ok(SnapshotBase { index: restore_point.index, at, state, image }))
    }

    /// The worker's history after the index `before`, which is in the row `first_row` (0 for the index before the first
    /// entry).
    async fn read_history(&self, first_row: Seq, before: OplogIndex) -> Result<History, LoadError> {
        let (worker, last) = (WorkerNum(self.projection.worker), Seq(self.projection.last_row));
        let range = HistoryRange { worker, last, first_row, before };
        let (store, spawner) = (self.core.store.clone(), self.core.spawner.clone());
        let page_bytes = self.core.settings.replay_page_bytes;
        self.read_store(move |_, _| history::open_history(&store, &spawner, range, page_bytes)).await
    }

    async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn crate::storage::ports::Store, Seq) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let last = Seq(self.projection.last_row);
        self.core
            .wait_until_durable(RowPosition::new(self.generation, last))
            .await
            .map_err(LoadError::Server)?;
        self.core.read_store(move |store| read(store, last)).await.map_err(LoadError::Server)
    }

    fn check_entry_count(&self, before: OplogIndex, found: u64) -> Result<(), LoadError> {
        if before.plus(found) == self.projection.oplog_end {
            return Ok(());
        }
        let details = format!(
            "its log holds {found} entries after {before}, and ends at {}",
            self.projection.oplog_end
        );
        Err(LoadError::Server(ExecutorError::Component { worker: self.projection.id.clone(), details }))
    }
}

fn saved_state(row: &Row, restore_point: RestorePoint) -> Option<(golem_model::Timestamp, SavedState)> {
    let Row::Entries { first, entries } = row else { return None };
    let place = usize::try_from(restore_point.index.0.checked_sub(first.0)?).ok()?;
    match entries.get(place)? {
        Entry::LifecycleEvent(event) => Some((event.at(), event.saved_state()?.clone())),
        Entry::Created { .. }
        | Entry::Activated { .. }
        | Entry::InvocationStarted { .. }
        | Entry::HostCall { .. }
        | Entry::ClockReadings(_)
        | Entry::InvocationCompleted { .. }
        | Entry::AttemptFailed { .. }
        | Entry::InvocationFailed { .. }
        | Entry::Suspended(_)
        | Entry::Configured { .. }
        | Entry::Revert { .. }
        | Entry::ProgramEnded { .. } => None,
    }
}
