//! The one lock of the node, and what every part does under it.
//!
//! Under the lock nothing waits and nothing reads the store: who needs something that is not in memory lets go,
//! reads it, and looks again. `Ledger::forgotten` tells whether what was read may be stale.

use super::committer;
use super::error::ExecutorError;
use super::ledger::{Action, Ledger, LedgerEvent, StepError, StepOutcome};
use super::logs::Logs;
use super::projection::WorkerProjection;
use super::scheduler::{self, Scheduler};
use super::settings::{ExecutorSettings, IdempotencyLookup};
use super::worker_task;
use super::{Admission, Components, ExecutorMetrics, ExecutorParts};
use crate::entropy::Entropy;
use crate::storage::ports::{Blobs, Seq, Store, StoreError, StoredHead, WorkerNum};
use golem_host::ports::Clock;
use golem_host::{Instance, InterruptHandle};
use golem_model::{Invocation, Value, WorkerId};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{Notify, oneshot, watch};

/// What an invocation comes to for who waits for it.
pub(crate) type Reply = Result<Option<Value>, ExecutorError>;

/// Someone who waits for an invocation.
pub(crate) type Waiter = oneshot::Sender<Reply>;

/// An admitted invocation that has not ended.
#[derive(Debug)]
pub(crate) struct PendingInvocation {
    /// The invocation; `None` if only its arrival is known, after a restart.
    pub(crate) invocation: Option<Invocation>,
    /// Its key as text.
    pub(crate) key: String,
    /// Its row, if it was accepted durably.
    pub(crate) arrival: Option<Seq>,
    /// Who waits for it.
    pub(crate) waiters: Vec<Waiter>,
}

/// What is in memory of a worker beside its head.
#[derive(Debug, Default)]
pub(crate) struct WorkerSlot {
    /// Invocations in order of admission.
    pub(crate) pending: VecDeque<PendingInvocation>,
    /// The one that runs, or is waiting, or is to be tried again.
    pub(crate) current: Option<PendingInvocation>,
    /// Whether a task drives the worker.
    pub(crate) task: bool,
    /// Set when the worker is to go on although its head says that it waits.
    pub(crate) woken: bool,
    /// Stops the running guest.
    pub(crate) control: Option<InterruptHandle>,
    /// The idle instance.
    pub(crate) instance: Option<ResidentInstance>,
    /// When it became idle: its place in [`State::idle`].
    pub(crate) idle_since: u64,
    /// Told when another worker has answered a call.
    pub(crate) answered: Arc<Notify>,
    /// Answers that came lately, by call, so that a caller in memory waits for no commit and reads nothing.
    pub(crate) answers: BTreeMap<u64, Arc<[u8]>>,
}

/// An instance in memory, with its place among the residents.
pub(crate) struct ResidentInstance {
    pub(crate) instance: Box<Instance>,
    pub(crate) control: InterruptHandle,
    /// Held for its `Drop`.
    #[expect(dead_code, reason = "gives its place back when the resident goes")]
    pub(crate) permit: ResidentPermit,
}

impl std::fmt::Debug for ResidentInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").finish_non_exhaustive()
    }
}

/// One place among the residents; given back when dropped.
#[derive(Debug)]
pub(crate) struct ResidentPermit {
    core: std::sync::Weak<Core>,
}

impl Drop for ResidentPermit {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.metrics.residents.fetch_sub(1, Ordering::Relaxed);
            core.resident_left.notify_one();
        }
    }
}

/// What is done once a row is durable.
pub(crate) enum OnDurable {
    Notify(oneshot::Sender<Result<(), ExecutorError>>),
    Deliver(Vec<Waiter>, Reply),
}

/// Whether the store can be used.
#[derive(Debug, Clone)]
pub(crate) enum StoreHealth {
    Up,
    Down(Arc<str>),
}

/// Everything under the lock.
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) slots: HashMap<WorkerNum, WorkerSlot>,
    /// What waits for durability, ascending by row.
    pub(crate) on_durable: VecDeque<(Seq, OnDurable)>,
    pub(crate) scheduler: Scheduler,
    pub(crate) health: StoreHealth,
    /// Grows when everything in memory was discarded after a failed commit.
    pub(crate) generation: u64,
    /// No more requests are taken.
    pub(crate) stopping: bool,
    /// No more rows will come: the committer ends when all is written.
    pub(crate) closing: bool,
    /// Idle instances, the longest idle first.
    pub(crate) idle: BTreeSet<(u64, WorkerNum)>,
    idle_count: u64,
}

