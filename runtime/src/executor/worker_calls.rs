//! Calls between workers: from the host's port to the ledger, and from the ledger to queues and timers.
//!
//! The facts about the target that a call needs (whether it exists, what its version exports) are read before the lock
//! is taken, and checked again under the lock. The ledger then records the call and the inbox event at the target in
//! one step.

use super::ExecutorError;
use super::adapters::{ActivationAdapter, step_port_error};
use super::core::{Core, PendingInvocation, State};
use super::error::port_error;
use super::ledger::call_delivery::{CallContent, CallRequest, CallTarget, CancelRequest, QueuedCall};
use super::ledger::{LedgerEvent, NewWorker, StepOutcome};
use super::locate::LocatedName;
use super::position::RowPosition;
use super::projection::TerminalState;
use super::state::{TimerEvent, TimerId, TimerReason, WakeCondition};
use crate::storage::ports::{Seq, WorkerNum};
use async_trait::async_trait;
use golem_host::ports::{AnswerState, Calls, OutgoingCall, PortError};
use golem_model::call::CallError;
use golem_model::limits::INVOCATIONS_PENDING_MAX;
use golem_model::oplog::CallEvent;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{HostCall, InboxEvent};
use golem_model::template::Function;
use golem_model::{AccountId, Entry, Invocation, OplogIndex, ProjectId, PromiseId, WorkerId};
use std::sync::Arc;
use tokio::sync::Notify;

/// The facts about the caller that a call depends on.
struct Caller {
    project: ProjectId,
    account: AccountId,
}

