//! The ledger: the order of all events, before they are durable.
//!
//! It is one state machine for the node. An event gets its position in the log at once, and the next event sees its
//! changes. The event becomes durable when the committer has written it. So a read of shared state (promises, keys,
//! queues) is answered in commit order, over state that includes queued rows that are not yet durable
//! (docs/durability.md).
//!
//! Architecture invariant: the ledger has no I/O, no clock and no threads. `step(now, event)` returns the outcome, and
//! `take_actions` returns the actions that the caller must perform.
//!
//! Invariant: a projection that the store does not have yet is not evicted (test
//! `committed_state_survives_any_crash`).
//!
//! Invariant: after a failed commit this ledger is not used any more; a new one is built from the store (`committer`).

pub(crate) mod call_delivery;
mod counts;
mod deleted_names;
mod encoded;
mod flush;
mod footprint;
mod key_index;
mod name_index;
mod promises;
pub(crate) mod shared_values;
pub(crate) mod store_reads;
mod waits;

pub(crate) use counts::WorkerCounts;
pub(crate) use encoded::{EncodedEntries, EncodedEvent};
pub(crate) use flush::BatchDraft;
pub(crate) use key_index::KeyRecord;

use self::call_delivery::{CallRequest, CancelRequest};
use self::deleted_names::DeletedNames;
use self::encoded::{EncodedRow, InvocationDigest, RowBody, UnwrittenRow};
use self::key_index::KeyIndex;
use self::name_index::NameIndex;
use super::projection::call_state::PendingReply;
use super::projection::{FoldEffect, PromiseSlot, WorkerProjection};
use crate::storage::ports::{
    DeletedName, DerivedPosition, IdempotencyRow, LogRow, RemovedWorker, Seq, StorePosition, WorkerNum,
};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{Entry, HostCall, InboxEvent};
use golem_model::promise::PromiseCompletion;
use golem_model::{
    Epoch, FailureOptions, IdempotencyKey, Invocation, OplogIndex, PromiseId, ShardId, Timestamp, WorkerId,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Identifies one activation: one stay of a worker in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ActivationId(pub(crate) u64);

impl ActivationId {
    /// An activation that no worker has. Appending under it is refused.
    pub(crate) const NONE: Self = Self(0);
}

/// An event that the ledger orders.
#[derive(Debug)]
pub(crate) enum LedgerEvent {
    /// Creates a worker.
    CreateWorker(NewWorker),
    /// Starts a new activation of the worker. The activation before it may not append any more.
    Activate { worker: WorkerNum },
    /// An activation appends entries.
    Append { worker: WorkerNum, activation: ActivationId, entries: EncodedEntries },
    /// A small inbox event for the worker.
    Inbox { worker: WorkerNum, event: InboxEvent },
    /// The inbox event that accepts an invocation.
    Accept { worker: WorkerNum, event: EncodedEvent },
    /// Completes or deletes a promise of `owner`, requested from outside (`context` is `None`) or by a worker's host
    /// call.
    Promise {
        owner: Option<WorkerNum>,
        promise: PromiseId,
        operation: PromiseOperation,
        context: Option<HostCallContext>,
    },
    /// A worker calls another worker.
    Call(Box<CallRequest>),
    /// A worker cancels a call of its own.
    CancelCall(Box<CancelRequest>),
    /// The delay of some calls to this worker has elapsed.
    CallsDue { worker: WorkerNum },
    /// A worker writes shared state of its project. `stored` holds the values that were read from the store for it.
    SharedWrite {
        context: HostCallContext,
        write: shared_values::PlannedWrite,
        stored: shared_values::StoredValues,
    },
}

/// A worker to create.
#[derive(Debug)]
pub(crate) struct NewWorker {
    /// Its entry `Created`.
    pub(crate) entry: Entry,
    /// Its failure options. They are recorded with the entry, unless they are empty.
    pub(crate) options: FailureOptions,
    /// The last index of the deleted workers with its id, as far as the store knows. Its own indexes follow.
    pub(crate) begins_after: OplogIndex,
}

/// An operation on a promise.
#[derive(Debug)]
pub(crate) enum PromiseOperation {
    /// With this completion, if the promise is pending.
    Complete(EncodedEvent),
    Delete,
}

/// The host call that causes an event: the worker and activation that make it, the entries that the activation has
/// buffered before the call, and the call, which is recorded with its response.
#[derive(Debug)]
pub(crate) struct HostCallContext {
    pub(crate) worker: WorkerNum,
    pub(crate) activation: ActivationId,
    pub(crate) buffered: EncodedEntries,
    pub(crate) call: HostCall,
}

/// The outcome of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Created(WorkerNum),
    Activated(ActivationId),
    /// The row of the event.
    Appended(Seq),
    Promise(PromiseCompletion, Seq),
    /// The row that records a call operation, and the recorded response.
    CallRecorded(Seq, Vec<u8>),
    /// The recorded response of a shared write, and its row.
    SharedWritten(Vec<u8>, Seq),
}

