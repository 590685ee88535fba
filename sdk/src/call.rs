//! Calls of other workers that were started and not waited for.
//!
//! The interfaces by which one worker calls others are generated from what those export: for `increment` of
//! `golem:counter/api` there are `increment`, which waits, `send-increment`, which wants no answer, and
//! `start-increment`, which gives the number of a call whose answer `finish-increment` takes. With that number, a program
//! can wait for several answers, or for an answer and a timer, or give up.

use crate::bindings::golem::durability::calls;
use crate::guard;

pub use crate::promise::Pollable;

/// A pollable that is ready once the call has an answer or an error; to be waited for with `wasip2::io::poll::poll`.
///
/// Fails the invocation if this worker made no such call, or its answer was taken.
#[must_use]
pub fn subscribe(call: u64) -> Pollable {
    guard::require_worker("golem::call::subscribe");
    calls::subscribe(call)
}

/// Gives up on a call: one that has not begun never will; one that has begun is not stopped, its answer is dropped.
/// `finish-…` gives the error `cancelled` then. Does nothing if the answer is there already.
pub fn cancel(call: u64) {
    guard::require_worker("golem::call::cancel");
    calls::cancel(call);
}
