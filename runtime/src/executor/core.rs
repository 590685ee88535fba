//! The node's one lock, and the operations that every part of the executor performs under it.
//!
//! Code that holds the lock neither waits nor reads the store. Large rows are encoded before the lock is taken
//! (`ledger/encoded.rs`), small rows and projections after it is released (`ledger/flush.rs`), and many keys are looked up
//! in chunks (`ledger/shared_values.rs`). Code that encodes asserts that its thread does not hold the lock (`lock_scope`).
//!
//! An operation that needs something from the store begins a read under the lock, reads the store without it, and takes
//! the lock again. What the ledger holds then overrides what was read (`ledger/store_reads.rs`).

use super::error::{ExecutorError, unavailable};
use super::ledger::store_reads::StoreRead;
use super::ledger::{Ledger, LedgerAction, LedgerEvent, StepError, StepOutcome};
use super::logs::{LogRing, Logs};
use super::panics::{StateGuard, report_panic};
use super::settings::{Deduplication, ExecutorSettings};
use super::state::{
    AcceptanceQueue, AnswerCache, LifeCycle, PromiseWatches, ResidentPermits, Scheduler, TimerEvent, TimerId,
    TimerReason, WAKES_MAX, WakeQueue,
};
pub(crate) use super::state::{ResidentInstance, ResidentPermit};
use super::worker_task;
use super::{ExecutorMetrics, ExecutorParts, HostAuthorization, TemplateLookup, WorkerAdmission};
use crate::entropy::Entropy;
use crate::spawner::{self, JobLost, Spawner};
use crate::storage::ports::{ContentStore, Seq, Store, StoreError, WorkerNum};
use golem_host::ports::Clock;
use golem_model::{Invocation, TemplateId, Value};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};

/// The reply to an invocation: its result, or the error for the caller.
pub(crate) type Reply = Result<Option<Value>, ExecutorError>;

/// The channel to a caller that waits for an invocation's reply.
pub(crate) type Waiter = oneshot::Sender<Reply>;

/// An admitted invocation that has not ended.
#[derive(Debug)]
pub(crate) struct PendingInvocation {
    /// The invocation. `None` after a restart, when only the row of its inbox event is known.
    pub(crate) invocation: Option<Arc<Invocation>>,
    /// The invocation's key as text.
    pub(crate) key: String,
    /// The row of its inbox event, if it was accepted durably.
    pub(crate) accepted_row: Option<Seq>,
    /// The elapsed time at which its acceptance must be in the log.
    pub(crate) accept_by: Duration,
    /// Whether an instance has it, or has recorded that it began. Its acceptance needs no other row then.
    pub(crate) is_handed_over: bool,
    /// Callers that wait for the reply, and some that are gone.
    pub(crate) waiters: Vec<Waiter>,
}

impl PendingInvocation {
    /// An invocation that was admitted now and has no row.
    pub(crate) fn admitted(invocation: Arc<Invocation>, accept_by: Duration) -> Self {
        let key = invocation.key.as_str().to_owned();
        Self {
            invocation: Some(invocation),
            key,
            accepted_row: None,
            accept_by,
            is_handed_over: false,
            waiters: Vec::new(),
        }
    }

    /// Adds a caller. Callers that are gone leave before the list grows, so a client that asks again and again and does not
    /// wait costs nothing.
    pub(crate) fn add_waiter(&mut self) -> oneshot::Receiver<Reply> {
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        let (tx, reply) = oneshot::channel();
        self.waiters.push(tx);
        reply
    }

    /// An invocation that the log has: in the row of its inbox event, or as the one that has begun.
    pub(crate) fn from_log(key: String, accepted_row: Option<Seq>) -> Self {
        Self {
            invocation: None,
            key,
            accepted_row,
            accept_by: Duration::MAX,
            is_handed_over: false,
            waiters: Vec::new(),
        }
    }
}

/// In-memory state of a worker, beside its projection.
#[derive(Debug, Default)]
pub(crate) struct WorkerSlot {
    /// Queued invocations in order of admission.
    pub(crate) pending: VecDeque<PendingInvocation>,
    /// The invocation that runs, waits, or is to be retried.
    pub(crate) current: Option<PendingInvocation>,
    /// Whether a task drives the worker, and whether its instance is idle.
    pub(crate) life_cycle: LifeCycle,
    /// Notified when another worker has answered a call of this worker.
    pub(crate) answer_notify: Arc<Notify>,
}

