//! Updates of workers to another version of their template.
//!
//! W9: a request for an update is durable before it is acknowledged. The update is rehearsed when no invocation runs,
//! and only a successful rehearsal is recorded as the switch, in one entry. So a crash leaves the worker on the old
//! version with the request still pending, or on the new version.
//!
//! A pending update can be withdrawn, or replaced by another one, until its switch is recorded. An attempt that is under
//! way is stopped, and may append nothing any more.
//!
//! Invariant: a rehearsal appends nothing to the log: its adapter carries [`ActivationId::NONE`], which the ledger
//! refuses.

use super::adapters::ActivationAdapter;
use super::core::{Core, ResidentInstance, State};
use super::interrupt::interrupt_guest;
use super::invoke::{check_usable, internal};
use super::ledger::{ActivationId, LedgerEvent};
use super::load::{self, LoadError, Loader};
use super::projection::{FinishedUpdate, PendingUpdate, SnapshotState, VersionChange, WorkerProjection};
use super::worker_task::append_entries;
use super::{ComponentFault, Executor, ExecutorError, ExecutorMetrics, snapshot};
use crate::storage::ports::{Seq, WorkerNum};
use golem_host::ports::PortError;
use golem_host::{FileUpdate, ReloadTarget, SnapshotError, StopReason};
use golem_model::oplog::{AdminRequest, FileConflicts, InboxEvent, LifecycleEvent, UpdateMode};
use golem_model::{Entry, OplogIndex, Timestamp, WorkerId};
use std::sync::Arc;

/// A worker's version and updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateView {
    /// The version that it runs.
    pub version: u32,
    /// The pending update: time of the request, mode and version.
    pub pending: Option<(Timestamp, UpdateMode, u32)>,
    /// The last update that was performed or refused.
    pub last: Option<UpdateOutcome>,
}

/// The result of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateOutcome {
    /// Time of the result.
    pub at: Timestamp,
    /// The version before the update.
    pub from: u32,
    /// The requested version.
    pub to: u32,
    /// How the update was performed.
    pub mode: UpdateMode,
    /// Why the worker stays on its old version. `None` if it runs the new one.
    pub refused: Option<String>,
    /// The entry at which the new version made another call than the recorded one.
    pub index: Option<OplogIndex>,
    /// The files that both the worker and the new version had changed. The worker's content stays.
    pub conflicts: FileConflicts,
}

impl From<FinishedUpdate> for UpdateOutcome {
    fn from(report: FinishedUpdate) -> Self {
        let FinishedUpdate { at, from, to, mode, refused, conflicts } = report;
        let (refused, index) = refused.unzip();
        Self { at, from, to, mode, refused, index: index.flatten().map(OplogIndex), conflicts }
    }
}

/// Why the worker stays on its version.
struct UpdateRefusal {
    details: String,
    index: Option<OplogIndex>,
}

impl Executor {
    /// Requests an update, in place of the pending one. Durable on return. It is performed as soon as no invocation runs,
    /// and [`Executor::updates`] returns its result. Repeating the request changes nothing.
    pub async fn update(&self, id: &WorkerId, mode: UpdateMode, to: u32) -> Result<(), ExecutorError> {
        self.change_worker(id, |state, worker| self.core.request_update(state, worker, mode, to)).await
    }

    /// Withdraws the pending update. Durable on return. An update that was performed or refused is not changed.
    pub async fn withdraw_update(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        self.change_worker(id, |state, worker| self.core.withdraw_update_locked(state, worker)).await
    }

    /// Returns a worker's version and updates. What they show is durable on return.
    pub async fn updates(&self, id: &WorkerId) -> Result<UpdateView, ExecutorError> {
        let read = self.read_worker(id, |_, _, projection| {
            let SnapshotState { update, last_update, .. } = &projection.snapshot_state;
            UpdateView {
                version: projection.template_version,
                pending: update.map(|pending| (pending.at, pending.mode, pending.to)),
                last: last_update.clone().map(UpdateOutcome::from),
            }
        });
        let (view, position) = read.await?;
        self.core.wait_until_durable(position).await?;
        Ok(view)
    }
}

