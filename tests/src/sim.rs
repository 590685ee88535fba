//! A deterministic simulation of a node: the real executor, ledger, committer and guests on one thread, with a simulated
//! clock, a store in memory that fails, and crashes of the process at any await point.
//!
//! | module | contains |
//! |---|---|
//! | `scheduler` | runs tasks and blocking jobs one at a time, in a random order |
//! | `clock` | time, which passes when nothing is ready to run |
//! | `platform` | what the executor needs besides: components, images, randomness |
//! | `disk` | reads and recoveries of the store that fail |
//! | `outside` | a service that workers call over HTTP |
//! | `mutants` | wrong parts, which the simulation must detect |
//! | `plan` | what a seed decides: settings, clients, faults |
//! | `clients` | programs of clients, which repeat each request until they know its outcome |
//! | `coverage` | the operations that the programs must reach |
//! | `history` | what clients asked for and what they were told, and the model that checks it |
//! | `run` | one seed, from the first start to the last check |
//!
//! Invariant: a run is a function of its seed. Nothing reads another clock, another source of randomness or the order of
//! a hash map, so a failure can be repeated.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod clients;
pub mod clock;
pub mod coverage;
pub mod disk;
pub mod history;
pub mod mutants;
pub mod outside;
pub mod plan;
pub mod platform;
pub mod run;
pub mod scheduler;

/// Locks, also after a panic of another holder. A panic ends the run, or is part of its plan.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
