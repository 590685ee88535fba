//! A worker's life: it runs, crashes, replays, waits, is stopped, and says what went wrong.

#[path = "../wasi/guest.rs"]
#[allow(dead_code, reason = "shared with another suite, which uses more of it")]
mod guest;

mod failures;
mod guests;
mod preview1;
mod promises;
mod regions;
mod replays;
mod sleeps;
mod uploads;
mod values;
