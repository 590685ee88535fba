//! Adapters for the host's ports, bound to one activation of one worker.
//!
//! Invariant: every write carries its activation. The ledger refuses the write once the worker was activated again or
//! deleted, or once all state was discarded after a failed commit (`Ledger::check_activation`,
//! `State::generation`).

mod shared_access;

use super::authorization::{PromiseAccess, PromiseAccessRequest};
use super::core::{Core, OnDurable, State};
use super::error::port_error;
use super::ledger::{
    ActivationId, EncodedEntries, EncodedEvent, HostCallContext, LedgerEvent, PromiseOperation, StepError,
    StepOutcome,
};
use super::panics::StateGuard;
use super::position::RowPosition;
use super::projection::PromiseSlot;
use super::promise_watches::PromiseWatch;
use super::{ExecutorError, WorkerRange, WorkerView, ledger, listing};
use crate::storage::ports::{Seq, WorkerNum};
use async_trait::async_trait;
use golem_host::ports::{
    LogSink, Oplog, PortError, Ports, PrintedEvent, Promises, WorkerMetadata, WorkerPage, WorkerQuery,
    Workers,
};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{HostCall, InboxEvent};
use golem_model::promise::{PromiseCompletion, PromiseState};
use golem_model::{Entry, OplogIndex, ProjectId, PromiseId, WorkerId, WorkerName};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives one activation access to the ledger.
pub(crate) struct ActivationAdapter {
    pub(super) core: Arc<Core>,
    pub(super) worker: WorkerNum,
    pub(super) activation: ActivationId,
    pub(super) generation: u64,
    /// The last row that this activation is based on or has appended.
    last: AtomicU64,
}

impl ActivationAdapter {
    /// An adapter of the activation that begins after the worker's row `last`.
    pub(crate) fn new(
        core: Arc<Core>,
        worker: WorkerNum,
        activation: ActivationId,
        generation: u64,
        last: Seq,
    ) -> Arc<Self> {
        Arc::new(Self { core, worker, activation, generation, last: AtomicU64::new(last.0) })
    }

    /// The ports for an instance of a worker of `project`.
    pub(crate) fn ports(self: &Arc<Self>, project: ProjectId) -> Ports {
        Ports {
            oplog: self.clone(),
            promises: self.clone(),
            calls: self.clone(),
            keyvalue: self.clone(),
            workers: self.clone(),
            blobstore: self.clone(),
            clock: self.core.clock.clone(),
            log: self.clone(),
            http: self.core.outbound.for_project(project),
            tasks: self.core.spawner.clone(),
        }
    }

    pub(super) fn lock(&self) -> Result<StateGuard<'_>, PortError> {
        let state = self.core.lock();
        self.check_generation(&state)?;
        Ok(state)
    }

    /// Returns an error if all in-memory state was discarded since the activation began.
    fn check_generation(&self, state: &State) -> Result<(), PortError> {
        if state.generation == self.generation { Ok(()) } else { Err(PortError::Discarded) }
    }

    /// The context of a host call. Encodes the buffered entries, so this is called without the lock.
    pub(super) fn host_call_context(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
    ) -> HostCallContext {
        let buffered = EncodedEntries::new(first, entries);
        HostCallContext { worker: self.worker, activation: self.activation, buffered, call }
    }

    pub(super) fn track_row(&self, outcome: &StepOutcome) {
        if let StepOutcome::Appended(seq)
        | StepOutcome::Promise(_, seq)
        | StepOutcome::CallRecorded(seq, _)
        | StepOutcome::SharedWritten(_, seq) = outcome
        {
            self.last.fetch_max(seq.0, Ordering::Relaxed);
        }
    }

    async fn change_promise(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
        operation: PromiseOperation,
    ) -> Result<PromiseCompletion, PortError> {
        let access = match operation {
            PromiseOperation::Complete(_) => PromiseAccess::Complete,
            PromiseOperation::Delete => PromiseAccess::Delete,
        };
        let context = self.host_call_context(first, entries, call);
        let changed = self.core.with_worker_if_exists(&promise.worker, |state, owner| {
            self.check_generation(state)?;
            // Without permission, the step gets no owner, so it records the answer for an unknown promise.
            let owner = owner.filter(|owner| {
                PromiseAccessRequest::between(state, self.worker, access, *owner)
                    .is_some_and(|access_request| self.core.authorizes_promise_access(access_request))
            });
            let event =
                LedgerEvent::Promise { owner, promise: promise.clone(), operation, context: Some(context) };
            self.core.step(state, event).map_err(step_port_error)
        });
        let outcome = changed.await.map_err(port_error)??;
        self.track_row(&outcome);
        match outcome {
            StepOutcome::Promise(completion, _) => Ok(completion),
            StepOutcome::Created(_)
            | StepOutcome::Activated(_)
            | StepOutcome::Appended(_)
            | StepOutcome::CallRecorded(..)
            | StepOutcome::SharedWritten(..) => Err(PortError::Discarded),
        }
    }
}

