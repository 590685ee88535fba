//! Admitting invocations: keys, queues, replies.

use super::core::{Core, PendingInvocation, Reply, State, WorkerSlot};
use super::ledger::{KeyRecord, LedgerEvent, StepError};
use super::projection::{TerminalState, WorkerProjection};
use super::settings::IdempotencyLookup;
use super::{Executor, ExecutorError, ExecutorMetrics, event_loop, history};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::limits::INVOCATIONS_PENDING_MAX;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{AdminRequest, InboxEvent};
use golem_model::{Entry, IdempotencyKey, Invocation, WorkerId};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is known of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// No invocation has it.
    Unknown,
    /// Its invocation waits or runs.
    Pending,
    /// Its invocation has ended; asking again returns the outcome.
    Done,
}

/// What admission came to.
enum AdmissionAttempt {
    /// The invocation waits in memory; the reply comes here.
    Waiting(oneshot::Receiver<Reply>),
    /// It is durable once this row is.
    Accepted(Seq),
    /// The key's invocation exists.
    Known(KeyRecord),
    /// The store must be asked for the key first.
    AskStore,
    /// The worker was forgotten or removed since it was located.
    Retry,
}

/// Whether the caller waits for the outcome or for the acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyMode {
    Await,
    Enqueue,
}

impl Executor {
    /// Runs an invocation and returns what its function returned, durably.
    ///
    /// The same key joins the invocation that runs, or returns the outcome that is recorded. A caller who goes away
    /// changes nothing: the invocation goes on, and the key fetches its outcome.
    pub async fn invoke(
        &self,
        id: &WorkerId,
        invocation: Invocation,
    ) -> Result<Option<golem_model::Value>, ExecutorError> {
        match self.admit(id, invocation, ReplyMode::Await).await? {
            AdmissionResult::Waiting(reply) => reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)),
            AdmissionResult::Outcome(outcome) => self.core.recorded(outcome).await,
            AdmissionResult::Accepted(_) => Ok(None),
        }
    }

    /// Accepts an invocation to run later. Durable on return.
    pub async fn enqueue(&self, id: &WorkerId, invocation: Invocation) -> Result<(), ExecutorError> {
        match self.admit(id, invocation, ReplyMode::Enqueue).await? {
            AdmissionResult::Accepted(seq) | AdmissionResult::Outcome(seq) => self.core.durable(seq).await,
            // Joined one that runs: the caller is told when that is safe, which is when it has ended.
            AdmissionResult::Waiting(reply) => {
                reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)).map(drop)
            }
        }
    }

    /// What is known of a key.
    pub async fn outcome(&self, id: &WorkerId, key: &IdempotencyKey) -> Result<KeyState, ExecutorError> {
        let Some(no) = self.core.locate(id).await? else { return Ok(KeyState::Unknown) };
        let known = {
            let state = self.core.lock();
            let pending = state.slots.get(&no).is_some_and(|slot| {
                slot.current.iter().chain(&slot.pending).any(|pending| pending.key == key.as_str())
            });
            if pending {
                Some(KeyState::Pending)
            } else {
                known_here(&state, no, key).map(|record| state_of(&record))
            }
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let hash = key.index_hash();
        let row = self.core.read(move |store| store.idem(no, hash)).await?;
        Ok(if row.is_some() { KeyState::Done } else { KeyState::Unknown })
    }

    async fn admit(
        &self,
        id: &WorkerId,
        invocation: Invocation,
        mode: ReplyMode,
    ) -> Result<AdmissionResult, ExecutorError> {
        let core = &self.core;
        // Set once the store was asked in vain for the key, to what had been forgotten before that.
        let mut asked: Option<u64> = None;
        loop {
            let no =
                core.locate(id).await?.ok_or_else(|| ExecutorError::WorkerNotFound { worker: id.clone() })?;
            let (admission, forgotten) = {
                let mut state = core.lock();
                Core::check_up(&state)?;
                let forgotten = state.ledger.forgotten();
                let asked = asked.is_some_and(|before| before == forgotten);
                (core.admit_locked(&mut state, no, id, &invocation, mode, asked)?, forgotten)
            };
            let record = match admission {
                AdmissionAttempt::Waiting(reply) => return Ok(AdmissionResult::Waiting(reply)),
                AdmissionAttempt::Accepted(seq) => return Ok(AdmissionResult::Accepted(seq)),
                AdmissionAttempt::Retry => continue,
                AdmissionAttempt::Known(record) => record,
                AdmissionAttempt::AskStore => {
                    let hash = invocation.key.index_hash();
                    match core.read(move |store| store.idem(no, hash)).await? {
                        None => {
                            asked = Some(forgotten);
                            continue;
                        }
                        Some(row) => {
                            KeyRecord { started: row.started, outcome: Some(row.outcome), invocation: None }
                        }
                    }
                }
            };
            core.check_same(&record, &invocation).await?;
            ExecutorMetrics::add(&core.metrics.invocations_repeated, 1);
            match (record.outcome, mode) {
                (Some(outcome), _) => return Ok(AdmissionResult::Outcome(outcome)),
                (None, ReplyMode::Enqueue) => return Ok(AdmissionResult::Accepted(record.started)),
                (None, ReplyMode::Await) => {
                    if let Some(reply) = core.join(no, &invocation.key) {
                        return Ok(AdmissionResult::Waiting(reply));
                    }
                    // It ended in between: its record says so now.
                }
            }
        }
    }
}

