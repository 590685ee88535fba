//! Snapshots through the worker's own `save` and `load`.
//!
//! A snapshot is a step in the worker's history and not only a copy: after `save` the worker continues as a fresh
//! instance that has loaded the saved state. Three instances are therefore the same by construction: the one that
//! continues, the one created from the snapshot after a crash, and the one created by a replay from the first entry. A
//! replay of the whole oplog also checks every snapshot on its way.
//!
//! Invariant: the snapshot's entry is appended together with the calls of the fresh instance's initialisation, after
//! `load` has returned. A state that cannot be loaded leaves no record.

use super::{Instance, journal};
use crate::durable::{History, Journal};
use crate::file_history::{FileHistory, FileUpdate};
use crate::imports::random::Random;
use crate::invoke::call_typed;
use crate::limits::Limits;
use crate::ports::{PortError, Ports};
use crate::snapshot::{self, DecodedImage, INTERFACE, InstancePhase, SnapshotBase, SnapshotError};
use crate::state::WorkerState;
use crate::{Component, InterruptHandle, StopReason, WorkerInit, trap};
use golem_model::oplog::{FileConflicts, LifecycleEvent, SavedState, SnapshotImage};
use golem_model::{Entry, OplogIndex, TemplateId, Timestamp};
use std::collections::BTreeMap;
use wasmtime::component::Func;

/// The component with which the worker continues.
#[derive(Debug, Clone, Copy)]
pub enum ReloadTarget<'a> {
    /// The same component.
    Snapshot,
    /// Another version of its template.
    Update {
        /// The component.
        component: &'a Component,
        /// Its version.
        version: u32,
        /// The templates of the workers that it calls, by the interface that they export.
        links: &'a BTreeMap<String, TemplateId>,
    },
}

impl Component {
    /// Whether the component exports `save` and `load`.
    pub fn can_save(&self) -> bool {
        ["save", "load"].iter().all(|function| self.callable(&full_name(function)).is_some())
    }
}

impl Instance {
    /// Creates the worker's instance from a saved state. `history` has the oplog entries after it.
    ///
    /// On an error nothing was appended. Another state, or the whole oplog, may still work.
    pub async fn activate_from(
        component: &Component,
        init: WorkerInit,
        base: SnapshotBase,
        history: History,
        ports: Ports,
        interrupt_handle: InterruptHandle,
    ) -> Result<Self, SnapshotError> {
        let image = decode_image(&base.image)?;
        let mut journal = journal(component, &init, Some(&base), history, &ports, &interrupt_handle);
        // If this state cannot be loaded, the caller loads another one. The oplog must not hold
        // entries of this attempt then.
        journal.set_appends_held(true);
        let point = ReloadPoint { invocations: base.state.invocations, index: base.index, at: base.at };
        let mut instance =
            Self::load_from_image(component, init, journal, interrupt_handle, ports, point, &image).await?;
        let journal = &mut instance.snapshot_state()?.journal;
        journal.set_appends_held(false);
        journal.flush().map_err(SnapshotError::Stopped)?;
        Ok(instance)
    }

    /// Whether the worker can be saved now.
    pub fn can_save(&self) -> bool {
        self.running.is_none() && self.store.is_some() && self.component.can_save()
    }

    fn snapshot_state(&mut self) -> Result<&mut WorkerState, SnapshotError> {
        self.state().map_err(SnapshotError::Stopped)
    }

    /// Calls the guest's `save` and returns the image. Afterwards the instance takes no more calls, with or without an
    /// error, because `save` may have changed the guest. [`Instance::reload`] makes it usable again.
    pub async fn save(&mut self) -> Result<Vec<u8>, SnapshotError> {
        self.acquire().map_err(SnapshotError::Stopped)?;
        let state = self.snapshot_state()?;
        let Some(mut live) = state.journal.live() else {
            return Err(refused("its oplog was not replayed to the end".to_owned()));
        };
        let index = live.next_index();
        self.call_save(index).await
    }

