//! Which invocations a worker accepts while its function runs as an event loop.
//!
//! A loop is one long call. Until it ends, the worker can process only lines for it. Any other invocation is refused at
//! admission, because it could only fail later.

use super::ExecutorError;
use super::core::{Core, OnDurable, State, WorkerSlot};
use super::ledger::{LedgerEvent, StepOutcome};
use super::projection::WorkerProjection;
use crate::storage::ports::WorkerNum;
use golem_model::limits::LINES_PENDING_MAX;
use golem_model::oplog::AdminRequest;
use golem_model::{Convention, InboxEvent, Invocation};
use std::sync::Arc;

/// Returns an error if `invocation` cannot follow the invocations that the worker has accepted or that are queued in
/// memory.
pub(super) fn check_accepts(
    projection: &WorkerProjection,
    slot: &WorkerSlot,
    invocation: &Invocation,
) -> Result<(), ExecutorError> {
    let lines = || {
        let admitted =
            slot.current.iter().chain(&slot.pending).filter_map(|pending| pending.invocation.as_ref());
        admitted.filter(|invocation| invocation.convention == Convention::StdioEventLoop)
    };
    let running =
        projection.event_loop.as_deref().or_else(|| lines().next().map(|line| line.function.as_ref()));
    let Some(running) = running else { return Ok(()) };
    if invocation.convention != Convention::StdioEventLoop || *invocation.function != *running {
        return Err(ExecutorError::EventLoopRuns { worker: projection.id.clone(), function: running.into() });
    }
    // The running invocation is not counted as waiting.
    let waiting = slot.pending.len().max(projection.queue.len());
    if waiting >= LINES_PENDING_MAX {
        return Err(ExecutorError::QueueFull { worker: projection.id.clone(), limit: LINES_PENDING_MAX });
    }
    Ok(())
}

/// Whether a worker in this state can run `invocation`.
pub(super) fn accepts(projection: &WorkerProjection, invocation: &Invocation) -> bool {
    let line = invocation.convention == Convention::StdioEventLoop;
    projection.event_loop.as_ref().is_none_or(|running| line && *running == invocation.function)
}

/// Rejects an invocation that cannot run because a loop began before its turn. Its callers get the error, and it ends
/// as a cancelled invocation.
pub(super) fn reject_invocation(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    invocation: &Invocation,
) {
    let Some(projection) = state.ledger.projection(worker) else { return };
    let function = projection.event_loop.clone().unwrap_or_else(|| invocation.function.clone());
    let error = ExecutorError::EventLoopRuns { worker: projection.id.clone(), function };
    let at = core.clock.now();
    // A cancelled invocation must have a row of acceptance, with which repeated requests with its key are compared.
    let current = state.slots.get(&worker).and_then(|slot| slot.current.as_ref());
    let has_row = current.is_some_and(|current| current.accepted_row.is_some());
    let accepted = (!has_row).then(|| invocation.to_inbox_event(at));
    let cancelled = AdminRequest::InvocationCancelled { at, key: invocation.key.clone() };
    let mut last = None;
    for event in accepted.into_iter().chain([InboxEvent::Admin(cancelled)]) {
        match core.step(state, LedgerEvent::Inbox { worker, event }) {
            Ok(StepOutcome::Appended(seq)) => last = Some(seq),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(worker = %worker, %error, "cannot cancel an invocation that the event loop does not accept");
            }
        }
    }
    let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.take()) else { return };
    Core::when_durable(state, last.unwrap_or_default(), OnDurable::Deliver(current.waiters, Err(error)));
}