/// Why an event changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the worker exists already")]
    WorkerExists(WorkerNum),
    #[error("the worker is unknown")]
    UnknownWorker,
    #[error("the activation is not the current one")]
    StaleActivation,
    #[error("a value must be read from the store first")]
    CacheMiss,
    #[error("there are no entries to append")]
    NoEntries,
}

/// What the caller of the ledger must do after an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LedgerAction {
    /// Make the worker continue, whatever it waits for.
    Wake(WorkerNum),
    /// Set or clear the worker's timer.
    SetTimer(WorkerNum, Option<Timestamp>),
    /// A call joined the worker's queue: the call's row, and the invocation if it is known without reading the row.
    CallQueued(WorkerNum, Seq, Option<Arc<Invocation>>),
    /// The call of this row left the worker's queue.
    CallWithdrawn(WorkerNum, Seq),
    /// A call of the worker was answered: the answer, unless it is large.
    CallAnswered(WorkerNum, OplogIndex, Option<Arc<[u8]>>),
    /// The promise was completed or deleted: notify the workers that wait for it in memory.
    PromiseSettled(PromiseId),
    /// The worker's promises from this index on do not exist any more.
    PromisesGone(WorkerId, OplogIndex),
}

#[derive(Debug)]
struct CachedProjection {
    /// Shared with the load of an instance and with a flush that is being encoded. A change makes a copy meanwhile.
    projection: Arc<WorkerProjection>,
    activation: Option<ActivationId>,
    /// The first row that is not folded into the stored projection.
    dirty_since: Option<Seq>,
    /// The last flush that contained this projection. The projection may be evicted once that flush is committed.
    last_flush: u64,
    /// Its key in [`Ledger::by_use`].
    last_used: u64,
    /// The last store read that had begun when the projection was loaded, used, changed or written. It is not evicted
    /// before that read and those before it have ended.
    last_read: u64,
}

/// Derived state that is being written to the store.
#[derive(Debug)]
struct PendingFlush {
    number: u64,
    /// Workers whose projections the store gets in this flush.
    written: Vec<WorkerNum>,
    keys: Vec<IdempotencyRow>,
    /// Workers that the store removes in this flush.
    removed: Vec<RemovedWorker>,
}

