//! The handle that interrupts a running guest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Interrupts a running guest from outside. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct InterruptHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    interrupted: AtomicBool,
    wake: Notify,
}

impl InterruptHandle {
    /// A handle that was not interrupted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the guest stop with [`StopReason::Interrupted`](crate::StopReason::Interrupted) at its
    /// next durable call or tick, and at once if it waits. This cannot be undone; the next
    /// activation has its own handle.
    pub fn interrupt(&self) {
        self.shared.interrupted.store(true, Ordering::Release);
        self.shared.wake.notify_waiters();
    }

    /// Whether [`InterruptHandle::interrupt`] was called.
    pub fn is_interrupted(&self) -> bool {
        self.shared.interrupted.load(Ordering::Acquire)
    }

    /// Returns once [`InterruptHandle::interrupt`] was called.
    pub async fn interrupted(&self) {
        let notified = self.shared.wake.notified();
        tokio::pin!(notified);
        // Registers before the flag is read: an interrupt in between wakes us.
        notified.as_mut().enable();
        if !self.is_interrupted() {
            notified.await;
        }
    }
}
