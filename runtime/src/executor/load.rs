//! Bringing a worker into memory: from its newest snapshot that can be loaded, or from its first entry.
//!
//! Invariant: what cannot be loaded costs time and never a worker, as long as something before it can: the snapshot
//! before it, the last update by hand, the whole log.

use super::adapters::ActivationPort;
use super::core::{Core, ResidentInstance};
use super::ledger::{LedgerEvent, StepOutcome};
use super::projection::{Checkpoint, WorkerProjection};
use super::{ExecutorError, ExecutorMetrics, history};
use crate::storage::ports::{Seq, StoreError, WorkerNum};
use golem_host::ports::{PortError, Ports};
use golem_host::{
    Component, Instance, InterruptHandle, ReplayEnd, SnapshotBase, SnapshotError, StopReason, WorkerInit,
};
use golem_model::Entry;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{Image, SavedState};
use std::sync::Arc;

/// Why a worker is not in memory.
#[derive(Debug)]
pub(super) enum LoadError {
    /// It stopped.
    Stopped(StopReason),
    /// Our own trouble.
    Server(ExecutorError),
}

/// What every way to load a worker needs.
pub(super) struct Loader<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) head: &'a WorkerProjection,
    pub(super) component: &'a Component,
    pub(super) init: WorkerInit,
    pub(super) ports: Ports,
    pub(super) control: InterruptHandle,
}

/// Loads the worker into memory and replays its log.
pub(super) async fn load(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
) -> Result<(ResidentInstance, ReplayEnd), LoadError> {
    let discarded = || LoadError::Stopped(StopReason::Port(PortError::Discarded));
    let Some(permit) = core.permit().await else { return Err(discarded()) };
    let control = InterruptHandle::new();
    let (head, activation) = {
        let mut state = core.lock();
        if state.generation != generation {
            return Err(discarded());
        }
        let Ok(StepOutcome::Activated(activation)) =
            core.step(&mut state, LedgerEvent::Activate { worker: no })
        else {
            return Err(discarded());
        };
        let Some(head) = state.ledger.head(no).cloned() else { return Err(discarded()) };
        if let Some(slot) = state.slots.get_mut(&no) {
            slot.control = Some(control.clone());
        }
        (head, activation)
    };
    let component = component(core, &head, head.template_version).await?;
    ExecutorMetrics::add(&core.metrics.activations, 1);
    let loading = Loader {
        core,
        head: &head,
        component: &component,
        init: init(core, &head, head.template_version),
        ports: ActivationPort::new(core.clone(), no, activation, generation).ports(head.project),
        control: control.clone(),
    };
    let mut instance = Box::new(loading.newest().await?);
    let replayed = instance.replay().await.map_err(LoadError::Stopped)?;
    Ok((ResidentInstance { instance, control, permit }, replayed))
}

/// The component of a version of the worker's template.
pub(super) async fn component(
    core: &Arc<Core>,
    head: &WorkerProjection,
    version: u32,
) -> Result<Component, LoadError> {
    core.components
        .component(head.id.template, version)
        .await
        .map_err(|details| LoadError::Server(ExecutorError::Component { worker: head.id.clone(), details }))
}

/// Who the worker is when it runs `version`.
pub(super) fn init(core: &Arc<Core>, head: &WorkerProjection, version: u32) -> WorkerInit {
    WorkerInit {
        id: head.id.clone(),
        account: head.account,
        template_version: version,
        args: head.args.clone(),
        env: head.env.clone(),
        seed: head.seed,
        links: core.components.links(head.id.template, version),
        suspend_after: core.settings.suspend_after,
        retry: head.options.retry_policy.unwrap_or(core.settings.retry),
    }
}

