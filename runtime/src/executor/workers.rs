//! Creating, viewing and deleting workers.

use super::core::{Core, OnDurable, ResidentInstance, State};
use super::interrupt::interrupt_guest;
use super::invoke::internal;
use super::ledger::{EncodedEvent, LedgerEvent, NewWorker, PromiseOperation, StepError, StepOutcome};
use super::listing;
use super::locate::LocatedName;
use super::logs::LogSubscription;
use super::position::RowPosition;
use super::{Executor, ExecutorError, snapshot};
use crate::storage::ports::WorkerNum;
use golem_model::limits::PROMISE_DATA_BYTES_MAX;
use golem_model::oplog::InboxEvent;
use golem_model::promise::PromiseCompletion;
use golem_model::{
    AccountId, Entry, FailureOptions, ProjectId, PromiseId, Timestamp, WorkerId, WorkerStatus,
};
use std::sync::Arc;

/// The properties of a new worker.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSpec {
    /// Its id.
    pub id: WorkerId,
    /// The project of its template.
    pub project: ProjectId,
    /// The account that requested it.
    pub account: AccountId,
    /// The template version that it runs.
    pub template_version: u32,
    /// Arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees.
    pub env: Vec<(String, String)>,
    /// Its failure options.
    pub options: FailureOptions,
}

/// The properties of a worker that callers can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// Its id.
    pub id: WorkerId,
    /// The project of its template.
    pub project: ProjectId,
    /// The account that requested it.
    pub account: AccountId,
    /// Arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees.
    pub env: Vec<(String, String)>,
    /// Its status.
    pub status: WorkerStatus,
    /// The template version that it runs.
    pub template_version: u32,
    /// Failed attempts of the current invocation, including those that ended with the process.
    pub retry_count: u32,
    /// Time of its creation.
    pub created_at: Timestamp,
}

/// A worker that exists.
struct EnsuredWorker {
    /// The template version that it runs.
    version: u32,
    /// Whether this request created it.
    created: bool,
    /// Its last row.
    position: RowPosition,
}

impl Executor {
    /// Creates a worker. Durable on return.
    pub async fn create(&self, spec: WorkerSpec) -> Result<(), ExecutorError> {
        let worker = spec.id.clone();
        let ensured = self.create_if_missing(spec).await?;
        self.core.wait_until_durable(ensured.position).await?;
        if ensured.created { Ok(()) } else { Err(ExecutorError::WorkerExists { worker }) }
    }

    /// Creates the worker unless it exists, and returns the template version that it runs. The creation is durable at
    /// the latest with the next row that becomes durable.
    pub async fn ensure(&self, spec: WorkerSpec) -> Result<u32, ExecutorError> {
        self.create_if_missing(spec).await.map(|ensured| ensured.version)
    }

    async fn create_if_missing(&self, spec: WorkerSpec) -> Result<EnsuredWorker, ExecutorError> {
        let core = &self.core;
        let mut is_loadable = false;
        loop {
            let located = core.locate_name(&spec.id).await?;
            if matches!(located, LocatedName::Free(_)) && !is_loadable {
                // Loading takes time, so it is not begun for a request that is refused anyway.
                let (admitted, last) = {
                    let state = core.lock();
                    Core::check_available(&state)?;
                    (core.admit_new_worker(&state, spec.id.template), state.last_position())
                };
                if let Err(error) = admitted {
                    // It may count workers whose creation is not durable yet.
                    return Err(core.durable_error(last, error).await);
                }
                // Without this check, a worker of a damaged template would be created and could never run.
                core.component(spec.id.template, spec.template_version).await?;
                is_loadable = true;
            }
            let (created, last) = {
                let mut state = core.lock();
                Core::check_available(&state)?;
                (core.create_if_missing_locked(&mut state, &spec, &located), state.last_position())
            };
            match created {
                Ok(Some(ensured)) => return Ok(ensured),
                // It was created or deleted since it was looked up.
                Ok(None) => {}
                Err(error) => return Err(core.durable_error(last, error).await),
            }
        }
    }

    /// Returns the properties of a worker. What they show is durable on return.
    pub async fn view(&self, id: &WorkerId) -> Result<WorkerView, ExecutorError> {
        let (view, position) = self.read_worker(id, listing::worker_view).await?;
        self.core.wait_until_durable(position).await?;
        Ok(view)
    }

    /// Returns the template version that a worker runs, for an invocation that is prepared. Does not wait for a commit,
    /// because the answer to that invocation does.
    pub async fn version_for_invocation(&self, id: &WorkerId) -> Result<u32, ExecutorError> {
        let (version, _) = self.read_worker(id, |_, _, projection| projection.template_version).await?;
        Ok(version)
    }

    /// Returns the number of stored projections of a template, or of all templates. It lags behind the number of
    /// workers, which [`Executor::worker_count`] returns.
    pub async fn count(&self, template: Option<golem_model::TemplateId>) -> Result<u64, ExecutorError> {
        self.core.read_store(move |store| store.projection_count(template)).await
    }

