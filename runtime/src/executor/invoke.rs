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
        match self.admit_invocation(id, invocation, ReplyMode::Await).await? {
            AdmissionResult::Waiting(reply) => reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)),
            AdmissionResult::Outcome(outcome) => self.core.recorded_reply(outcome).await,
            AdmissionResult::Accepted(_) => Ok(None),
        }
    }

    /// Accepts an invocation to run later. Durable on return.
    pub async fn enqueue(&self, id: &WorkerId, invocation: Invocation) -> Result<(), ExecutorError> {
        match self.admit_invocation(id, invocation, ReplyMode::Enqueue).await? {
            AdmissionResult::Accepted(seq) | AdmissionResult::Outcome(seq) => {
                self.core.wait_durable(seq).await
            }
            // Joined one that runs: the caller is told when that is safe, which is when it has ended.
            AdmissionResult::Waiting(reply) => {
                reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)).map(drop)
            }
        }
    }

    /// What is known of a key.
    pub async fn outcome(&self, id: &WorkerId, key: &IdempotencyKey) -> Result<KeyState, ExecutorError> {
        let Some(worker) = self.core.locate(id).await? else { return Ok(KeyState::Unknown) };
        let known = {
            let state = self.core.lock();
            let pending = state.slots.get(&worker).is_some_and(|slot| {
                slot.current.iter().chain(&slot.pending).any(|pending| pending.key == key.as_str())
            });
            if pending {
                Some(KeyState::Pending)
            } else {
                cached_key_record(&state, worker, key).map(|record| key_state(&record))
            }
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let hash = key.index_hash();
        let row = self.core.read_store(move |store| store.idem(worker, hash)).await?;
        Ok(if row.is_some() { KeyState::Done } else { KeyState::Unknown })
    }

    async fn admit_invocation(
        &self,
        id: &WorkerId,
        invocation: Invocation,
        mode: ReplyMode,
    ) -> Result<AdmissionResult, ExecutorError> {
        let core = &self.core;
        // Set once the store was asked in vain for the key, to what had been forgotten before that.
        let mut asked: Option<u64> = None;
        loop {
            let worker =
                core.locate(id).await?.ok_or_else(|| ExecutorError::WorkerNotFound { worker: id.clone() })?;
            let (admission, evictions) = {
                let mut state = core.lock();
                Core::check_available(&state)?;
                let evictions = state.ledger.evictions();
                let asked = asked.is_some_and(|before| before == evictions);
                (core.admit_invocation_locked(&mut state, worker, id, &invocation, mode, asked)?, evictions)
            };
            let record = match admission {
                AdmissionAttempt::Waiting(reply) => return Ok(AdmissionResult::Waiting(reply)),
                AdmissionAttempt::Accepted(seq) => return Ok(AdmissionResult::Accepted(seq)),
                AdmissionAttempt::Retry => continue,
                AdmissionAttempt::Known(record) => record,
                AdmissionAttempt::AskStore => {
                    let hash = invocation.key.index_hash();
                    match core.read_store(move |store| store.idem(worker, hash)).await? {
                        None => {
                            asked = Some(evictions);
                            continue;
                        }
                        Some(row) => {
                            KeyRecord { started: row.started, outcome: Some(row.outcome), invocation: None }
                        }
                    }
                }
            };
            core.check_same_invocation(&record, &invocation).await?;
            ExecutorMetrics::add(&core.metrics.invocations_repeated, 1);
            match (record.outcome, mode) {
                (Some(outcome), _) => return Ok(AdmissionResult::Outcome(outcome)),
                (None, ReplyMode::Enqueue) => return Ok(AdmissionResult::Accepted(record.started)),
                (None, ReplyMode::Await) => {
                    if let Some(reply) = core.join_by_key(worker, &invocation.key) {
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
    fn admit_invocation_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        id: &WorkerId,
        invocation: &Invocation,
        mode: ReplyMode,
        asked: bool,
    ) -> Result<AdmissionAttempt, ExecutorError> {
        if state.ledger.projection(worker).is_none() {
            return Ok(AdmissionAttempt::Retry);
        }
        let named = !invocation.key.is_anonymous() && self.idempotency == IdempotencyLookup::Enforced;
        if named {
            if let Some(admission) = self.join_pending(state, worker, invocation, mode)? {
                return Ok(admission);
            }
            if let Some(record) = cached_key_record(state, worker, &invocation.key) {
                return Ok(AdmissionAttempt::Known(record));
            }
            if !asked && state.ledger.has_stored_keys(worker) {
                return Ok(AdmissionAttempt::AskStore);
            }
        }
        let projection = state
            .ledger
            .projection(worker)
            .ok_or_else(|| ExecutorError::WorkerNotFound { worker: id.clone() })?;
        check_usable(projection)?;
        if let Some(slot) = state.slots.get(&worker) {
            event_loop::check_accepts(projection, slot, invocation)?;
        } else {
            event_loop::check_accepts(projection, &WorkerSlot::default(), invocation)?;
        }
        let resume = projection.interrupted;
        let slot = Self::slot(state, worker);
        if slot.pending.len() >= INVOCATIONS_PENDING_MAX {
            return Err(ExecutorError::QueueFull { worker: id.clone(), limit: INVOCATIONS_PENDING_MAX });
        }
        if resume {
            // The next invocation lets a stopped worker go on: first with the one it was stopped in.
            let event = InboxEvent::Resumed { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker, event }).map_err(|error| internal(&error))?;
        }
        let mut pending = PendingInvocation {
            invocation: Some(invocation.clone()),
            key: invocation.key.as_str().to_owned(),
            accepted_row: None,
            waiters: Vec::new(),
        };
        let admission = match mode {
            ReplyMode::Await => {
                let (tx, reply) = oneshot::channel();
                pending.waiters.push(tx);
                AdmissionAttempt::Waiting(reply)
            }
            ReplyMode::Enqueue => {
                let event = invocation.to_inbox_event(self.clock.now());
                // Makes sure that the slot exists before the arrival would make it appear in a new one's queue.
                Self::slot(state, worker);
                match self
                    .step(state, LedgerEvent::Inbox { worker, event })
                    .map_err(|error| internal(&error))?
                {
                    super::ledger::StepOutcome::Appended(seq) => {
                        pending.accepted_row = Some(seq);
                        AdmissionAttempt::Accepted(seq)
                    }
                    _ => return Ok(AdmissionAttempt::Retry),
                }
            }
        };
        Self::slot(state, worker).pending.push_back(pending);
        self.spawn_if_idle(state, worker);
        Ok(admission)
    }

    /// Joins an invocation of the same key that has not ended, if it is in memory.
    fn join_pending(
        &self,
        state: &mut State,
        worker: WorkerNum,
        invocation: &Invocation,
        mode: ReplyMode,
    ) -> Result<Option<AdmissionAttempt>, ExecutorError> {
        let stopped = state.ledger.projection(worker).is_some_and(|projection| {
            projection.interrupted
                && projection.current.as_ref().is_some_and(|current| current.key.is(&invocation.key))
        });
        let Some(slot) = state.slots.get_mut(&worker) else { return Ok(None) };
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
                return Err(key_reused(invocation, first.function.clone()));
            }
        }
        if mode == ReplyMode::Enqueue
            && let Some(accepted_row) = pending.accepted_row
        {
            return Ok(Some(AdmissionAttempt::Accepted(accepted_row)));
        }
        if stopped {
            return Err(ExecutorError::Interrupted { recover_immediately: false });
        }
        ExecutorMetrics::add(&self.metrics.invocations_repeated, 1);
        let (tx, reply) = oneshot::channel();
        pending.waiters.push(tx);
        Ok(Some(AdmissionAttempt::Waiting(reply)))
    }

    /// Joins the invocation of a key that has begun, if it has not ended by now.
    fn join_by_key(
        self: &Arc<Self>,
        worker: WorkerNum,
        key: &IdempotencyKey,
    ) -> Option<oneshot::Receiver<Reply>> {
        let mut state = self.lock();
        let projection = state.ledger.projection(worker)?;
        if projection.terminal.is_some() {
            // Accepted before the worker failed or exited: it will never begin.
            let (tx, reply) = oneshot::channel();
            drop(tx.send(check_usable(projection).map(|()| None)));
            return Some(reply);
        }
        let begun = projection.current.as_ref().is_some_and(|current| current.key.is(key));
        let interrupted = projection.interrupted;
        let slot = Self::slot(&mut state, worker);
        if begun && slot.current.is_none() {
            // Begun before a restart: nobody waits for it here yet.
            slot.current = Some(PendingInvocation {
                invocation: None,
                key: key.as_str().to_owned(),
                accepted_row: None,
                waiters: Vec::new(),
            });
        }
        let pending =
            slot.current.iter_mut().chain(&mut slot.pending).find(|pending| pending.key == key.as_str())?;
        let (tx, reply) = oneshot::channel();
        if interrupted && begun {
            drop(tx.send(Err(ExecutorError::Interrupted { recover_immediately: false })));
        } else {
            pending.waiters.push(tx);
        }
        Some(reply)
    }

    /// Fails unless the key's invocation is the one that is asked for.
    async fn check_same_invocation(
        &self,
        record: &KeyRecord,
        invocation: &Invocation,
    ) -> Result<(), ExecutorError> {
        let (function, digest) = if let Some(known) = &record.invocation {
            known.clone()
        } else {
            let started = record.started;
            self.wait_durable(started).await?;
            let row = self.read_store(move |store| history::row(store, started)).await?;
            find_recorded_invocation(&row, &invocation.key).ok_or_else(|| ExecutorError::Unavailable {
                reason: format!("log row {started} should hold an invocation, and does not").into(),
            })?
        };
        if digest == invocation.digest() { Ok(()) } else { Err(key_reused(invocation, function)) }
    }

    /// The outcome in a row.
    async fn recorded_reply(&self, outcome: Seq) -> Reply {
        self.wait_durable(outcome).await?;
        let row = self.read_store(move |store| history::row(store, outcome)).await?;
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
pub(super) fn cached_key_record(state: &State, worker: WorkerNum, key: &IdempotencyKey) -> Option<KeyRecord> {
    if let Some(record) = state.ledger.key_record(worker, key) {
        return Some(record.clone());
    }
    let projection = state.ledger.projection(worker)?;
    let begun =
        projection.current.as_ref().filter(|current| current.key.is(key)).map(|current| current.started);
    let queued = || projection.queue.iter().find(|(_, queued)| queued.is(key)).map(|(seq, _)| *seq);
    begun.or_else(queued).map(|started| KeyRecord { started: Seq(started), outcome: None, invocation: None })
}

fn key_state(record: &KeyRecord) -> KeyState {
    if record.outcome.is_some() { KeyState::Done } else { KeyState::Pending }
}

/// The function and digest of the invocation that a row holds.
fn find_recorded_invocation(row: &Row, key: &IdempotencyKey) -> Option<(Arc<str>, [u8; 32])> {
    match row {
        Row::InboxEvent(event) => event.digest(),
        Row::Entries { entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::InvocationStarted { key: found, source, .. } if found == key => source.digest(),
            _ => None,
        }),
    }
}

/// Whether the worker takes invocations.
pub(super) fn check_usable(projection: &WorkerProjection) -> Result<(), ExecutorError> {
    match projection.terminal {
        Some(TerminalState::Failed) => Err(ExecutorError::PreviousInvocationFailed),
        Some(TerminalState::Exited) => Err(ExecutorError::PreviousInvocationExited),
        // One that goes back when it fails will be there for the next invocation: that waits.
        None if projection.retry_at.is_some() && !projection.interrupted && !projection.rolls_back() => {
            Err(ExecutorError::PreviousInvocationFailed)
        }
        None => Ok(()),
    }
}

fn key_reused(invocation: &Invocation, first: Arc<str>) -> ExecutorError {
    ExecutorError::KeyReused { key: invocation.key.clone(), first, requested: invocation.function.clone() }
}

/// The ledger refused what was checked under the same lock: cannot happen, and must not be silent.
pub(crate) fn internal(error: &StepError) -> ExecutorError {
    ExecutorError::Unavailable { reason: format!("the ledger refused an event: {refused}").into() }
}
