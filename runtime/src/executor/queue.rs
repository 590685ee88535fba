//! The queue of a worker: what waits in it, and taking something out of it before it begins.
//!
//! Invariant: what was cancelled was accepted before, so that its key has a row to be compared with; an invocation of
//! which no row existed yet ("lazy accept") gets one just before the row that cancels it.

use super::core::{Core, OnDurable, PendingInvocation, State};
use super::invoke::{known_here, lost};
use super::ledger::{LedgerEvent, StepOutcome};
use super::{Executor, ExecutorError, history};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::oplog::calls::CallEvent;
use golem_model::oplog::codec::Row;
use golem_model::oplog::{AdminRequest, InboxEvent, InvocationSource};
use golem_model::{Entry, IdempotencyKey, Timestamp, WorkerId};
use std::sync::Arc;

/// An invocation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedInvocation {
    /// Its key; `None` if its caller gave none.
    pub key: Option<String>,
    /// Its function.
    pub function: Arc<str>,
    /// When it was accepted, if it was accepted durably.
    pub accepted_at: Option<Timestamp>,
    /// Whether it has begun.
    pub begun: bool,
}

/// What is known of one before the store is asked.
struct QueueItem {
    key: String,
    function: Option<Arc<str>>,
    row: Option<Seq>,
    begun: bool,
}

/// What a look under the lock came to.
enum CancelAttempt {
    Recorded(Seq),
    /// It ended; its outcome is in this row.
    Ended(Seq),
    AskStore,
    Retry,
}

impl Executor {
    /// The invocations of a worker that have not ended: the one that has begun, then those that wait, in order.
    pub async fn queue(&self, id: &WorkerId) -> Result<Vec<QueuedInvocation>, ExecutorError> {
        let known = loop {
            let no = self.find(id).await?;
            if let Some(known) = look(&self.core.lock(), no) {
                break known;
            }
        };
        let mut queue = Vec::with_capacity(known.len());
        for QueueItem { key, function, row, begun } in known {
            let mut accepted_at = None;
            let mut function = function;
            if let Some(row) = row {
                self.core.durable(row).await?;
                match self.core.read(move |store| history::row(store, row)).await {
                    Ok(body) => {
                        if let Some((found, at)) = accepted(&body, &key) {
                            function = Some(found);
                            accepted_at = at;
                        }
                    }
                    // The worker was deleted meanwhile.
                    Err(error) if function.is_none() => return Err(error),
                    Err(_) => {}
                }
            }
            let key = (!key.starts_with(' ')).then_some(key);
            queue.push(QueuedInvocation {
                key,
                function: function.unwrap_or_else(|| Arc::from("")),
                accepted_at,
                begun,
            });
        }
        Ok(queue)
    }

    /// Takes an invocation out of the queue. Who waits for it, and who asks for its key later, is told so. Durable on
    /// return; cancelling it again changes nothing.
    pub async fn cancel(&self, id: &WorkerId, key: &IdempotencyKey) -> Result<(), ExecutorError> {
        let core = &self.core;
        loop {
            let no = self.find(id).await?;
            let looked = {
                let mut state = core.lock();
                Core::check_up(&state)?;
                core.cancel_locked(&mut state, no, key)?
            };
            let outcome = match looked {
                CancelAttempt::Recorded(seq) => return core.durable(seq).await,
                CancelAttempt::Retry => continue,
                CancelAttempt::Ended(outcome) => outcome,
                CancelAttempt::AskStore => {
                    let hash = key.index_hash();
                    match core.read(move |store| store.idem(no, hash)).await? {
                        Some(row) => row.outcome,
                        None => {
                            return Err(ExecutorError::InvocationNotFound {
                                worker: id.clone(),
                                key: key.clone(),
                            });
                        }
                    }
                }
            };
            core.durable(outcome).await?;
            return match core.read(move |store| history::row(store, outcome)).await? {
                Row::InboxEvent(InboxEvent::Admin(AdminRequest::InvocationCancelled { .. })) => Ok(()),
                Row::InboxEvent(_) | Row::Entries { .. } => {
                    Err(ExecutorError::InvocationBegun { key: key.clone(), ended: true })
                }
            };
        }
    }
}

