//! Updates of workers to another version of their template.
//!
//! W9: the request is durable before its answer; it is rehearsed when no invocation runs; only what succeeded is
//! recorded as the switch, in one entry. So a crash anywhere leaves the worker on the old version, with the request still
//! to be done, or on the new one.
//!
//! Invariant: a rehearsal can write nothing: its ports belong to no activation.

use super::adapters::ActivationPort;
use super::core::{Core, ResidentInstance};
use super::invoke::{lost, usable};
use super::ledger::{Activation, LedgerEvent, StepOutcome};
use super::load::{self, LoadError, Loader};
use super::projection::{PendingUpdate, UpdateReport, WorkerProjection};
use super::worker_task::append;
use super::{Executor, ExecutorError, ExecutorMetrics, snapshot};
use crate::storage::ports::WorkerNum;
use golem_host::ports::PortError;
use golem_host::{InterruptHandle, ReloadTarget, SnapshotError, StopReason};
use golem_model::oplog::{AdminRequest, InboxEvent, LifecycleEvent, UpdateMode};
use golem_model::{Entry, OplogIndex, Timestamp, WorkerId};
use std::sync::Arc;

/// What is known of a worker's updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateView {
    /// The version that it runs.
    pub version: u32,
    /// What was asked for and not done yet: when, how, and which version.
    pub pending: Option<(Timestamp, UpdateMode, u32)>,
    /// What came of the last one.
    pub last: Option<UpdateOutcome>,
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateOutcome {
    /// When.
    pub at: Timestamp,
    /// The version before.
    pub from: u32,
    /// The version asked for.
    pub to: u32,
    /// How.
    pub mode: UpdateMode,
    /// Why the worker is on its old version; `None` if it is on the new one.
    pub refused: Option<String>,
    /// The entry at which the new version asked for something else than is recorded.
    pub index: Option<OplogIndex>,
}

impl From<UpdateReport> for UpdateOutcome {
    fn from(report: UpdateReport) -> Self {
        let UpdateReport { at, from, to, mode, refused } = report;
        let (refused, index) = refused.unzip();
        Self { at, from, to, mode, refused, index: index.flatten().map(OplogIndex) }
    }
}

/// Why the worker stays on its version.
struct UpdateRefusal {
    details: String,
    index: Option<OplogIndex>,
}

impl Executor {
    /// Asks for an update. Durable on return; it is done as soon as no invocation runs, and [`Executor::updates`] says
    /// what came of it.
    pub async fn update(&self, id: &WorkerId, mode: UpdateMode, to: u32) -> Result<(), ExecutorError> {
        let core = &self.core;
        let seq = loop {
            let no = self.find(id).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            let Some(head) = state.ledger.head(no) else { continue };
            usable(head)?;
            if let Some(pending) = head.life.update {
                return Err(ExecutorError::UpdatePending { worker: id.clone(), to: pending.to });
            }
            if head.template_version == to {
                return Err(ExecutorError::UpdateToSame { worker: id.clone(), version: to });
            }
            let act = AdminRequest::UpdateRequested { at: core.clock.now(), mode, to };
            let event = LedgerEvent::Inbox { worker: no, arrival: InboxEvent::Admin(act) };
            match core.step(&mut state, event) {
                Ok(StepOutcome::Appended(seq)) => {
                    core.kick(&mut state, no);
                    break seq;
                }
                Ok(_) => {}
                Err(error) => return Err(lost(&error)),
            }
        };
        core.durable(seq).await
    }

    /// What is known of a worker's updates.
    pub async fn updates(&self, id: &WorkerId) -> Result<UpdateView, ExecutorError> {
        loop {
            let no = self.find(id).await?;
            let state = self.core.lock();
            let Some(head) = state.ledger.head(no) else { continue };
            return Ok(UpdateView {
                version: head.template_version,
                pending: head.life.update.map(|pending| (pending.at, pending.mode, pending.to)),
                last: head.life.last_update.clone().map(UpdateOutcome::from),
            });
        }
    }
}

