//! The places in memory for instances.
//!
//! An instance holds a permit from before it is created until it is dropped. Idle instances hold theirs as well: when no
//! permit is free, the longest idle instance is evicted.
//!
//! Invariant: no instance is idle while a task waits for a permit. A task counts itself as waiting before it looks for an
//! idle instance, and an instance is parked under the same lock, so one of the two sees the other. It also joins the
//! queue of the semaphore before it evicts an instance, so no other task takes the permit that becomes free. The
//! semaphore passes a free permit to the first task in the queue, so none waits for a notification that it missed.

use crate::executor::ExecutorMetrics;
use golem_host::{Instance, InterruptHandle};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// An instance in memory, with its permit.
pub(crate) struct ResidentInstance {
    pub(crate) instance: Box<Instance>,
    pub(crate) interrupt_handle: InterruptHandle,
    /// Held for its `Drop`. The fields are dropped in this order: the permit is free when the instance has left memory.
    #[expect(dead_code, reason = "releases the permit when the instance is dropped")]
    pub(crate) permit: ResidentPermit,
}

impl std::fmt::Debug for ResidentInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResidentInstance").finish_non_exhaustive()
    }
}

/// Permission to keep one instance in memory. Dropping it releases the permission.
#[derive(Debug)]
pub(crate) struct ResidentPermit {
    /// Held for its `Drop`.
    _permit: OwnedSemaphorePermit,
    metrics: Arc<ExecutorMetrics>,
}

impl Drop for ResidentPermit {
    fn drop(&mut self) {
        self.metrics.residents.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The permits, and the number of tasks that wait for one.
#[derive(Debug)]
pub(crate) struct ResidentPermits {
    semaphore: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Notifies one worker that only waits when a task needs its place.
    wanted: Notify,
    metrics: Arc<ExecutorMetrics>,
}

/// Counts a task as waiting.
struct WaitingTask<'a>(&'a AtomicUsize);

impl<'a> WaitingTask<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for WaitingTask<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ResidentPermits {
    pub(crate) fn new(count: usize, metrics: Arc<ExecutorMetrics>) -> Self {
        let semaphore = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { semaphore, waiting: AtomicUsize::new(0), wanted: Notify::new(), metrics }
    }

    /// Acquires a permit. If none is free, `evict` drops an idle instance if there is one, and then this waits. Returns
    /// `None` when the executor stops.
    pub(crate) async fn acquire(&self, evict: impl FnOnce()) -> Option<ResidentPermit> {
        if let Ok(permit) = self.semaphore.clone().try_acquire_owned() {
            return Some(self.permit(permit));
        }
        let _waiting = WaitingTask::new(&self.waiting);
        let mut queued = pin!(self.semaphore.clone().acquire_owned());
        let first = poll_fn(|context| Poll::Ready(queued.as_mut().poll(context))).await;
        let acquired = match first {
            Poll::Ready(acquired) => acquired,
            Poll::Pending => {
                evict();
                self.wanted.notify_one();
                queued.await
            }
        };
        Some(self.permit(acquired.ok()?))
    }

    fn permit(&self, permit: OwnedSemaphorePermit) -> ResidentPermit {
        self.metrics.residents.fetch_add(1, Ordering::Relaxed);
        ResidentPermit { _permit: permit, metrics: self.metrics.clone() }
    }

    /// Whether a task waits for a permit. Called under the node's lock.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Returns when a task waits for a permit. Each such task ends one of the waits that are under way.
    pub(crate) async fn wait_until_wanted(&self) {
        loop {
            let notified = self.wanted.notified();
            // A notification stays if no worker waited, and then the task that sent it may have its permit by now.
            if self.is_awaited() {
                return;
            }
            notified.await;
        }
    }

    /// Lets no task wait any more: the executor stops.
    pub(crate) fn close(&self) {
        self.semaphore.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Waker};

    fn permits(count: usize) -> ResidentPermits {
        ResidentPermits::new(count, Arc::default())
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Regression: a task took the permit of an instance that another task had evicted for itself.
    #[test]
    fn the_place_of_an_evicted_instance_is_for_the_task_that_evicted_it() {
        let permits = permits(1);
        let Poll::Ready(Some(idle)) = poll(pin!(permits.acquire(|| {}))) else { panic!("a place is free") };
        let evict = || {
            drop(idle);
            assert!(permits.semaphore.clone().try_acquire_owned().is_err(), "another task took the place");
        };
        let mut task = pin!(permits.acquire(evict));
        let Poll::Ready(Some(_permit)) = poll(task.as_mut()) else { panic!("the place is free") };
    }

    /// Regression: a notification stored one permit, so the second of two tasks waited although two places were free.
    #[test]
    fn each_free_place_wakes_a_task_that_has_begun_to_wait() {
        let permits = permits(2);
        let take = || {
            let mut taken = pin!(permits.acquire(|| {}));
            match poll(taken.as_mut()) {
                Poll::Ready(permit) => permit.unwrap(),
                Poll::Pending => panic!("a place is free"),
            }
        };
        let (first, second) = (take(), take());
        let (mut one, mut two) = (pin!(permits.acquire(|| {})), pin!(permits.acquire(|| {})));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        assert!(permits.is_awaited());
        drop((first, second));
        let (Poll::Ready(Some(one)), Poll::Ready(Some(two))) = (poll(one.as_mut()), poll(two.as_mut()))
        else {
            panic!("both places are free");
        };
        assert!(!permits.is_awaited());
        assert_eq!(permits.metrics.residents.load(Ordering::Relaxed), 2);
        drop((one, two));
        assert_eq!(permits.metrics.residents.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_task_counts_as_waiting_before_it_looks_for_an_idle_instance() {
        let permits = permits(1);
        let Poll::Ready(Some(held)) = poll(pin!(permits.acquire(|| {}))) else { panic!("a place is free") };
        let mut seen = false;
        {
            let mut waits = pin!(permits.acquire(|| seen = permits.is_awaited()));
            assert!(poll(waits.as_mut()).is_pending());
        }
        assert!(seen);
        assert!(!permits.is_awaited(), "its caller was dropped");
        drop(held);
        assert!(poll(pin!(permits.acquire(|| {}))).is_ready(), "the permit was not lost");
    }

    #[test]
    fn nothing_waits_after_the_executor_has_stopped() {
        let permits = permits(1);
        let Poll::Ready(held) = poll(pin!(permits.acquire(|| {}))) else { panic!("a place is free") };
        let mut waits = pin!(permits.acquire(|| {}));
        assert!(poll(waits.as_mut()).is_pending());
        permits.close();
        assert!(matches!(poll(waits.as_mut()), Poll::Ready(None)));
        drop(held);
    }
}
