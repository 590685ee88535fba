//! Calls between workers: from the host's port to the ledger, and from there to queues and timers.
//!
//! What a call needs to know of the other worker (does it exist, what does its version export) is looked up before the
//! lock is taken and looked at again under it; the ledger then makes the call and its arrival one step.

use super::ExecutorError;
use super::adapters::{ActivationPort, port_error, refused};
use super::core::{Core, PendingInvocation, State};
use super::history;
use super::ledger::call_delivery::{CallRequest, CallTarget, CancelRequest};
use super::ledger::{HostCallContext, LedgerEvent, StepOutcome};
use super::projection::TerminalState;
use crate::storage::ports::{Seq, WorkerNum};
use async_trait::async_trait;
use golem_host::ports::{AnswerState, Calls, OutgoingCall, PortError};
use golem_model::call::CallError;
use golem_model::limits::INVOCATIONS_PENDING_MAX;
use golem_model::oplog::calls::CallEvent;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{Call, InboxEvent};
use golem_model::template::Function;
use golem_model::{AccountId, Entry, Invocation, OplogIndex, ProjectId, PromiseId, WorkerId};
use std::sync::Arc;
use tokio::sync::Notify;

/// Bytes of an answer that is kept in memory for a caller that is there; a longer one is read from the store.
const ANSWER_KEPT_BYTES_MAX: usize = 64 << 10;
/// Answers kept for one caller; further ones are read from the store.
const ANSWERS_KEPT_MAX: usize = 100;

/// The caller, as far as a call depends on it.
struct Caller {
    project: ProjectId,
    account: AccountId,
}

impl ActivationPort {
    async fn make_call(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        out: OutgoingCall,
    ) -> Result<Vec<u8>, PortError> {
        let core = &self.core;
        let by = HostCallContext { worker: self.worker, activation: self.activation, first, entries, call };
        loop {
            let located = core.locate(&out.target).await.map_err(port_error)?;
            let running = {
                let state = self.lock()?;
                located.and_then(|no| state.ledger.head(no)).map(|head| (head.project, head.template_version))
            };
            // The version that the worker runs, or would run.
            let version = running.or_else(|| core.components.newest(out.target.template));
            let exported = version.and_then(|(_, version)| {
                core.components.function(out.target.template, version, &out.function)
            });
            let mut state = self.lock()?;
            // The head may have been forgotten, or made, since: look again.
            let again = state.ledger.no_of(&out.target).and_then(|no| state.ledger.head(no));
            if again.map(|head| (head.project, head.template_version)) != running {
                continue;
            }
            let Some(head) = state.ledger.head(self.worker) else { return Err(PortError::Discarded) };
            let caller = Caller { project: head.project, account: head.account };
            let refusal = refusal(&state, located, &out, &caller, version, exported.as_deref());
            let target = match (refusal, located, version) {
                (Some(error), _, _) => CallTarget::Refused(error),
                (None, Some(no), _) => CallTarget::Existing(no),
                (None, None, Some((project, version))) => match core.admit(&state, out.target.template) {
                    Ok(()) => {
                        let options = core.components.failure_options(out.target.template, version);
                        CallTarget::New(core.newborn(&out.target, project, caller.account, version), options)
                    }
                    Err(error) => CallTarget::Refused(CallError::Denied(error.to_string())),
                },
                (None, None, None) => CallTarget::Refused(gone(&out.target)),
            };
            let made = CallRequest {
                by,
                target,
                function: out.function,
                params: out.params,
                reply: out.reply,
                not_before: out.not_before.filter(|at| *at > core.clock.now()),
            };
            let answer = core.step(&mut state, LedgerEvent::Call(Box::new(made))).map_err(refused)?;
            drop(state);
            return self.called(answer);
        }
    }

    /// Tells when another worker has answered.
    pub(super) fn answered_notify(&self) -> Result<Arc<Notify>, PortError> {
        let mut state = self.lock()?;
        if state.ledger.head(self.worker).is_none() {
            return Err(PortError::Discarded);
        }
        Ok(Core::slot(&mut state, self.worker).answered.clone())
    }

