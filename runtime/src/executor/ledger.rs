//! The ledger: the order of everything, before it is durable.
//!
//! One state machine for the node. An event gets its place in the log at once; what it changes is visible to the
//! next event at once; it becomes durable when the committer says so. So shared state (promises, keys, queues) is
//! answered in commit order, over what is queued but not yet durable (docs/durability.md).
//!
//! Architecture invariant: no I/O, no clock, no threads: `step(now, event)` returns what changed, and leaves
//! actions for others to carry out.
//! Invariant: a head that the store does not have yet is never forgotten.
//! Invariant: after a failed commit nothing of this ledger is used any more; a new one is made from the store.

pub(crate) mod call_delivery;
mod counts;
mod flush;
mod name_index;
pub(crate) mod shared_values;
mod waits;

pub(crate) use counts::WorkerCounts;

use self::call_delivery::{CallRequest, CancelRequest};
use super::projection::call_state::PendingReply;
use super::projection::{FoldEffect, PromiseSlot, WorkerProjection};
use crate::storage::ports::{Derived, IdemRow, LogRow, Position, Seq, WorkerNum};
use golem_model::oplog::codec::{self, Row};
use golem_model::oplog::{Call, Entry, InboxEvent};
use golem_model::promise::Completion;
use golem_model::shared::SharedWrite;
use golem_model::{
    Epoch, FailureOptions, IdempotencyKey, Invocation, OplogIndex, PromiseId, ShardId, Timestamp, WorkerId,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Index entries of one worker that may wait to be written; more of them are written with the next commit.
const KEYS_UNWRITTEN_MAX: usize = 256;

/// Names one stay of a worker in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Activation(pub(crate) u64);

impl Activation {
    /// None that ever was: whoever writes under it is refused.
    pub(crate) const NONE: Self = Self(0);
}

/// What happened.
#[derive(Debug)]
pub(crate) enum LedgerEvent {
    /// A worker is to be made. The entry is its `Created`; the options, if anything is chosen, are recorded with it.
    CreateWorker { entry: Entry, options: FailureOptions },
    /// A worker is loaded into memory; whoever wrote for it before no longer may.
    Activate { worker: WorkerNum },
    /// An activation did something.
    Append { worker: WorkerNum, activation: Activation, first: OplogIndex, entries: Vec<Entry> },
    /// Something arrived.
    Inbox { worker: WorkerNum, event: InboxEvent },
    /// A promise of `owner` is to be completed or deleted, from outside or by a worker.
    Promise {
        owner: Option<WorkerNum>,
        promise: PromiseId,
        operation: PromiseOperation,
        context: Option<HostCallContext>,
    },
    /// A worker calls another one.
    Call(Box<CallRequest>),
    /// A worker gives up on a call.
    CancelCall(Box<CancelRequest>),
    /// The time of calls that were made for later has come.
    CallsDue { worker: WorkerNum },
    /// A worker changes what its project shares; `read` is what had to be read from the store for that.
    SharedWrite { context: HostCallContext, write: SharedWrite, stored: shared_values::StoredValues },
}

/// What is to be done with a promise.
#[derive(Debug)]
pub(crate) enum PromiseOperation {
    Complete(Vec<u8>),
    Delete,
}

/// A worker that changes what is shared: what it did before, and the call to be recorded with the answer.
#[derive(Debug)]
pub(crate) struct HostCallContext {
    pub(crate) worker: WorkerNum,
    pub(crate) activation: Activation,
    pub(crate) first: OplogIndex,
    pub(crate) entries: Vec<Entry>,
    pub(crate) call: Call,
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Created(WorkerNum),
    Activated(Activation),
    /// The event's row.
    Appended(Seq),
    Promise(Completion, Seq),
    /// The row with the record of an act on a call, and the recorded response.
    CallRecorded(Seq, Vec<u8>),
    /// The bytes that record what a deed came to.
    SharedWritten(Vec<u8>, Seq),
}

/// Why an event changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the worker exists")]
    WorkerExists(WorkerNum),
    #[error("the worker is not known")]
    UnknownWorker,
    #[error("the activation was discarded")]
    StaleActivation,
    #[error("the value must be read first")]
    CacheMiss,
}