#[async_trait]
impl Oplog for ActivationAdapter {
    fn append(&self, first: OplogIndex, entries: Vec<Entry>) -> Result<(), PortError> {
        let entries = EncodedEntries::new(first, entries);
        let event = LedgerEvent::Append { worker: self.worker, activation: self.activation, entries };
        let mut state = self.lock()?;
        let outcome = self.core.step(&mut state, event).map_err(step_port_error)?;
        drop(state);
        self.track_row(&outcome);
        Ok(())
    }

    async fn commit(&self) -> Result<(), PortError> {
        let last = RowPosition::new(self.generation, Seq(self.last.load(Ordering::Relaxed)));
        self.core.wait_until_durable(last).await.map_err(port_error)
    }
}

impl LogSink for ActivationAdapter {
    fn emit(&self, events: Vec<PrintedEvent>) {
        // After a failed commit the code that printed them runs again.
        let Ok(mut state) = self.lock() else { return };
        // Otherwise a worker that was deleted in the middle of its invocation would get a new ring.
        if state.ledger.projection(self.worker).is_none() {
            return;
        }
        let row = Seq(self.last.load(Ordering::Relaxed));
        let durable = state.ledger.durable_seq();
        let (ring, is_first) = self.core.logs.add(self.worker, row, events);
        if durable >= row {
            ring.publish(durable);
        } else if is_first {
            Core::when_durable(&mut state, row, OnDurable::PublishOutput(ring, row));
        }
    }
}

/// Maximum number of workers on a page that a guest lists.
const GUEST_PAGE: usize = 50;

fn metadata(view: WorkerView) -> WorkerMetadata {
    WorkerMetadata {
        id: view.id,
        args: view.args,
        env: view.env,
        status: view.status,
        template_version: view.template_version,
        retry_count: view.retry_count,
    }
}

#[async_trait]
impl Workers for ActivationAdapter {
    async fn metadata(&self, id: &WorkerId) -> Result<Option<WorkerMetadata>, PortError> {
        let found = self.core.with_worker_if_exists(id, |state, worker| {
            self.check_generation(state)?;
            let own = state.ledger.projection(self.worker).ok_or(PortError::Discarded)?;
            let Some(worker) = worker else { return Ok(None) };
            let projection = state.ledger.projection(worker).ok_or(PortError::Discarded)?;
            let is_visible = projection.project == own.project;
            Ok(is_visible.then(|| metadata(listing::worker_view(state, worker, projection))))
        });
        found.await.map_err(port_error)?
    }

    async fn list(&self, query: &WorkerQuery) -> Result<WorkerPage, PortError> {
        let project = self.lock()?.ledger.projection(self.worker).map(|projection| projection.project);
        let Some(project) = project else { return Err(PortError::Discarded) };
        // A page of another project's template would be empty, but its cursor would be the name of a worker there.
        if self.core.templates.newest_version(query.template).is_none_or(|(owner, _)| owner != project) {
            return Ok(WorkerPage { workers: Vec::new(), next: None });
        }
        let range = WorkerRange {
            template: query.template,
            prefix: query.name_prefix.clone().unwrap_or_default(),
            after: query.after.as_ref().map(ToString::to_string).unwrap_or_default(),
            count: GUEST_PAGE,
        };
        let matches = |view: &WorkerView| {
            view.project == project
                && query.status.is_none_or(|status| view.status == status)
                && query.template_version.is_none_or(|version| view.template_version == version)
        };
        // Not durable yet, perhaps. The guest's next visible output is later in the log, and waits.
        let (page, _) = self.core.list(range, matches).await.map_err(port_error)?;
        Ok(WorkerPage {
            workers: page.workers.into_iter().map(metadata).collect(),
            next: page.next.and_then(|name| WorkerName::new(name).ok()),
        })
    }
}