    /// Replaces the instance by a fresh one that loads the image from [`Instance::save`]. `image` says where the image
    /// is stored.
    pub async fn reload(
        &mut self,
        target: ReloadTarget<'_>,
        image: SnapshotImage,
        bytes: &[u8],
    ) -> Result<(), SnapshotError> {
        let decoded = decode_image(bytes)?;
        let engine = self.component.engine().fingerprint().to_owned();
        let same = self.component.clone();
        let state = self.snapshot_state()?;
        let from = state.init.template_version;
        let now = state.invocation.file_clock.now();
        let invocations = state.journal.replay().invocations();
        let mut init = state.init.clone();
        let Some(mut live) = state.journal.live() else {
            return Err(refused("its oplog was not replayed to the end".to_owned()));
        };
        let (at, monotonic_nanos) = (live.wall_now(), live.monotonic_now());
        let next = live.next_index();
        let saved = SavedState { version: from, engine, invocations, monotonic_nanos, image };
        let (component, event) = match target {
            ReloadTarget::Snapshot => (same, LifecycleEvent::Snapshot { at, state: saved }),
            ReloadTarget::Update { component, version, links } => {
                init.template_version = version;
                init.links.clone_from(links);
                let update = FileUpdate::new(next, same.files().cloned(), component.files().cloned());
                let conflicts = update.merge(&mut snapshot::files(&decoded).map_err(refused)?, now);
                let files = Some(FileConflicts::new(conflicts.map_err(refused)?));
                init.files = FileHistory { initial: None, updates: vec![update] };
                let event = LifecycleEvent::Updated { at, from, to: version, state: Some(saved), files };
                (component.clone(), event)
            }
        };
        live.set_appends_held(true);
        let index = live.record(Entry::LifecycleEvent(event)).map_err(SnapshotError::Stopped)?;
        self.restart(&component, init, index, at, &decoded).await?;
        let Some(mut live) = self.snapshot_state()?.journal.live() else {
            return Err(SnapshotError::Stopped(StopReason::Port(PortError::Discarded)));
        };
        live.set_appends_held(false);
        live.flush().map_err(SnapshotError::Stopped)?;
        self.spent = false;
        Ok(())
    }

    /// In a replay: repeats a recorded snapshot, and checks that the guest saves the same bytes. A component without
    /// `save` and `load` continues unchanged.
    pub(super) async fn replay_snapshot(
        &mut self,
        index: OplogIndex,
        at: Timestamp,
        state: &SavedState,
    ) -> Result<(), StopReason> {
        if !self.component.can_save() {
            self.state()?.journal.replay().skip_reload();
            return Ok(());
        }
        let diverged = |requested: String| StopReason::Diverged {
            index,
            recorded: format!("a snapshot with the digest {}", hex(&state.image.digest())),
            requested,
        };
        let failed = |error: SnapshotError| match error {
            SnapshotError::Refused { details } => diverged(format!("none: {details}")),
            SnapshotError::Stopped(stop) => stop,
        };
        let bytes = self.call_save(index).await.map_err(failed)?;
        let digest = blake3::hash(&bytes);
        let init = self.state()?.init.clone();
        // Another version may save other bytes.
        if init.template_version == state.version && *digest.as_bytes() != state.image.digest() {
            return Err(diverged(format!("a snapshot with the digest {}", digest.to_hex())));
        }
        self.state()?.journal.replay().skip_reload();
        let image = decode_image(&bytes).map_err(failed)?;
        self.restart(&self.component.clone(), init, index, at, &image).await.map_err(failed)
    }

    /// Calls `save` and encodes the image for the entry at `index`.
    async fn call_save(&mut self, index: OplogIndex) -> Result<Vec<u8>, SnapshotError> {
        let func = self.function("save")?;
        let store =
            self.store.as_mut().ok_or(SnapshotError::Stopped(StopReason::Port(PortError::Discarded)))?;
        store.data_mut().phase = InstancePhase::Saving;
        store.set_epoch_deadline(1);
        let called = call_typed::<_, (Result<Vec<u8>, String>,)>(store, func, ()).await;
        let state = self.snapshot_state()?;
        let outcome =
            called.map_err(|error| snapshot_error(trap::classify(state, &error), InstancePhase::Saving));
        state.phase = InstancePhase::Normal;
        let (guest,) = outcome?;
        let guest = guest.map_err(|text| refused(format!("save says: {text}")))?;
        let worker = state.init.id.clone();
        snapshot::encode(state, &worker, index, &guest).map_err(refused)
    }