/// An admitted invocation, or a repeated one.
enum AdmissionResult {
    Waiting(oneshot::Receiver<Reply>),
    Accepted(Seq),
    Outcome(Seq),
}

impl Core {
    fn admit_locked(
        self: &Arc<Self>,
        state: &mut State,
        no: WorkerNum,
        id: &WorkerId,
        invocation: &Invocation,
        mode: ReplyMode,
        asked: bool,
    ) -> Result<AdmissionAttempt, ExecutorError> {
        if state.ledger.head(no).is_none() {
            return Ok(AdmissionAttempt::Retry);
        }
        let named = !invocation.key.is_anonymous() && self.idempotency == IdempotencyLookup::Enforced;
        if named {
            if let Some(admission) = self.find_pending(state, no, invocation, mode)? {
                return Ok(admission);
            }
            if let Some(record) = known_here(state, no, &invocation.key) {
                return Ok(AdmissionAttempt::Known(record));
            }
            if !asked && state.ledger.has_stored_keys(no) {
                return Ok(AdmissionAttempt::AskStore);
            }
        }
        let head =
            state.ledger.head(no).ok_or_else(|| ExecutorError::WorkerNotFound { worker: id.clone() })?;
        usable(head)?;
        if let Some(slot) = state.slots.get(&no) {
            event_loop::admit(head, slot, invocation)?;
        } else {
            event_loop::admit(head, &WorkerSlot::default(), invocation)?;
        }
        let resume = head.interrupted;
        let slot = Self::slot(state, no);
        if slot.pending.len() >= INVOCATIONS_PENDING_MAX {
            return Err(ExecutorError::QueueFull { worker: id.clone(), limit: INVOCATIONS_PENDING_MAX });
        }
        if resume {
            // The next invocation lets a stopped worker go on: first with the one it was stopped in.
            let arrival = InboxEvent::Resumed { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker: no, arrival }).map_err(|error| lost(&error))?;
        }
        let mut pending = PendingInvocation {
            invocation: Some(invocation.clone()),
            key: invocation.key.as_str().to_owned(),
            arrival: None,
            waiters: Vec::new(),
        };
        let admission = match mode {
            ReplyMode::Await => {
                let (tell, reply) = oneshot::channel();
                pending.waiters.push(tell);
                AdmissionAttempt::Waiting(reply)
            }
            ReplyMode::Enqueue => {
                let arrival = invocation.to_inbox_event(self.clock.now());
                // Makes sure that the slot exists before the arrival would make it appear in a new one's queue.
                Self::slot(state, no);
                match self
                    .step(state, LedgerEvent::Inbox { worker: no, arrival })
                    .map_err(|error| lost(&error))?
                {
                    super::ledger::StepOutcome::Appended(seq) => {
                        pending.arrival = Some(seq);
                        AdmissionAttempt::Accepted(seq)
                    }
                    _ => return Ok(AdmissionAttempt::Retry),
                }
            }
        };
        Self::slot(state, no).pending.push_back(pending);
        self.kick(state, no);
        Ok(admission)
    }

    /// Joins an invocation of the same key that has not ended, if it is in memory.
    fn find_pending(
        &self,
        state: &mut State,
        no: WorkerNum,
        invocation: &Invocation,
        mode: ReplyMode,
    ) -> Result<Option<AdmissionAttempt>, ExecutorError> {
        let stopped = state.ledger.head(no).is_some_and(|head| {
            head.interrupted && head.current.as_ref().is_some_and(|current| current.key.is(&invocation.key))
        });
        let Some(slot) = state.slots.get_mut(&no) else { return Ok(None) };
        let same = |pending: &&mut PendingInvocation| pending.key == invocation.key.as_str();
        let Some(pending) = slot.current.iter_mut().chain(&mut slot.pending).find(same) else {
            return Ok(None);
        };
        // One of which only the arrival is known is compared by reading that: the ledger says where it is.
        let Some(first) = &pending.invocation else { return Ok(None) };
        let same = first.convention == invocation.convention
            && first.function == invocation.function
            && first.params == invocation.params;
        if !same {
            // NaN is not equal to itself: compare what would be recorded.
            if first.digest() != invocation.digest() {
                return Err(reused(invocation, first.function.clone()));
            }
        }
        if mode == ReplyMode::Enqueue
            && let Some(arrival) = pending.arrival
        {
            return Ok(Some(AdmissionAttempt::Accepted(arrival)));
        }
        if stopped {
            return Err(ExecutorError::Interrupted { recover_immediately: false });
        }
        ExecutorMetrics::add(&self.metrics.invocations_repeated, 1);
        let (tell, reply) = oneshot::channel();
        pending.waiters.push(tell);
        Ok(Some(AdmissionAttempt::Waiting(reply)))
    }

    /// Joins the invocation of a key that has begun, if it has not ended by now.
    fn join(self: &Arc<Self>, no: WorkerNum, key: &IdempotencyKey) -> Option<oneshot::Receiver<Reply>> {
        let mut state = self.lock();
        let head = state.ledger.head(no)?;
        if head.end.is_some() {
            // Accepted before the worker failed or exited: it will never begin.
            let (tell, reply) = oneshot::channel();
            drop(tell.send(usable(head).map(|()| None)));
            return Some(reply);
        }
        let begun = head.current.as_ref().is_some_and(|current| current.key.is(key));
        let interrupted = head.interrupted;
        let slot = Self::slot(&mut state, no);
        if begun && slot.current.is_none() {
            // Begun before a restart: nobody waits for it here yet.
            slot.current = Some(PendingInvocation {
                invocation: None,
                key: key.as_str().to_owned(),
                arrival: None,
                waiters: Vec::new(),
            });
        }
        let pending =
            slot.current.iter_mut().chain(&mut slot.pending).find(|pending| pending.key == key.as_str())?;
        let (tell, reply) = oneshot::channel();
        if interrupted && begun {
            drop(tell.send(Err(ExecutorError::Interrupted { recover_immediately: false })));
        } else {
            pending.waiters.push(tell);
        }
        Some(reply)
    }

    /// Fails unless the key's invocation is the one that is asked for.
    async fn check_same(&self, record: &KeyRecord, invocation: &Invocation) -> Result<(), ExecutorError> {
        let (function, digest) = if let Some(known) = &record.invocation {
            known.clone()
        } else {
            let started = record.started;
            self.durable(started).await?;
            let row = self.read(move |store| history::row(store, started)).await?;
            begun_in(&row, &invocation.key).ok_or_else(|| ExecutorError::Unavailable {
                reason: format!("log row {started} should hold an invocation, and does not").into(),
            })?
        };
        if digest == invocation.digest() { Ok(()) } else { Err(reused(invocation, function)) }
    }

    /// The outcome in a row.
    async fn recorded(&self, outcome: Seq) -> Reply {
        self.durable(outcome).await?;
        let row = self.read(move |store| history::row(store, outcome)).await?;
        if let Row::InboxEvent(InboxEvent::Admin(AdminRequest::InvocationCancelled { at: _, key })) = row {
            return Err(ExecutorError::InvocationCancelled { key });
        }
        if let Row::Entries { entries, .. } = row {
            for entry in entries {
                match entry {
                    Entry::InvocationCompleted { result, .. } => return Ok(result),
                    Entry::InvocationFailed { cause, .. } => {
                        return Err(ExecutorError::InvocationFailed { cause });
                    }
                    Entry::Created { .. }
                    | Entry::Activated { .. }
                    | Entry::InvocationStarted { .. }
                    | Entry::HostCall { .. }
                    | Entry::AttemptFailed { .. }
                    | Entry::ProgramEnded { .. }
                    | Entry::Parked(_)
                    | Entry::Configured { .. }
                    | Entry::Revert { .. }
                    | Entry::LifecycleEvent(_) => {}
                }
            }
        }
        Err(ExecutorError::Unavailable {
            reason: format!("log row {outcome} should hold an outcome, and does not").into(),
        })
    }
}

