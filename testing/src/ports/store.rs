//! Oplogs, promises, buckets and containers in memory.
//!
//! The state is one list of events in commit order; oplogs, promises and values are derived from it. A crash cuts the
//! list after the last committed event.
//!
//! Invariant: an activation's writes fail once the worker was activated again or the store crashed.

use super::calls::Answerer;
use async_trait::async_trait;
use golem_host::History;
use golem_host::ports::{AnswerState, Oplog, PortError, Promises};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::promise::{PromiseCompletion, PromiseState};
use golem_model::shared::{ScopedKey, ValueVersion};
use golem_model::{Entry, OplogIndex, PromiseId, WorkerId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The state of many workers. Clones are one store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Changes after each event.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) events: Vec<StoreEvent>,
    pub(super) committed: usize,
    /// Answers calls to other workers, if the test has set it.
    pub(super) answerer: Option<Answerer>,
    /// The current activation of each worker; a crash ends all.
    activations: BTreeMap<WorkerId, u64>,
    activations_made: u64,
    /// Writes that still succeed, if the test has set a limit.
    writes_left: Option<u64>,
    appends: u64,
    /// The last version of a value.
    pub(super) version_last: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("events", &self.events).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub(super) enum StoreEvent {
    Appended { worker: WorkerId, entries: Vec<Entry> },
    Completed { promise: PromiseId, data: Arc<[u8]>, cause: Option<EntryId> },
    Deleted { promise: PromiseId, cause: Option<EntryId> },
    Answered { worker: WorkerId, call: OplogIndex, bytes: Arc<[u8]>, cause: Option<EntryId> },
    Wrote { changes: Vec<(ScopedKey, Option<Arc<[u8]>>)>, version: ValueVersion, cause: EntryId },
}

/// The entry that records a worker's change to shared state. A change from outside has none.
pub(super) type EntryId = (WorkerId, OplogIndex);

