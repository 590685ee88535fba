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
    Inbox { worker: WorkerNum, arrival: InboxEvent },
    /// A promise of `owner` is to be completed or deleted, from outside or by a worker.
    Promise {
        owner: Option<WorkerNum>,
        promise: PromiseId,
        act: PromiseOperation,
        by: Option<HostCallContext>,
    },
    /// A worker calls another one.
    Call(Box<CallRequest>),
    /// A worker gives up on a call.
    CancelCall(Box<CancelRequest>),
    /// The time of calls that were made for later has come.
    CallsDue { worker: WorkerNum },
    /// A worker changes what its project shares; `read` is what had to be read from the store for that.
    SharedWrite { by: HostCallContext, deed: SharedWrite, read: shared_values::StoredValues },
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
    Exists(WorkerNum),
    #[error("the worker is not known")]
    Unknown,
    #[error("the activation was discarded")]
    Discarded,
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
    head: WorkerProjection,
    activation: Option<Activation>,
    /// The first row that the stored head does not have.
    dirty_since: Option<Seq>,
    /// Index entries that the store does not have.
    unwritten: Vec<IdemRow>,
    /// The last flush that carried this head; it may be forgotten once that one is committed.
    flush: u64,
    /// Whether the store may have index entries of it.
    stored_keys: bool,
    used: u64,
}