    /// Completes a promise, unless it is completed already. Durable on return. Returns true if this call completed it.
    pub async fn complete_promise(&self, promise: &PromiseId, data: Vec<u8>) -> Result<bool, ExecutorError> {
        if data.len() > PROMISE_DATA_BYTES_MAX {
            return Err(ExecutorError::PromiseTooLarge { length: data.len(), limit: PROMISE_DATA_BYTES_MAX });
        }
        let core = &self.core;
        let completion = EncodedEvent::promise_completed(core.clock.now(), promise.index, data);
        let completed = self.with_worker(&promise.worker, |state, owner| {
            let event = LedgerEvent::Promise {
                owner: Some(owner),
                promise: promise.clone(),
                operation: PromiseOperation::Complete(completion),
                context: None,
            };
            match core.step(state, event) {
                Ok(StepOutcome::Promise(completion, seq)) => Ok((completion, state.row_position(seq))),
                Ok(_) => Err(internal(&StepError::UnknownWorker)),
                Err(error) => Err(internal(&error)),
            }
        });
        let (completion, position) = completed.await??;
        core.wait_until_durable(position).await?;
        match completion {
            PromiseCompletion::Completed => Ok(true),
            PromiseCompletion::AlreadyCompleted => Ok(false),
            PromiseCompletion::Unknown => Err(ExecutorError::PromiseNotFound { promise: promise.clone() }),
        }
    }

    /// Deletes a worker, whatever it is doing. Durable on return.
    pub async fn delete(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let deleted = self.with_worker(id, |state, worker| core.delete_locked(state, worker, id));
        let DeletedWorker { worker, position, idle_instance, images } = deleted.await??;
        drop(idle_instance);
        core.logs.remove(worker);
        snapshot::remove_images_when_durable(core, position, images);
        core.wait_until_durable(position).await
    }

    /// Subscribes to the output of a worker.
    pub async fn connect(&self, id: &WorkerId) -> Result<LogSubscription, ExecutorError> {
        let worker = self.find_worker(id).await?.worker;
        match self.view(id).await?.status {
            WorkerStatus::Interrupted => Err(ExecutorError::Interrupted { recover_immediately: false }),
            WorkerStatus::Failed => Err(ExecutorError::PreviousInvocationFailed),
            WorkerStatus::Exited => Err(ExecutorError::PreviousInvocationExited),
            WorkerStatus::Running | WorkerStatus::Idle | WorkerStatus::Suspended | WorkerStatus::Retrying => {
                Ok(self.core.logs.subscribe(worker))
            }
        }
    }
}

/// What is left to do without the lock after a worker was deleted.
struct DeletedWorker {
    worker: WorkerNum,
    /// The row that deletes it.
    position: RowPosition,
    idle_instance: Option<ResidentInstance>,
    /// The images of its snapshots.
    images: Vec<[u8; 32]>,
}

impl Core {
    /// Creates the worker unless it exists. `None` if `located` is not valid any more.
    fn create_if_missing_locked(
        self: &Arc<Self>,
        state: &mut State,
        spec: &WorkerSpec,
        located: &LocatedName,
    ) -> Result<Option<EnsuredWorker>, ExecutorError> {
        if let Some(worker) = state.ledger.worker_num(&spec.id) {
            let version = state
                .ledger
                .projection(worker)
                .map_or(spec.template_version, |projection| projection.template_version);
            let position = state.worker_position(worker);
            return Ok(Some(EnsuredWorker { version, created: false, position }));
        }
        let LocatedName::Free(free) = located else { return Ok(None) };
        if !free.is_read_valid(state) {
            return Ok(None);
        }
        self.admit_new_worker(state, spec.id.template)?;
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed);
        let entry = Entry::Created {
            at: self.clock.now(),
            id: spec.id.clone(),
            project: spec.project,
            account: spec.account,
            template_version: spec.template_version,
            args: spec.args.clone(),
            env: spec.env.clone(),
            seed,
        };
        let new = NewWorker { entry, options: spec.options, begins_after: free.begins_after };
        match self.step(state, LedgerEvent::CreateWorker(new)) {
            Ok(StepOutcome::Created(worker)) => {
                let (version, position) = (spec.template_version, state.worker_position(worker));
                Ok(Some(EnsuredWorker { version, created: true, position }))
            }
            Ok(_) | Err(StepError::WorkerExists(_)) => Ok(None),
            Err(error) => Err(internal(&error)),
        }
    }

    fn delete_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        id: &WorkerId,
    ) -> Result<DeletedWorker, ExecutorError> {
        let projection = state.ledger.projection(worker);
        let images =
            projection.map(|projection| projection.snapshot_state.image_hashes()).unwrap_or_default();
        interrupt_guest(state, worker);
        // The idle instance is dropped with the slot, so its key must leave the idle set first.
        let idle_instance = Self::take_idle(state, worker);
        let slot = state.slots.remove(&worker);
        state.answers.remove_worker(worker);
        self.forget_server_errors(state, worker);
        let event = InboxEvent::Deleted { at: self.clock.now() };
        match self.step(state, LedgerEvent::Inbox { worker, event }) {
            Ok(StepOutcome::Appended(seq)) => {
                let pending = slot.into_iter().flat_map(|slot| slot.current.into_iter().chain(slot.pending));
                let waiters: Vec<_> = pending.flat_map(|pending| pending.waiters).collect();
                let reply = Err(ExecutorError::WorkerNotFound { worker: id.clone() });
                Self::when_durable(state, seq, OnDurable::Deliver(waiters, reply));
                Ok(DeletedWorker { worker, position: state.row_position(seq), idle_instance, images })
            }
            Ok(_) => Err(internal(&StepError::UnknownWorker)),
            Err(error) => Err(internal(&error)),
        }
    }
}