/// An invalid request of a test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The worker has no oplog.
    #[error("worker {0} was not created")]
    NoWorker(WorkerId),
    /// The worker has one already.
    #[error("worker {0} exists")]
    WorkerExists(WorkerId),
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::default(), changes: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Creates a worker with this oplog, committed. The first entry must be its creation.
    pub fn create(&self, worker: &WorkerId, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut state = self.shared.state.lock();
        if !state.oplog(worker).is_empty() {
            return Err(StoreError::WorkerExists(worker.clone()));
        }
        state.events.push(StoreEvent::Appended { worker: worker.clone(), entries });
        state.committed = state.events.len();
        Ok(())
    }

    /// All workers, in order.
    pub fn workers(&self) -> Vec<WorkerId> {
        let state = self.shared.state.lock();
        let created = state.events.iter().filter_map(|event| match event {
            StoreEvent::Appended { worker, .. } => Some(worker.clone()),
            _ => None,
        });
        created.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// The worker's oplog, including uncommitted entries.
    pub fn oplog(&self, worker: &WorkerId) -> Vec<Entry> {
        self.shared.state.lock().oplog(worker)
    }

    /// The worker's oplog as a crash would leave it.
    pub fn oplog_committed(&self, worker: &WorkerId) -> Vec<Entry> {
        let state = self.shared.state.lock();
        oplog(&state.events[..state.committed], worker)
    }

    /// Appends one committed entry from outside, as the server does for a failed attempt.
    pub fn append(&self, worker: &WorkerId, entry: Entry) {
        let mut state = self.shared.state.lock();
        state.events.push(StoreEvent::Appended { worker: worker.clone(), entries: vec![entry] });
        state.committed = state.events.len();
    }

    /// Completes a promise from outside, durably.
    pub fn complete(&self, promise: &PromiseId, data: &[u8]) -> PromiseCompletion {
        let completion = {
            let mut state = self.shared.state.lock();
            let completion = state.complete(promise, data.into(), None);
            state.committed = state.events.len();
            completion
        };
        self.notify_change();
        completion
    }

    /// A store as a crash might have left it: `worker`'s oplog has only its first `entries` entries, and the worker's
    /// later changes to shared state are missing. The state of other workers and changes from outside stay.
    #[must_use]
    pub fn prefix(&self, worker: &WorkerId, entries: usize) -> Self {
        let prefix = Self::new();
        let mut left = entries;
        let happened = |cause: &Option<EntryId>| {
            cause.as_ref().is_none_or(|(cause, index)| cause != worker || index.0 <= entries as u64)
        };
        let (events, answerer, version_last) = {
            let state = self.shared.state.lock();
            (state.events.clone(), state.answerer.clone(), state.version_last)
        };
        {
            let mut state = prefix.shared.state.lock();
            state.answerer = answerer;
            state.version_last = version_last;
            for event in events {
                match event {
                    StoreEvent::Appended { worker: of, mut entries } if of == *worker => {
                        entries.truncate(left);
                        left -= entries.len();
                        state.events.push(StoreEvent::Appended { worker: of, entries });
                    }
                    StoreEvent::Completed { cause, .. }
                    | StoreEvent::Deleted { cause, .. }
                    | StoreEvent::Answered { cause, .. }
                        if !happened(&cause) => {}
                    StoreEvent::Wrote { cause, .. } if !happened(&Some(cause.clone())) => {}
                    event => state.events.push(event),
                }
            }
            state.committed = state.events.len();
        }
        prefix
    }

    /// The state of a promise.
    pub fn promise(&self, promise: &PromiseId) -> PromiseState {
        self.shared.state.lock().promise(promise)
    }

    /// How often entries were appended.
    pub fn appends(&self) -> u64 {
        self.shared.state.lock().appends
    }

    /// Makes everything durable.
    pub fn commit(&self) {
        let mut state = self.shared.state.lock();
        state.committed = state.events.len();
    }

    /// Drops everything uncommitted, and ends all activations.
    pub fn crash(&self) {
        {
            let mut state = self.shared.state.lock();
            let committed = state.committed;
            state.events.truncate(committed);
            state.activations.clear();
            state.writes_left = None;
        }
        self.notify_change();
    }

    /// Lets the next `writes` writes succeed and later ones fail, until a crash.
    pub fn fail_after(&self, writes: u64) {
        self.shared.state.lock().writes_left = Some(writes);
    }

    pub(super) fn activate(&self, worker: &WorkerId) -> Result<Activation, StoreError> {
        let mut state = self.shared.state.lock();
        if state.oplog(worker).is_empty() {
            return Err(StoreError::NoWorker(worker.clone()));
        }
        state.activations_made += 1;
        let number = state.activations_made;
        state.activations.insert(worker.clone(), number);
        Ok(Activation { store: self.clone(), worker: worker.clone(), number })
    }

    pub(super) fn notify_change(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}

fn oplog(events: &[StoreEvent], worker: &WorkerId) -> Vec<Entry> {
    let entries = events.iter().filter_map(|event| match event {
        StoreEvent::Appended { worker: of, entries } if of == worker => Some(entries),
        StoreEvent::Appended { .. }
        | StoreEvent::Completed { .. }
        | StoreEvent::Deleted { .. }
        | StoreEvent::Answered { .. }
        | StoreEvent::Wrote { .. } => None,
    });
    entries.flatten().cloned().collect()
}

impl State {
    pub(super) fn oplog(&self, worker: &WorkerId) -> Vec<Entry> {
        oplog(&self.events, worker)
    }

    fn promise(&self, promise: &PromiseId) -> PromiseState {
        let oplog = self.oplog(&promise.worker);
        if History::from_entries(OplogIndex(0), oplog.clone(), usize::MAX).is_reverted(promise.index) {
            return PromiseState::Unknown;
        }
        for event in self.events.iter().rev() {
            match event {
                StoreEvent::Completed { promise: of, data, .. } if of == promise => {
                    return PromiseState::Completed(Arc::clone(data));
                }
                StoreEvent::Deleted { promise: of, .. } if of == promise => return PromiseState::Unknown,
                StoreEvent::Completed { .. }
                | StoreEvent::Deleted { .. }
                | StoreEvent::Appended { .. }
                | StoreEvent::Answered { .. }
                | StoreEvent::Wrote { .. } => {}
            }
        }
        let position = usize::try_from(promise.index.0).unwrap_or(usize::MAX);
        match position.checked_sub(1).and_then(|position| oplog.get(position)) {
            Some(Entry::HostCall {
                call: HostCall { function: HostFunction::PromiseCreate, .. }, ..
            }) => PromiseState::Pending,
            _ => PromiseState::Unknown,
        }
    }

    fn complete(
        &mut self,
        promise: &PromiseId,
        data: Arc<[u8]>,
        cause: Option<EntryId>,
    ) -> PromiseCompletion {
        match self.promise(promise) {
            PromiseState::Pending => {
                self.events.push(StoreEvent::Completed { promise: promise.clone(), data, cause });
                PromiseCompletion::Completed
            }
            PromiseState::Completed(_) => PromiseCompletion::AlreadyCompleted,
            PromiseState::Unknown => PromiseCompletion::Unknown,
        }
    }

    /// Appends entries of an activation, the first at index `first`.
    pub(super) fn append(&mut self, activation: &Activation, first: OplogIndex, entries: Vec<Entry>) {
        let end = self.oplog(&activation.worker).len() as u64;
        assert_eq!(first.0, end + 1, "worker {} appends where its oplog does not end", activation.worker);
        if !entries.is_empty() {
            self.appends += 1;
            self.events.push(StoreEvent::Appended { worker: activation.worker.clone(), entries });
        }
    }

    /// Checks whether this activation may write now.
    pub(super) fn check_writable(&mut self, activation: &Activation) -> Result<(), PortError> {
        if self.activations.get(&activation.worker) != Some(&activation.number) {
            return Err(PortError::Discarded);
        }
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(PortError::Unavailable { reason: "a test lets this write fail".into() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

/// The ports of one activation.
#[derive(Debug)]
pub(super) struct Activation {
    pub(super) store: MemoryStore,
    pub(super) worker: WorkerId,
    number: u64,
}

#[async_trait]
impl Oplog for Activation {
    fn append(&self, first: OplogIndex, entries: Vec<Entry>) -> Result<(), PortError> {
        {
            let mut state = self.store.shared.state.lock();
            state.check_writable(self)?;
            state.append(self, first, entries);
        }
        self.store.notify_change();
        Ok(())
    }

    async fn commit(&self) -> Result<(), PortError> {
        let mut state = self.store.shared.state.lock();
        state.check_writable(self)?;
        state.committed = state.events.len();
        Ok(())
    }
}

#[async_trait]
impl Promises for Activation {
    async fn get(&self, promise: &PromiseId) -> Result<PromiseState, PortError> {
        Ok(self.store.promise(promise))
    }

    async fn complete(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
        data: Vec<u8>,
    ) -> Result<PromiseCompletion, PortError> {
        let completion = {
            let mut state = self.store.shared.state.lock();
            state.check_writable(self)?;
            let cause = (self.worker.clone(), first.plus(entries.len() as u64));
            let completion = state.complete(promise, data.into(), Some(cause));
            let response = vec![match completion {
                PromiseCompletion::AlreadyCompleted => 0,
                PromiseCompletion::Completed => 1,
                PromiseCompletion::Unknown => 2,
            }];
            entries.push(Entry::HostCall { call, response });
            state.append(self, first, entries);
            completion
        };
        self.store.notify_change();
        Ok(completion)
    }

    async fn delete(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
    ) -> Result<bool, PortError> {
        let existed = {
            let mut state = self.store.shared.state.lock();
            state.check_writable(self)?;
            let existed = state.promise(promise) != PromiseState::Unknown;
            if existed {
                let cause = Some((self.worker.clone(), first.plus(entries.len() as u64)));
                state.events.push(StoreEvent::Deleted { promise: promise.clone(), cause });
            }
            entries.push(Entry::HostCall { call, response: vec![if existed { 1 } else { 2 }] });
            state.append(self, first, entries);
            existed
        };
        self.store.notify_change();
        Ok(existed)
    }

    async fn wait_any(&self, promises: &[PromiseId]) -> Result<(), PortError> {
        let mut changes = self.store.shared.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let is_settled = |promise: &PromiseId| {
                let state = self.store.shared.state.lock();
                let call = promise.worker == self.worker
                    && state.call_state(&self.worker, promise.index) == AnswerState::Pending;
                !call && state.promise(promise) != PromiseState::Pending
            };
            if promises.iter().any(is_settled) {
                return Ok(());
            }
            changes.changed().await.map_err(|_| PortError::Discarded)?;
        }
    }
}
