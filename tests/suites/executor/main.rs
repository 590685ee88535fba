//! The executor with a controlled clock: when invocations become durable, how they are stopped, and what failures of the
//! server leave.
//!
//! | module | tests |
//! |---|---|
//! | `progress` | acceptance in time, and what an error of the server leaves |
//! | `interrupts` | interrupts and simulated crashes at every stage |
//! | `reads` | answers rest on what is durable |
//! | `wakes` | timers, promises and restarts wake workers |
//! | `process_ends` | attempts that end with the process |
//! | `updates` | withdrawing and replacing an update that is tried |
//! | `gather` | promises that are completed one after the other |
//! | `failures` | failed commits, panics, and logs on which two parts disagree |
//!
//! The suite uses internal crates, because a test controls the clock and the store and injects faults into the ports.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod failures;
mod gather;
mod interrupts;
mod node;
mod process_ends;
mod progress;
mod reads;
mod timers;
mod updates;
mod wakes;