/// The ledger; see the module documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    epochs: Vec<Epoch>,
    last_seq: Seq,
    durable_seq: Seq,
    derived: DerivedPosition,
    projections: HashMap<WorkerNum, CachedProjection>,
    by_id: HashMap<WorkerId, WorkerNum>,
    name_index: NameIndex,
    removals: BTreeMap<Seq, RemovedWorker>,
    removed_workers: HashSet<WorkerNum>,
    deleted_names: DeletedNames,
    keys: KeyIndex,
    dirty: BTreeMap<Seq, WorkerNum>,
    unwritten_rows: Vec<UnwrittenRow>,
    promise_waiters: waits::PromiseWaiters,
    worker_num_max: u64,
    /// Number of workers of each template.
    pub(super) counts: WorkerCounts,
    activation_last: u64,
    /// The time of the current event.
    now: Timestamp,
    flushes_taken: u64,
    flushes_committed: u64,
    flushes_pending: VecDeque<PendingFlush>,
    shared: shared_values::SharedValues,
    use_counter: u64,
    /// Workers in memory, the longest unused first.
    by_use: BTreeMap<u64, WorkerNum>,
    store_reads: store_reads::StoreReads,
    actions: Vec<LedgerAction>,
    /// Replies that result from the row that was folded last.
    pending_replies: Vec<PendingReply>,
}