    /// Replaces this instance by a fresh one that takes over the oplog and loads `image`.
    async fn restart(
        &mut self,
        component: &Component,
        init: WorkerInit,
        index: OplogIndex,
        at: Timestamp,
        image: &DecodedImage<'_>,
    ) -> Result<(), SnapshotError> {
        let ports = self.ports.clone();
        let old = self.snapshot_state()?;
        let interrupt_handle = old.interrupt_handle.clone();
        // The old store is not used again; an empty journal stays in it.
        let empty = History::empty(init.begins_after);
        let empty = journal(component, &init, None, empty, &ports, &interrupt_handle);
        let point = ReloadPoint { invocations: old.journal.replay().invocations(), index, at };
        let mut journal = std::mem::replace(&mut old.journal, empty);
        // The fresh instance has no handles to the requests, like one that is loaded from the snapshot.
        journal.forget_requests();
        *self =
            Self::load_from_image(component, init, journal, interrupt_handle, ports, point, image).await?;
        self.spent = true;
        Ok(())
    }

    /// A fresh instance that loads `image`.
    async fn load_from_image(
        component: &Component,
        init: WorkerInit,
        journal: Journal,
        interrupt_handle: InterruptHandle,
        ports: Ports,
        point: ReloadPoint,
        image: &DecodedImage<'_>,
    ) -> Result<Self, SnapshotError> {
        let limits = Limits::new(component.engine().memory_bytes_max());
        let seed = init.seed;
        let mut state = WorkerState::new(init, point.at, journal, interrupt_handle, limits);
        state.phase = InstancePhase::Starting;
        state.invocation.random = Random::after_reload(&seed, point.invocations, point.index);
        snapshot::restore(&mut state, image).map_err(refused)?;
        // The image contains the updates before it. The update whose state it is comes after it.
        state.file_updates.skip_until(point.index);
        state.apply_file_updates_before(point.index.next()).map_err(refused)?;
        let mut instance = Self::instantiate(component, state, ports)
            .await
            .map_err(|stop| snapshot_error(stop, InstancePhase::Starting))?;
        let func = instance.function("load")?;
        let store =
            instance.store.as_mut().ok_or(SnapshotError::Stopped(StopReason::Port(PortError::Discarded)))?;
        store.data_mut().phase = InstancePhase::Loading;
        store.set_epoch_deadline(1);
        let called = call_typed::<_, (Result<(), String>,)>(store, func, (image.guest,)).await;
        let state = instance.snapshot_state()?;
        let (loaded,) =
            called.map_err(|error| snapshot_error(trap::classify(state, &error), InstancePhase::Loading))?;
        state.phase = InstancePhase::Normal;
        loaded.map_err(|text| refused(format!("load says: {text}")))?;
        Ok(instance)
    }

    fn function(&mut self, name: &str) -> Result<Func, SnapshotError> {
        let found = self.component.callable(&full_name(name)).map(|callable| callable.index);
        let func = match (found, self.store.as_mut()) {
            (Some(index), Some(store)) => self.exports.get_func(store, index),
            _ => None,
        };
        func.ok_or_else(|| {
            refused(format!("the component does not export {INTERFACE} with a function {name}"))
        })
    }
}

/// The position in the oplog at which a worker is loaded.
#[derive(Debug, Clone, Copy)]
struct ReloadPoint {
    /// Number of invocations started before it.
    invocations: u64,
    /// The index of its entry.
    index: OplogIndex,
    /// Time of the entry.
    at: Timestamp,
}

fn full_name(function: &str) -> String {
    format!("{INTERFACE}/{function}")
}

fn refused(details: String) -> SnapshotError {
    SnapshotError::Refused { details }
}

fn decode_image(image: &[u8]) -> Result<DecodedImage<'_>, SnapshotError> {
    snapshot::decode(image).map_err(|error| refused(format!("its image cannot be read: {error}")))
}

/// Distinguishes errors of the state from other reasons to stop.
fn snapshot_error(stop: StopReason, phase: InstancePhase) -> SnapshotError {
    match (stop, phase) {
        (StopReason::Trapped { details, .. }, _) => refused(details),
        (StopReason::Exited { code, .. }, _) => refused(format!("the program called exit with code {code}")),
        // The guest trapped or exited while recorded entries remain.
        (StopReason::Diverged { requested, .. }, InstancePhase::Saving | InstancePhase::Loading) => {
            refused(requested)
        }
        (stop, _) => SnapshotError::Stopped(stop),
    }
}

fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}