#[async_trait]
impl Promises for ActivationAdapter {
    async fn get(&self, promise: &PromiseId) -> Result<PromiseState, PortError> {
        self.core.promise_state(self.worker, promise).await.map_err(port_error)
    }

    async fn complete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
        data: Vec<u8>,
    ) -> Result<PromiseCompletion, PortError> {
        let completion = EncodedEvent::promise_completed(self.core.clock.now(), promise.index, data);
        let operation = PromiseOperation::Complete(completion);
        self.change_promise(first, entries, call, promise, operation).await
    }

    async fn delete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
    ) -> Result<bool, PortError> {
        Ok(self.change_promise(first, entries, call, promise, PromiseOperation::Delete).await?
            != PromiseCompletion::Unknown)
    }

    async fn wait_any(&self, promises: &[PromiseId]) -> Result<(), PortError> {
        let watch = PromiseWatch::new(&self.core, promises);
        loop {
            let answered = self.answer_notify()?;
            let answer = answered.notified();
            tokio::pin!(answer);
            // The notification is enabled before anything is checked, so an answer that arrives in between wakes this
            // wait.
            answer.as_mut().enable();
            let (mut calls, mut others) = (false, false);
            for promise in promises {
                let call = self.is_call_pending(promise)?;
                let pending = match call {
                    Some(pending) => pending,
                    None => self.get(promise).await? == PromiseState::Pending,
                };
                if !pending {
                    return Ok(());
                }
                *if call.is_some() { &mut calls } else { &mut others } = true;
            }
            tokio::select! {
                biased;
                () = answer, if calls => {}
                // The caller checks which one it is.
                () = watch.settled(), if others => return Ok(()),
                else => return Ok(()),
            }
        }
    }

    async fn place_wanted(&self) {
        self.core.residents.wait_until_wanted().await;
    }
}

impl Core {
    /// Returns the current state of a promise for the worker `caller`, including queued rows that are not yet durable.
    /// A promise that the caller may not read is unknown.
    pub(crate) async fn promise_state(
        self: &Arc<Self>,
        caller: WorkerNum,
        promise: &PromiseId,
    ) -> Result<PromiseState, ExecutorError> {
        let found = self.with_worker_if_exists(&promise.worker, |state, owner| {
            let owner = owner?;
            let access_request = PromiseAccessRequest::between(state, caller, PromiseAccess::Read, owner)?;
            let slot = *state.ledger.projection(owner)?.promises.get(&promise.index.0)?;
            let is_readable = self.authorizes_promise_access(access_request);
            is_readable.then_some((access_request, owner, slot, state.last_position()))
        });
        match found.await? {
            None => Ok(PromiseState::Unknown),
            Some((_, _, PromiseSlot::Pending, _)) => Ok(PromiseState::Pending),
            Some((access_request, owner, PromiseSlot::Completed(row), last)) => {
                let data = self.read_promise_data(owner, last.with_seq(Seq(row))).await?;
                // The permission may have been revoked during the read. The caller records this answer next.
                let readable = self.authorizes_promise_access(access_request);
                Ok(if readable { PromiseState::Completed(data) } else { PromiseState::Unknown })
            }
        }
    }

    async fn read_promise_data(
        self: &Arc<Self>,
        owner: WorkerNum,
        row: RowPosition,
    ) -> Result<Arc<[u8]>, ExecutorError> {
        match self.read_durable_row(owner, row).await? {
            Row::InboxEvent(InboxEvent::PromiseCompleted { data, .. }) => Ok(data.into()),
            Row::InboxEvent(_) | Row::Entries { .. } => Err(ExecutorError::Damaged {
                details: format!("row {} of the log should complete a promise, and does not; restore the data folder from a backup", row.seq()).into(),
            }),
        }
    }
}

pub(super) fn step_port_error(error: StepError) -> PortError {
    match error {
        ledger::StepError::StaleActivation
        | ledger::StepError::UnknownWorker
        | ledger::StepError::WorkerExists(_)
        | ledger::StepError::NoEntries
        | ledger::StepError::CacheMiss => PortError::Discarded,
    }
}
