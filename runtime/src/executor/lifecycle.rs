//! Making, looking at, stopping and removing workers.

use super::core::{Core, PendingInvocation};
use super::invoke::lost;
use super::ledger::{LedgerEvent, PromiseOperation, StepError, StepOutcome};
use super::listing;
use super::logs::LogSubscription;
use super::{Executor, ExecutorError, committer, snapshot};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::limits::PROMISE_DATA_BYTES_MAX;
use golem_model::oplog::{InboxEvent, InvocationSource};
use golem_model::promise::Completion;
use golem_model::{
    AccountId, Entry, FailureOptions, ProjectId, PromiseId, Timestamp, WorkerId, WorkerStatus,
};

/// What a new worker is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSpec {
    /// Its id.
    pub id: WorkerId,
    /// The project of its template.
    pub project: ProjectId,
    /// Who asked for it.
    pub account: AccountId,
    /// The template version that it runs.
    pub template_version: u32,
    /// Arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees.
    pub env: Vec<(String, String)>,
    /// What was chosen for its failures.
    pub options: FailureOptions,
}

/// What callers can know of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// Its id.
    pub id: WorkerId,
    /// The project of its template.
    pub project: ProjectId,
    /// Who asked for it.
    pub account: AccountId,
    /// Arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees.
    pub env: Vec<(String, String)>,
    /// What it is doing.
    pub status: WorkerStatus,
    /// The template version that it runs.
    pub template_version: u32,
    /// Failed attempts of the current invocation.
    pub retry_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Executor {
    /// Makes a worker. Durable on return.
    pub async fn create(&self, spec: WorkerSpec) -> Result<(), ExecutorError> {
        let worker = spec.id.clone();
        match self.make(spec).await? {
            (_, Some(seq)) => self.core.durable(seq).await,
            (_, None) => Err(ExecutorError::WorkerExists { worker }),
        }
    }

    /// Makes the worker unless it exists, and says which template version it runs. Durable with whatever follows.
    pub async fn ensure(&self, spec: WorkerSpec) -> Result<u32, ExecutorError> {
        self.make(spec).await.map(|(version, _)| version)
    }

    /// The template version, and the row of the creation if the worker was made now.
    async fn make(&self, spec: WorkerSpec) -> Result<(u32, Option<Seq>), ExecutorError> {
        let core = &self.core;
        loop {
            let located = core.locate(&spec.id).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            if let Some(no) = state.ledger.no_of(&spec.id) {
                let version =
                    state.ledger.head(no).map_or(spec.template_version, |head| head.template_version);
                return Ok((version, None));
            }
            if located.is_some() {
                continue;
            }
            core.admit(&state, spec.id.template)?;
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
            let options = spec.options;
            match core.step(&mut state, LedgerEvent::CreateWorker { entry, options }) {
                Ok(StepOutcome::Created(no)) => {
                    let row = state.ledger.head(no).map(|head| Seq(head.last_row));
                    return Ok((spec.template_version, row));
                }
                Ok(_) | Err(StepError::Exists(_)) => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// What is known of a worker.
    pub async fn view(&self, id: &WorkerId) -> Result<WorkerView, ExecutorError> {
        loop {
            let no = self.find(id).await?;
            let state = self.core.lock();
            let Some(head) = state.ledger.head(no) else { continue };
            return Ok(listing::view(&state, no, head));
        }
    }

    /// How many workers a template has, or all templates together.
    pub async fn count(&self, template: Option<golem_model::TemplateId>) -> Result<u64, ExecutorError> {
        self.core.read(move |store| store.head_count(template)).await
    }

    /// Completes a promise unless it is already. Durable on return; true if this call did it.
    pub async fn complete_promise(&self, promise: &PromiseId, data: Vec<u8>) -> Result<bool, ExecutorError> {
        if data.len() > PROMISE_DATA_BYTES_MAX {
            return Err(ExecutorError::PromiseTooLarge { length: data.len(), limit: PROMISE_DATA_BYTES_MAX });
        }
        let core = &self.core;
        let mut data = Some(data);
        let (completion, seq) = loop {
            let owner = self.find(&promise.worker).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            if state.ledger.head(owner).is_none() {
                continue;
            }
            let act = PromiseOperation::Complete(data.take().unwrap_or_default());
            let event = LedgerEvent::Promise { owner: Some(owner), promise: promise.clone(), act, by: None };
            match core.step(&mut state, event) {
                Ok(StepOutcome::Promise(completion, seq)) => break (completion, seq),
                Ok(_) => return Err(lost(&StepError::Unknown)),
                Err(error) => return Err(lost(&error)),
            }
        };
        core.promises_changed.send_modify(|version| *version += 1);
        core.durable(seq).await?;
        match completion {
            Completion::Completed => Ok(true),
            Completion::AlreadyCompleted => Ok(false),
            Completion::Unknown => Err(ExecutorError::PromiseNotFound { promise: promise.clone() }),
        }
    }

    /// Stops a worker in the middle of its invocation; with `recover_immediately`, as a crash would: it goes on at once.
    pub async fn interrupt(&self, id: &WorkerId, recover_immediately: bool) -> Result<(), ExecutorError> {
        let core = &self.core;
        let seq = loop {
            let no = self.find(id).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            let Some(head) = state.ledger.head(no) else { continue };
            let slot = state.slots.get(&no);
            let running = slot.is_some_and(|slot| slot.task && slot.current.is_some());
            let busy = head.end.is_none() && !head.interrupted && (head.current.is_some() || running);
            if !busy {
                return Ok(());
            }
            if recover_immediately {
                if running {
                    // What the instance did and has not handed over is lost, as in a crash; the task loads it again.
                    core.step(&mut state, LedgerEvent::Activate { worker: no })
                        .map_err(|error| lost(&error))?;
                    stop_guest(&state, no);
                }
                return Ok(());
            }
            self.write_begun(&mut state, no);
            let arrival = InboxEvent::Interrupted { at: core.clock.now() };
            let answer = core.step(&mut state, LedgerEvent::Inbox { worker: no, arrival });
            stop_guest(&state, no);
            core.logs.ended(no);
            let waiters = state
                .slots
                .get_mut(&no)
                .and_then(|slot| slot.current.as_mut())
                .map(|current| std::mem::take(&mut current.waiters))
                .unwrap_or_default();
            let seq = match answer {
                Ok(StepOutcome::Appended(seq)) => seq,
                Ok(_) => Seq(0),
                Err(error) => return Err(lost(&error)),
            };
            let reply = Err(ExecutorError::Interrupted { recover_immediately: false });
            Core::when_durable(&mut state, seq, super::core::OnDurable::Deliver(waiters, reply));
            break seq;
        };
        core.durable(seq).await
    }

    /// An invocation that runs and of which nothing is in the log yet must be there before the worker is stopped,
    /// so that it is the one with which the worker goes on.
    fn write_begun(&self, state: &mut super::core::State, no: WorkerNum) {
        let core = &self.core;
        let Some(head) = state.ledger.head(no).filter(|head| head.current.is_none()) else { return };
        let first = head.oplog_end.next();
        let Some(PendingInvocation { invocation: Some(invocation), arrival, .. }) =
            state.slots.get(&no).and_then(|slot| slot.current.as_ref())
        else {
            return;
        };
        let source = match arrival {
            Some(seq) => InvocationSource::Queued { arrival: seq.0 },
            None => invocation.source(),
        };
        let entry = Entry::InvocationStarted { at: core.clock.now(), key: invocation.key.clone(), source };
        let Ok(StepOutcome::Activated(activation)) = core.step(state, LedgerEvent::Activate { worker: no })
        else {
            return;
        };
        let event = LedgerEvent::Append { worker: no, activation, first, entries: vec![entry] };
        if let Err(error) = core.step(state, event) {
            tracing::error!(%error, worker = %no, "cannot record an invocation that is being stopped");
        }
    }

    /// Lets a stopped worker go on.
    pub async fn resume(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let seq = loop {
            let no = self.find(id).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            let Some(head) = state.ledger.head(no) else { continue };
            if head.end.is_some() || head.current.is_none() && head.queue.is_empty() && !head.interrupted {
                return Ok(());
            }
            let mut seq = Seq(0);
            if head.interrupted {
                let arrival = InboxEvent::Resumed { at: core.clock.now() };
                match core.step(&mut state, LedgerEvent::Inbox { worker: no, arrival }) {
                    Ok(StepOutcome::Appended(at)) => seq = at,
                    Ok(_) => {}
                    Err(error) => return Err(lost(&error)),
                }
            }
            core.wake(&mut state, no);
            break seq;
        };
        core.durable(seq).await
    }

    /// Removes a worker, whatever it is doing. Durable on return.
    pub async fn delete(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        let core = &self.core;
        let (seq, slot) = loop {
            let no = self.find(id).await?;
            let mut state = core.lock();
            Core::check_up(&state)?;
            let Some(blobs) = state.ledger.head(no).map(|head| head.life.blobs()) else { continue };
            stop_guest(&state, no);
            // The idle instance, if any, leaves with the slot; its place among the idle must go first.
            let idle = Core::take_idle(&mut state, no);
            let slot = state.slots.remove(&no);
            let arrival = InboxEvent::Deleted { at: core.clock.now() };
            match core.step(&mut state, LedgerEvent::Inbox { worker: no, arrival }) {
                Ok(StepOutcome::Appended(seq)) => {
                    drop(state);
                    drop(idle);
                    core.logs.remove(no);
                    snapshot::remove_when_durable(core, seq, blobs);
                    break (seq, slot);
                }
                Ok(_) => return Err(lost(&StepError::Unknown)),
                Err(error) => return Err(lost(&error)),
            }
        };
        core.promises_changed.send_modify(|version| *version += 1);
        let done = core.durable(seq).await;
        if let Some(slot) = slot {
            for pending in slot.current.into_iter().chain(slot.pending) {
                let error = ExecutorError::WorkerNotFound { worker: id.clone() };
                committer::deliver(pending.waiters, Err(error));
            }
        }
        done
    }

    /// Listens to what a worker prints.
    pub async fn connect(&self, id: &WorkerId) -> Result<LogSubscription, ExecutorError> {
        let no = self.find(id).await?;
        match self.view(id).await?.status {
            WorkerStatus::Interrupted => Err(ExecutorError::Interrupted { recover_immediately: false }),
            WorkerStatus::Failed => Err(ExecutorError::PreviousInvocationFailed),
            WorkerStatus::Exited => Err(ExecutorError::PreviousInvocationExited),
            WorkerStatus::Running | WorkerStatus::Idle | WorkerStatus::Suspended | WorkerStatus::Retrying => {
                Ok(self.core.logs.subscribe(no))
            }
        }
    }

    pub(super) async fn find(&self, id: &WorkerId) -> Result<WorkerNum, ExecutorError> {
        let found = self.core.locate(id).await?;
        found.ok_or_else(|| ExecutorError::WorkerNotFound { worker: id.clone() })
    }
}

pub(crate) fn stop_guest(state: &super::core::State, no: WorkerNum) {
    if let Some(control) = state.slots.get(&no).and_then(|slot| slot.control.as_ref()) {
        control.interrupt();
    }
}