impl Loader<'_> {
    /// An instance from the newest place that can be loaded; the rest of the log is not replayed yet.
    async fn newest(&self) -> Result<Instance, LoadError> {
        for checkpoint in self.head.life.checkpoints() {
            match self.from(checkpoint).await? {
                Ok(instance) => return Ok(instance),
                Err(details) => {
                    let (worker, index) = (&self.head.id, checkpoint.index);
                    tracing::warn!(%worker, %index, %details, "a saved state cannot be loaded; going further back");
                }
            }
        }
        if let Some(base) = self.head.life.base() {
            let details = format!(
                "none of its saved states can be loaded, and its version cannot replay what it did before the update \
                 by hand in entry {}",
                base.index
            );
            return Err(LoadError::Server(ExecutorError::Component {
                worker: self.head.id.clone(),
                details,
            }));
        }
        self.whole().await
    }

    /// An instance at the first entry.
    pub(super) async fn whole(&self) -> Result<Instance, LoadError> {
        let Self { core, head, component, init, ports, control } = self;
        let history = if let Some(made) = head.only_made() {
            made
        } else {
            self.read(move |store, last| history::entries(store, last)).await?
        };
        self.check_length(0, history.len())?;
        ExecutorMetrics::add(&core.metrics.entries_replayed, history.len() as u64);
        Instance::activate(component, init.clone(), history, ports.clone(), control.clone())
            .await
            .map_err(LoadError::Stopped)
    }

    /// An instance from a saved state; a text if that cannot be loaded.
    pub(super) async fn from(&self, checkpoint: Checkpoint) -> Result<Result<Instance, String>, LoadError> {
        let Checkpoint { row, index, blob: _ } = checkpoint;
        let history = self.read(move |store, last| history::entries_after(store, last, Seq(row), index));
        let history = history.await?;
        self.check_length(index.0, history.len())?;
        let base = match self.base(checkpoint).await? {
            Ok(base) => base,
            Err(details) => return Ok(Err(details)),
        };
        let Self { core, component, init, ports, control, .. } = self;
        let count = history.len() as u64;
        let loaded =
            Instance::activate_from(component, init.clone(), base, history, ports.clone(), control.clone());
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

    async fn base(&self, checkpoint: Checkpoint) -> Result<Result<SnapshotBase, String>, LoadError> {
        let row = Seq(checkpoint.row);
        let body = self.read(move |store, _| history::row(store, row)).await?;
        let Some((at, state)) = saved(&body, checkpoint) else {
            return Ok(Err(format!("row {row} should hold a saved state, and does not")));
        };
        let image = match &state.image {
            Image::Inline(bytes) => bytes.clone(),
            Image::Blob { hash, length: _ } => {
                let (snapshots, hash) = (self.core.snapshots.clone(), *hash);
                match self.core.runtime.spawn_blocking(move || snapshots.get(hash)).await {
                    Ok(Ok(Some(bytes))) => bytes,
                    Ok(Ok(None)) => return Ok(Err("its image is missing".to_owned())),
                    Ok(Err(error @ StoreError::Corrupt { .. })) => return Ok(Err(error.to_string())),
                    Ok(Err(error)) => {
                        return Err(LoadError::Server(super::core::unavailable(&error)));
                    }
                    Err(_) => return Err(LoadError::Server(ExecutorError::ShuttingDown)),
                }
            }
        };
        Ok(Ok(SnapshotBase { index: checkpoint.index, at, state, image }))
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn crate::storage::ports::Store, Seq) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let last = Seq(self.head.last_row);
        self.core.durable(last).await.map_err(LoadError::Server)?;
        self.core.read(move |store| read(store, last)).await.map_err(LoadError::Server)
    }

    fn check_length(&self, before: u64, found: usize) -> Result<(), LoadError> {
        if before + found as u64 == self.head.oplog_end.0 {
            return Ok(());
        }
        let details =
            format!("its log holds {found} entries after {before}, and ends at {}", self.head.oplog_end);
        Err(LoadError::Server(ExecutorError::Component { worker: self.head.id.clone(), details }))
    }
}

fn saved(row: &Row, checkpoint: Checkpoint) -> Option<(golem_model::Timestamp, SavedState)> {
    let Row::Entries { first, entries } = row else { return None };
    let place = usize::try_from(checkpoint.index.0.checked_sub(first.0)?).ok()?;
    match entries.get(place)? {
        Entry::LifecycleEvent(milestone) => Some((milestone.at(), milestone.state()?.clone())),
        Entry::Created { .. }
        | Entry::Activated { .. }
        | Entry::InvocationStarted { .. }
        | Entry::HostCall { .. }
        | Entry::InvocationCompleted { .. }
        | Entry::AttemptFailed { .. }
        | Entry::InvocationFailed { .. }
        | Entry::Parked(_)
        | Entry::Configured { .. }
        | Entry::Revert { .. }
        | Entry::ProgramEnded { .. } => None,
    }
}
