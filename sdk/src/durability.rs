//! What a worker can decide about its own durability.
//!
//! Nothing of this is needed for a durable worker: everything is durable without it. It is for code that does better
//! knowing that it may be interrupted and continued.
//!
//! ```no_run
//! use golem::{atomically, idempotency_key};
//!
//! # fn reserve(_: &str) {} fn charge(_: &str, _: &str) {}
//! # let order = "order-17";
//! // A crash between the two calls repeats both.
//! atomically(|| {
//!     reserve(order);
//!     charge(order, &idempotency_key());
//! });
//! ```

use crate::bindings::golem::durability as host;
use crate::inside;

/// Runs `work` as an atomic region: if the worker crashes or traps before it has returned, all of it is repeated as if
/// for the first time.
///
/// Memory is again what it was, and promises that `work` made are gone; what it did outside the worker stays done.
/// Regions inside a region go back to the outermost one. Once this returns, nothing of it is ever repeated.
pub fn atomically<R>(work: impl FnOnce() -> R) -> R {
    let region = region::begin();
    let result = work();
    region::end(region);
    result
}

/// Atomic regions by hand, where a closure is in the way. See [`atomically`].
pub mod region {
    use super::{host, inside};

    /// Opens a region and returns what closes it.
    #[must_use = "a region that is not closed ends with the invocation"]
    pub fn begin() -> u64 {
        inside::a_worker("golem::durability::region::begin");
        host::region::begin()
    }

    /// Closes the region that [`begin`] returned `region` for, and every region opened inside it.
    pub fn end(region: u64) {
        inside::a_worker("golem::durability::region::end");
        host::region::end(region);
    }
}

/// The position in the worker's log that the next recorded call will have. It never goes down.
#[must_use]
pub fn oplog_index() -> u64 {
    inside::a_worker("golem::durability::oplog_index");
    host::position::get()
}

/// Goes back: the worker becomes what it was when [`oplog_index`] returned `position`, and runs on from there.
///
/// What was recorded in between stays in the log and is no longer replayed; promises made in between are gone; effects
/// outside the worker are not undone. Fails the invocation if the position is not in it.
pub fn jump(position: u64) -> ! {
    inside::a_worker("golem::durability::jump");
    host::position::jump(position);
    unreachable!("the host does not return from a jump")
}

/// A new key, to be sent with a request to another service.
///
/// It is the same again when the code is continued or repeated after a crash, and differs from every other key.
#[must_use]
pub fn idempotency_key() -> String {
    inside::a_worker("golem::idempotency_key");
    host::keys::next()
}

/// The key of the invocation that is running; none where nothing is being invoked.
#[must_use]
pub fn invocation_key() -> Option<String> {
    inside::a_worker("golem::durability::invocation_key");
    host::keys::current()
}
