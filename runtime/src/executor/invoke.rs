//! Admitting invocations: keys, queues, replies.

use super::core::{Core, OnDurable, PendingInvocation, Reply, State, WorkerSlot};
use super::ledger::{EncodedEvent, KeyRecord, LedgerEvent, StepError};
use super::locate::LocatedWorker;
use super::position::RowPosition;
use super::projection::{TerminalState, WorkerProjection};
use super::settings::Deduplication;
use super::state::acceptance_deadline;
use super::{Executor, ExecutorError, ExecutorMetrics, event_loop};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::limits::INVOCATIONS_PENDING_MAX;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{AdminRequest, InboxEvent};
use golem_model::{Entry, IdempotencyKey, Invocation, WorkerId};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The state of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// No invocation has this key.
    Unknown,
    /// Its invocation is queued or running.
    Pending,
    /// Its invocation has ended. Asking again returns the outcome.
    Done,
}

/// The outcome of one admission attempt under the lock.
enum AdmissionAttempt {
    /// The invocation is queued in memory; its reply is sent to this receiver.
    Waiting(oneshot::Receiver<Reply>),
    /// The invocation is accepted; it is durable once this row is.
    Accepted(Seq),
    /// An invocation with this key exists.
    Known(KeyRecord),
    /// The store must be asked for the key before the next attempt.
    AskStore,
}

/// Whether the caller waits for the outcome or only for the acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyMode {
    Await,
    Enqueue,
}

