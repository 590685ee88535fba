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

use super::head::{Head, KeyFact, Slot};
use crate::storage::ports::{Batch, Derived, IdemRow, LogRow, Position, Seq, WorkerNo};
use golem_model::oplog::codec::{self, Row};
use golem_model::oplog::{Arrival, Call, Entry, InvocationSource};
use golem_model::promise::Completion;
use golem_model::{Epoch, IdempotencyKey, Invocation, OplogIndex, PromiseId, ShardId, Timestamp, WorkerId};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Rows that derived state may lag behind the log while the node is busy: bounds the work of the next start.
const DERIVED_LAG_ROWS_MAX: u64 = 20_000;
/// Index entries of one worker that may wait to be written; more of them are written with the next commit.
const KEYS_UNWRITTEN_MAX: usize = 256;
/// Heads and index entries that ride with a commit of rows; keeps the derived tables out of the latency of callers.
const DERIVED_PER_COMMIT: usize = 128;
/// Heads and index entries in one transaction of their own, when nothing else is to be done.
const DERIVED_PER_IDLE_COMMIT: usize = 2_000;

/// Names one stay of a worker in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Activation(pub(crate) u64);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker is to be made. The entry is its `Created`.
    Create { entry: Entry },
    /// A worker is loaded into memory; whoever wrote for it before no longer may.
    Activate { worker: WorkerNo },
    /// An activation did something.
    Append { worker: WorkerNo, activation: Activation, first: OplogIndex, entries: Vec<Entry> },
    /// Something arrived.
    Arrive { worker: WorkerNo, arrival: Arrival },
    /// A promise of `owner` is to be completed or deleted, from outside or by a worker.
    Promise { owner: Option<WorkerNo>, promise: PromiseId, act: PromiseAct, by: Option<ByWorker> },
}

/// What is to be done with a promise.
#[derive(Debug)]
pub(crate) enum PromiseAct {
    Complete(Vec<u8>),
    Delete,
}

/// A worker that acts on a promise: what it did before, and the call to be recorded with the answer.
#[derive(Debug)]
pub(crate) struct ByWorker {
    pub(crate) worker: WorkerNo,
    pub(crate) activation: Activation,
    pub(crate) first: OplogIndex,
    pub(crate) entries: Vec<Entry>,
    pub(crate) call: Call,
}

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Created(WorkerNo),
    Activated(Activation),
    /// The event's row.
    At(Seq),
    Promise(Completion, Seq),
}

/// Why an event changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the worker exists")]
    Exists(WorkerNo),
    #[error("the worker is not known")]
    Unknown,
    #[error("the activation was discarded")]
    Discarded,
}

