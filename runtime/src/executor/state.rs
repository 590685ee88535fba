//! State machines and queues that the node's lock protects, beside the ledger.
//!
//! Architecture invariant: nothing here knows the lock, the ledger, the store or the clock. Times and events are passed in,
//! and what must follow is returned, so each part has tests of its own. The suite `tidy` checks the imports.

mod acceptance_queue;
mod answer_cache;
mod life_cycle;
mod livelock;
mod promise_watches;
mod resident_permits;
mod timers;
mod wake_queue;

pub(crate) use acceptance_queue::{AcceptanceQueue, DueWorkers, acceptance_deadline};
pub(crate) use answer_cache::{ANSWER_BYTES_MAX, AnswerCache};
pub(crate) use life_cycle::LifeCycle;
pub(crate) use livelock::LivelockDetector;
pub(crate) use promise_watches::PromiseWatches;
pub(crate) use resident_permits::{ResidentInstance, ResidentPermit, ResidentPermits};
pub(crate) use timers::{Scheduler, TimerEvent, TimerId, TimerReason};
pub(crate) use wake_queue::{WAKES_MAX, WakeCondition, WakeQueue};