impl Core {
    fn request_update(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        mode: UpdateMode,
        to: u32,
    ) -> Result<(), ExecutorError> {
        let Some(projection) = state.ledger.projection(worker) else { return Ok(()) };
        check_usable(projection)?;
        let id = projection.id.clone();
        let pending = projection.snapshot_state.update;
        if pending.is_some_and(|pending| (pending.mode, pending.to) == (mode, to)) {
            return Ok(());
        }
        if projection.template_version == to {
            return Err(ExecutorError::UpdateToSame { worker: id, version: to });
        }
        if pending.is_some() {
            self.stop_update(state, worker);
        }
        let request = AdminRequest::UpdateRequested { at: self.clock.now(), mode, to };
        let event = LedgerEvent::Inbox { worker, event: InboxEvent::Admin(request) };
        self.step(state, event).map_err(|error| internal(&error))?;
        self.spawn_if_idle(state, worker);
        Ok(())
    }

    fn withdraw_update_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
    ) -> Result<(), ExecutorError> {
        let Some(projection) = state.ledger.projection(worker) else { return Ok(()) };
        if projection.snapshot_state.update.is_none() {
            let (worker, version) = (projection.id.clone(), projection.template_version);
            return Err(ExecutorError::NoUpdatePending { worker, version });
        }
        self.stop_update(state, worker);
        let request = AdminRequest::UpdateWithdrawn { at: self.clock.now() };
        let event = LedgerEvent::Inbox { worker, event: InboxEvent::Admin(request) };
        self.step(state, event).map(drop).map_err(|error| internal(&error))
    }

    /// Stops an attempt of the pending update, if one is under way. No invocation runs then.
    fn stop_update(self: &Arc<Self>, state: &mut State, worker: WorkerNum) {
        let begun = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
        let tried =
            state.slots.get(&worker).is_some_and(|slot| slot.life_cycle.has_task() && slot.current.is_none());
        if tried && !begun {
            interrupt_guest(state, worker);
            // A manual update appends its switch through the worker's activation.
            if let Err(error) = self.step(state, LedgerEvent::Activate { worker }) {
                tracing::error!(worker = %worker, %error, "cannot stop an attempt of an update");
            }
        }
    }
}