impl State {
    /// Stands for "idle until now": instances that become idle later have a higher one.
    pub(crate) fn idle_marker(&self) -> u64 {
        self.idle_count
    }
}

/// The parts that all of the executor shares.
pub(crate) struct Core {
    state: Mutex<State>,
    /// Told when there is something to commit.
    pub(crate) work: Condvar,
    pub(crate) timers_changed: Notify,
    pub(crate) resident_left: Notify,
    /// Changes whenever a promise may have changed.
    pub(crate) promises_changed: watch::Sender<u64>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) snapshots: Arc<dyn Blobs>,
    /// Held by who keeps an image until the entry that names it is handed over, so that nobody takes it for garbage.
    pub(crate) keeping: tokio::sync::RwLock<()>,
    pub(crate) components: Arc<dyn Components>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) outbound: Arc<dyn super::Outbound>,
    pub(crate) settings: ExecutorSettings,
    pub(crate) metrics: Arc<ExecutorMetrics>,
    pub(crate) idempotency: IdempotencyLookup,
    pub(crate) logs: Arc<Logs>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) tasks: tokio_util::task::TaskTracker,
    /// Cancelled when the executor shuts down.
    pub(crate) stop: tokio_util::sync::CancellationToken,
    pub(crate) committer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Core {
    pub(crate) fn new(parts: ExecutorParts, ledger: Ledger) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ledger,
                slots: HashMap::new(),
                on_durable: VecDeque::new(),
                scheduler: Scheduler::default(),
                health: StoreHealth::Up,
                generation: 0,
                stopping: false,
                closing: false,
                idle: BTreeSet::new(),
                idle_count: 0,
            }),
            work: Condvar::new(),
            timers_changed: Notify::new(),
            resident_left: Notify::new(),
            promises_changed: watch::Sender::new(0),
            store: parts.store,
            snapshots: parts.snapshots,
            keeping: tokio::sync::RwLock::default(),
            components: parts.components,
            admission: parts.admission,
            clock: parts.clock,
            entropy: parts.entropy,
            outbound: parts.outbound,
            settings: parts.settings,
            metrics: parts.metrics,
            idempotency: parts.idempotency,
            logs: Arc::new(Logs::default()),
            runtime: tokio::runtime::Handle::current(),
            tasks: tokio_util::task::TaskTracker::new(),
            stop: tokio_util::sync::CancellationToken::new(),
            committer: Mutex::new(None),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn wait_for_work(
        &self,
        state: &mut MutexGuard<'_, State>,
        at_most: std::time::Duration,
    ) -> bool {
        !self.work.wait_for(state, at_most).timed_out()
    }

    /// Gives an event its place and carries out what follows from it.
    pub(crate) fn step(
        self: &Arc<Self>,
        state: &mut State,
        event: LedgerEvent,
    ) -> Result<StepOutcome, StepError> {
        let answer = state.ledger.step(self.clock.now(), event);
        self.carry_out(state);
        answer
    }

    /// Carries out the ledger's actions, and tells the committer if there is something for it.
    pub(crate) fn carry_out(self: &Arc<Self>, state: &mut State) {
        for action in state.ledger.take_actions() {
            match action {
                Action::Wake(no) => self.wake(state, no),
                Action::CallQueued(no, row, invocation) => self.queued(state, no, row, invocation),
                Action::CallWithdrawn(no, row) => Self::withdrawn(state, no, row),
                Action::CallAnswered(no, call, answer) => Self::answered(state, no, call, answer),
                Action::PromisesChanged => self.promises_changed.send_modify(|version| *version += 1),
                Action::SetTimer(no, at) => {
                    let before = state.scheduler.next();
                    let due = state.scheduler.step(self.clock.now(), scheduler::TimerEvent::Set(no, at));
                    debug_assert!(due.is_empty(), "setting a timer wakes nobody");
                    if state.scheduler.next() != before {
                        self.timers_changed.notify_one();
                    }
                }
            }
        }
        if state.ledger.has_rows() {
            self.work.notify_one();
        }
    }

    /// Fails if requests cannot be taken now.
    pub(crate) fn check_up(state: &State) -> Result<(), ExecutorError> {
        match &state.health {
            _ if state.stopping => Err(ExecutorError::ShuttingDown),
            StoreHealth::Up => Ok(()),
            StoreHealth::Down(reason) => Err(ExecutorError::Unavailable { reason: reason.clone() }),
        }
    }

    /// Has `then` done once `seq` is durable.
    pub(crate) fn when_durable(state: &mut State, seq: Seq, then: OnDurable) {
        if state.ledger.durable() >= seq {
            committer::fulfil(then, Ok(()));
        } else {
            let place = state.on_durable.partition_point(|(at, _)| *at <= seq);
            state.on_durable.insert(place, (seq, then));
        }
    }

    /// Returns once `seq` is durable.
    pub(crate) async fn durable(&self, seq: Seq) -> Result<(), ExecutorError> {
        let told = {
            let mut state = self.lock();
            if state.ledger.durable() >= seq {
                return Ok(());
            }
            Self::check_store(&state)?;
            let (tell, told) = oneshot::channel();
            Self::when_durable(&mut state, seq, OnDurable::Notify(tell));
            told
        };
        told.await.unwrap_or(Err(ExecutorError::ShuttingDown))
    }

    fn check_store(state: &State) -> Result<(), ExecutorError> {
        match &state.health {
            StoreHealth::Up => Ok(()),
            StoreHealth::Down(reason) => Err(ExecutorError::Unavailable { reason: reason.clone() }),
        }
    }

    /// The slot of a worker whose head is loaded; a new one begins with what its log says is queued.
    pub(crate) fn slot(state: &mut State, no: WorkerNum) -> &mut WorkerSlot {
        let ledger = &state.ledger;
        state.slots.entry(no).or_insert_with(|| {
            let queue = ledger.head(no).map(|head| head.queue.clone()).unwrap_or_default();
            let pending = queue
                .into_iter()
                .map(|(seq, key)| PendingInvocation {
                    invocation: None,
                    key: key.0,
                    arrival: Some(Seq(seq)),
                    waiters: vec![],
                })
                .collect();
            WorkerSlot { pending, ..WorkerSlot::default() }
        })
    }

    /// Starts a task for the worker if it has something to do and none drives it.
    pub(crate) fn kick(self: &Arc<Self>, state: &mut State, no: WorkerNum) {
        if state.stopping || matches!(state.health, StoreHealth::Down(_)) {
            return;
        }
        let generation = state.generation;
        let slot = Self::slot(state, no);
        if !std::mem::replace(&mut slot.task, true) {
            self.tasks.spawn_on(worker_task::run(self.clone(), no, generation), &self.runtime);
        }
    }

    /// The worker is to go on, whatever it waited for; loads its head first if it must.
    pub(crate) fn wake(self: &Arc<Self>, state: &mut State, no: WorkerNum) {
        self.promises_changed.send_modify(|version| *version += 1);
        if state.ledger.head(no).is_some() {
            Self::slot(state, no).woken = true;
            self.kick(state, no);
            return;
        }
        if state.ledger.is_removed(no) || state.stopping {
            return;
        }
        let core = self.clone();
        self.tasks.spawn_on(
            async move {
                if let Err(error) = core.load_and_wake(no).await {
                    tracing::warn!(worker = %no, %error, "cannot wake a worker; it is tried again when the store is back");
                }
            },
            &self.runtime,
        );
    }

    async fn load_and_wake(self: &Arc<Self>, no: WorkerNum) -> Result<(), ExecutorError> {
        loop {
            let forgotten = {
                let state = self.lock();
                Self::check_up(&state)?;
                state.ledger.forgotten()
            };
            let Some(stored) = self.read(move |store| store.head_by_no(no)).await? else { return Ok(()) };
            let head = self.decode_head(stored).await?;
            let mut state = self.lock();
            if state.ledger.head(no).is_none() {
                if state.ledger.forgotten() != forgotten {
                    // What was read may be stale by now: once more.
                    continue;
                }
                state.ledger.load(head);
                self.carry_out(&mut state);
            }
            if state.ledger.head(no).is_some() {
                Self::slot(&mut state, no).woken = true;
                self.kick(&mut state, no);
            }
            return Ok(());
        }
    }

    /// Finds a worker and has its head in memory. The number stays good only as long as the caller's next look under
    /// the lock finds the head: it may be forgotten or removed in between.
    pub(crate) async fn locate(self: &Arc<Self>, id: &WorkerId) -> Result<Option<WorkerNum>, ExecutorError> {
        loop {
            let forgotten = {
                let mut state = self.lock();
                Self::check_up(&state)?;
                if let Some(no) = state.ledger.no_of(id) {
                    return Ok(Some(no));
                }
                state.ledger.forgotten()
            };
            let wanted = id.clone();
            let stored = self.read(move |store| store.head(&wanted)).await?;
            let head = match stored {
                None => None,
                Some(stored) => Some(self.decode_head(stored).await?),
            };
            let mut state = self.lock();
            if let Some(no) = state.ledger.no_of(id) {
                return Ok(Some(no));
            }
            if state.ledger.forgotten() != forgotten {
                continue;
            }
            let Some(head) = head.filter(|head| !state.ledger.is_removed(WorkerNum(head.no))) else {
                return Ok(None);
            };
            let no = state.ledger.load(head);
            self.carry_out(&mut state);
            return Ok(Some(no));
        }
    }

    /// Reads the store on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ExecutorError> {
        let store = self.store.clone();
        let done = self.runtime.spawn_blocking(move || read(store.as_ref())).await;
        match done {
            Ok(result) => result.map_err(|error| unavailable(&error)),
            Err(_) => Err(ExecutorError::ShuttingDown),
        }
    }

    /// The head in what the store has; one of another version is rebuilt from the log.
    pub(crate) async fn decode_head(&self, stored: StoredHead) -> Result<WorkerProjection, ExecutorError> {
        match WorkerProjection::from_stored(&stored) {
            Ok(head) => Ok(head),
            Err(error) => {
                tracing::info!(%error, "rebuilding the head from the log");
                let rebuilt = self.runtime.spawn_blocking({
                    let store = self.store.clone();
                    move || super::history::rebuild_head(store.as_ref(), &stored)
                });
                match rebuilt.await {
                    Ok(Ok(head)) => Ok(head),
                    Ok(Err(error)) => Err(unavailable(&error)),
                    Err(_) => Err(ExecutorError::ShuttingDown),
                }
            }
        }
    }

    /// Keeps an idle instance for the next invocation.
    pub(crate) fn rest(state: &mut State, no: WorkerNum, resident: ResidentInstance) {
        state.idle_count += 1;
        let since = state.idle_count;
        state.idle.insert((since, no));
        let slot = Self::slot(state, no);
        slot.idle_since = since;
        slot.instance = Some(resident);
    }

    /// Takes the worker's idle instance.
    pub(crate) fn take_idle(state: &mut State, no: WorkerNum) -> Option<ResidentInstance> {
        let slot = state.slots.get_mut(&no)?;
        let resident = slot.instance.take()?;
        let since = slot.idle_since;
        state.idle.remove(&(since, no));
        Some(resident)
    }

    /// Forgets a slot in which nothing is that the log does not have.
    pub(crate) fn tidy_slot(state: &mut State, no: WorkerNum) {
        let logged = state.ledger.head(no).is_some_and(|head| head.current.is_some());
        if let Some(slot) = state.slots.get_mut(&no).filter(|slot| logged && !slot.task)
            && let Some(current) = &mut slot.current
        {
            current.waiters.retain(|waiter| !waiter.is_closed());
            if current.waiters.is_empty() {
                slot.current = None;
            }
        }
        let empty = state.slots.get(&no).is_some_and(|slot| {
            !slot.task && slot.pending.is_empty() && slot.current.is_none() && slot.instance.is_none()
        });
        if empty {
            state.slots.remove(&no);
        }
    }

    /// A place among the residents: a free one, or that of the longest idle instance, or the next to become free.
    /// `None` when the executor stops.
    pub(crate) async fn permit(self: &Arc<Self>) -> Option<ResidentPermit> {
        let most = i64::try_from(self.settings.residents_max).unwrap_or(i64::MAX);
        loop {
            let left = self.resident_left.notified();
            let evicted = {
                let mut state = self.lock();
                if self.metrics.residents.load(Ordering::Relaxed) < most {
                    self.metrics.residents.fetch_add(1, Ordering::Relaxed);
                    return Some(ResidentPermit { core: Arc::downgrade(self) });
                }
                match state.idle.first().copied() {
                    Some((_, no)) => {
                        let evicted = Self::take_idle(&mut state, no);
                        Self::tidy_slot(&mut state, no);
                        evicted
                    }
                    None => None,
                }
            };
            // Dropped outside the lock: an instance has memory to give back.
            if evicted.is_none() {
                tokio::select! {
                    () = left => {}
                    () = self.stop.cancelled() => return None,
                }
            }
        }
    }
}

/// The store's trouble as a caller sees it, with its cause.
pub(crate) fn unavailable(error: &dyn std::error::Error) -> ExecutorError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    ExecutorError::Unavailable { reason: reason.into() }
}