/// What the ledger and the head know of a key.
pub(super) fn known_here(state: &State, no: WorkerNum, key: &IdempotencyKey) -> Option<KeyRecord> {
    if let Some(record) = state.ledger.key(no, key) {
        return Some(record.clone());
    }
    let head = state.ledger.head(no)?;
    let begun = head.current.as_ref().filter(|current| current.key.is(key)).map(|current| current.started);
    let queued = || head.queue.iter().find(|(_, queued)| queued.is(key)).map(|(seq, _)| *seq);
    begun.or_else(queued).map(|started| KeyRecord { started: Seq(started), outcome: None, invocation: None })
}

fn state_of(record: &KeyRecord) -> KeyState {
    if record.outcome.is_some() { KeyState::Done } else { KeyState::Pending }
}

/// The function and digest of the invocation that a row holds.
fn begun_in(row: &Row, key: &IdempotencyKey) -> Option<(Arc<str>, [u8; 32])> {
    match row {
        Row::InboxEvent(arrival) => arrival.digest(),
        Row::Entries { entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::InvocationStarted { key: found, source, .. } if found == key => source.digest(),
            _ => None,
        }),
    }
}

/// Whether the worker takes invocations.
pub(super) fn usable(head: &WorkerProjection) -> Result<(), ExecutorError> {
    match head.end {
        Some(TerminalState::Failed) => Err(ExecutorError::PreviousInvocationFailed),
        Some(TerminalState::Exited) => Err(ExecutorError::PreviousInvocationExited),
        // One that goes back when it fails will be there for the next invocation: that waits.
        None if head.retry_at.is_some() && !head.interrupted && !head.rolls_back() => {
            Err(ExecutorError::PreviousInvocationFailed)
        }
        None => Ok(()),
    }
}

fn reused(invocation: &Invocation, first: Arc<str>) -> ExecutorError {
    ExecutorError::KeyReused { key: invocation.key.clone(), first, requested: invocation.function.clone() }
}

/// The ledger refused what was checked under the same lock: cannot happen, and must not be silent.
pub(crate) fn lost(refused: &StepError) -> ExecutorError {
    ExecutorError::Unavailable { reason: format!("the ledger refused an event: {refused}").into() }
}
