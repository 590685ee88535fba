//! Waiting for and cancelling calls of other workers that were started without waiting.
//!
//! The client interface for `golem:counter/api` contains `start-increment`, which starts a call of `increment` and
//! returns the number of the call, and `finish-increment`, which returns the call's result (see [`rpc`](crate::rpc)).
//! With the number, a worker can wait for several results at once, for a result or a timer, or cancel the call.

use crate::bindings::golem::durability::calls;
use crate::guard;

pub use crate::promise::Pollable;

/// Returns a pollable that is ready once the call has a result or an error. `wasip2::io::poll::poll` waits for it.
///
/// Fails the invocation if this worker made no call with this number, or if its result was already taken.
#[must_use]
pub fn subscribe(call: u64) -> Pollable {
    guard::require_worker("golem::call::subscribe");
    calls::subscribe(call)
}

/// Cancels a call.
///
/// A call that has not begun never runs. A call that has begun is not stopped, but its result is dropped. In both
/// cases, `finish-…` then returns the error `cancelled`. Does nothing if the result has already arrived.
pub fn cancel(call: u64) {
    guard::require_worker("golem::call::cancel");
    calls::cancel(call);
}