impl ActivationAdapter {
    async fn send_call(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        mut outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError> {
        let core = &self.core;
        let caller = self.lock()?.ledger.projection(self.worker).map(|projection| projection.id.clone());
        let Some(caller) = caller else { return Err(PortError::Discarded) };
        let context = self.host_call_context(first, entries, call);
        let now = core.clock.now();
        let to_send = CallContent {
            function: outgoing.function.clone(),
            params: std::mem::take(&mut outgoing.params),
            reply: outgoing.reply,
            not_before: outgoing.not_before.filter(|at| *at > now),
        };
        let queued = QueuedCall::new(now, caller, &context, to_send);
        loop {
            let located = core.locate_name(&outgoing.target).await.map_err(port_error)?;
            let running = {
                let state = self.lock()?;
                located
                    .worker()
                    .and_then(|worker| state.ledger.projection(worker))
                    .map(|projection| (projection.project, projection.template_version))
            };
            // The version that the target runs, or would run if it were created now.
            let version = running.or_else(|| core.templates.newest_version(outgoing.target.template));
            let exported = version.and_then(|(_, version)| {
                core.templates.function(outgoing.target.template, version, &outgoing.function)
            });
            let mut state = self.lock()?;
            // The worker may have been created, deleted or updated since it was read: compare again.
            let current =
                state.ledger.worker_num(&outgoing.target).and_then(|worker| state.ledger.projection(worker));
            if current.map(|projection| (projection.project, projection.template_version)) != running {
                continue;
            }
            let Some(projection) = state.ledger.projection(self.worker) else {
                return Err(PortError::Discarded);
            };
            let caller = Caller { project: projection.project, account: projection.account };
            let refusal =
                call_refusal(&state, located.worker(), &outgoing, &caller, version, exported.as_deref());
            let target = match (refusal, &located, version) {
                (Some(error), ..) => CallTarget::Refused(error),
                (None, LocatedName::Worker(located), _) => CallTarget::Existing(located.worker),
                (None, LocatedName::Free(free), Some((project, version))) => {
                    if !free.is_read_valid(&state) {
                        continue;
                    }
                    match core.admit_new_worker(&state, outgoing.target.template) {
                        Ok(()) => {
                            let entry =
                                core.created_entry(&outgoing.target, project, caller.account, version);
                            let options = core.templates.failure_options(outgoing.target.template, version);
                            let begins_after = free.begins_after;
                            CallTarget::New(Box::new(NewWorker { entry, options, begins_after }))
                        }
                        Err(error) => CallTarget::Refused(CallError::Denied(error.to_string())),
                    }
                }
                (None, LocatedName::Free(_), None) => CallTarget::Refused(template_missing(&outgoing.target)),
            };
            let request = CallRequest { context, target, queued };
            let outcome =
                core.step(&mut state, LedgerEvent::Call(Box::new(request))).map_err(step_port_error)?;
            drop(state);
            return self.recorded_response(outcome);
        }
    }

    /// Returns the notification for answers from other workers.
    pub(super) fn answer_notify(&self) -> Result<Arc<Notify>, PortError> {
        let mut state = self.lock()?;
        if state.ledger.projection(self.worker).is_none() {
            return Err(PortError::Discarded);
        }
        Ok(Core::slot(&mut state, self.worker).answer_notify.clone())
    }

    /// If `promise` is a call of this worker, returns whether its answer is pending; otherwise `None`.
    pub(super) fn is_call_pending(&self, promise: &PromiseId) -> Result<Option<bool>, PortError> {
        let state = self.lock()?;
        let Some(projection) = state.ledger.projection(self.worker) else { return Err(PortError::Discarded) };
        let outstanding =
            (promise.worker == projection.id).then(|| projection.calls.outstanding(promise.index)).flatten();
        Ok(outstanding.map(|outstanding| outstanding.answer_row.is_none()))
    }

    fn recorded_response(&self, outcome: StepOutcome) -> Result<Vec<u8>, PortError> {
        self.track_row(&outcome);
        match outcome {
            StepOutcome::CallRecorded(_, response) => Ok(response),
            _ => Err(PortError::Discarded),
        }
    }
}

/// Returns the reason for refusing the call, if there is one.
fn call_refusal(
    state: &State,
    located: Option<WorkerNum>,
    outgoing: &OutgoingCall,
    caller: &Caller,
    version: Option<(ProjectId, u32)>,
    exported: Option<&Function>,
) -> Option<CallError> {
    let target = &outgoing.target;
    let Some((project, version)) = version else { return Some(template_missing(target)) };
    if project != caller.project {
        return Some(CallError::Denied(format!(
            "worker {target} belongs to another project; only workers of the same project can be called"
        )));
    }
    if let Some(details) = signature_mismatch(outgoing, exported) {
        return Some(CallError::Incompatible(format!(
            "worker {target} runs version {version} of its template, which {details}"
        )));
    }
    let projection = located.and_then(|worker| state.ledger.projection(worker))?;
    match projection.terminal {
        Some(TerminalState::Failed) => {
            return Some(CallError::RemoteFailed(ExecutorError::PreviousInvocationFailed.to_string()));
        }
        Some(TerminalState::Exited) => {
            return Some(CallError::RemoteFailed(ExecutorError::PreviousInvocationExited.to_string()));
        }
        None => {}
    }
    let in_memory = located.and_then(|worker| state.slots.get(&worker)).map_or(0, |slot| slot.pending.len());
    let waiting = in_memory.max(projection.queue.len()) + projection.calls.delayed_count();
    (waiting >= INVOCATIONS_PENDING_MAX).then(|| {
        CallError::Busy(format!("{INVOCATIONS_PENDING_MAX} invocations wait for worker {target} already"))
    })
}

fn template_missing(target: &WorkerId) -> CallError {
    CallError::NotFound(format!("there is no template {} any more", target.template))
}

/// Describes how the exported function differs from the one that the caller was built for, if it does.
fn signature_mismatch(outgoing: &OutgoingCall, exported: Option<&Function>) -> Option<String> {
    let Some(exported) = exported else { return Some(format!("exports no function {}", outgoing.function)) };
    let types = |params: &[golem_model::template::Param]| {
        params.iter().map(|param| param.ty.clone()).collect::<Vec<_>>()
    };
    if types(&exported.params) != types(&outgoing.param_types) {
        return Some(format!(
            "exports {} with other parameters than the caller was built for",
            outgoing.function
        ));
    }
    (!outgoing.returns.accepts(exported.result.as_ref()))
        .then(|| format!("exports {} with another result than the caller was built for", outgoing.function))
}

#[async_trait]
impl Calls for ActivationAdapter {
    async fn make(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError> {
        self.send_call(first, entries, call, outgoing).await
    }

    async fn answer(&self, call: OplogIndex) -> Result<AnswerState, PortError> {
        let answered = {
            let state = self.lock()?;
            let Some(projection) = state.ledger.projection(self.worker) else {
                return Err(PortError::Discarded);
            };
            if projection.calls.outstanding(call).is_some()
                && let Some(answer) = state.answers.get(self.worker, call.0)
            {
                return Ok(AnswerState::Answered(answer));
            }
            projection.calls.outstanding(call).map(|outstanding| outstanding.answer_row)
        };
        match answered {
            None => Ok(AnswerState::Unknown),
            Some(None) => Ok(AnswerState::Pending),
            Some(Some(row)) => {
                let row = RowPosition::new(self.generation, Seq(row));
                self.core.read_answer(self.worker, row).await.map(AnswerState::Answered).map_err(port_error)
            }
        }
    }

    async fn cancel(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        number: OplogIndex,
    ) -> Result<Vec<u8>, PortError> {
        let context = self.host_call_context(first, entries, call);
        let mut state = self.lock()?;
        let begun = state.has_call_begun(self.worker, number);
        let request = CancelRequest { context, call: number, begun };
        let outcome = self
            .core
            .step(&mut state, LedgerEvent::CancelCall(Box::new(request)))
            .map_err(step_port_error)?;
        drop(state);
        self.recorded_response(outcome)
    }
}

impl State {
    /// Whether the target runs this call already, or its task has taken it from the queue.
    fn has_call_begun(&mut self, caller: WorkerNum, call: OplogIndex) -> bool {
        let Some(outstanding) =
            self.ledger.projection(caller).and_then(|projection| projection.calls.outstanding(call)).cloned()
        else {
            return false;
        };
        let slot = self.ledger.worker_num(&outstanding.target).and_then(|worker| self.slots.get(&worker));
        slot.and_then(|slot| slot.current.as_ref())
            .is_some_and(|run| run.accepted_row == Some(Seq(outstanding.call_row)))
    }
}

impl Core {
    /// Builds the entry that creates a worker.
    pub(crate) fn created_entry(
        &self,
        id: &WorkerId,
        project: ProjectId,
        account: AccountId,
        template_version: u32,
    ) -> Entry {
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed);
        Entry::Created {
            at: self.clock.now(),
            id: id.clone(),
            project,
            account,
            template_version,
            args: Vec::new(),
            env: Vec::new(),
            seed,
        }
    }

