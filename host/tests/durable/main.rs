//! The life cycle of a worker: run, crash, replay, wait, stop, and the errors on the way.

#[path = "../wasi/guest.rs"]
#[allow(dead_code, reason = "shared with another suite, which uses more of it")]
mod guest;

mod failures;
mod guests;
mod preview1;
mod progress;
mod promises;
mod regions;
mod replays;
mod sleeps;
mod types;
mod uploads;
mod values;
