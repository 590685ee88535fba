//! What the executor holds in memory for work and requests that are under way.
//!
//! Everything counted here ends with the work or the request that it belongs to. So when all workers are idle and no
//! request waits, everything is 0, and a count that stays is a leak. The simulation checks that.

use super::Executor;
use super::core::{OnDurable, PendingInvocation};

/// Numbers of things in memory that belong to work and requests under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Admitted invocations that have not ended.
    pub invocations: usize,
    /// Callers that wait for the outcome of an invocation.
    pub callers: usize,
    /// Replies and notices that wait for a commit.
    pub waiting_for_commit: usize,
    /// Admitted invocations whose acceptance is not in the log yet.
    pub acceptances: usize,
    /// Rows that are not committed.
    pub unwritten_rows: usize,
    /// Workers that wait for promises, in memory or outside of it.
    pub promise_waits: usize,
    /// Answers to calls that are kept for callers that have left memory.
    pub answers: usize,
    /// Reads of the store that have begun.
    pub store_reads: usize,
    /// Workers whose work met an error of the server.
    pub server_errors: usize,
    /// Workers to be woken.
    pub wakes: usize,
}

impl Executor {
    /// What work and requests under way hold in memory now.
    pub fn footprint(&self) -> Footprint {
        let state = self.core.lock();
        let slots = state.slots.values();
        let invocations: Vec<&PendingInvocation> =
            slots.flat_map(|slot| slot.current.iter().chain(&slot.pending)).collect();
        let delivered = state.on_durable.iter().map(|(_, on_durable)| match on_durable {
            OnDurable::Deliver(waiters, _) => waiters.len(),
            OnDurable::Notify(_) | OnDurable::PublishOutput(..) => 0,
        });
        Footprint {
            invocations: invocations.len(),
            callers: invocations.iter().map(|pending| pending.waiters.len()).sum::<usize>()
                + delivered.sum::<usize>(),
            waiting_for_commit: state.on_durable.len(),
            acceptances: state.acceptances.len(),
            unwritten_rows: state.ledger.unwritten_row_count(),
            promise_waits: state.promise_watches.len() + state.ledger.promise_wait_count(),
            answers: state.answers.count(|caller| !state.slots.contains_key(&caller)),
            store_reads: state.ledger.store_read_count(),
            server_errors: state.server_errors.len(),
            wakes: state.wakes.len(),
        }
    }
}
