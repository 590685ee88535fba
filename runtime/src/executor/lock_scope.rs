//! Whether the current thread holds the node's lock.
//!
//! Work in proportion to the size of data (encoding rows and projections, hashing parameters) is not done under the lock,
//! because no other worker can do anything meanwhile. Such code calls [`assert_unlocked`].

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static LOCKS_HELD: Cell<u32> = const { Cell::new(0) };
}

/// Exists while the current thread holds the lock. It stays on its thread.
#[derive(Debug)]
pub(super) struct LockScope(PhantomData<*const ()>);

impl LockScope {
    pub(super) fn new() -> Self {
        LOCKS_HELD.set(LOCKS_HELD.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for LockScope {
    fn drop(&mut self) {
        LOCKS_HELD.set(LOCKS_HELD.get() - 1);
    }
}

/// Whether such work under the lock is a panic. A server that does it is slow, and not wrong, so it continues.
static IS_CHECKED: AtomicBool = AtomicBool::new(cfg!(test));

/// From now on, work under the node's lock that takes time in proportion to the size of data is a panic in this process.
/// For tests.
pub fn forbid_work_under_lock() {
    IS_CHECKED.store(true, Ordering::Relaxed);
}

/// Panics if the current thread holds the lock and [`forbid_work_under_lock`] was called.
pub(super) fn assert_unlocked(work: &str) {
    let is_allowed = LOCKS_HELD.get() == 0 || !IS_CHECKED.load(Ordering::Relaxed);
    assert!(is_allowed, "{work} while this thread holds the node's lock");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_ends_with_the_guard() {
        drop(LockScope::new());
        assert_unlocked("work");
    }

    #[test]
    #[should_panic(expected = "work while this thread holds the node's lock")]
    fn work_under_the_lock_is_detected() {
        let _scope = LockScope::new();
        assert_unlocked("work");
    }
}