/// What others must do after an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// The worker has something to do, whatever it waited for.
    Wake(WorkerNum),
    /// The time at which the worker wants to be woken has changed.
    SetTimer(WorkerNum, Option<Timestamp>),
    /// A call joined the worker's queue; its row, and the invocation if it is at hand.
    CallQueued(WorkerNum, Seq, Option<Invocation>),
    /// The call of this row left the worker's queue.
    CallWithdrawn(WorkerNum, Seq),
    /// An answer has come for a call of the worker.
    CallAnswered(WorkerNum, OplogIndex, Arc<[u8]>),
    /// Who waits in memory for a promise must look again.
    PromisesChanged,
}

/// Where a key's invocation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The row with its function and parameters.
    pub(crate) started: Seq,
    /// The row with its outcome.
    pub(crate) outcome: Option<Seq>,
    /// Its function and the digest of the invocation, if it began in this process; else `started` must be read.
    pub(crate) invocation: Option<(Arc<str>, [u8; 32])>,
}

#[derive(Debug)]
struct CachedProjection {
    projection: WorkerProjection,
    activation: Option<Activation>,
    /// The first row that the stored head does not have.
    dirty_since: Option<Seq>,
    /// Index entries that the store does not have.
    unwritten_keys: Vec<IdemRow>,
    /// The last flush that carried this head; it may be forgotten once that one is committed.
    last_flush: u64,
    /// Whether the store may have index entries of it.
    has_stored_keys: bool,
    last_used: u64,
}

/// Derived state on its way to the store.
#[derive(Debug)]
struct PendingFlush {
    number: u64,
    keys: Vec<IdemRow>,
    /// Workers that the store forgets with it.
    removed: Vec<WorkerNum>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    epochs: Vec<Epoch>,
    last_seq: Seq,
    durable_seq: Seq,
    derived: Derived,
    projections: HashMap<WorkerNum, CachedProjection>,
    by_id: HashMap<WorkerId, WorkerNum>,
    name_index: NameIndex,
    removals: BTreeMap<Seq, WorkerNum>,
    removed_workers: HashSet<WorkerNum>,
    key_records: HashMap<(WorkerNum, [u8; 16]), KeyRecord>,
    dirty: BTreeMap<Seq, WorkerNum>,
    keys_overfull: Vec<WorkerNum>,
    unwritten_rows: Vec<LogRow>,
    promise_waiters: HashMap<PromiseId, Vec<WorkerNum>>,
    worker_no_max: u64,
    /// Workers of each template.
    pub(super) counts: WorkerCounts,
    activation_last: u64,
    /// The time of the event that is taken.
    now: Timestamp,
    flushes_taken: u64,
    flushes_committed: u64,
    flushes_pending: VecDeque<PendingFlush>,
    shared: shared_values::SharedValues,
    use_counter: u64,
    /// Grows when a head is forgotten: who read the store before must read it again.
    evictions: u64,
    actions: Vec<Action>,
    /// Answers of the row that was folded last.
    pending_replies: Vec<PendingReply>,
}