impl Executor {
    /// Runs an invocation and returns the result of its function, which is durable then.
    ///
    /// A repeated key joins the running invocation, or returns the recorded outcome. If the caller disconnects, the
    /// invocation continues, and a request with the same key fetches its outcome.
    pub async fn invoke(
        &self,
        id: &WorkerId,
        invocation: Invocation,
    ) -> Result<Option<golem_model::Value>, ExecutorError> {
        match self.admit_invocation(id, invocation, ReplyMode::Await).await? {
            AdmissionResult::Waiting(reply) => reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)),
            AdmissionResult::Outcome(worker, outcome) => self.core.recorded_reply(worker, outcome).await,
            AdmissionResult::Accepted(_) => Ok(None),
        }
    }

    /// Accepts an invocation to run later. Durable on return.
    pub async fn enqueue(&self, id: &WorkerId, invocation: Invocation) -> Result<(), ExecutorError> {
        match self.admit_invocation(id, invocation, ReplyMode::Enqueue).await? {
            AdmissionResult::Accepted(position) | AdmissionResult::Outcome(_, position) => {
                self.core.wait_until_durable(position).await
            }
            // The key joined an invocation without a row of acceptance. It is durable when its outcome is, so the
            // caller waits for the outcome.
            AdmissionResult::Waiting(reply) => {
                reply.await.unwrap_or(Err(ExecutorError::ShuttingDown)).map(drop)
            }
        }
    }

    /// Returns the state of a key. The row that it rests on is durable on return; an invocation whose caller still waits may
    /// have none.
    pub async fn key_state(&self, id: &WorkerId, key: &IdempotencyKey) -> Result<KeyState, ExecutorError> {
        let located = match self.find_worker(id).await {
            Ok(located) => located,
            Err(ExecutorError::WorkerNotFound { .. }) => return Ok(KeyState::Unknown),
            Err(error) => return Err(error),
        };
        let worker = located.worker;
        let known = {
            let state = self.core.lock();
            // While the store recovers, a pending invocation is in neither place.
            Core::check_available(&state)?;
            let record = state.ledger.key_record(worker, key);
            let pending = state.slots.get(&worker).and_then(|slot| {
                slot.current.iter().chain(&slot.pending).find(|pending| pending.key == key.as_str())
            });
            match (record, pending) {
                (Some(KeyRecord { outcome: Some(outcome), .. }), None) => {
                    Some((KeyState::Done, Some(state.row_position(*outcome))))
                }
                (Some(record), _) => Some((KeyState::Pending, Some(state.row_position(record.started)))),
                // Its caller still waits, and the log has nothing of it.
                (None, Some(pending)) => {
                    Some((KeyState::Pending, pending.accepted_row.map(|row| state.row_position(row))))
                }
                (None, None) => None,
            }
        };
        if let Some((key_state, row)) = known {
            if let Some(row) = row {
                self.core.wait_until_durable(row).await?;
            }
            return Ok(key_state);
        }
        let hash = key.index_hash();
        let row = self.core.read_store(move |store| store.idempotency_row(worker, hash)).await?;
        Ok(if row.is_some() { KeyState::Done } else { KeyState::Unknown })
    }

    async fn admit_invocation(
        &self,
        id: &WorkerId,
        invocation: Invocation,
        mode: ReplyMode,
    ) -> Result<AdmissionResult, ExecutorError> {
        let core = &self.core;
        let invocation = Arc::new(invocation);
        // Encoded without the lock.
        let mut accepted = match mode {
            ReplyMode::Await => None,
            ReplyMode::Enqueue => Some(EncodedEvent::new(invocation.to_inbox_event(core.clock.now()))),
        };
        // Set after the store had no record of the worker's key. As long as this exists, the ledger keeps new records.
        let mut checked: Option<LocatedWorker> = None;
        loop {
            let admitted = self.with_located_worker(id, |state, located| {
                let worker = located.worker;
                let store_checked = checked
                    .as_ref()
                    .is_some_and(|checked| checked.worker == worker && checked.is_read_valid(state));
                let admission =
                    core.admit_invocation_locked(state, worker, &invocation, &mut accepted, store_checked);
                let admission = admission.map_err(|error| (error, state.worker_position(worker)));
                (admission, state.last_position())
            });
            let ((admission, last), located) = admitted.await?;
            let worker = located.worker;
            let admission = match admission {
                Ok(admission) => admission,
                Err((error, position)) => return Err(core.durable_error(position, error).await),
            };
            let record = match admission {
                AdmissionAttempt::Waiting(reply) => return Ok(AdmissionResult::Waiting(reply)),
                AdmissionAttempt::Accepted(seq) => return Ok(AdmissionResult::Accepted(last.with_seq(seq))),
                AdmissionAttempt::Known(record) => record,
                AdmissionAttempt::AskStore => {
                    let hash = invocation.key.index_hash();
                    match core.read_store(move |store| store.idempotency_row(worker, hash)).await? {
                        None => {
                            checked = Some(located);
                            continue;
                        }
                        Some(row) => {
                            KeyRecord { started: row.started, outcome: Some(row.outcome), invocation: None }
                        }
                    }
                }
            };
            core.check_same_invocation(worker, last.with_seq(record.started), &record, &invocation).await?;
            ExecutorMetrics::add(&core.metrics.invocations_repeated, 1);
            match (record.outcome, mode) {
                (Some(outcome), _) => return Ok(AdmissionResult::Outcome(worker, last.with_seq(outcome))),
                (None, ReplyMode::Enqueue) => {
                    return Ok(AdmissionResult::Accepted(last.with_seq(record.started)));
                }
                (None, ReplyMode::Await) => {
                    if let Some(reply) = core.join_by_key(worker, &invocation.key) {
                        return Ok(AdmissionResult::Waiting(reply));
                    }
                    // The invocation ended in between. Its record has the outcome now.
                }
            }
        }
    }
}

/// The result of admission, for a new invocation or a repeated one.
enum AdmissionResult {
    Waiting(oneshot::Receiver<Reply>),
    Accepted(RowPosition),
    Outcome(WorkerNum, RowPosition),
}