    /// Reads the answer in a row.
    async fn read_answer(
        self: &Arc<Self>,
        worker: WorkerNum,
        row: RowPosition,
    ) -> Result<Arc<[u8]>, ExecutorError> {
        match self.read_durable_row(worker, row).await? {
            Row::InboxEvent(InboxEvent::Call(CallEvent::Answered { answer, .. })) => Ok(answer.into()),
            Row::InboxEvent(_) | Row::Entries { .. } => Err(ExecutorError::Damaged {
                details: format!("row {} of the log should answer a call, and does not; restore the data folder from a backup", row.seq()).into(),
            }),
        }
    }

    /// A call joined the worker's queue. Its slot may have it already, if the slot was created from the projection's
    /// queue.
    pub(crate) fn enqueue_call(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        row: Seq,
        invocation: Option<Arc<Invocation>>,
    ) {
        let queue = state.ledger.projection(worker).map(|projection| &projection.queue);
        let key = queue.and_then(|queue| queue.iter().find(|(queued, _)| *queued == row.0));
        let Some(key) = key.map(|(_, key)| key.0.clone()) else { return };
        let pending = &mut Self::slot(state, worker).pending;
        match pending.iter_mut().find(|pending| pending.accepted_row == Some(row)) {
            Some(pending) => pending.invocation = invocation,
            None => pending
                .push_back(PendingInvocation { invocation, ..PendingInvocation::from_log(key, Some(row)) }),
        }
        self.spawn_if_idle(state, worker);
    }

    /// Stores an answer for the caller in memory, unless it is too large, and notifies the caller.
    pub(crate) fn deliver_answer(
        state: &mut State,
        worker: WorkerNum,
        call: OplogIndex,
        answer: Option<Arc<[u8]>>,
    ) {
        let Some(projection) = state.ledger.projection(worker) else { return };
        let Some(slot) = state.slots.get(&worker) else { return };
        let is_outstanding = |call| projection.calls.outstanding(OplogIndex(call)).is_some();
        if let Some(answer) = answer {
            state.answers.insert(worker, call.0, answer, is_outstanding);
        }
        slot.answer_notify.notify_waiters();
    }

    /// A call left the worker's queue.
    pub(crate) fn dequeue_call(state: &mut State, worker: WorkerNum, row: Seq) {
        if let Some(slot) = state.slots.get_mut(&worker) {
            slot.pending.retain(|pending| pending.accepted_row != Some(row));
            Self::remove_slot_if_empty(state, worker);
        }
    }

    /// A worker's timer elapsed: delayed calls may join its queue, and the worker itself may have to continue.
    pub(crate) fn handle_timer(self: &Arc<Self>, state: &mut State, timer: TimerId) {
        let TimerId { worker, reason } = timer;
        let now = self.clock.now();
        let Some(projection) = state.ledger.projection(worker) else {
            if !state.ledger.is_removed(worker) {
                // When its projection is in memory, its timer is set again and comes back here.
                self.wake_later(state, worker, WakeCondition::IfReady);
            }
            return;
        };
        if reason == TimerReason::ServerError {
            self.wake(state, worker);
            return;
        }
        if projection.calls.first_due().is_some_and(|at| at <= now)
            && let Err(error) = self.step(state, LedgerEvent::CallsDue { worker })
        {
            tracing::error!(worker = %worker, %error, "cannot queue the delayed calls that are due");
        }
        let Some(projection) = state.ledger.projection(worker) else { return };
        let (resumes_at, due_at) = (projection.resumes_at(), projection.timer_due_at());
        if resumes_at.is_some_and(|at| at <= now) {
            self.wake(state, worker);
        } else if let Some(at) = due_at.filter(|at| *at > now) {
            // The timer fired too early, or for a delayed call. The worker itself still waits.
            self.change_timer(state, TimerEvent::SetIfNone(timer, at));
        }
    }
}
