//! Taking places in memory, and giving them away (`state/resident_permits.rs`).

use super::core::{Core, State};
use super::state::{ResidentInstance, ResidentPermit};
use crate::storage::ports::WorkerNum;

impl Core {
    /// Acquires permission to keep an instance in memory. If none is free, evicts the longest idle instance; if no
    /// instance is idle, waits until one leaves memory. Returns `None` when the executor stops.
    pub(crate) async fn acquire_resident_permit(&self) -> Option<ResidentPermit> {
        let evict = || {
            let evicted = {
                let mut state = self.lock();
                let longest = state.idle.first().map(|(_, worker)| *worker);
                let evicted = longest.and_then(|worker| Self::take_idle(&mut state, worker));
                if let Some(worker) = longest {
                    Self::remove_slot_if_empty(&mut state, worker);
                }
                evicted
            };
            // Outside the lock, because dropping an instance releases memory and takes time.
            drop(evicted);
        };
        self.residents.acquire(evict).await
    }

    /// Keeps an idle instance in memory for the next invocation. If a task waits for its place, returns the instance
    /// instead, to be dropped without the lock.
    pub(crate) fn park_idle(
        &self,
        state: &mut State,
        worker: WorkerNum,
        resident: ResidentInstance,
    ) -> Option<ResidentInstance> {
        if self.residents.is_awaited() {
            return Some(resident);
        }
        state.idle_counter += 1;
        let since = state.idle_counter;
        state.idle.insert((since, worker));
        Self::slot(state, worker).life_cycle.park(resident, since);
        None
    }

    /// Takes the worker's idle instance out of the idle set.
    pub(crate) fn take_idle(state: &mut State, worker: WorkerNum) -> Option<ResidentInstance> {
        let slot = state.slots.get_mut(&worker)?;
        let (resident, since) = slot.life_cycle.take_idle()?;
        state.idle.remove(&(since, worker));
        Some(resident)
    }
}
