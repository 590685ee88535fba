//! Creating, viewing and deleting workers.

use super::core::{Core, LocatedName, LocatedWorker, OnDurable};
use super::interrupt::interrupt_guest;
use super::invoke::internal;
use super::ledger::{EncodedEvent, LedgerEvent, NewWorker, PromiseOperation, StepError, StepOutcome};
use super::listing;
use super::logs::LogSubscription;
use super::position::RowPosition;
use super::{Executor, ExecutorError, snapshot};
use golem_model::limits::PROMISE_DATA_BYTES_MAX;
use golem_model::oplog::InboxEvent;
use golem_model::promise::PromiseCompletion;
use golem_model::{
    AccountId, Entry, FailureOptions, ProjectId, PromiseId, Timestamp, WorkerId, WorkerStatus,
};

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
                {
                    let state = core.lock();
                    Core::check_available(&state)?;
                    core.admit_new_worker(&state, spec.id.template)?;
                }
                // Without this check, a worker of a damaged template would be created and could never run.
                core.component(spec.id.template, spec.template_version).await?;
                is_loadable = true;
            }
            let mut state = core.lock();
            Core::check_available(&state)?;
            if let Some(worker) = state.ledger.worker_num(&spec.id) {
                let version = state
                    .ledger
                    .projection(worker)
                    .map_or(spec.template_version, |projection| projection.template_version);
                let position = state.worker_position(worker);
                return Ok(EnsuredWorker { version, created: false, position });
            }
            let LocatedName::Free(free) = &located else { continue };
            if !free.is_read_valid(&state) {
                continue;
            }
            core.admit_new_worker(&state, spec.id.template)?;
            let mut seed = [0; 32];
            core.entropy.fill(&mut seed);
            let entry = Entry::Created {
                at: core.clock.now(),
                id: spec.id.clone(),
                project: spec.project,
                account: spec.account,
                template_version: spec.template_version,
                args: spec.args.clone(),
                env: spec.env.clone(),
                seed,
            };
            let new = NewWorker { entry, options: spec.options, begins_after: free.begins_after };
            match core.step(&mut state, LedgerEvent::CreateWorker(new)) {
                Ok(StepOutcome::Created(worker)) => {
                    let (version, position) = (spec.template_version, state.worker_position(worker));
                    return Ok(EnsuredWorker { version, created: true, position });
                }
                Ok(_) | Err(StepError::WorkerExists(_)) => {}
                Err(error) => return Err(internal(&error)),
            }
        }
    }

    /// Returns the properties of a worker. What they show is durable on return.
    pub async fn view(&self, id: &WorkerId) -> Result<WorkerView, ExecutorError> {
        let (view, position) = loop {
            let located = self.find_worker(id).await?;
            let worker = located.worker;
            let state = self.core.lock();
            let Some(projection) = state.ledger.projection(worker) else { continue };
            break (listing::worker_view(&state, worker, projection), state.worker_position(worker));
        };
        self.core.wait_until_durable(position).await?;
        Ok(view)
    }

    /// Returns the template version that a worker runs, for an invocation that is prepared. Does not wait for a commit,
    /// because the answer to that invocation does.
    pub async fn version_for_invocation(&self, id: &WorkerId) -> Result<u32, ExecutorError> {
        loop {
            let located = self.find_worker(id).await?;
            let worker = located.worker;
            let state = self.core.lock();
            let Some(projection) = state.ledger.projection(worker) else { continue };
            return Ok(projection.template_version);
        }
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
        let mut completion = Some(EncodedEvent::promise_completed(core.clock.now(), promise.index, data));
        let (completion, position) = loop {
            let located = self.find_worker(&promise.worker).await?;
            let owner = located.worker;
            let mut state = core.lock();
            Core::check_available(&state)?;
            if state.ledger.projection(owner).is_none() {
                continue;
            }
            let Some(completion) = completion.take() else { return Err(internal(&StepError::UnknownWorker)) };
            let operation = PromiseOperation::Complete(completion);
            let event = LedgerEvent::Promise {
                owner: Some(owner),
                promise: promise.clone(),
                operation,
                context: None,
            };
            match core.step(&mut state, event) {
                Ok(StepOutcome::Promise(completion, seq)) => break (completion, state.row_position(seq)),
                Ok(_) => return Err(internal(&StepError::UnknownWorker)),
                Err(error) => return Err(internal(&error)),
            }
        };
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
        let position = loop {
            let located = self.find_worker(id).await?;
            let worker = located.worker;
            let mut state = core.lock();
            Core::check_available(&state)?;
            let Some(blobs) =
                state.ledger.projection(worker).map(|projection| projection.snapshot_state.image_hashes())
            else {
                continue;
            };
            interrupt_guest(&state, worker);
            // The idle instance is dropped with the slot, so its key must leave the idle set first.
            let idle = Core::take_idle(&mut state, worker);
            let slot = state.slots.remove(&worker);
            core.forget_server_errors(&mut state, worker);
            let event = InboxEvent::Deleted { at: core.clock.now() };
            match core.step(&mut state, LedgerEvent::Inbox { worker, event }) {
                Ok(StepOutcome::Appended(seq)) => {
                    let pending =
                        slot.into_iter().flat_map(|slot| slot.current.into_iter().chain(slot.pending));
                    let waiters: Vec<_> = pending.flat_map(|pending| pending.waiters).collect();
                    let reply = Err(ExecutorError::WorkerNotFound { worker: id.clone() });
                    Core::when_durable(&mut state, seq, OnDurable::Deliver(waiters, reply));
                    let position = state.row_position(seq);
                    drop(state);
                    drop(idle);
                    core.logs.remove(worker);
                    snapshot::remove_images_when_durable(core, position, blobs);
                    break position;
                }
                Ok(_) => return Err(internal(&StepError::UnknownWorker)),
                Err(error) => return Err(internal(&error)),
            }
        };
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

    /// Finds a worker like [`Core::locate`]. If it was deleted, waits until that is durable before it returns the error.
    pub(super) async fn find_worker(&self, id: &WorkerId) -> Result<LocatedWorker, ExecutorError> {
        match self.core.locate_name(id).await? {
            LocatedName::Worker(located) => Ok(located),
            LocatedName::Free(free) => {
                if let Some(deleted_at) = free.deleted_at {
                    self.core.wait_until_durable(deleted_at).await?;
                }
                Err(ExecutorError::WorkerNotFound { worker: id.clone() })
            }
        }
    }
}
