//! A wait of a worker in memory for promises (`state/promise_watches.rs`).

use super::core::Core;
use golem_model::PromiseId;
use std::sync::Arc;
use tokio::sync::Notify;

/// A wait for promises in memory. Dropping it ends the wait.
pub(crate) struct PromiseWatch<'a> {
    core: &'a Core,
    promises: &'a [PromiseId],
    notify: Arc<Notify>,
}

impl<'a> PromiseWatch<'a> {
    /// Begins a wait. Whether one of the promises is settled already is checked after this.
    pub(crate) fn new(core: &'a Core, promises: &'a [PromiseId]) -> Self {
        let notify = Arc::new(Notify::new());
        core.lock().promise_watches.add(promises, &notify);
        Self { core, promises, notify }
    }

    /// Returns when one of the promises was settled since the wait began.
    pub(crate) async fn settled(&self) {
        self.notify.notified().await;
    }
}

impl Drop for PromiseWatch<'_> {
    fn drop(&mut self) {
        self.core.lock().promise_watches.remove(self.promises, &self.notify);
    }
}