/// Does the pending update of a worker that no invocation runs on. The error is our own trouble: it is tried again.
pub(super) async fn apply(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> Result<(), ExecutorError> {
    let Some(head) = core.lock().ledger.head(no).cloned() else { return Ok(()) };
    let Some(PendingUpdate { mode, to, .. }) = head.life.update else { return Ok(()) };
    let before = snapshot::blobs(core, no);
    let done = match mode {
        UpdateMode::Automatic => {
            drop(resident.take());
            rehearse(core, no, generation, &head, to).await?
        }
        UpdateMode::Manual => by_hand(core, no, generation, &head, to, resident).await?,
    };
    let from = head.template_version;
    let at = core.clock.now();
    match done {
        UpdateAttempt::Done => {
            ExecutorMetrics::add(&core.metrics.updates, 1);
            if mode == UpdateMode::Automatic {
                let updated = LifecycleEvent::Updated { at, from, to, state: None };
                record(core, no, generation, updated);
            }
            snapshot::forget(core, no, before);
        }
        UpdateAttempt::Refused(UpdateRefusal { details, index }) => {
            tracing::info!(worker = %head.id, %to, %details, "an update was refused; the worker is as it was");
            drop(resident.take());
            let refused = LifecycleEvent::UpdateRefused { at, from, to, mode, index, details };
            record(core, no, generation, refused);
        }
        // Stopped by a person, by shutdown, or deleted: the request is still there.
        UpdateAttempt::Stopped => drop(resident.take()),
    }
    Ok(())
}

/// Records what came of it, unless everything in memory was discarded meanwhile: then another task may drive the worker.
fn record(core: &Arc<Core>, no: WorkerNum, generation: u64, milestone: LifecycleEvent) {
    let mut state = core.lock();
    if state.generation == generation {
        append(core, &mut state, no, vec![Entry::LifecycleEvent(milestone)]);
    }
}

enum UpdateAttempt {
    Done,
    Refused(UpdateRefusal),
    Stopped,
}

fn refused(details: String) -> UpdateAttempt {
    UpdateAttempt::Refused(UpdateRefusal { details, index: None })
}

/// Has the new version replay what is recorded, on an instance that is thrown away.
async fn rehearse(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    head: &WorkerProjection,
    to: u32,
) -> Result<UpdateAttempt, ExecutorError> {
    if head.only_made().is_some() {
        return Ok(UpdateAttempt::Done);
    }
    let Some(_permit) = core.permit().await else { return Ok(UpdateAttempt::Stopped) };
    let control = InterruptHandle::new();
    if let Some(slot) = core.lock().slots.get_mut(&no) {
        slot.control = Some(control.clone());
    }
    let component = match load::component(core, head, to).await {
        Ok(component) => component,
        Err(error) => return not_loaded(error),
    };
    let init = load::init(core, head, to);
    let loading = Loader {
        core,
        head,
        component: &component,
        init,
        ports: ActivationPort::new(core.clone(), no, Activation::NONE, generation).ports(head.project),
        control,
    };
    let loaded = match head.life.base() {
        None => loading.whole().await,
        Some(base) => match loading.from(base).await {
            Ok(Ok(instance)) => Ok(instance),
            Ok(Err(details)) => {
                return Ok(refused(format!("it cannot load what the last update by hand left: {details}")));
            }
            Err(error) => Err(error),
        },
    };
    let replayed = match loaded {
        Ok(mut instance) => instance.replay().await,
        // Its writes are refused in a rehearsal, so it wrote something before the first invocation.
        Err(LoadError::Stopped(StopReason::Port(PortError::Discarded)))
            if !loading.control.is_interrupted() && core.lock().generation == generation =>
        {
            return Ok(refused("while it is made it asks for more than the oplog holds".to_owned()));
        }
        Err(error) => return not_loaded(error),
    };
    match replayed {
        Ok(_) => Ok(UpdateAttempt::Done),
        Err(stop) => not_loaded(LoadError::Stopped(stop)),
    }
}

/// Has the old version save its state and the new one load it.
async fn by_hand(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    head: &WorkerProjection,
    to: u32,
    resident: &mut Option<ResidentInstance>,
) -> Result<UpdateAttempt, ExecutorError> {
    let component = match load::component(core, head, to).await {
        Ok(component) => component,
        Err(error) => return not_loaded(error),
    };
    if !component.can_save() {
        return Ok(refused(format!("version {to} does not export golem:durability/snapshot@1.0.0")));
    }
    if resident.is_none() {
        match load::load(core, no, generation).await {
            Ok((loaded, _)) => *resident = Some(loaded),
            Err(LoadError::Server(error)) => return Err(error),
            Err(LoadError::Stopped(stop)) => return stopped(stop),
        }
    }
    let Some(saving) = resident else { return Ok(UpdateAttempt::Stopped) };
    if !saving.instance.can_save() {
        let from = head.template_version;
        let details =
            format!("version {from} does not export golem:durability/snapshot@1.0.0, or runs an event loop");
        return Ok(refused(details));
    }
    let links = core.components.links(head.id.template, to);
    let reload = ReloadTarget::Update { component: &component, version: to, links: &links };
    match snapshot::reload(core, saving, reload).await? {
        Ok(()) => Ok(UpdateAttempt::Done),
        Err(SnapshotError::Refused { details }) => Ok(refused(details)),
        Err(SnapshotError::Stopped(stop)) => stopped(stop),
    }
}

fn not_loaded(error: LoadError) -> Result<UpdateAttempt, ExecutorError> {
    match error {
        LoadError::Server(ExecutorError::Component { details, .. }) => Ok(refused(details)),
        LoadError::Server(error) => Err(error),
        LoadError::Stopped(stop) => stopped(stop),
    }
}

/// What the end of a rehearsal means.
fn stopped(stop: StopReason) -> Result<UpdateAttempt, ExecutorError> {
    Ok(match stop {
        StopReason::Diverged { index, recorded, requested } => UpdateAttempt::Refused(UpdateRefusal {
            details: format!(
                "at entry {index} the oplog holds {recorded}, and the new version asks for {requested}"
            ),
            index: Some(index),
        }),
        StopReason::Trapped { details, .. } => refused(details),
        StopReason::Exited { code, .. } => refused(format!("the program called exit with code {code}")),
        StopReason::Parked(_) => refused("it waits where the recorded version did not".to_owned()),
        StopReason::JumpedBack => refused("it went back where the recorded version did not".to_owned()),
        StopReason::Interrupted | StopReason::Port(PortError::Discarded) => UpdateAttempt::Stopped,
        StopReason::Port(PortError::Unavailable { reason }) => {
            return Err(ExecutorError::Unavailable { reason });
        }
    })
}
