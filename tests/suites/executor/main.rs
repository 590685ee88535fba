//! The executor with a controlled clock: when invocations become durable, and how they are stopped.
//!
//! | module | tests |
//! |---|---|
//! | `progress` | acceptance in time, and what an error of the server leaves |
//! | `interrupts` | interrupts and simulated crashes at every stage |

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod interrupts;
mod node;
mod progress;
