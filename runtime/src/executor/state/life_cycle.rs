//! The life cycle of a worker in this process: whether a task drives it, and whether its instance is idle in memory.
//!
//! Beside it, the log has the state that outlives the process (`WorkerProjection::status`): whether the worker waits for
//! a time or a promise, for its next attempt, or for an operator.
//!
//! | from | event | to |
//! |---|---|---|
//! | `Resting`, `Idle` | [`LifeCycle::start`]: there is work, or the worker is woken | `Driven`; an idle instance stays idle until the task takes it |
//! | `Driven` | [`LifeCycle::start`] | `Driven`; the task looks for work again before it finishes |
//! | `Driven` | [`LifeCycle::wake`]: a wait has ended | `Driven`; the task continues the work that waits |
//! | `Driven` | [`LifeCycle::begin_work`]: the task has chosen its work | `Driven`; an interrupt stops this work |
//! | `Driven` | [`LifeCycle::take_wake_permit`]: the instance is loaded, or cannot be | `Driven`; another worker may be woken |
//! | `Driven` | [`LifeCycle::notify_settled`]: the task has settled its work | `Driven`; the requests that waited for this are answered |
//! | `Resting`, `Driven` | [`LifeCycle::park`]: the task has nothing to do for its instance | `Idle`, `Driven` with an idle instance |
//! | `Idle`, `Driven` | [`LifeCycle::take_idle`]: the task takes its instance, or another worker needs the place | `Resting`, `Driven` |
//! | `Driven` | [`LifeCycle::finish`]: the task ends | `Idle` if its instance is idle, otherwise `Resting` |
//!
//! A deletion, a shutdown and a failed commit drop the whole slot of the worker, in any state.
//!
//! Invariant: at most one task drives a worker: only the transition to `Driven` starts one.
//!
//! Invariant: what belongs to a task (a wake-up, the handle that interrupts it, requests that wait for it) ends with it.

use super::resident_permits::ResidentInstance;
use golem_host::InterruptHandle;
use std::convert::Infallible;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The state of a worker; see the module documentation.
#[derive(Debug, Default)]
pub(crate) enum LifeCycle {
    /// No task drives the worker, and it has no instance.
    #[default]
    Resting,
    /// No task drives the worker. Its instance is in memory, at the end of the log.
    Idle(IdleInstance),
    /// A task drives the worker.
    Driven(WorkerTask),
}

/// An instance that no task uses.
#[derive(Debug)]
pub(crate) struct IdleInstance {
    resident: ResidentInstance,
    /// The value of the idle counter when the instance became idle: its key in `State::idle`.
    since: u64,
}

/// What belongs to the task of a worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerTask {
    /// The worker's instance, until the task takes it.
    idle: Option<IdleInstance>,
    /// Set when the task must continue the work although the log says that it waits.
    is_woken: bool,
    /// Held by a task that was woken, until it has an instance or nothing to do.
    wake_permit: Option<OwnedSemaphorePermit>,
    /// Interrupts the chosen work.
    interrupt_handle: Option<InterruptHandle>,
    /// Requests that wait until the task has settled its present work. Dropping a sender completes its request.
    settle_waiters: Vec<oneshot::Sender<Infallible>>,
}

impl LifeCycle {
    /// Whether a task drives the worker.
    pub(crate) fn has_task(&self) -> bool {
        matches!(self, Self::Driven(_))
    }

    /// Whether neither a task nor an instance needs the worker's slot.
    pub(crate) fn is_resting(&self) -> bool {
        matches!(self, Self::Resting)
    }

    fn task(&mut self) -> Option<&mut WorkerTask> {
        match self {
            Self::Driven(task) => Some(task),
            Self::Resting | Self::Idle(_) => None,
        }
    }

    /// Returns true if the caller must start the worker's task.
    #[must_use]
    pub(crate) fn start(&mut self) -> bool {
        let idle = match std::mem::take(self) {
            Self::Resting => None,
            Self::Idle(idle) => Some(idle),
            driven @ Self::Driven(_) => {
                *self = driven;
                return false;
            }
        };
        *self = Self::Driven(WorkerTask { idle, ..WorkerTask::default() });
        true
    }

    /// Lets the task continue the work although the log says that it waits.
    pub(crate) fn wake(&mut self) {
        if let Some(task) = self.task() {
            task.is_woken = true;
        }
    }

    /// Whether the task was woken. It is not any more.
    pub(crate) fn take_wake(&mut self) -> bool {
        self.task().is_some_and(|task| std::mem::take(&mut task.is_woken))
    }

