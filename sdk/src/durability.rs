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
use crate::guard;
use crate::{TemplateId, WorkerId};

pub use host::policy::{PersistenceLevel, RetryPolicy};
pub use host::worker::{Filter, WorkerMetadata, WorkerStatus};

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
    use super::{guard, host};

    /// Opens a region and returns what closes it.
    #[must_use = "a region that is not closed ends with the invocation"]
    pub fn begin() -> u64 {
        guard::require_worker("golem::durability::region::begin");
        host::region::begin()
    }

    /// Closes the region that [`begin`] returned `region` for, and every region opened inside it.
    pub fn end(region: u64) {
        guard::require_worker("golem::durability::region::end");
        host::region::end(region);
    }
}

/// The position in the worker's log that the next recorded call will have. It never goes down.
#[must_use]
pub fn oplog_index() -> u64 {
    guard::require_worker("golem::durability::oplog_index");
    host::position::get()
}

/// Goes back: the worker becomes what it was when [`oplog_index`] returned `position`, and runs on from there.
///
/// What was recorded in between stays in the log and is no longer replayed; promises made in between are gone; effects
/// outside the worker are not undone. Fails the invocation if the position is not in it.
pub fn jump(position: u64) -> ! {
    guard::require_worker("golem::durability::jump");
    host::position::jump(position);
    unreachable!("the host does not return from a jump")
}

/// A new key, to be sent with a request to another service.
///
/// It is the same again when the code is continued or repeated after a crash, and differs from every other key.
#[must_use]
pub fn idempotency_key() -> String {
    guard::require_worker("golem::idempotency_key");
    host::keys::next()
}

/// The key of the invocation that is running; none where nothing is being invoked.
#[must_use]
pub fn invocation_key() -> Option<String> {
    guard::require_worker("golem::durability::invocation_key");
    host::keys::current()
}

/// Runs `work` under a retry policy, and sets the one from before again when it returns.
///
/// Should `work` trap, the policy decides what happens. Fails the invocation if a number is out of its range.
pub fn with_retry_policy<R>(policy: RetryPolicy, work: impl FnOnce() -> R) -> R {
    let before = retry_policy();
    set_retry_policy(policy);
    let result = work();
    set_retry_policy(before);
    result
}

/// The retry policy in force.
#[must_use]
pub fn retry_policy() -> RetryPolicy {
    guard::require_worker("golem::durability::retry_policy");
    host::policy::get_retry_policy()
}

/// Chooses what happens after failures from here on, for the rest of the worker's life.
pub fn set_retry_policy(policy: RetryPolicy) {
    guard::require_worker("golem::durability::set_retry_policy");
    host::policy::set_retry_policy(policy);
}

/// Runs `work` with less recorded, and sets the level from before again when it returns.
///
/// What is not recorded may be another thing when the worker is rebuilt: nothing that others are told may depend on it.
pub fn with_persistence<R>(level: PersistenceLevel, work: impl FnOnce() -> R) -> R {
    guard::require_worker("golem::durability::with_persistence");
    let before = host::policy::get_persistence_level();
    host::policy::set_persistence_level(level);
    let result = work();
    host::policy::set_persistence_level(before);
    result
}

/// Says whether an outside write whose outcome a crash made unknown may be sent again; `true` at the start.
pub fn set_idempotence(idempotent: bool) {
    guard::require_worker("golem::durability::set_idempotence");
    host::policy::set_idempotence(idempotent);
}

/// The worker that is asking.
#[must_use]
pub fn self_id() -> WorkerId {
    guard::require_worker("golem::durability::self_id");
    host::worker::self_id()
}

/// What is known of a worker; none if there is no such worker in this worker's project.
#[must_use]
pub fn worker_metadata(id: &WorkerId) -> Option<WorkerMetadata> {
    guard::require_worker("golem::durability::worker_metadata");
    host::worker::metadata(id)
}

/// The workers of a template that match, in the order of their names; pages are asked for as they are needed.
pub fn list_workers(filter: Filter) -> impl Iterator<Item = WorkerMetadata> {
    guard::require_worker("golem::durability::list_workers");
    let mut next = Some(None);
    let pages = std::iter::from_fn(move || {
        let cursor: Option<String> = next.take()?;
        let page = host::worker::list(&filter, cursor.as_deref());
        next = page.cursor.map(Some);
        Some(page.workers)
    });
    pages.flatten()
}

/// A filter for all workers of a template.
#[must_use]
pub fn filter_by_template(template_id: TemplateId) -> Filter {
    Filter { template_id, name_prefix: None, status: None, template_version: None }
}