impl WorkerSlot {
    /// Whether a task has taken an invocation.
    pub(crate) fn drives_invocation(&self) -> bool {
        self.life_cycle.has_task() && self.current.is_some()
    }
}

/// What to do once a row is durable.
pub(crate) enum OnDurable {
    Notify(oneshot::Sender<Result<(), ExecutorError>>),
    Deliver(Vec<Waiter>, Reply),
    /// Makes a worker's output before this row visible.
    PublishOutput(Arc<LogRing>, Seq),
}

/// Whether the store can be used.
#[derive(Debug, Clone)]
pub(crate) enum StoreHealth {
    Up,
    Down(Arc<str>),
}

/// Everything that the lock protects.
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) slots: HashMap<WorkerNum, WorkerSlot>,
    /// Completions that wait for durability, ascending by row.
    pub(crate) on_durable: VecDeque<(Seq, OnDurable)>,
    pub(crate) scheduler: Scheduler,
    /// Admitted invocations whose acceptance is not in the log yet.
    pub(crate) acceptances: AcceptanceQueue,
    pub(crate) health: StoreHealth,
    /// Incremented when all in-memory state is discarded after a failed commit.
    pub(crate) generation: u64,
    /// Set when a panic under the lock may have left this state inconsistent. The committer then discards it.
    pub(crate) is_inconsistent: bool,
    /// Set when the executor accepts no more requests.
    pub(crate) stopping: bool,
    /// Set when no more rows will be added. The committer then ends after writing everything.
    pub(crate) closing: bool,
    /// Idle instances, the longest idle first.
    pub(crate) idle: BTreeSet<(u64, WorkerNum)>,
    pub(crate) idle_counter: u64,
    /// Workers to wake whose projections may have to be loaded first.
    pub(crate) wakes: WakeQueue,
    /// Workers that wait for promises in memory.
    pub(crate) promise_watches: PromiseWatches,
    /// Answers to calls of workers in memory.
    pub(crate) answers: AnswerCache,
    /// Workers whose work met errors of the server, and the number of these errors in a row. The work is retried.
    pub(crate) server_errors: HashMap<WorkerNum, u32>,
}

impl State {
    /// A marker for "idle until now": instances that become idle later have a higher value in [`State::idle`].
    pub(crate) fn idle_high_watermark(&self) -> u64 {
        self.idle_counter
    }
}

/// State and services that all parts of the executor share.
pub(crate) struct Core {
    state: Mutex<State>,
    /// The last row of the process before this one.
    pub(crate) began_after: Seq,
    /// Notified when the committer has something to do.
    pub(crate) commit_needed: Notify,
    pub(crate) timers_changed: Notify,
    /// Notified when a worker is to be woken.
    pub(crate) wakes_changed: Notify,
    /// Permits of workers that were woken and have no instance yet.
    pub(crate) wake_permits: Arc<Semaphore>,
    pub(crate) residents: ResidentPermits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) snapshots: Arc<dyn ContentStore>,
    /// Read-locked by a task that stores an image, until the entry that names the image has been appended. The sweep of
    /// unused images takes the write lock, so it cannot remove such an image.
    pub(crate) image_lock: tokio::sync::RwLock<()>,
    pub(crate) templates: Arc<dyn TemplateLookup>,
    pub(crate) admission: Arc<dyn WorkerAdmission>,
    pub(crate) authorization: Arc<dyn HostAuthorization>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) outbound: Arc<dyn super::OutboundProvider>,
    pub(crate) settings: ExecutorSettings,
    pub(crate) metrics: Arc<ExecutorMetrics>,
    pub(crate) idempotency: Deduplication,
    pub(crate) logs: Arc<Logs>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) tasks: tokio_util::task::TaskTracker,
    /// Cancelled when the executor shuts down.
    pub(crate) stop: tokio_util::sync::CancellationToken,
    /// Cancelled when another process has taken the data: this process can never write again.
    pub(crate) fenced: tokio_util::sync::CancellationToken,
    /// The committer's task.
    pub(crate) committer: tokio_util::task::TaskTracker,
}