    /// Gives the task a permit, which it keeps until it has an instance or nothing to do.
    pub(crate) fn set_wake_permit(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(task) = self.task() {
            task.wake_permit = Some(permit);
        }
    }

    /// Takes the task's permit.
    pub(crate) fn take_wake_permit(&mut self) -> Option<OwnedSemaphorePermit> {
        self.task()?.wake_permit.take()
    }

    /// The task has chosen its work. `handle` interrupts it.
    pub(crate) fn begin_work(&mut self, handle: InterruptHandle) {
        if let Some(task) = self.task() {
            task.interrupt_handle = Some(handle);
        }
    }

    /// The handle that interrupts the task's work.
    pub(crate) fn interrupt_handle(&mut self) -> Option<InterruptHandle> {
        self.task().map(|task| task.interrupt_handle.get_or_insert_default().clone())
    }

    /// Interrupts the task's work, if it has chosen some.
    pub(crate) fn interrupt(&self) {
        if let Self::Driven(WorkerTask { interrupt_handle: Some(handle), .. }) = self {
            handle.interrupt();
        }
    }

    /// Returns a receiver whose channel closes when the task has settled its present work, or when it ends. `None` if no
    /// task drives the worker.
    pub(crate) fn settled(&mut self) -> Option<oneshot::Receiver<Infallible>> {
        let task = self.task()?;
        if task.settle_waiters.len() == task.settle_waiters.capacity() {
            // Requests that were given up.
            task.settle_waiters.retain(|waiter| !waiter.is_closed());
        }
        let (tx, rx) = oneshot::channel();
        task.settle_waiters.push(tx);
        Some(rx)
    }

    /// The task has settled the work during which the waiting requests came.
    pub(crate) fn notify_settled(&mut self) {
        if let Some(task) = self.task() {
            task.settle_waiters.clear();
        }
    }

    /// Keeps an instance until it is taken.
    pub(crate) fn park(&mut self, resident: ResidentInstance, since: u64) {
        let idle = IdleInstance { resident, since };
        match self {
            Self::Driven(task) => task.idle = Some(idle),
            Self::Resting | Self::Idle(_) => *self = Self::Idle(idle),
        }
    }

    /// Takes the idle instance, and the value of the idle counter when it became idle.
    pub(crate) fn take_idle(&mut self) -> Option<(ResidentInstance, u64)> {
        let idle = match std::mem::take(self) {
            Self::Resting => None,
            Self::Idle(idle) => Some(idle),
            Self::Driven(mut task) => {
                let idle = task.idle.take();
                *self = Self::Driven(task);
                idle
            }
        };
        idle.map(|idle| (idle.resident, idle.since))
    }

    /// The task ends.
    pub(crate) fn finish(&mut self) {
        *self = match std::mem::take(self) {
            Self::Driven(WorkerTask { idle: None, .. }) | Self::Resting => Self::Resting,
            Self::Driven(WorkerTask { idle: Some(idle), .. }) | Self::Idle(idle) => Self::Idle(idle),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_at_most_one_task() {
        let mut worker = LifeCycle::default();
        assert!(worker.start());
        assert!(worker.has_task() && !worker.start() && !worker.is_resting());
        worker.finish();
        assert!(worker.is_resting() && worker.start());
    }

    #[test]
    fn what_belongs_to_a_task_ends_with_it() {
        let mut worker = LifeCycle::default();
        worker.wake();
        assert!(worker.settled().is_none() && worker.interrupt_handle().is_none(), "no task could answer");
        assert!(worker.start() && !worker.take_wake(), "nothing woke this task");
        worker.wake();
        assert!(!worker.start(), "a worker that is driven keeps its wake-up");
        assert!(worker.take_wake() && !worker.take_wake());
        worker.wake();
        let handle = worker.interrupt_handle().unwrap();
        let mut settled = worker.settled().unwrap();
        assert_eq!(settled.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        worker.finish();
        assert_eq!(settled.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        worker.interrupt();
        assert!(!handle.is_interrupted(), "its task has ended");
        assert!(worker.start() && !worker.take_wake());
    }

    #[test]
    fn an_interrupt_stops_the_chosen_work() {
        let mut worker = LifeCycle::default();
        assert!(worker.start());
        worker.interrupt();
        let (first, second) = (InterruptHandle::default(), InterruptHandle::default());
        worker.begin_work(first.clone());
        worker.interrupt();
        worker.begin_work(second.clone());
        assert!(first.is_interrupted() && !second.is_interrupted(), "not the work behind it");
    }
}