impl Core {
    fn cancel_locked(
        self: &Arc<Self>,
        state: &mut State,
        no: WorkerNum,
        key: &IdempotencyKey,
    ) -> Result<CancelAttempt, ExecutorError> {
        let Some(head) = state.ledger.head(no) else { return Ok(CancelAttempt::Retry) };
        let begun = head.current.as_ref().is_some_and(|current| current.key.is(key));
        let slot = Self::slot(state, no);
        let runs = slot.current.as_ref().is_some_and(|current| current.key == key.as_str());
        let place = slot.pending.iter().position(|pending| pending.key == key.as_str());
        let taken = place.filter(|_| !begun && !runs).and_then(|place| slot.pending.remove(place));
        let Some(PendingInvocation { invocation, arrival, waiters, .. }) = taken else {
            Self::tidy_slot(state, no);
            if begun || runs {
                return Err(ExecutorError::InvocationBegun { key: key.clone(), ended: false });
            }
            return Ok(match known_here(state, no, key).and_then(|record| record.outcome) {
                Some(outcome) => CancelAttempt::Ended(outcome),
                None => CancelAttempt::AskStore,
            });
        };
        let at = self.clock.now();
        if let (None, Some(invocation)) = (arrival, invocation) {
            let arrival = invocation.to_inbox_event(at);
            self.step(state, LedgerEvent::Inbox { worker: no, arrival }).map_err(|error| lost(&error))?;
        }
        let arrival = InboxEvent::Admin(AdminRequest::InvocationCancelled { at, key: key.clone() });
        let answer =
            self.step(state, LedgerEvent::Inbox { worker: no, arrival }).map_err(|error| lost(&error))?;
        Self::tidy_slot(state, no);
        let StepOutcome::Appended(seq) = answer else { return Ok(CancelAttempt::Retry) };
        let reply = Err(ExecutorError::InvocationCancelled { key: key.clone() });
        Self::when_durable(state, seq, OnDurable::Deliver(waiters, reply));
        Ok(CancelAttempt::Recorded(seq))
    }
}

/// What is in memory and in the head.
fn look(state: &State, no: WorkerNum) -> Option<Vec<QueueItem>> {
    let head = state.ledger.head(no)?;
    let mut known = Vec::new();
    let slot = state.slots.get(&no);
    let pending = |pending: &PendingInvocation, begun| QueueItem {
        key: pending.key.clone(),
        function: pending.invocation.as_ref().map(|invocation| invocation.function.clone()),
        row: pending.arrival,
        begun,
    };
    if let Some(current) = &head.current {
        let row = Some(Seq(current.started));
        known.push(QueueItem { key: current.key.0.clone(), function: None, row, begun: true });
    } else if let Some(current) = slot.and_then(|slot| slot.current.as_ref()) {
        known.push(pending(current, true));
    }
    match slot {
        Some(slot) => known.extend(slot.pending.iter().map(|waits| pending(waits, false))),
        None => known.extend(head.queue.iter().map(|(row, key)| QueueItem {
            key: key.0.clone(),
            function: None,
            row: Some(Seq(*row)),
            begun: false,
        })),
    }
    Some(known)
}

/// Function and time of acceptance of the invocation of `key` in a row.
fn accepted(row: &Row, wanted: &str) -> Option<(Arc<str>, Option<Timestamp>)> {
    match row {
        Row::InboxEvent(
            InboxEvent::Invocation { at, function, .. }
            | InboxEvent::Program { at, function, .. }
            | InboxEvent::Call(CallEvent::Queued { at, function, .. }),
        ) => Some((function.clone(), Some(*at))),
        Row::InboxEvent(_) => None,
        Row::Entries { entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::InvocationStarted {
                at,
                key,
                source: InvocationSource::Inline { function, .. } | InvocationSource::Program { function, .. },
            } if key.as_str() == wanted => Some((function.clone(), Some(*at))),
            _ => None,
        }),
    }
}