impl Ledger {
    /// A ledger that goes on after `position`. The rows after `position.derived` must be given to [`Ledger::replay`].
    pub(crate) fn new(position: Position, epochs: &[(ShardId, Epoch)]) -> Self {
        let mut by_shard = vec![Epoch::default(); usize::from(golem_model::shard::SHARDS)];
        for (shard, epoch) in epochs {
            by_shard[usize::from(shard.0)] = *epoch;
        }
        Self {
            epochs: by_shard,
            last_seq: position.last,
            durable_seq: position.last,
            derived: position.derived,
            projections: HashMap::new(),
            by_id: HashMap::new(),
            name_index: NameIndex::default(),
            removals: BTreeMap::new(),
            removed_workers: HashSet::new(),
            key_records: HashMap::new(),
            dirty: BTreeMap::new(),
            keys_overfull: Vec::new(),
            unwritten_rows: Vec::new(),
            promise_waiters: HashMap::new(),
            worker_no_max: position.derived.worker_no_max,
            counts: WorkerCounts::default(),
            activation_last: 0,
            now: Timestamp::default(),
            flushes_taken: 0,
            flushes_committed: 0,
            flushes_pending: VecDeque::new(),
            shared: shared_values::SharedValues::default(),
            use_counter: 0,
            evictions: 0,
            actions: Vec::new(),
            pending_replies: Vec::new(),
        }
    }

    // ---- reading ----

    pub(crate) fn durable_seq(&self) -> Seq {
        self.durable_seq
    }

    pub(crate) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    pub(crate) fn has_unwritten_rows(&self) -> bool {
        !self.unwritten_rows.is_empty()
    }