impl Core {
    pub(crate) fn new(parts: ExecutorParts, ledger: Ledger) -> Arc<Self> {
        Arc::new(Self {
            began_after: ledger.last_seq(),
            state: Mutex::new(State {
                ledger,
                slots: HashMap::new(),
                on_durable: VecDeque::new(),
                scheduler: Scheduler::default(),
                acceptances: AcceptanceQueue::default(),
                health: StoreHealth::Up,
                generation: 0,
                is_inconsistent: false,
                stopping: false,
                closing: false,
                idle: BTreeSet::new(),
                idle_counter: 0,
                wakes: WakeQueue::default(),
                promise_watches: PromiseWatches::default(),
                answers: AnswerCache::default(),
                server_errors: HashMap::new(),
            }),
            commit_needed: Notify::new(),
            timers_changed: Notify::new(),
            wakes_changed: Notify::new(),
            wake_permits: Arc::new(Semaphore::new(WAKES_MAX)),
            residents: ResidentPermits::new(parts.settings.residents_max, parts.metrics.clone()),
            store: parts.store,
            snapshots: parts.snapshots,
            image_lock: tokio::sync::RwLock::default(),
            templates: parts.templates,
            admission: parts.admission,
            authorization: parts.authorization,
            clock: parts.clock,
            entropy: parts.entropy,
            outbound: parts.outbound,
            settings: parts.settings,
            metrics: parts.metrics,
            idempotency: parts.idempotency,
            logs: Arc::new(Logs::default()),
            spawner: parts.spawner,
            tasks: tokio_util::task::TaskTracker::new(),
            stop: tokio_util::sync::CancellationToken::new(),
            fenced: tokio_util::sync::CancellationToken::new(),
            committer: tokio_util::task::TaskTracker::new(),
        })
    }

    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard::new(self, self.state.lock())
    }

    /// Starts a task that a shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawner.spawn(Box::pin(self.tasks.track_future(task)));
    }

    /// Runs `job`, which may block, on the thread of the committer.
    pub(crate) async fn block_in_place(&self, job: impl FnOnce() + Send) {
        let mut job = Some(job);
        let mut once = || job.take().into_iter().for_each(|job| job());
        self.spawner.block_in_place(&mut once).await;
    }

    /// Runs `job` on a thread that may block.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ExecutorError> {
        spawner::run_blocking(&*self.spawner, job).await.map_err(|lost| match lost {
            JobLost::Dropped => ExecutorError::ShuttingDown,
            JobLost::Panicked { message } => {
                report_panic(self, "a job", &message);
                let reason =
                    "a part of the server panicked while it served the request; its log has the details";
                ExecutorError::Unavailable { reason: reason.into() }
            }
        })
    }

    /// Applies an event to the ledger and performs the resulting actions.
    pub(crate) fn step(
        self: &Arc<Self>,
        state: &mut State,
        event: LedgerEvent,
    ) -> Result<StepOutcome, StepError> {
        let outcome = state.ledger.step(self.clock.now(), event);
        self.run_actions(state);
        outcome
    }

    /// Performs the ledger's actions, and notifies the committer if there are rows to write.
    pub(crate) fn run_actions(self: &Arc<Self>, state: &mut State) {
        for action in state.ledger.take_actions() {
            match action {
                LedgerAction::Wake(worker) => self.wake(state, worker),
                LedgerAction::CallQueued(worker, row, invocation) => {
                    self.enqueue_call(state, worker, row, invocation);
                }
                LedgerAction::CallWithdrawn(worker, row) => Self::dequeue_call(state, worker, row),
                LedgerAction::CallAnswered(worker, call, answer) => {
                    Self::deliver_answer(state, worker, call, answer);
                }
                LedgerAction::PromiseSettled(promise) => state.promise_watches.settle(&promise),
                LedgerAction::PromisesGone(owner, from) => {
                    state.promise_watches.settle_from_index(&owner, from);
                }
                LedgerAction::SetTimer(worker, at) => {
                    let timer = TimerId { worker, reason: TimerReason::Log };
                    self.change_timer(state, TimerEvent::Set(timer, at));
                }
            }
        }
        if state.ledger.has_unwritten_rows() {
            self.commit_needed.notify_one();
        }
    }

    /// Sets or clears a timer, and lets the scheduler's task know if the next time changes.
    pub(crate) fn change_timer(&self, state: &mut State, event: TimerEvent) {
        let before = state.scheduler.next_due();
        let due = state.scheduler.step(self.clock.now(), event);
        debug_assert!(due.is_empty(), "setting a timer makes none due");
        if state.scheduler.next_due() != before {
            self.timers_changed.notify_one();
        }
    }

    /// Forgets the errors of the server that the worker's work has met, and their retry.
    pub(crate) fn forget_server_errors(&self, state: &mut State, worker: WorkerNum) {
        if state.server_errors.remove(&worker).is_some() {
            let timer = TimerId { worker, reason: TimerReason::ServerError };
            self.change_timer(state, TimerEvent::Set(timer, None));
        }
    }

    /// Returns an error if requests cannot be accepted now.
    pub(crate) fn check_available(state: &State) -> Result<(), ExecutorError> {
        match &state.health {
            _ if state.stopping => Err(ExecutorError::ShuttingDown),
            StoreHealth::Up => Ok(()),
            StoreHealth::Down(reason) => Err(ExecutorError::Unavailable { reason: reason.clone() }),
        }
    }

    /// Returns the slot of a worker whose projection is loaded. A new slot starts with the invocations that the
    /// projection has in its queue.
    pub(crate) fn slot(state: &mut State, worker: WorkerNum) -> &mut WorkerSlot {
        let ledger = &state.ledger;
        state.slots.entry(worker).or_insert_with(|| {
            let queue =
                ledger.projection(worker).map(|projection| projection.queue.clone()).unwrap_or_default();
            let pending = queue
                .into_iter()
                .map(|(seq, key)| PendingInvocation::from_log(key.0, Some(Seq(seq))))
                .collect();
            WorkerSlot { pending, ..WorkerSlot::default() }
        })
    }

    /// Starts a task for the worker unless one drives it already.
    pub(crate) fn spawn_if_idle(self: &Arc<Self>, state: &mut State, worker: WorkerNum) {
        if state.stopping || matches!(state.health, StoreHealth::Down(_)) {
            return;
        }
        let generation = state.generation;
        let slot = Self::slot(state, worker);
        if slot.life_cycle.start() {
            let task = worker_task::run_contained(self.clone(), worker, generation);
            self.spawn(task);
        }
    }

    /// Returns the component of a template version.
    pub(crate) async fn component(
        &self,
        template: TemplateId,
        version: u32,
    ) -> Result<golem_host::Component, ExecutorError> {
        let component = self.templates.component(template, version).await;
        component.map_err(|fault| ExecutorError::Template { template, version, fault })
    }

    /// Returns the files that a template version ships with.
    pub(crate) async fn template_files(
        &self,
        template: TemplateId,
        version: u32,
    ) -> Result<Option<golem_host::Files>, ExecutorError> {
        let files = self.templates.files(template, version).await;
        files.map_err(|fault| ExecutorError::Template { template, version, fault })
    }

    /// Returns an error if all in-memory state was discarded since the read began.
    pub(crate) fn check_read_valid(state: &State, read: &StoreRead) -> Result<(), ExecutorError> {
        Self::check_available(state)?;
        if state.ledger.is_read_valid(read) {
            return Ok(());
        }
        let reason = "a commit failed while the store was read; repeat the request".into();
        Err(ExecutorError::Unavailable { reason })
    }

    /// Reads the store on a thread that may block.
    pub(crate) async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ExecutorError> {
        let store = self.store.clone();
        self.run_blocking(move || read(store.as_ref())).await?.map_err(|error| unavailable(&error))
    }

    /// Removes a slot that holds nothing beyond what the log has.
    pub(crate) fn remove_slot_if_empty(state: &mut State, worker: WorkerNum) {
        let logged = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
        if let Some(slot) = state.slots.get_mut(&worker).filter(|slot| logged && !slot.life_cycle.has_task())
            && let Some(current) = &mut slot.current
        {
            current.waiters.retain(|waiter| !waiter.is_closed());
            if current.waiters.is_empty() {
                slot.current = None;
            }
        }
        let empty = state.slots.get(&worker).is_some_and(|slot| {
            slot.life_cycle.is_resting() && slot.pending.is_empty() && slot.current.is_none()
        });
        if empty {
            state.slots.remove(&worker);
            state.answers.remove_worker(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a client that repeated a request and did not wait for the answer made the server grow as long as the
    /// invocation ran.
    #[test]
    fn callers_that_are_gone_leave_the_list() {
        let mut pending = PendingInvocation::from_log("k".to_owned(), None);
        let mut waiting = pending.add_waiter();
        for _ in 0..100_000 {
            drop(pending.add_waiter());
        }
        assert!(pending.waiters.capacity() < 10, "{}", pending.waiters.capacity());
        for waiter in pending.waiters {
            drop(waiter.send(Ok(None)));
        }
        assert!(matches!(waiting.try_recv(), Ok(Ok(None))), "this caller has waited");
    }
}