    /// Whether this is a call of the worker's own, and if so, whether its answer is still to come.
    pub(super) fn call_pending(&self, promise: &PromiseId) -> Result<Option<bool>, PortError> {
        let state = self.lock()?;
        let Some(head) = state.ledger.head(self.worker) else { return Err(PortError::Discarded) };
        let made = (promise.worker == head.id).then(|| head.calls.made(promise.index)).flatten();
        Ok(made.map(|made| made.answered.is_none()))
    }

    fn called(&self, answer: StepOutcome) -> Result<Vec<u8>, PortError> {
        self.note(&answer);
        match answer {
            StepOutcome::CallRecorded(_, response) => Ok(response),
            _ => Err(PortError::Discarded),
        }
    }
}

/// Why the call cannot be taken in, if it cannot.
fn refusal(
    state: &State,
    located: Option<WorkerNum>,
    out: &OutgoingCall,
    caller: &Caller,
    version: Option<(ProjectId, u32)>,
    exported: Option<&Function>,
) -> Option<CallError> {
    let target = &out.target;
    let Some((project, version)) = version else { return Some(gone(target)) };
    if project != caller.project {
        return Some(CallError::Denied(format!(
            "worker {target} belongs to another project; only workers of the same project can be called"
        )));
    }
    if let Some(details) = misfit(out, exported) {
        return Some(CallError::Incompatible(format!(
            "worker {target} runs version {version} of its template, which {details}"
        )));
    }
    let head = located.and_then(|no| state.ledger.head(no))?;
    match head.end {
        Some(TerminalState::Failed) => {
            return Some(CallError::RemoteFailed(ExecutorError::PreviousInvocationFailed.to_string()));
        }
        Some(TerminalState::Exited) => {
            return Some(CallError::RemoteFailed(ExecutorError::PreviousInvocationExited.to_string()));
        }
        None => {}
    }
    let in_memory = located.and_then(|no| state.slots.get(&no)).map_or(0, |slot| slot.pending.len());
    let waiting = in_memory.max(head.queue.len()) + head.calls.delayed();
    (waiting >= INVOCATIONS_PENDING_MAX).then(|| {
        CallError::Busy(format!("{INVOCATIONS_PENDING_MAX} invocations wait for worker {target} already"))
    })
}

fn gone(target: &WorkerId) -> CallError {
    CallError::NotFound(format!("there is no template {} any more", target.template))
}

/// How the function that is exported differs from what the caller was built for.
fn misfit(out: &OutgoingCall, exported: Option<&Function>) -> Option<String> {
    let Some(exported) = exported else { return Some(format!("exports no function {}", out.function)) };
    let types = |params: &[golem_model::template::Param]| {
        params.iter().map(|param| param.ty.clone()).collect::<Vec<_>>()
    };
    if types(&exported.params) != types(&out.param_types) {
        return Some(format!("exports {} with other parameters than the caller was built for", out.function));
    }
    (!out.returns.is(exported.result.as_ref()))
        .then(|| format!("exports {} with another result than the caller was built for", out.function))
}

