//! Control over the durability of a worker.
//!
//! A worker is durable without these functions. They are for code that needs control over how it is retried, repeated
//! or recorded.
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

/// Runs `work` as an atomic region: if the worker crashes or traps before `work` returns, all of `work` runs again.
///
/// The repetition begins with the memory from before `work`. Promises that `work` created no longer exist. Effects
/// outside the worker are not undone.
///
/// Regions can be nested; then the repetition begins with the outermost region. After the outermost region has
/// returned, a crash does not repeat it. A worker that is unloaded while it waits in a region does not repeat the
/// region.
pub fn atomically<R>(work: impl FnOnce() -> R) -> R {
    let region = region::begin();
    let result = work();
    region::end(region);
    result
}

/// Atomic regions without a closure. See [`atomically`].
pub mod region {
    use super::{guard, host};

    /// Begins a region and returns its id, which [`end`] takes.
    #[must_use = "without its id, the region stays open until the invocation ends"]
    pub fn begin() -> u64 {
        guard::require_worker("golem::durability::region::begin");
        host::region::begin()
    }

    /// Ends the region with the id `region` and every region that was begun inside it.
    ///
    /// Fails the invocation if the region is not open.
    pub fn end(region: u64) {
        guard::require_worker("golem::durability::region::end");
        host::region::end(region);
    }
}

/// The current oplog position: the index after the entry of this call. It does not decrease.
#[must_use]
pub fn oplog_index() -> u64 {
    guard::require_worker("golem::durability::oplog_index");
    host::position::get()
}

/// Reverts the worker to its state at the time when [`oplog_index`] returned `position`, and continues from there.
///
/// The entries since that position stay in the oplog but are no longer replayed. Promises created since then no
/// longer exist. Effects outside the worker are not undone. Fails the invocation if the position is not in the
/// current invocation or has itself been reverted.
pub fn jump(position: u64) -> ! {
    guard::require_worker("golem::durability::jump");
    host::position::jump(position);
    unreachable!("the host does not return from a jump")
}

/// Creates an idempotency key for a request to another service.
///
/// The n-th call of an invocation returns the same key in a replay and in a repetition after a
/// crash or a jump. Calls of other invocations and of other workers return other keys.
#[must_use]
pub fn idempotency_key() -> String {
    guard::require_worker("golem::idempotency_key");
    host::keys::next()
}

/// The idempotency key of the current invocation; `None` outside an invocation, as in the start of the component.
#[must_use]
pub fn invocation_key() -> Option<String> {
    guard::require_worker("golem::durability::invocation_key");
    host::keys::current()
}

/// Runs `work` under a retry policy and restores the previous policy when `work` returns.
///
/// If `work` traps, the policy decides how the invocation is retried. Fails the invocation if a value in the policy
/// is out of range.
pub fn with_retry_policy<R>(policy: RetryPolicy, work: impl FnOnce() -> R) -> R {
    let before = retry_policy();
    set_retry_policy(policy);
    let result = work();
    set_retry_policy(before);
    result
}

/// The current retry policy of the worker.
#[must_use]
pub fn retry_policy() -> RetryPolicy {
    guard::require_worker("golem::durability::retry_policy");
    host::policy::get_retry_policy()
}

/// Sets the retry policy for all later failures of the worker. The setting survives crashes.
///
/// Fails the invocation if a value in the policy is out of range.
pub fn set_retry_policy(policy: RetryPolicy) {
    guard::require_worker("golem::durability::set_retry_policy");
    host::policy::set_retry_policy(policy);
}

/// Runs `work` under another persistence level and restores the previous level when `work` returns.
///
/// A value that is not recorded may differ when the worker is replayed, so no output of the worker may depend on it.
pub fn with_persistence<R>(level: PersistenceLevel, work: impl FnOnce() -> R) -> R {
    guard::require_worker("golem::durability::with_persistence");
    let before = host::policy::get_persistence_level();
    host::policy::set_persistence_level(level);
    let result = work();
    host::policy::set_persistence_level(before);
    result
}

/// Sets whether writes outside the worker count as idempotent. The initial value is `true`.
///
/// The setting applies to a write whose outcome is unknown after a crash. If `true`, the write is sent again. If
/// `false`, the call returns an error instead.
pub fn set_idempotence(idempotent: bool) {
    guard::require_worker("golem::durability::set_idempotence");
    host::policy::set_idempotence(idempotent);
}

/// The id of this worker.
#[must_use]
pub fn self_id() -> WorkerId {
    guard::require_worker("golem::durability::self_id");
    host::worker::self_id()
}

/// The metadata of a worker; `None` if the project of this worker has no worker with this id.
#[must_use]
pub fn worker_metadata(id: &WorkerId) -> Option<WorkerMetadata> {
    guard::require_worker("golem::durability::worker_metadata");
    host::worker::metadata(id)
}

/// Lists the workers that match `filter`, ordered by name. The iterator fetches one page at a time, when it is needed.
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

/// Creates a filter that matches all workers of a template.
#[must_use]
pub fn filter_by_template(template_id: TemplateId) -> Filter {
    Filter { template_id, name_prefix: None, status: None, template_version: None }
}