    pub(crate) fn has_unflushed_state(&self) -> bool {
        !self.dirty.is_empty() || !self.removals.is_empty()
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    pub(crate) fn projections_cached(&self) -> usize {
        self.projections.len()
    }

    pub(crate) fn worker_num(&mut self, id: &WorkerId) -> Option<WorkerNum> {
        let worker = *self.by_id.get(id)?;
        self.use_counter += 1;
        if let Some(cached) = self.projections.get_mut(&worker) {
            cached.last_used = self.use_counter;
        }
        Some(worker)
    }

    pub(crate) fn projection(&self, worker: WorkerNum) -> Option<&WorkerProjection> {
        self.projections.get(&worker).map(|cached| &cached.projection)
    }

    /// Workers in memory that could go on with something right now, or wait for what others may have done, in order.
    pub(crate) fn runnable(&self) -> Vec<WorkerNum> {
        let goes_on =
            |projection: &WorkerProjection| projection.is_runnable() || projection.waits_for_others();
        let mut runnable: Vec<WorkerNum> = self
            .projections
            .iter()
            .filter(|(_, cached)| goes_on(&cached.projection))
            .map(|(worker, _)| *worker)
            .collect();
        runnable.sort_unstable();
        runnable
    }

    /// What is known here of a key of the worker; the store may know more of older ones.
    pub(crate) fn key_record(&self, worker: WorkerNum, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.key_records.get(&(worker, key.index_hash()))
    }

    /// Whether the store may know keys of the worker that are not known here.
    pub(crate) fn has_stored_keys(&self, worker: WorkerNum) -> bool {
        self.projections.get(&worker).is_none_or(|cached| cached.has_stored_keys)
    }

    /// Whether the worker was deleted, even if the store still has its head.
    pub(crate) fn is_removed(&self, worker: WorkerNum) -> bool {
        self.removed_workers.contains(&worker)
    }

    /// What others must do since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    // ---- loading ----

    /// Takes a head that the store has. Nothing changes if the worker is known already or was deleted.
    pub(crate) fn load(&mut self, projection: WorkerProjection) -> WorkerNum {
        self.insert(projection, true)
    }

    fn insert(&mut self, projection: WorkerProjection, has_stored_keys: bool) -> WorkerNum {
        let worker = WorkerNum(projection.worker);
        if self.projections.contains_key(&worker) || self.removed_workers.contains(&worker) {
            return worker;
        }
        self.by_id.insert(projection.id.clone(), worker);
        self.name_index.insert(&projection.id, worker);
        self.register_waits(&projection);
        let wake_at = projection.wake_at();
        if wake_at.is_some() {
            self.actions.push(Action::SetTimer(worker, wake_at));
        }
        self.use_counter += 1;
        self.projections.insert(
            worker,
            CachedProjection {
                projection,
                activation: None,
                dirty_since: None,
                unwritten_keys: Vec::new(),
                last_flush: 0,
                has_stored_keys,
                last_used: self.use_counter,
            },
        );
        worker
    }

    /// Folds a row that the store has after `derived.applied`: recovery. The head must be loaded unless the row makes it.
    /// `Err` says that the row's worker is not known: the log is damaged.
    pub(crate) fn replay_row(&mut self, row: &LogRow, body: &Row) -> Result<(), StepError> {
        let worker = row.worker;
        if self.removed_workers.contains(&worker) {
            return Ok(());
        }
        if let Row::InboxEvent(InboxEvent::Deleted { .. }) = body {
            self.remove_worker(worker, row.seq);
            return Ok(());
        }
        if !self.projections.contains_key(&worker) {
            let Row::Entries { entries, .. } = body else { return Err(StepError::UnknownWorker) };
            let projection = entries
                .first()
                .and_then(|entry| WorkerProjection::from_created(worker, entry))
                .ok_or(StepError::UnknownWorker)?;
            self.worker_no_max = self.worker_no_max.max(worker.0);
            self.counts.add(&projection.id);
            self.insert(projection, false);
        }
        self.fold_row(worker, row.seq, body);
        // They were given in the same commit: their rows follow.
        self.pending_replies.clear();
        Ok(())
    }

    // ---- the state machine ----

    /// Gives `event` its place. On `Err` nothing changed.
    pub(crate) fn step(&mut self, now: Timestamp, event: LedgerEvent) -> Result<StepOutcome, StepError> {
        self.now = now;
        match event {
            LedgerEvent::CreateWorker { entry, options } => self.create_worker(entry, options),
            LedgerEvent::Activate { worker } => {
                self.activation_last += 1;
                let activation = Activation(self.activation_last);
                self.projections.get_mut(&worker).ok_or(StepError::UnknownWorker)?.activation =
                    Some(activation);
                Ok(StepOutcome::Activated(activation))
            }
            LedgerEvent::Append { worker, activation, first, entries } => {
                self.check_activation(worker, activation, first)?;
                Ok(StepOutcome::Appended(self.append_row(worker, &Row::Entries { first, entries })))
            }
            LedgerEvent::Inbox { worker, event } => {
                self.projections.get(&worker).ok_or(StepError::UnknownWorker)?;
                let deleted = matches!(event, InboxEvent::Deleted { .. });
                let pending_callers = if deleted { self.pending_callers(worker) } else { Vec::new() };
                // Who stops a worker stops its instance: what that did and has not handed over is as if it had crashed.
                if matches!(event, InboxEvent::Interrupted { .. })
                    && let Some(cached) = self.projections.get_mut(&worker)
                {
                    cached.activation = None;
                }
                let seq = self.append_row(worker, &Row::InboxEvent(event));
                if deleted {
                    self.remove_worker(worker, seq);
                    self.deliver_replies(now, pending_callers);
                }
                Ok(StepOutcome::Appended(seq))
            }
            LedgerEvent::Promise { owner, promise, operation, context } => {
                self.apply_promise(now, owner, &promise, operation, context)
            }
            LedgerEvent::Call(request) => self.apply_call(now, *request),
            LedgerEvent::CancelCall(request) => self.apply_cancel(now, *request),
            LedgerEvent::CallsDue { worker } => self.enqueue_due_calls(now, worker),
            LedgerEvent::SharedWrite { context, write, stored } => {
                self.apply_shared(now, context, &write, &stored)
            }
        }
    }

    fn create_worker(&mut self, entry: Entry, options: FailureOptions) -> Result<StepOutcome, StepError> {
        let worker = WorkerNum(self.worker_no_max + 1);
        let projection = WorkerProjection::from_created(worker, &entry).ok_or(StepError::UnknownWorker)?;
        if let Some(existing) = self.by_id.get(&projection.id) {
            return Err(StepError::WorkerExists(*existing));
        }
        self.worker_no_max += 1;
        self.counts.add(&projection.id);
        let at = projection.created_at;
        self.insert(projection, false);
        let configured = (!options.is_empty()).then_some(Entry::Configured { at, options });
        let entries = std::iter::once(entry).chain(configured).collect();
        self.append_row(worker, &Row::Entries { first: OplogIndex(1), entries });
        Ok(StepOutcome::Created(worker))
    }

    fn check_activation(
        &self,
        worker: WorkerNum,
        activation: Activation,
        first: OplogIndex,
    ) -> Result<(), StepError> {
        let cached = self.projections.get(&worker).ok_or(StepError::StaleActivation)?;
        let current = cached.activation == Some(activation) && first == cached.projection.oplog_end.next();
        if current { Ok(()) } else { Err(StepError::StaleActivation) }
    }

    fn apply_promise(
        &mut self,
        now: Timestamp,
        owner: Option<WorkerNum>,
        promise: &PromiseId,
        operation: PromiseOperation,
        context: Option<HostCallContext>,
    ) -> Result<StepOutcome, StepError> {
        let mut record = None;
        if let Some(HostCallContext { worker, activation, first, entries, call }) = context {
            self.check_activation(worker, activation, first)?;
            record = Some((worker, first.plus(entries.len() as u64), call));
            // What the worker did before comes first: it may have made this very promise.
            if !entries.is_empty() {
                self.append_row(worker, &Row::Entries { first, entries });
            }
        }
        let slot = owner
            .and_then(|owner| self.projections.get(&owner))
            .filter(|cached| cached.projection.id == promise.worker)
            .and_then(|cached| cached.projection.promises.get(&promise.index.0))
            .copied();
        let event = match (slot, operation) {
            (Some(PromiseSlot::Pending), PromiseOperation::Complete(data)) => {
                Some(InboxEvent::PromiseCompleted { at: now, promise: promise.index, data })
            }
            (Some(_), PromiseOperation::Delete) => {
                Some(InboxEvent::PromiseDeleted { at: now, promise: promise.index })
            }
            (Some(PromiseSlot::Completed(_)), PromiseOperation::Complete(_)) | (None, _) => None,
        };
        let completion = match (slot, &event) {
            (None, _) => Completion::Unknown,
            (Some(_), Some(_)) => Completion::Completed,
            (Some(_), None) => Completion::AlreadyCompleted,
        };
        let mut seq = self.last_seq;
        if let (Some(owner), Some(event)) = (owner, event) {
            // A stopped worker goes on when what it waited for is there (reference §1.2).
            if self
                .projections
                .get(&owner)
                .is_some_and(|cached| cached.projection.interrupted && cached.projection.waits_for(promise))
            {
                self.append_row(owner, &Row::InboxEvent(InboxEvent::Resumed { at: now }));
            }
            seq = self.append_row(owner, &Row::InboxEvent(event));
            for waiter in self.promise_waiters.remove(promise).unwrap_or_default() {
                self.actions.push(Action::Wake(waiter));
            }
        }
        if let Some((worker, first, call)) = record {
            let answer = match completion {
                Completion::Completed => 1,
                Completion::AlreadyCompleted => 0,
                Completion::Unknown => 2,
            };
            let entry = Entry::HostCall { call, response: vec![answer] };
            seq = self.append_row(worker, &Row::Entries { first, entries: vec![entry] });
        }
        Ok(StepOutcome::Promise(completion, seq))
    }

    /// Adds a row for a known worker and folds it.
    fn append_row(&mut self, worker: WorkerNum, row: &Row) -> Seq {
        let seq = self.last_seq.next();
        self.last_seq = seq;
        let projection = &self.projections[&worker].projection;
        let shard = projection.shard();
        self.unwritten_rows.push(LogRow {
            seq,
            worker,
            prev: Seq(projection.last_row),
            shard,
            epoch: self.epochs[usize::from(shard.0)],
            body: codec::encode_row(row),
        });
        self.fold_row(worker, seq, row);
        let replies = std::mem::take(&mut self.pending_replies);
        if !replies.is_empty() {
            self.deliver_replies(self.now, replies);
        }
        self.resolve_deadlock(self.now, worker, row);
        seq
    }

    fn fold_row(&mut self, worker: WorkerNum, seq: Seq, row: &Row) {
        let Some(cached) = self.projections.get_mut(&worker) else { return };
        if seq.0 <= cached.projection.last_row {
            return;
        }
        let wake_before = cached.projection.wake_at();
        let waited = cached.projection.waiting.is_some();
        let mut effects = Vec::new();
        cached.projection.apply_row(seq, row, &mut effects);
        if cached.dirty_since.is_none() {
            cached.dirty_since = Some(seq);
            self.dirty.insert(seq, worker);
        }
        for effect in effects {
            let (key, started, outcome) = match effect {
                FoldEffect::InvocationBegun { key, started } => (key, started, None),
                FoldEffect::InvocationEnded { key, started, outcome } => (key, started, Some(outcome)),
                FoldEffect::Reply(due) => {
                    self.pending_replies.push(due);
                    continue;
                }
            };
            // Nobody can ask for a key that nobody was told.
            if key.starts_with(' ') {
                continue;
            }
            let Ok(key) = IdempotencyKey::new(key) else { continue };
            let key_hash = key.index_hash();
            let record = self.key_records.entry((worker, key_hash)).or_insert_with(|| KeyRecord {
                started,
                outcome: None,
                invocation: None,
            });
            record.outcome = outcome;
            if let Row::Entries { entries, .. } = row
                && outcome.is_none()
                && let Some(begun) = find_begun_invocation(entries, &key)
            {
                record.invocation = Some(begun);
            }
            if let Row::InboxEvent(event) = row
                && let Some(accepted) = event.digest()
            {
                record.invocation = Some(accepted);
            }
            if let Some(outcome) = outcome {
                cached.unwritten_keys.push(IdemRow { worker, key_hash, started, outcome });
                if cached.unwritten_keys.len() == KEYS_UNWRITTEN_MAX {
                    self.keys_overfull.push(worker);
                }
            }
        }
        let wake_at = cached.projection.wake_at();
        if wake_at != wake_before {
            self.actions.push(Action::SetTimer(worker, wake_at));
        }
        let waits = cached.projection.waiting.is_some();
        if let Some(from) = waits::reverted_from(row) {
            let id = cached.projection.id.clone();
            self.release_promise_waiters(&id, from);
        }
        let Some(cached) = self.projections.get_mut(&worker) else { return };
        if waits {
            let projection = cached.projection.clone_waits();
            self.register(worker, &projection.0, &projection.1);
        } else if waited && cached.projection.is_runnable() && matches!(row, Row::InboxEvent(_)) {
            self.actions.push(Action::Wake(worker));
        }
    }

    fn remove_worker(&mut self, worker: WorkerNum, seq: Seq) {
        if let Some(cached) = self.projections.remove(&worker) {
            self.by_id.remove(&cached.projection.id);
            self.name_index.remove(&cached.projection.id);
            self.counts.remove(&cached.projection.id);
            if let Some(since) = cached.dirty_since {
                self.dirty.remove(&since);
            }
            for row in &cached.unwritten_keys {
                self.key_records.remove(&(worker, row.key_hash));
            }
            // Keys of invocations that had begun or waited.
            self.key_records.retain(|(of, _), _| *of != worker);
            self.evictions += 1;
            self.release_promise_waiters(&cached.projection.id, OplogIndex::START);
        }
        self.actions.push(Action::SetTimer(worker, None));
        self.removals.insert(seq, worker);
        self.removed_workers.insert(worker);
    }
}

/// The function and digest of the invocation of a key that begins in `entries`, if it is there.
fn find_begun_invocation(entries: &[Entry], wanted: &IdempotencyKey) -> Option<(Arc<str>, [u8; 32])> {
    entries.iter().find_map(|entry| match entry {
        Entry::InvocationStarted { key, source, .. } if key == wanted => source.digest(),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