impl Ledger {
    /// Creates a ledger that continues after `position`. The rows after `position.derived` must be passed to
    /// [`Ledger::replay_row`].
    pub(crate) fn new(position: StorePosition, epochs: &[(ShardId, Epoch)]) -> Self {
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
            deleted_names: DeletedNames::default(),
            keys: KeyIndex::default(),
            dirty: BTreeMap::new(),
            unwritten_rows: Vec::new(),
            promise_waiters: waits::PromiseWaiters::default(),
            worker_num_max: position.derived.worker_num_max,
            counts: WorkerCounts::default(),
            activation_last: 0,
            now: Timestamp::default(),
            flushes_taken: 0,
            flushes_committed: 0,
            flushes_pending: VecDeque::new(),
            shared: shared_values::SharedValues::default(),
            use_counter: 0,
            by_use: BTreeMap::new(),
            store_reads: store_reads::StoreReads::default(),
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

    pub(crate) fn projections_cached(&self) -> usize {
        self.projections.len()
    }

    pub(crate) fn worker_num(&mut self, id: &WorkerId) -> Option<WorkerNum> {
        let worker = *self.by_id.get(id)?;
        self.mark_used(worker);
        self.pin_projection(worker);
        Some(worker)
    }

    /// The worker's projection is the last one to be evicted from now on.
    fn mark_used(&mut self, worker: WorkerNum) {
        let Some(cached) = self.projections.get_mut(&worker) else { return };
        self.use_counter += 1;
        self.by_use.remove(&cached.last_used);
        self.by_use.insert(self.use_counter, worker);
        cached.last_used = self.use_counter;
    }

    pub(crate) fn projection(&self, worker: WorkerNum) -> Option<&WorkerProjection> {
        self.projections.get(&worker).map(|cached| &*cached.projection)
    }

    /// The worker's projection as it is now, for use without the lock.
    pub(crate) fn shared_projection(&self, worker: WorkerNum) -> Option<Arc<WorkerProjection>> {
        self.projections.get(&worker).map(|cached| cached.projection.clone())
    }

    /// Workers in memory that can run now, or that wait for promises of other workers, in order of their numbers.
    pub(crate) fn workers_to_wake(&self) -> Vec<WorkerNum> {
        let goes_on = |projection: &WorkerProjection| {
            projection.is_runnable() || projection.waits_for_foreign_promise()
        };
        let mut runnable: Vec<WorkerNum> = self
            .projections
            .iter()
            .filter(|(_, cached)| goes_on(&cached.projection))
            .map(|(worker, _)| *worker)
            .collect();
        runnable.sort_unstable();
        runnable
    }

    /// Workers in memory whose work was continued and has made no progress yet, in order of their numbers.
    pub(crate) fn workers_with_continued_attempt(&self) -> Vec<WorkerNum> {
        let has_continued_attempt =
            |cached: &CachedProjection| cached.projection.process_ends.has_continued_attempt();
        let mut workers: Vec<WorkerNum> = self
            .projections
            .iter()
            .filter(|(_, cached)| has_continued_attempt(cached))
            .map(|(worker, _)| *worker)
            .collect();
        workers.sort_unstable();
        workers
    }

    /// The key record that the ledger has. The store may have records of older keys of the worker.
    pub(crate) fn key_record(&self, worker: WorkerNum, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.keys.get(worker, key)
    }

    /// Whether the store may have keys of the worker that the ledger does not have.
    pub(crate) fn may_have_stored_keys(&self, worker: WorkerNum) -> bool {
        self.keys.may_be_in_store(worker)
    }

    /// Whether the worker was deleted, even if the store still has its projection.
    pub(crate) fn is_removed(&self, worker: WorkerNum) -> bool {
        self.removed_workers.contains(&worker)
    }

    /// Takes the actions that accumulated since the last call.
    pub(crate) fn take_actions(&mut self) -> Vec<LedgerAction> {
        std::mem::take(&mut self.actions)
    }

    // ---- loading ----

    /// Inserts a projection that was read from the store. Does nothing if the worker is in memory already or was
    /// deleted.
    pub(crate) fn load(&mut self, projection: WorkerProjection) -> WorkerNum {
        self.insert(projection, false)
    }

    fn insert(&mut self, projection: WorkerProjection, is_new: bool) -> WorkerNum {
        let worker = WorkerNum(projection.worker);
        if self.projections.contains_key(&worker) || self.removed_workers.contains(&worker) {
            return worker;
        }
        self.by_id.insert(projection.id.clone(), worker);
        self.name_index.insert(&projection.id, worker);
        self.register_waits(&projection);
        self.keys.insert_worker(&projection, is_new);
        let wake_at = projection.timer_due_at();
        if wake_at.is_some() {
            self.actions.push(LedgerAction::SetTimer(worker, wake_at));
        }
        self.use_counter += 1;
        self.by_use.insert(self.use_counter, worker);
        self.projections.insert(
            worker,
            CachedProjection {
                projection: Arc::new(projection),
                activation: None,
                dirty_since: None,
                last_flush: 0,
                last_used: self.use_counter,
                last_read: self.store_reads.last(),
            },
        );
        worker
    }

    /// Folds a row that the store has after `derived.applied` (recovery at startup). The projection must be loaded,
    /// unless this row creates the worker.
    ///
    /// An error says that the row's worker is unknown, which means that the log is damaged.
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
            let Row::Entries { first, entries } = body else { return Err(StepError::UnknownWorker) };
            let projection = entries
                .first()
                .and_then(|entry| WorkerProjection::from_created(worker, *first, entry))
                .ok_or(StepError::UnknownWorker)?;
            self.worker_num_max = self.worker_num_max.max(worker.0);
            self.counts.add(&projection.id);
            self.insert(projection, true);
        }
        self.fold_row(worker, row.seq, body, &encoded::digests(body));
        // The replies were appended in the same commit, so their rows follow in the log.
        self.pending_replies.clear();
        Ok(())
    }

    // ---- the state machine ----

    /// Applies `event`. On an error nothing has changed. One precondition is the caller's: a call to
    /// `CallTarget::New` is only made after checking, under the same lock, that the target does not exist.
    pub(crate) fn step(&mut self, now: Timestamp, event: LedgerEvent) -> Result<StepOutcome, StepError> {
        self.now = now;
        match event {
            LedgerEvent::CreateWorker(new) => self.create_worker(new),
            LedgerEvent::Activate { worker } => {
                self.activation_last += 1;
                let activation = ActivationId(self.activation_last);
                self.projections.get_mut(&worker).ok_or(StepError::UnknownWorker)?.activation =
                    Some(activation);
                Ok(StepOutcome::Activated(activation))
            }
            LedgerEvent::Append { worker, activation, entries } => {
                self.check_activation(worker, activation, entries.first())?;
                let row = entries.into_row().ok_or(StepError::NoEntries)?;
                Ok(StepOutcome::Appended(self.append_encoded(worker, row)))
            }
            LedgerEvent::Accept { worker, event } => {
                self.projections.get(&worker).ok_or(StepError::UnknownWorker)?;
                Ok(StepOutcome::Appended(self.append_encoded(worker, event.into_row())))
            }
            LedgerEvent::Inbox { worker, event } => {
                self.projections.get(&worker).ok_or(StepError::UnknownWorker)?;
                let deleted = matches!(event, InboxEvent::Deleted { .. });
                let deletion_replies = if deleted { self.deletion_replies(worker) } else { Vec::new() };
                let seq = self.append_row(worker, Row::InboxEvent(event));
                if deleted {
                    self.remove_worker(worker, seq);
                    self.deliver_replies(now, deletion_replies, Vec::new());
                }
                Ok(StepOutcome::Appended(seq))
            }
            LedgerEvent::Promise { owner, promise, operation, context } => {
                self.apply_promise(now, owner, &promise, operation, context)
            }
            LedgerEvent::Call(request) => self.apply_call(*request),
            LedgerEvent::CancelCall(request) => self.apply_cancel(now, *request),
            LedgerEvent::CallsDue { worker } => self.enqueue_due_calls(now, worker),
            LedgerEvent::SharedWrite { context, write, stored } => {
                self.apply_shared(now, context, write, &stored)
            }
        }
    }

    fn create_worker(&mut self, new: NewWorker) -> Result<StepOutcome, StepError> {
        let NewWorker { entry, options, begins_after } = new;
        let worker = WorkerNum(self.worker_num_max + 1);
        let Entry::Created { id, .. } = &entry else { return Err(StepError::UnknownWorker) };
        let first = self.deleted_names.unwritten_oplog_end(id).unwrap_or(begins_after).next();
        let projection =
            WorkerProjection::from_created(worker, first, &entry).ok_or(StepError::UnknownWorker)?;
        if let Some(existing) = self.by_id.get(&projection.id) {
            return Err(StepError::WorkerExists(*existing));
        }
        self.worker_num_max += 1;
        self.counts.add(&projection.id);
        let at = projection.created_at;
        self.insert(projection, true);
        let configured = (!options.is_empty()).then_some(Entry::Configured { at, options });
        let entries = std::iter::once(entry).chain(configured).collect();
        self.append_row(worker, Row::Entries { first, entries });
        Ok(StepOutcome::Created(worker))
    }

    fn check_activation(
        &self,
        worker: WorkerNum,
        activation: ActivationId,
        first: OplogIndex,
    ) -> Result<(), StepError> {
        let cached = self.projections.get(&worker).ok_or(StepError::StaleActivation)?;
        let current = cached.activation == Some(activation) && first == cached.projection.oplog_end.next();
        if current { Ok(()) } else { Err(StepError::StaleActivation) }
    }

    /// Appends a small row for a worker in memory and folds it.
    fn append_row(&mut self, worker: WorkerNum, row: Row) -> Seq {
        self.append_encoded(worker, EncodedRow::composed(row))
    }

    /// Appends the entries that an activation has buffered, if there are any.
    fn append_buffered(&mut self, worker: WorkerNum, buffered: EncodedEntries) {
        if let Some(row) = buffered.into_row() {
            self.append_encoded(worker, row);
        }
    }

    /// Appends a row with its encoding for a worker in memory and folds it.
    fn append_encoded(&mut self, worker: WorkerNum, row: EncodedRow) -> Seq {
        let EncodedRow { row, body, invocations, answers } = row;
        let seq = self.last_seq.next();
        self.last_seq = seq;
        let projection = &self.projections[&worker].projection;
        let shard = projection.shard();
        let epoch = self.epochs[usize::from(shard.0)];
        let unwritten =
            LogRow { seq, worker, prev: Seq(projection.last_row), shard, epoch, body: Vec::new() };
        self.fold_row(worker, seq, &row, &invocations);
        let may_deadlock = call_delivery::may_deadlock(&row);
        // The row precedes those of the replies.
        let body = body.unwrap_or(RowBody::Composed(row));
        self.unwritten_rows.push(UnwrittenRow { row: unwritten, body });
        let replies = std::mem::take(&mut self.pending_replies);
        if !replies.is_empty() {
            self.deliver_replies(self.now, replies, answers);
        }
        if may_deadlock {
            self.resolve_deadlock(self.now, worker);
        }
        seq
    }

    fn fold_row(
        &mut self,
        worker: WorkerNum,
        seq: Seq,
        row: &Row,
        invocations: &[(IdempotencyKey, InvocationDigest)],
    ) {
        let Some(cached) = self.projections.get_mut(&worker) else { return };
        if seq.0 <= cached.projection.last_row {
            return;
        }
        let wake_before = cached.projection.timer_due_at();
        let waited = cached.projection.waiting.is_some();
        let was_delayed = cached.projection.process_ends.resume_at().is_some();
        let mut effects = Vec::new();
        Arc::make_mut(&mut cached.projection).apply_row(seq, row, &mut effects);
        cached.last_read = self.store_reads.last();
        if cached.dirty_since.is_none() {
            cached.dirty_since = Some(seq);
            self.dirty.insert(seq, worker);
        }
        for effect in effects {
            match effect {
                FoldEffect::InvocationBegun { key, started } => {
                    self.keys.begin(worker, &key, started, invocations);
                }
                FoldEffect::InvocationEnded { key, started, outcome } => {
                    self.keys.end(worker, &key, started, outcome);
                }
                FoldEffect::Reply(reply) => self.pending_replies.push(reply),
            }
        }
        let wake_at = cached.projection.timer_due_at();
        // A worker that waits again until the same time needs its timer again, because it may have elapsed: the wall clock
        // was set back meanwhile.
        let waits_again = wake_at.is_some() && matches!(row, Row::Entries { .. });
        if wake_at != wake_before || waits_again {
            self.actions.push(LedgerAction::SetTimer(worker, wake_at));
        }
        if let Some(from) = waits::reverted_from(row) {
            let id = cached.projection.id.clone();
            self.release_promise_waiters(&id, from);
        }
        self.update_waits(worker, row, waited);
        let Some(cached) = self.projections.get(&worker) else { return };
        let projection = &cached.projection;
        let continues = waited && projection.waiting.is_none() && projection.is_runnable();
        // The delayed work was cancelled or withdrawn. What is behind it may be in the worker's slot alone, so the worker
        // is woken even if its projection has nothing to do.
        let is_released =
            was_delayed && projection.process_ends.resume_at().is_none() && projection.runs_invocations();
        match row {
            // The worker's task appends it.
            Row::Entries { .. } | Row::InboxEvent(InboxEvent::Process(_)) => {}
            Row::InboxEvent(_) if continues || is_released => self.actions.push(LedgerAction::Wake(worker)),
            Row::InboxEvent(_) => {}
        }
    }

    fn remove_worker(&mut self, worker: WorkerNum, seq: Seq) {
        let mut name = None;
        self.keys.remove_worker(worker);
        if let Some(cached) = self.projections.remove(&worker) {
            self.by_use.remove(&cached.last_used);
            self.by_id.remove(&cached.projection.id);
            self.name_index.remove(&cached.projection.id);
            self.counts.remove(&cached.projection.id);
            if let Some(since) = cached.dirty_since {
                self.dirty.remove(&since);
            }
            self.promise_waiters.unregister(worker);
            self.release_promise_waiters(&cached.projection.id, OplogIndex::START);
            let projection = &cached.projection;
            let deleted = DeletedName { id: projection.id.clone(), oplog_end: projection.oplog_end };
            self.deleted_names.add(&deleted, seq, projection.begins_after == OplogIndex::START);
            name = Some(deleted);
        }
        self.actions.push(LedgerAction::SetTimer(worker, None));
        self.removals.insert(seq, RemovedWorker { worker, last: seq, name });
        self.removed_workers.insert(worker);
    }
}

#[cfg(test)]
mod tests;
