//! Which invocations a worker accepts while its function runs as an event loop.
//!
//! A loop is one long call. Until it ends, the worker can process only lines for it. Any other invocation is refused at
//! admission, because it could only fail later.

use super::ExecutorError;
use super::core::{Core, State, WorkerSlot};
use super::projection::WorkerProjection;
use crate::storage::ports::WorkerNum;
use golem_model::limits::LINES_PENDING_MAX;
use golem_model::{Convention, Invocation};
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
    let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.take()) else { return };
    if let Err(error) = core.cancel_pending(state, worker, current, &error) {
        tracing::error!(worker = %worker, %error, "cannot cancel an invocation that the event loop does not accept");
    }
}