/// Performs the pending update of a worker while no invocation runs. An error is an error of the server, and the update
/// is tried again.
pub(super) async fn apply_update(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> Result<(), ExecutorError> {
    let Some(projection) = core.lock().ledger.shared_projection(worker) else { return Ok(()) };
    let Some(pending) = projection.snapshot_state.update else { return Ok(()) };
    let PendingUpdate { at: _, mode, to } = pending;
    let before = snapshot::image_hashes(core, worker).unwrap_or_default();
    let outcome = match mode {
        UpdateMode::Automatic => {
            drop(resident.take());
            rehearse(core, worker, generation, &projection, to).await?
        }
        UpdateMode::Manual => update_manually(core, worker, generation, &projection, to, resident).await?,
    };
    let from = projection.template_version;
    let at = core.clock.now();
    match outcome {
        UpdateAttempt::Done(recorded) => {
            ExecutorMetrics::add(&core.metrics.updates, 1);
            if let UpdateRecord::Missing(files) = recorded {
                let updated = LifecycleEvent::Updated { at, from, to, state: None, files };
                record_event(core, worker, generation, pending, updated);
            }
            snapshot::remove_unused_images(core, worker, before);
        }
        UpdateAttempt::Refused(UpdateRefusal { details, index }) => {
            tracing::info!(worker = %projection.id, %to, %details, "an update was refused; the worker stays on its version");
            drop(resident.take());
            let refused = LifecycleEvent::UpdateRefused { at, from, to, mode, index, details };
            record_event(core, worker, generation, pending, refused);
        }
        // Interrupted, shut down, or deleted: the request is still pending.
        UpdateAttempt::Stopped => drop(resident.take()),
    }
    Ok(())
}

/// Records the result, unless the update was withdrawn or replaced meanwhile, or all in-memory state was discarded: then
/// another task may drive the worker.
fn record_event(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    pending: PendingUpdate,
    event: LifecycleEvent,
) {
    let mut state = core.lock();
    let requested = state.ledger.projection(worker).and_then(|projection| projection.snapshot_state.update);
    if state.generation == generation && requested == Some(pending) {
        append_entries(core, &mut state, worker, vec![Entry::LifecycleEvent(event)]);
    }
}

enum UpdateAttempt {
    Done(UpdateRecord),
    Refused(UpdateRefusal),
    Stopped,
}

/// Whether a successful update is in the worker's log.
enum UpdateRecord {
    /// The instance that loaded the saved state has recorded it.
    Written,
    /// It must be recorded, with the conflicts of the files. `None`: the worker has begun nothing, so it has the files of
    /// the new version from the beginning.
    Missing(Option<FileConflicts>),
}

fn refusal(details: String) -> UpdateAttempt {
    UpdateAttempt::Refused(UpdateRefusal { details, index: None })
}

/// Lets the new version replay the log on an instance that is dropped afterwards.
async fn rehearse(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    projection: &WorkerProjection,
    to: u32,
) -> Result<UpdateAttempt, ExecutorError> {
    if projection.only_creation_entries().is_some() {
        return Ok(UpdateAttempt::Done(UpdateRecord::Missing(None)));
    }
    let (_permit, interrupt_handle) =
        match load::acquire_permit_unless_interrupted(core, worker, generation).await {
            Ok(acquired) => acquired,
            Err(error) => return load_error_outcome(error),
        };
    let component = match load::load_component(core, &projection.id, to, &interrupt_handle).await {
        Ok(component) => component,
        Err(error) => return load_error_outcome(error),
    };
    let continued = core.record_continued(&mut core.lock(), worker);
    if let Some(continued) = continued {
        core.wait_until_durable(continued).await?;
    }
    let change = VersionChange { index: projection.oplog_end, from: projection.template_version, to };
    let files = load::file_history(core, projection, &component, Some(change), &interrupt_handle).await;
    let files = match files {
        Ok(files) => files,
        Err(error) => return load_error_outcome(error),
    };
    let merged = files.updates.last().cloned();
    let init = load::worker_init(core, projection, to, files);
    let loader = Loader {
        core,
        projection,
        component: &component,
        init,
        ports: ActivationAdapter::new(
            core.clone(),
            worker,
            ActivationId::NONE,
            generation,
            Seq(projection.last_row),
        )
        .ports(projection.project),
        interrupt_handle,
        generation,
    };
    let load_result = match projection.snapshot_state.last_manual_update() {
        None => loader.load_from_start().await,
        Some(base) => match loader.load_from_restore_point(base).await {
            Ok(Ok(instance)) => Ok(instance),
            Ok(Err(details)) => {
                return Ok(refusal(format!("it cannot load what the last update by hand left: {details}")));
            }
            Err(error) => Err(error),
        },
    };
    let replayed = match load_result {
        Ok(mut instance) => instance.replay().await,
        // Appends are refused in a rehearsal. So the new version appended something before the first invocation.
        Err(LoadError::Stopped(StopReason::Port(PortError::Discarded)))
            if !loader.interrupt_handle.is_interrupted() && core.lock().generation == generation =>
        {
            return Ok(refusal("while it is made it asks for more than the oplog holds".to_owned()));
        }
        Err(error) => return load_error_outcome(error),
    };
    match replayed {
        Ok(_) => {
            // Without an outcome the worker's program has ended: it does not see the files.
            let conflicts = match merged.as_ref().and_then(FileUpdate::outcome) {
                Some(Ok(conflicts)) => FileConflicts::new(conflicts.clone()),
                Some(Err(details)) => return Ok(refusal(details.clone())),
                None => FileConflicts::default(),
            };
            Ok(UpdateAttempt::Done(UpdateRecord::Missing(Some(conflicts))))
        }
        Err(stop) => load_error_outcome(LoadError::Stopped(stop)),
    }
}

/// Lets the old version save its state and the new version load it.
async fn update_manually(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    projection: &WorkerProjection,
    to: u32,
    resident: &mut Option<ResidentInstance>,
) -> Result<UpdateAttempt, ExecutorError> {
    let interrupt_handle = match load::interrupt_handle_of_task(core, worker, generation) {
        Ok(interrupt_handle) => interrupt_handle,
        Err(error) => return load_error_outcome(error),
    };
    let component = match load::load_component(core, &projection.id, to, &interrupt_handle).await {
        Ok(component) => component,
        Err(error) => return load_error_outcome(error),
    };
    if !component.can_save() {
        return Ok(refusal(format!("version {to} does not export golem:durability/snapshot@1.0.0")));
    }
    if resident.is_none() {
        match load::load(core, worker, generation).await {
            Ok((loaded, _)) => *resident = Some(loaded),
            Err(LoadError::Server(error)) => return Err(error),
            Err(LoadError::Stopped(stop)) => return stop_outcome(stop),
        }
    }
    let Some(loaded) = resident else { return Ok(UpdateAttempt::Stopped) };
    if !loaded.instance.can_save() {
        let from = projection.template_version;
        let details =
            format!("version {from} does not export golem:durability/snapshot@1.0.0, or runs an event loop");
        return Ok(refusal(details));
    }
    let links = core.templates.links(projection.id.template, to);
    let reload = ReloadTarget::Update { component: &component, version: to, links: &links };
    match snapshot::save_and_reload(core, loaded, reload).await? {
        Ok(()) => Ok(UpdateAttempt::Done(UpdateRecord::Written)),
        Err(SnapshotError::Refused { details }) => Ok(refusal(details)),
        Err(SnapshotError::Stopped(stop)) => stop_outcome(stop),
    }
}

fn load_error_outcome(error: LoadError) -> Result<UpdateAttempt, ExecutorError> {
    match error {
        LoadError::Server(
            error @ (ExecutorError::Component { .. }
            | ExecutorError::Template { fault: ComponentFault::Invalid(_), .. }),
        ) => Ok(refusal(error.to_string())),
        LoadError::Server(error) => Err(error),
        LoadError::Stopped(stop) => stop_outcome(stop),
    }
}

/// Converts the end of a rehearsal into the result of the update.
fn stop_outcome(stop: StopReason) -> Result<UpdateAttempt, ExecutorError> {
    Ok(match stop {
        StopReason::Diverged { index, recorded, requested } => UpdateAttempt::Refused(UpdateRefusal {
            details: format!(
                "at entry {index} the oplog holds {recorded}, and the new version asks for {requested}"
            ),
            index: Some(index),
        }),
        StopReason::Trapped { details, .. } => refusal(details),
        StopReason::Exited { code, .. } => refusal(format!("the program called exit with code {code}")),
        StopReason::Suspended(_) => refusal("it waits where the recorded version did not".to_owned()),
        StopReason::JumpedBack => refusal("it went back where the recorded version did not".to_owned()),
        StopReason::Interrupted | StopReason::Port(PortError::Discarded) => UpdateAttempt::Stopped,
        StopReason::Port(PortError::Unavailable { reason }) => {
            return Err(ExecutorError::Unavailable { reason });
        }
        StopReason::Port(PortError::Damaged { details }) => {
            return Err(ExecutorError::Damaged { details });
        }
    })
}