impl Core {
    fn admit_invocation_locked(
        self: &Arc<Self>,
        state: &mut State,
        worker: WorkerNum,
        invocation: &Arc<Invocation>,
        accepted: &mut Option<EncodedEvent>,
        store_checked: bool,
    ) -> Result<AdmissionAttempt, ExecutorError> {
        let mode = if accepted.is_some() { ReplyMode::Enqueue } else { ReplyMode::Await };
        let named = !invocation.key.is_anonymous() && self.idempotency == Deduplication::Enforced;
        if named {
            if let Some(admission) = self.join_pending(state, worker, invocation, mode)? {
                return Ok(admission);
            }
            if let Some(record) = state.ledger.key_record(worker, &invocation.key) {
                return Ok(AdmissionAttempt::Known(record.clone()));
            }
            if !store_checked && state.ledger.may_have_stored_keys(worker) {
                return Ok(AdmissionAttempt::AskStore);
            }
        }
        let unknown = || internal(&StepError::UnknownWorker);
        let projection = state.ledger.projection(worker).ok_or_else(unknown)?;
        check_usable(projection)?;
        if let Some(slot) = state.slots.get(&worker) {
            event_loop::check_accepts(projection, slot, invocation)?;
        } else {
            event_loop::check_accepts(projection, &WorkerSlot::default(), invocation)?;
        }
        let (id, resume) = (projection.id.clone(), projection.interrupted);
        let slot = Self::slot(state, worker);
        if slot.pending.len() >= INVOCATIONS_PENDING_MAX {
            return Err(ExecutorError::QueueFull { worker: id, limit: INVOCATIONS_PENDING_MAX });
        }
        if resume {
            // The next invocation resumes an interrupted worker. It first continues with the invocation in which it was
            // interrupted.
            let event = InboxEvent::Resumed { at: self.clock.now() };
            self.step(state, LedgerEvent::Inbox { worker, event }).map_err(|error| internal(&error))?;
            self.wake_if_promise_was_settled(state, worker);
        }
        let due = acceptance_deadline(self.clock.elapsed(), self.settings.progress);
        let mut pending = PendingInvocation::admitted(invocation.clone(), due);
        let admission = match accepted.take() {
            None => {
                let reply = pending.add_waiter();
                if state.acceptances.push(due, worker) {
                    self.timers_changed.notify_one();
                }
                AdmissionAttempt::Waiting(reply)
            }
            Some(event) => {
                // The slot must exist before the inbox event is folded. A slot that is created afterwards would contain
                // the invocation already, and it would be queued twice.
                Self::slot(state, worker);
                match self
                    .step(state, LedgerEvent::Accept { worker, event })
                    .map_err(|error| internal(&error))?
                {
                    super::ledger::StepOutcome::Appended(seq) => {
                        pending.accepted_row = Some(seq);
                        AdmissionAttempt::Accepted(seq)
                    }
                    _ => return Err(unknown()),
                }
            }
        };
        Self::slot(state, worker).pending.push_back(pending);
        self.spawn_if_idle(state, worker);
        Ok(admission)
    }

    /// Joins an invocation with the same key that is in memory and has not ended.
    fn join_pending(
        &self,
        state: &mut State,
        worker: WorkerNum,
        invocation: &Invocation,
        mode: ReplyMode,
    ) -> Result<Option<AdmissionAttempt>, ExecutorError> {
        let Some(slot) = state.slots.get_mut(&worker) else { return Ok(None) };
        let same = |pending: &&mut PendingInvocation| pending.key == invocation.key.as_str();
        let Some(pending) = slot.current.iter_mut().chain(&mut slot.pending).find(same) else {
            return Ok(None);
        };
        // If only its row is known, the invocation is compared with that row, which the ledger's key record names.
        let Some(first) = &pending.invocation else { return Ok(None) };
        let same = first.convention == invocation.convention
            && first.function == invocation.function
            && first.params == invocation.params;
        if !same {
            // NaN is not equal to itself, so the digests of the recorded forms decide.
            if first.digest() != invocation.digest() {
                return Err(key_reused(invocation, first.function.clone()));
            }
        }
        if mode == ReplyMode::Enqueue
            && let Some(accepted_row) = pending.accepted_row
        {
            return Ok(Some(AdmissionAttempt::Accepted(accepted_row)));
        }
        ExecutorMetrics::add(&self.metrics.invocations_repeated, 1);
        let reply = pending.add_waiter();
        Self::reply_if_interrupted(state, worker, invocation.key.as_str());
        Ok(Some(AdmissionAttempt::Waiting(reply)))
    }

    /// Joins the invocation of a key, if it has not ended by now.
    fn join_by_key(
        self: &Arc<Self>,
        worker: WorkerNum,
        key: &IdempotencyKey,
    ) -> Option<oneshot::Receiver<Reply>> {
        let mut state = self.lock();
        let projection = state.ledger.projection(worker)?;
        if projection.terminal.is_some() {
            // It was accepted before the worker failed or exited, and will not begin.
            let (last, outcome) = (Seq(projection.last_row), check_usable(projection).map(|()| None));
            let (tx, reply) = oneshot::channel();
            Self::when_durable(&mut state, last, OnDurable::Deliver(vec![tx], outcome));
            return Some(reply);
        }
        let begun = projection.current.as_ref().is_some_and(|current| current.key.matches(key));
        let slot = Self::slot(&mut state, worker);
        if begun && slot.current.is_none() {
            // It began before a restart, so the slot has no entry for it yet.
            slot.current = Some(PendingInvocation::from_log(key.as_str().to_owned(), None));
        }
        let pending =
            slot.current.iter_mut().chain(&mut slot.pending).find(|pending| pending.key == key.as_str())?;
        let reply = pending.add_waiter();
        Self::reply_if_interrupted(&mut state, worker, key.as_str());
        Some(reply)
    }