/// What others must do after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// The worker has something to do, whatever it waited for.
    Wake(WorkerNo),
    /// The time at which the worker wants to be woken has changed.
    Timer(WorkerNo, Option<Timestamp>),
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
struct Cached {
    head: Head,
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
struct Flush {
    number: u64,
    keys: Vec<IdemRow>,
    /// Workers that the store forgets with it.
    gone: Vec<WorkerNo>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    epochs: Vec<Epoch>,
    last: Seq,
    durable: Seq,
    derived: Derived,
    heads: HashMap<WorkerNo, Cached>,
    by_id: HashMap<WorkerId, WorkerNo>,
    removed: BTreeMap<Seq, WorkerNo>,
    removed_nos: HashSet<WorkerNo>,
    keys: HashMap<(WorkerNo, [u8; 16]), KeyRecord>,
    dirty: BTreeMap<Seq, WorkerNo>,
    overfull: Vec<WorkerNo>,
    rows: Vec<LogRow>,
    waiters: HashMap<PromiseId, Vec<WorkerNo>>,
    worker_no_max: u64,
    activation_last: u64,
    flushes_taken: u64,
    flushes_committed: u64,
    flushing: VecDeque<Flush>,
    uses: u64,
    /// Grows when a head is forgotten: who read the store before must read it again.
    forgotten: u64,
    actions: Vec<Action>,
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
            removed: BTreeMap::new(),
            removed_nos: HashSet::new(),
            keys: HashMap::new(),
            dirty: BTreeMap::new(),
            overfull: Vec::new(),
            rows: Vec::new(),
            waiters: HashMap::new(),
            worker_no_max: position.derived.worker_no_max,
            activation_last: 0,
            flushes_taken: 0,
            flushes_committed: 0,
            flushing: VecDeque::new(),
            uses: 0,
            forgotten: 0,
            actions: Vec::new(),
        }
    }

    // ---- reading ----

    pub(crate) fn durable(&self) -> Seq {
        self.durable
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

    pub(crate) fn no_of(&mut self, id: &WorkerId) -> Option<WorkerNo> {
        let no = *self.by_id.get(id)?;
        self.uses += 1;
        if let Some(cached) = self.heads.get_mut(&no) {
            cached.used = self.uses;
        }
        Some(no)
    }

    pub(crate) fn head(&self, no: WorkerNo) -> Option<&Head> {
        self.heads.get(&no).map(|cached| &cached.head)
    }

    /// Workers in memory that could go on with something right now, in order.
    pub(crate) fn runnable(&self) -> Vec<WorkerNo> {
        let mut runnable: Vec<WorkerNo> =
            self.heads.iter().filter(|(_, cached)| cached.head.runnable()).map(|(no, _)| *no).collect();
        runnable.sort_unstable();
        runnable
    }

    /// What is known here of a key of the worker; the store may know more of older ones.
    pub(crate) fn key(&self, no: WorkerNo, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.keys.get(&(no, key.index_hash()))
    }

    /// Whether the store may know keys of the worker that are not known here.
    pub(crate) fn has_stored_keys(&self, no: WorkerNo) -> bool {
        self.heads.get(&no).is_none_or(|cached| cached.stored_keys)
    }

    /// Whether the worker was deleted, even if the store still has its head.
    pub(crate) fn is_removed(&self, no: WorkerNo) -> bool {
        self.removed_nos.contains(&no)
    }

    /// What others must do since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    // ---- loading ----

    /// Takes a head that the store has. Nothing changes if the worker is known already or was deleted.
    pub(crate) fn load(&mut self, head: Head) -> WorkerNo {
        self.insert(head, true)
    }

    fn insert(&mut self, head: Head, stored_keys: bool) -> WorkerNo {
        let no = WorkerNo(head.no);
        if self.heads.contains_key(&no) || self.removed_nos.contains(&no) {
            return no;
        }
        self.by_id.insert(head.id.clone(), no);
        self.register_waits(&head);
        let wake_at = head.wake_at();
        if wake_at.is_some() {
            self.actions.push(Action::Timer(no, wake_at));
        }
        self.uses += 1;
        self.heads.insert(
            no,
            Cached {
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
    pub(crate) fn replay(&mut self, row: &LogRow, body: &Row) -> Result<(), Refused> {
        let no = row.worker;
        if self.removed_nos.contains(&no) {
            return Ok(());
        }
        if let Row::Arrival(Arrival::Deleted { .. }) = body {
            self.remove(no, row.seq);
            return Ok(());
        }
        if !self.heads.contains_key(&no) {
            let Row::Entries { entries, .. } = body else { return Err(Refused::Unknown) };
            let head = entries.first().and_then(|entry| Head::create(no, entry)).ok_or(Refused::Unknown)?;
            self.worker_no_max = self.worker_no_max.max(no.0);
            self.insert(head, false);
        }
        self.fold(no, row.seq, body);
        Ok(())
    }

    // ---- the state machine ----

    /// Gives `event` its place. On `Err` nothing changed.
    pub(crate) fn step(&mut self, now: Timestamp, event: Event) -> Result<Answer, Refused> {
        match event {
            Event::Create { entry } => self.create(entry),
            Event::Activate { worker } => {
                self.activation_last += 1;
                let activation = Activation(self.activation_last);
                self.heads.get_mut(&worker).ok_or(Refused::Unknown)?.activation = Some(activation);
                Ok(Answer::Activated(activation))
            }
            Event::Append { worker, activation, first, entries } => {
                self.check(worker, activation, first)?;
                Ok(Answer::At(self.push(worker, &Row::Entries { first, entries })))
            }
            Event::Arrive { worker, arrival } => {
                self.heads.get(&worker).ok_or(Refused::Unknown)?;
                let deleted = matches!(arrival, Arrival::Deleted { .. });
                // Who stops a worker stops its instance: what that did and has not handed over is as if it had crashed.
                if matches!(arrival, Arrival::Interrupted { .. })
                    && let Some(cached) = self.heads.get_mut(&worker)
                {
                    cached.activation = None;
                }
                let seq = self.push(worker, &Row::Arrival(arrival));
                if deleted {
                    self.remove(worker, seq);
                }
                Ok(Answer::At(seq))
            }
            Event::Promise { owner, promise, act, by } => self.promise(now, owner, &promise, act, by),
        }
    }

    fn create(&mut self, entry: Entry) -> Result<Answer, Refused> {
        let no = WorkerNo(self.worker_no_max + 1);
        let head = Head::create(no, &entry).ok_or(Refused::Unknown)?;
        if let Some(existing) = self.by_id.get(&head.id) {
            return Err(Refused::Exists(*existing));
        }
        self.worker_no_max += 1;
        self.insert(head, false);
        self.push(no, &Row::Entries { first: OplogIndex(1), entries: vec![entry] });
        Ok(Answer::Created(no))
    }

    fn check(&self, worker: WorkerNo, activation: Activation, first: OplogIndex) -> Result<(), Refused> {
        let cached = self.heads.get(&worker).ok_or(Refused::Discarded)?;
        let current = cached.activation == Some(activation) && first == cached.head.oplog_end.next();
        if current { Ok(()) } else { Err(Refused::Discarded) }
    }

    fn promise(
        &mut self,
        now: Timestamp,
        owner: Option<WorkerNo>,
        promise: &PromiseId,
        act: PromiseAct,
        by: Option<ByWorker>,
    ) -> Result<Answer, Refused> {
        let mut record = None;
        if let Some(ByWorker { worker, activation, first, entries, call }) = by {
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
            (Some(Slot::Pending), PromiseAct::Complete(data)) => {
                Some(Arrival::PromiseCompleted { at: now, promise: promise.index, data })
            }
            (Some(_), PromiseAct::Delete) => {
                Some(Arrival::PromiseDeleted { at: now, promise: promise.index })
            }
            (Some(Slot::Completed(_)), PromiseAct::Complete(_)) | (None, _) => None,
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
                self.push(owner, &Row::Arrival(Arrival::Resumed { at: now }));
            }
            seq = self.push(owner, &Row::Arrival(arrival));
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
        Ok(Answer::Promise(completion, seq))
    }

    /// Adds a row for a known worker and folds it.
    fn push(&mut self, no: WorkerNo, row: &Row) -> Seq {
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
        seq
    }

    fn fold(&mut self, no: WorkerNo, seq: Seq, row: &Row) {
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
                KeyFact::Begun { key, started } => (key, started, None),
                KeyFact::Ended { key, started, outcome } => (key, started, Some(outcome)),
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
                && let Some((function, params)) = inline_invocation(entries, &key)
            {
                record.invocation = Some((function.clone(), Invocation::digest_of(function, params)));
            }
            if let Row::Arrival(Arrival::Invocation { function, params, .. }) = row {
                record.invocation = Some((function.clone(), Invocation::digest_of(function, params)));
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
            self.actions.push(Action::Timer(no, wake_at));
        }
        let waits = cached.head.waiting.is_some();
        if waits {
            let head = cached.head.clone_waits();
            self.register(no, &head.0, &head.1);
        } else if waited && cached.head.runnable() && matches!(row, Row::Arrival(_)) {
            self.actions.push(Action::Wake(no));
        }
    }

    fn register_waits(&mut self, head: &Head) {
        let (id, promises) = head.clone_waits();
        self.register(WorkerNo(head.no), &id, &promises);
    }

    fn register(&mut self, no: WorkerNo, id: &WorkerId, promises: &[PromiseId]) {
        for promise in promises.iter().filter(|promise| promise.worker != *id) {
            let waiting = self.waiters.entry(promise.clone()).or_default();
            if !waiting.contains(&no) {
                waiting.push(no);
            }
        }
    }

    fn remove(&mut self, no: WorkerNo, seq: Seq) {
        if let Some(cached) = self.heads.remove(&no) {
            self.by_id.remove(&cached.head.id);
            if let Some(since) = cached.dirty_since {
                self.dirty.remove(&since);
            }
            for row in &cached.unwritten {
                self.keys.remove(&(no, row.key_hash));
            }
            // Keys of invocations that had begun or waited.
            self.keys.retain(|(worker, _), _| *worker != no);
            self.forgotten += 1;
            // Who waits for one of its promises must learn that it will never be completed.
            let gone: Vec<PromiseId> =
                self.waiters.keys().filter(|promise| promise.worker == cached.head.id).cloned().collect();
            for promise in gone {
                for waiter in self.waiters.remove(&promise).unwrap_or_default() {
                    self.actions.push(Action::Wake(waiter));
                }
            }
        }
        self.actions.push(Action::Timer(no, None));
        self.removed.insert(seq, no);
        self.removed_nos.insert(no);
    }

    // ---- committing ----

    /// Takes everything that waits to be written, with a share of what is derived; `idle` takes more of that.
    pub(crate) fn take_batch(&mut self, idle: bool) -> Batch {
        let rows = std::mem::take(&mut self.rows);
        let mut batch = Batch { rows, ..Batch::default() };
        let mut fenced = [false; 256];
        for row in &batch.rows {
            if !std::mem::replace(&mut fenced[usize::from(row.shard.0)], true) {
                batch.fences.push((row.shard, row.epoch));
            }
        }
        self.take_derived(&mut batch, idle);
        batch
    }

    fn take_derived(&mut self, batch: &mut Batch, idle: bool) {
        let mut budget = if idle { DERIVED_PER_IDLE_COMMIT } else { DERIVED_PER_COMMIT };
        let mut taken = Vec::new();
        for no in std::mem::take(&mut self.overfull) {
            self.take_head(no, batch, &mut taken);
        }
        budget = budget.saturating_sub(batch.heads.len() + batch.idem.len());
        let oldest_allowed =
            if idle { self.last.0 } else { self.last.0.saturating_sub(DERIVED_LAG_ROWS_MAX) };
        while budget > 0 {
            let next_head = self.dirty.first_key_value().map(|(seq, no)| (*seq, *no));
            let Some((since, no)) = next_head.filter(|(since, _)| since.0 <= oldest_allowed) else { break };
            let before = batch.idem.len();
            debug_assert!(self.heads.get(&no).is_some_and(|cached| cached.dirty_since == Some(since)));
            self.take_head(no, batch, &mut taken);
            budget = budget.saturating_sub(1 + batch.idem.len() - before);
        }
        // Removed workers go out with any derived write: a new worker may have the same name, which the heads must
        // not see twice.
        let lagging = self.removed.first_key_value().is_some_and(|(seq, _)| seq.0 <= oldest_allowed);
        let mut gone = Vec::new();
        if lagging || !batch.heads.is_empty() {
            for (seq, no) in std::mem::take(&mut self.removed) {
                batch.removed.push((no, seq));
                gone.push(no);
            }
        }
        if batch.heads.is_empty() && batch.removed.is_empty() {
            return;
        }
        self.flushes_taken += 1;
        for no in taken {
            if let Some(cached) = self.heads.get_mut(&no) {
                cached.flush = self.flushes_taken;
            }
        }
        self.flushing.push_back(Flush { number: self.flushes_taken, keys: batch.idem.clone(), gone });
        let applied = self.dirty.first_key_value().map_or(self.last, |(seq, _)| Seq(seq.0 - 1));
        batch.derived = Some(Derived { applied, worker_no_max: self.worker_no_max });
    }

    fn take_head(&mut self, no: WorkerNo, batch: &mut Batch, taken: &mut Vec<WorkerNo>) {
        let Some(cached) = self.heads.get_mut(&no) else { return };
        let Some(since) = cached.dirty_since.take() else { return };
        self.dirty.remove(&since);
        cached.stored_keys |= !cached.unwritten.is_empty();
        batch.idem.append(&mut cached.unwritten);
        batch.heads.push(cached.head.to_stored());
        taken.push(no);
    }

    /// The batch up to `durable` is committed, and with it `flush` if it carried derived state.
    pub(crate) fn committed(&mut self, batch: &Batch) {
        if let Some(row) = batch.rows.last() {
            self.durable = row.seq;
        }
        let Some(derived) = batch.derived else { return };
        self.derived = derived;
        let Some(Flush { number, keys, gone }) = self.flushing.pop_front() else { return };
        self.flushes_committed = number;
        for row in keys {
            let entry = (row.worker, row.key_hash);
            // The store answers for it from now on.
            if self.keys.get(&entry).is_some_and(|record| record.outcome == Some(row.outcome)) {
                self.keys.remove(&entry);
            }
        }
        for no in gone {
            self.removed_nos.remove(&no);
        }
        self.forgotten += 1;
    }

    /// Forgets heads that the store has, the longest unused first, until at most `keep` are left.
    pub(crate) fn forget(&mut self, keep: usize, in_use: impl Fn(WorkerNo) -> bool) {
        if self.heads.len() <= keep + keep / 8 {
            return;
        }
        let mut candidates: Vec<(u64, WorkerNo)> = self
            .heads
            .iter()
            .filter(|(no, cached)| {
                cached.dirty_since.is_none()
                    && cached.flush <= self.flushes_committed
                    && cached.head.queue.is_empty()
                    && !in_use(**no)
            })
            .map(|(no, cached)| (cached.used, *no))
            .collect();
        candidates.sort_unstable();
        let excess = self.heads.len().saturating_sub(keep);
        for (_, no) in candidates.into_iter().take(excess) {
            if let Some(cached) = self.heads.remove(&no) {
                self.by_id.remove(&cached.head.id);
            }
        }
        self.forgotten += 1;
    }
}

fn inline_invocation<'a>(
    entries: &'a [Entry],
    wanted: &IdempotencyKey,
) -> Option<(&'a Arc<str>, &'a Vec<golem_model::Value>)> {
    entries.iter().find_map(|entry| match entry {
        Entry::InvocationStarted { key, source: InvocationSource::Inline { function, params }, .. }
            if key == wanted =>
        {
            Some((function, params))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
