//! Contains panics: a defect in one place must not stop the node, and must not leave a caller without an answer.
//!
//! | panics | consequence |
//! |---|---|
//! | a worker's task | an invocation that has begun counts a failed attempt and is retried; if none has begun, the callers get an error |
//! | any thread while it holds the node's lock | the state may be inconsistent: it is discarded and rebuilt, as after a failed commit |
//! | the committer | the same |
//! | a job on a thread that may block | the request that waits for it gets an error, and the work of a worker is retried |
//! | the exchange of an HTTP request (`host/src/durable/exchange.rs`) | the activation ends, and the work is retried |
//! | the scheduler, the wake queue, and other background tasks | the task is started again after a delay |

use super::core::{Core, State, StoreHealth};
use super::lock_scope::LockScope;
use super::{ExecutorMetrics, committer};
use crate::spawner::panic_text;
use futures_util::FutureExt;
use parking_lot::MutexGuard;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Delay before a background task that panicked is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// The node's lock while it is held.
///
/// Invariant: a state that a panic left behind is not used. The guard marks the store as unavailable and begins a new
/// generation, and the committer discards and rebuilds everything.
pub(crate) struct StateGuard<'a> {
    state: MutexGuard<'a, State>,
    core: &'a Core,
    /// Whether the thread was unwinding already when it took the lock. Such a caller handles a panic and is not its cause.
    was_panicking: bool,
    _scope: LockScope,
}

impl<'a> StateGuard<'a> {
    pub(super) fn new(core: &'a Core, state: MutexGuard<'a, State>) -> Self {
        Self { state, core, was_panicking: std::thread::panicking(), _scope: LockScope::new() }
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            let reason = "a part of the server panicked while it changed the state of the node";
            self.state.health = StoreHealth::Down(reason.into());
            self.state.generation += 1;
            self.state.is_inconsistent = true;
            self.core.commit_needed.notify_one();
        }
    }
}

/// Runs `task`. If it panics, counts and logs that, and returns the message.
pub(crate) async fn catch_panic(
    core: &Arc<Core>,
    name: &str,
    task: impl Future<Output = ()>,
) -> Result<(), String> {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(()) => Ok(()),
        Err(panic) => {
            let text = panic_text(panic.as_ref());
            report_panic(core, name, &text);
            Err(text)
        }
    }
}

/// Counts and logs a panic.
pub(crate) fn report_panic(core: &Core, name: &str, text: &str) {
    ExecutorMetrics::add(&core.metrics.panics, 1);
    tracing::error!(panic = text, "{name} panicked, which is a defect of the server; please report it");
}

/// Runs a background task until it returns, and starts it again if it panics.
pub(crate) async fn restart_on_panic<F: Future<Output = ()>>(
    core: Arc<Core>,
    name: &'static str,
    task: impl Fn(Arc<Core>) -> F,
) {
    while catch_panic(&core, name, task(core.clone())).await.is_err() {
        tokio::select! {
            biased;
            () = core.stop.cancelled() => return,
            () = core.clock.sleep_until(core.clock.elapsed() + RESTART_AFTER) => {}
        }
    }
}

/// Why the committer stopped committing.
pub(super) enum Failure {
    /// A commit failed.
    Commit(crate::storage::ports::StoreError),
    /// The committer panicked, or another thread while it held the lock.
    Panic(String),
}

/// The committer's task: commits, and after each failure discards the state and rebuilds it from the store. Returns when
/// everything is written and the executor closes, or when this process can never use the store again.
pub(super) async fn run_committer(core: Arc<Core>) {
    let core = &core;
    let mut failure = None;
    loop {
        let round = async {
            if let Some(failure) = failure.take()
                && !committer::recover_store(core, &failure).await
            {
                return None;
            }
            committer::commit_until_failure(core).await
        };
        failure = match AssertUnwindSafe(round).catch_unwind().await {
            Ok(None) => return,
            Ok(Some(failure)) => Some(failure),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                report_panic(core, "the committer", &text);
                Some(Failure::Panic(text))
            }
        };
    }
}