/// Derived state on its way to the store.
#[derive(Debug)]
struct PendingFlush {
    number: u64,
    keys: Vec<IdemRow>,
    /// Workers that the store forgets with it.
    gone: Vec<WorkerNum>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    epochs: Vec<Epoch>,
    last: Seq,
    durable: Seq,
    derived: Derived,
    heads: HashMap<WorkerNum, CachedProjection>,
    by_id: HashMap<WorkerId, WorkerNum>,
    names: name_index::NameIndex,
    removed: BTreeMap<Seq, WorkerNum>,
    removed_nos: HashSet<WorkerNum>,
    keys: HashMap<(WorkerNum, [u8; 16]), KeyRecord>,
    dirty: BTreeMap<Seq, WorkerNum>,
    overfull: Vec<WorkerNum>,
    rows: Vec<LogRow>,
    waiters: HashMap<PromiseId, Vec<WorkerNum>>,
    worker_no_max: u64,
    /// Workers of each template.
    pub(super) counts: WorkerCounts,
    activation_last: u64,
    /// The time of the event that is taken.
    now: Timestamp,
    flushes_taken: u64,
    flushes_committed: u64,
    flushing: VecDeque<PendingFlush>,
    values: shared_values::SharedValues,
    uses: u64,
    /// Grows when a head is forgotten: who read the store before must read it again.
    forgotten: u64,
    actions: Vec<Action>,
    /// Answers of the row that was folded last.
    answers: Vec<PendingReply>,
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
            last: position.last,
            durable: position.last,
            derived: position.derived,
            heads: HashMap::new(),
            by_id: HashMap::new(),
            names: name_index::NameIndex::default(),
            removed: BTreeMap::new(),
            removed_nos: HashSet::new(),
            keys: HashMap::new(),
            dirty: BTreeMap::new(),
            overfull: Vec::new(),
            rows: Vec::new(),
            waiters: HashMap::new(),
            worker_no_max: position.derived.worker_no_max,
            counts: WorkerCounts::default(),
            activation_last: 0,
            now: Timestamp::default(),
            flushes_taken: 0,
            flushes_committed: 0,
            flushing: VecDeque::new(),
            values: shared_values::SharedValues::default(),
            uses: 0,
            forgotten: 0,
            actions: Vec::new(),
            answers: Vec::new(),
        }
    }

    // ---- reading ----

    pub(crate) fn durable(&self) -> Seq {
        self.durable
    }

    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    pub(crate) fn has_derived(&self) -> bool {
        !self.dirty.is_empty() || !self.removed.is_empty()
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn heads_cached(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn no_of(&mut self, id: &WorkerId) -> Option<WorkerNum> {
        let no = *self.by_id.get(id)?;
        self.uses += 1;
        if let Some(cached) = self.heads.get_mut(&no) {
            cached.used = self.uses;
        }
        Some(no)
    }

    pub(crate) fn head(&self, no: WorkerNum) -> Option<&WorkerProjection> {
        self.heads.get(&no).map(|cached| &cached.head)
    }

    /// Workers in memory that could go on with something right now, or wait for what others may have done, in order.
    pub(crate) fn runnable(&self) -> Vec<WorkerNum> {
        let goes_on = |head: &WorkerProjection| head.runnable() || head.waits_for_others();
        let mut runnable: Vec<WorkerNum> =
            self.heads.iter().filter(|(_, cached)| goes_on(&cached.head)).map(|(no, _)| *no).collect();
        runnable.sort_unstable();
        runnable
    }

    /// What is known here of a key of the worker; the store may know more of older ones.
    pub(crate) fn key(&self, no: WorkerNum, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.keys.get(&(no, key.index_hash()))
    }

    /// Whether the store may know keys of the worker that are not known here.
    pub(crate) fn has_stored_keys(&self, no: WorkerNum) -> bool {
        self.heads.get(&no).is_none_or(|cached| cached.stored_keys)
    }

    /// Whether the worker was deleted, even if the store still has its head.
    pub(crate) fn is_removed(&self, no: WorkerNum) -> bool {
        self.removed_nos.contains(&no)
    }

    /// What others must do since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    // ---- loading ----

    /// Takes a head that the store has. Nothing changes if the worker is known already or was deleted.
    pub(crate) fn load(&mut self, head: WorkerProjection) -> WorkerNum {
        self.insert(head, true)
    }

    fn insert(&mut self, head: WorkerProjection, stored_keys: bool) -> WorkerNum {
        let no = WorkerNum(head.no);
        if self.heads.contains_key(&no) || self.removed_nos.contains(&no) {
            return no;
        }
        self.by_id.insert(head.id.clone(), no);
        self.names.insert(&head.id, no);
        self.register_waits(&head);
        let wake_at = head.wake_at();
        if wake_at.is_some() {
            self.actions.push(Action::SetTimer(no, wake_at));
        }
        self.uses += 1;
        self.heads.insert(
            no,
            CachedProjection {
                head,
                activation: None,
                dirty_since: None,
                unwritten: Vec::new(),
                flush: 0,
                stored_keys,
                used: self.uses,
            },
        );
        no
    }

    /// Folds a row that the store has after `derived.applied`: recovery. The head must be loaded unless the row makes it.
    /// `Err` says that the row's worker is not known: the log is damaged.
    pub(crate) fn replay(&mut self, row: &LogRow, body: &Row) -> Result<(), StepError> {
        let no = row.worker;
        if self.removed_nos.contains(&no) {
            return Ok(());
        }
        if let Row::InboxEvent(InboxEvent::Deleted { .. }) = body {
            self.remove(no, row.seq);
            return Ok(());
        }
        if !self.heads.contains_key(&no) {
            let Row::Entries { entries, .. } = body else { return Err(StepError::Unknown) };
            let head = entries
                .first()
                .and_then(|entry| WorkerProjection::create(no, entry))
                .ok_or(StepError::Unknown)?;
            self.worker_no_max = self.worker_no_max.max(no.0);
            self.counts.add(&head.id);
            self.insert(head, false);
        }
        self.fold(no, row.seq, body);
        // They were given in the same commit: their rows follow.
        self.answers.clear();
        Ok(())
    }

    // ---- the state machine ----

    /// Gives `event` its place. On `Err` nothing changed.
    pub(crate) fn step(&mut self, now: Timestamp, event: LedgerEvent) -> Result<StepOutcome, StepError> {
        self.now = now;
        match event {
            LedgerEvent::CreateWorker { entry, options } => self.create(entry, options),
            LedgerEvent::Activate { worker } => {
                self.activation_last += 1;
                let activation = Activation(self.activation_last);
                self.heads.get_mut(&worker).ok_or(StepError::Unknown)?.activation = Some(activation);
                Ok(StepOutcome::Activated(activation))
            }
            LedgerEvent::Append { worker, activation, first, entries } => {
                self.check(worker, activation, first)?;
                Ok(StepOutcome::Appended(self.push(worker, &Row::Entries { first, entries })))
            }
            LedgerEvent::Inbox { worker, arrival } => {
                self.heads.get(&worker).ok_or(StepError::Unknown)?;
                let deleted = matches!(arrival, InboxEvent::Deleted { .. });
                let orphans = if deleted { self.orphans(worker) } else { Vec::new() };
                // Who stops a worker stops its instance: what that did and has not handed over is as if it had crashed.
                if matches!(arrival, InboxEvent::Interrupted { .. })
                    && let Some(cached) = self.heads.get_mut(&worker)
                {
                    cached.activation = None;
                }
                let seq = self.push(worker, &Row::InboxEvent(arrival));
                if deleted {
                    self.remove(worker, seq);
                    self.give(now, orphans);
                }
                Ok(StepOutcome::Appended(seq))
            }
            LedgerEvent::Promise { owner, promise, act, by } => self.promise(now, owner, &promise, act, by),
            LedgerEvent::Call(made) => self.call(now, *made),
            LedgerEvent::CancelCall(cancelled) => self.cancel_call(now, *cancelled),
            LedgerEvent::CallsDue { worker } => self.due(now, worker),
            LedgerEvent::SharedWrite { by, deed, read } => self.apply_shared(now, by, &deed, &read),
        }
    }

    fn create(&mut self, entry: Entry, options: FailureOptions) -> Result<StepOutcome, StepError> {
        let no = WorkerNum(self.worker_no_max + 1);
        let head = WorkerProjection::create(no, &entry).ok_or(StepError::Unknown)?;
        if let Some(existing) = self.by_id.get(&head.id) {
            return Err(StepError::Exists(*existing));
        }
        self.worker_no_max += 1;
        self.counts.add(&head.id);
        let at = head.created_at;
        self.insert(head, false);
        let configured = (!options.is_empty()).then_some(Entry::Configured { at, options });
        let entries = std::iter::once(entry).chain(configured).collect();
        self.push(no, &Row::Entries { first: OplogIndex(1), entries });
        Ok(StepOutcome::Created(no))
    }

    fn check(&self, worker: WorkerNum, activation: Activation, first: OplogIndex) -> Result<(), StepError> {
        let cached = self.heads.get(&worker).ok_or(StepError::Discarded)?;
        let current = cached.activation == Some(activation) && first == cached.head.oplog_end.next();
        if current { Ok(()) } else { Err(StepError::Discarded) }
    }

    fn promise(
        &mut self,
        now: Timestamp,
        owner: Option<WorkerNum>,
        promise: &PromiseId,
        act: PromiseOperation,
        by: Option<HostCallContext>,
    ) -> Result<StepOutcome, StepError> {
        let mut record = None;
        if let Some(HostCallContext { worker, activation, first, entries, call }) = by {
            self.check(worker, activation, first)?;
            record = Some((worker, first.plus(entries.len() as u64), call));
            // What the worker did before comes first: it may have made this very promise.
            if !entries.is_empty() {
                self.push(worker, &Row::Entries { first, entries });
            }
        }
        let slot = owner
            .and_then(|no| self.heads.get(&no))
            .filter(|cached| cached.head.id == promise.worker)
            .and_then(|cached| cached.head.promises.get(&promise.index.0))
            .copied();
        let arrival = match (slot, act) {
            (Some(PromiseSlot::Pending), PromiseOperation::Complete(data)) => {
                Some(InboxEvent::PromiseCompleted { at: now, promise: promise.index, data })
            }
            (Some(_), PromiseOperation::Delete) => {
                Some(InboxEvent::PromiseDeleted { at: now, promise: promise.index })
            }
            (Some(PromiseSlot::Completed(_)), PromiseOperation::Complete(_)) | (None, _) => None,
        };
        let completion = match (slot, &arrival) {
            (None, _) => Completion::Unknown,
            (Some(_), Some(_)) => Completion::Completed,
            (Some(_), None) => Completion::AlreadyCompleted,
        };
        let mut seq = self.last;
        if let (Some(owner), Some(arrival)) = (owner, arrival) {
            // A stopped worker goes on when what it waited for is there (reference §1.2).
            if self
                .heads
                .get(&owner)
                .is_some_and(|cached| cached.head.interrupted && cached.head.waits_for(promise))
            {
                self.push(owner, &Row::InboxEvent(InboxEvent::Resumed { at: now }));
            }
            seq = self.push(owner, &Row::InboxEvent(arrival));
            for waiter in self.waiters.remove(promise).unwrap_or_default() {
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
            seq = self.push(worker, &Row::Entries { first, entries: vec![entry] });
        }
        Ok(StepOutcome::Promise(completion, seq))
    }

    /// Adds a row for a known worker and folds it.
    fn push(&mut self, no: WorkerNum, row: &Row) -> Seq {
        let seq = self.last.next();
        self.last = seq;
        let head = &self.heads[&no].head;
        let shard = head.shard();
        self.rows.push(LogRow {
            seq,
            worker: no,
            prev: Seq(head.last_row),
            shard,
            epoch: self.epochs[usize::from(shard.0)],
            body: codec::encode_row(row),
        });
        self.fold(no, seq, row);
        let answers = std::mem::take(&mut self.answers);
        if !answers.is_empty() {
            self.give(self.now, answers);
        }
        self.look_for_cycle(self.now, no, row);
        seq
    }

    fn fold(&mut self, no: WorkerNum, seq: Seq, row: &Row) {
        let Some(cached) = self.heads.get_mut(&no) else { return };
        if seq.0 <= cached.head.last_row {
            return;
        }
        let wake_before = cached.head.wake_at();
        let waited = cached.head.waiting.is_some();
        let mut facts = Vec::new();
        cached.head.apply(seq, row, &mut facts);
        if cached.dirty_since.is_none() {
            cached.dirty_since = Some(seq);
            self.dirty.insert(seq, no);
        }
        for fact in facts {
            let (key, started, outcome) = match fact {
                FoldEffect::InvocationBegun { key, started } => (key, started, None),
                FoldEffect::InvocationEnded { key, started, outcome } => (key, started, Some(outcome)),
                FoldEffect::Reply(due) => {
                    self.answers.push(due);
                    continue;
                }
            };
            // Nobody can ask for a key that nobody was told.
            if key.starts_with(' ') {
                continue;
            }
            let Ok(key) = IdempotencyKey::new(key) else { continue };
            let key_hash = key.index_hash();
            let record = self.keys.entry((no, key_hash)).or_insert_with(|| KeyRecord {
                started,
                outcome: None,
                invocation: None,
            });
            record.outcome = outcome;
            if let Row::Entries { entries, .. } = row
                && outcome.is_none()
                && let Some(begun) = begun_here(entries, &key)
            {
                record.invocation = Some(begun);
            }
            if let Row::InboxEvent(arrival) = row
                && let Some(accepted) = arrival.digest()
            {
                record.invocation = Some(accepted);
            }
            if let Some(outcome) = outcome {
                cached.unwritten.push(IdemRow { worker: no, key_hash, started, outcome });
                if cached.unwritten.len() == KEYS_UNWRITTEN_MAX {
                    self.overfull.push(no);
                }
            }
        }
        let wake_at = cached.head.wake_at();
        if wake_at != wake_before {
            self.actions.push(Action::SetTimer(no, wake_at));
        }
        let waits = cached.head.waiting.is_some();
        if let Some(from) = waits::set_aside_from(row) {
            let id = cached.head.id.clone();
            self.promises_gone(&id, from);
        }
        let Some(cached) = self.heads.get_mut(&no) else { return };
        if waits {
            let head = cached.head.clone_waits();
            self.register(no, &head.0, &head.1);
        } else if waited && cached.head.runnable() && matches!(row, Row::InboxEvent(_)) {
            self.actions.push(Action::Wake(no));
        }
    }

    fn remove(&mut self, no: WorkerNum, seq: Seq) {
        if let Some(cached) = self.heads.remove(&no) {
            self.by_id.remove(&cached.head.id);
            self.names.remove(&cached.head.id);
            self.counts.remove(&cached.head.id);
            if let Some(since) = cached.dirty_since {
                self.dirty.remove(&since);
            }
            for row in &cached.unwritten {
                self.keys.remove(&(no, row.key_hash));
            }
            // Keys of invocations that had begun or waited.
            self.keys.retain(|(worker, _), _| *worker != no);
            self.forgotten += 1;
            self.promises_gone(&cached.head.id, OplogIndex::START);
        }
        self.actions.push(Action::SetTimer(no, None));
        self.removed.insert(seq, no);
        self.removed_nos.insert(no);
    }
}

/// The function and digest of the invocation of a key that begins in `entries`, if it is there.
fn begun_here(entries: &[Entry], wanted: &IdempotencyKey) -> Option<(Arc<str>, [u8; 32])> {
    entries.iter().find_map(|entry| match entry {
        Entry::InvocationStarted { key, source, .. } if key == wanted => source.digest(),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