#[async_trait]
impl Calls for ActivationPort {
    async fn make(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError> {
        self.make_call(first, entries, call, outgoing).await
    }

    async fn answer(&self, call: OplogIndex) -> Result<AnswerState, PortError> {
        let answered = {
            let state = self.lock()?;
            let Some(head) = state.ledger.head(self.worker) else { return Err(PortError::Discarded) };
            if head.calls.made(call).is_some()
                && let Some(answer) = state.slots.get(&self.worker).and_then(|slot| slot.answers.get(&call.0))
            {
                return Ok(AnswerState::Answered(answer.clone()));
            }
            head.calls.made(call).map(|made| made.answered)
        };
        match answered {
            None => Ok(AnswerState::Unknown),
            Some(None) => Ok(AnswerState::Pending),
            Some(Some(row)) => {
                self.core.answer_bytes(Seq(row)).await.map(AnswerState::Answered).map_err(port_error)
            }
        }
    }

    async fn cancel(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        number: OplogIndex,
    ) -> Result<Vec<u8>, PortError> {
        let by = HostCallContext { worker: self.worker, activation: self.activation, first, entries, call };
        let mut state = self.lock()?;
        let begun = state.begun(self.worker, number);
        let cancelled = CancelRequest { by, call: number, begun };
        let answer =
            self.core.step(&mut state, LedgerEvent::CancelCall(Box::new(cancelled))).map_err(refused)?;
        drop(state);
        self.called(answer)
    }
}

impl State {
    /// Whether the worker that is called runs this call already, or is about to.
    fn begun(&mut self, caller: WorkerNum, call: OplogIndex) -> bool {
        let Some(made) = self.ledger.head(caller).and_then(|head| head.calls.made(call)).cloned() else {
            return false;
        };
        let slot = self.ledger.no_of(&made.target).and_then(|no| self.slots.get(&no));
        slot.and_then(|slot| slot.current.as_ref()).is_some_and(|run| run.arrival == Some(Seq(made.call_row)))
    }
}

impl Core {
    /// What makes a worker.
    pub(crate) fn newborn(
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

    /// The bytes of the answer in a row.
    async fn answer_bytes(self: &Arc<Self>, row: Seq) -> Result<Arc<[u8]>, ExecutorError> {
        // The store can only be asked for what it has.
        self.durable(row).await?;
        match self.read(move |store| history::row(store, row)).await? {
            Row::InboxEvent(InboxEvent::Call(CallEvent::Answered { answer, .. })) => Ok(answer.into()),
            Row::InboxEvent(_) | Row::Entries { .. } => Err(ExecutorError::Unavailable {
                reason: format!("log row {row} should answer a call, and does not").into(),
            }),
        }
    }

    /// A call joined the worker's queue: it is to run. The slot may know it already, from the log.
    pub(crate) fn queued(
        self: &Arc<Self>,
        state: &mut State,
        no: WorkerNum,
        row: Seq,
        invocation: Option<Invocation>,
    ) {
        let queue = state.ledger.head(no).map(|head| &head.queue);
        let key = queue.and_then(|queue| queue.iter().find(|(queued, _)| *queued == row.0));
        let Some(key) = key.map(|(_, key)| key.0.clone()) else { return };
        let pending = &mut Self::slot(state, no).pending;
        match pending.iter_mut().find(|pending| pending.arrival == Some(row)) {
            Some(pending) => pending.invocation = invocation,
            None => pending.push_back(PendingInvocation {
                invocation,
                key,
                arrival: Some(row),
                waiters: Vec::new(),
            }),
        }
        self.kick(state, no);
    }

    /// An answer has come: whoever waits for it in memory is told, and finds it there.
    pub(crate) fn answered(state: &mut State, no: WorkerNum, call: OplogIndex, answer: Arc<[u8]>) {
        let Some(head) = state.ledger.head(no) else { return };
        let Some(slot) = state.slots.get_mut(&no) else { return };
        slot.answers.retain(|call, _| head.calls.made(OplogIndex(*call)).is_some());
        if answer.len() <= ANSWER_KEPT_BYTES_MAX && slot.answers.len() < ANSWERS_KEPT_MAX {
            slot.answers.insert(call.0, answer);
        }
        slot.answered.notify_waiters();
    }

    /// A call left the worker's queue.
    pub(crate) fn withdrawn(state: &mut State, no: WorkerNum, row: Seq) {
        if let Some(slot) = state.slots.get_mut(&no) {
            slot.pending.retain(|pending| pending.arrival != Some(row));
            Self::tidy_slot(state, no);
        }
    }

    /// A worker's timer fired: calls that were made for later may join its queue, and it may have to go on itself.
    pub(crate) fn timer_fired(self: &Arc<Self>, state: &mut State, no: WorkerNum) {
        let now = self.clock.now();
        let due =
            state.ledger.head(no).is_some_and(|head| head.calls.first_due().is_some_and(|at| at <= now));
        if due {
            if let Err(error) = self.step(state, LedgerEvent::CallsDue { worker: no }) {
                tracing::error!(worker = %no, %error, "cannot let calls join the queue");
            }
            let waits = state
                .ledger
                .head(no)
                .is_some_and(|head| head.waiting.is_some() && head.goes_on_at().is_none_or(|at| at > now));
            if waits {
                return;
            }
        }
        self.wake(state, no);
    }
}