    /// Answers the callers of this key if it names the invocation with which an interrupted worker continues: that one
    /// waits until the worker is resumed. While the worker's task settles, the task answers.
    fn reply_if_interrupted(state: &mut State, worker: WorkerNum, key: &str) {
        let projection = state.ledger.projection(worker).filter(|projection| projection.interrupted);
        let Some(begun) = projection.map(|projection| projection.current.is_some()) else { return };
        let first = state
            .slots
            .get(&worker)
            .filter(|slot| !slot.life_cycle.has_task())
            .and_then(|slot| slot.current.as_ref().or_else(|| slot.pending.front().filter(|_| !begun)));
        if first.is_some_and(|first| first.key == key) {
            Self::reply_interrupted(state, worker);
        }
    }

    /// Returns an error unless the key's invocation is the requested one.
    async fn check_same_invocation(
        &self,
        worker: WorkerNum,
        started: RowPosition,
        record: &KeyRecord,
        invocation: &Invocation,
    ) -> Result<(), ExecutorError> {
        let (function, digest) = if let Some(known) = &record.invocation {
            known.clone()
        } else {
            let row = self.read_durable_row(worker, started).await?;
            find_recorded_invocation(&row, &invocation.key).ok_or_else(|| ExecutorError::Damaged {
                details: format!("row {} of the log should hold an invocation, and does not; restore the data folder from a backup", started.seq()).into(),
            })?
        };
        if digest == invocation.digest() {
            return Ok(());
        }
        self.wait_until_durable(started).await?;
        Err(key_reused(invocation, function))
    }

    /// Reads the reply from the row with the outcome.
    async fn recorded_reply(&self, worker: WorkerNum, outcome: RowPosition) -> Reply {
        let row = self.read_durable_row(worker, outcome).await?;
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
                    | Entry::ClockReadings(_)
                    | Entry::AttemptFailed { .. }
                    | Entry::ProgramEnded { .. }
                    | Entry::Suspended(_)
                    | Entry::Configured { .. }
                    | Entry::Revert { .. }
                    | Entry::LifecycleEvent(_) => {}
                }
            }
        }
        Err(ExecutorError::Damaged {
            details: format!("row {} of the log should hold an outcome, and does not; restore the data folder from a backup", outcome.seq()).into(),
        })
    }
}

/// Returns the function and digest of the invocation in a row.
fn find_recorded_invocation(row: &Row, key: &IdempotencyKey) -> Option<(Arc<str>, [u8; 32])> {
    match row {
        Row::InboxEvent(event) => event.digest(),
        Row::Entries { entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::InvocationStarted { key: found, source, .. } if found == key => source.digest(),
            _ => None,
        }),
    }
}

/// Returns an error if the worker cannot accept invocations.
pub(super) fn check_usable(projection: &WorkerProjection) -> Result<(), ExecutorError> {
    match projection.terminal {
        Some(TerminalState::Failed) => Err(ExecutorError::PreviousInvocationFailed),
        Some(TerminalState::Exited) => Err(ExecutorError::PreviousInvocationExited),
        // A worker that rolls back a failed invocation will accept the next one, so that one is queued.
        None if projection.retry_at.is_some() && !projection.interrupted && !projection.rolls_back() => {
            Err(ExecutorError::PreviousInvocationFailed)
        }
        None => Ok(()),
    }
}

fn key_reused(invocation: &Invocation, first: Arc<str>) -> ExecutorError {
    ExecutorError::KeyReused { key: invocation.key.clone(), first, requested: invocation.function.clone() }
}

/// The ledger refused an event that was checked under the same lock. This cannot happen, and must not pass silently.
pub(crate) fn internal(error: &StepError) -> ExecutorError {
    ExecutorError::Unavailable { reason: format!("the ledger refused an event: {error}").into() }
}
