//! Tests the ledger against a model: random events, commits of random size, crashes between any of them. A ledger that
//! is rebuilt from the committed rows must have the same state as folding all committed rows from the start.

mod call_delivery;
mod delays;
mod store_reads;

use super::*;
use crate::storage::ports::Batch;
use golem_model::oplog::InvocationSource;
use golem_model::oplog::codec;
use golem_model::oplog::{HostCallRequest, HostFunction, Suspension};
use golem_model::shared::SharedWrite;
use golem_model::{AccountId, ProjectId, TemplateId, Value, WorkerName};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A small random generator: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The row with the outcome of each invocation, by worker and hash of its key.
type Outcomes = BTreeMap<(WorkerNum, [u8; 16]), Seq>;

/// A model of a store.
#[derive(Default)]
struct ModelStore {
    rows: Vec<LogRow>,
    projections: BTreeMap<WorkerNum, WorkerProjection>,
    idempotency_rows: BTreeMap<(WorkerNum, [u8; 16]), IdempotencyRow>,
    deleted_names: BTreeMap<WorkerId, OplogIndex>,
    derived: DerivedPosition,
}

impl ModelStore {
    fn commit(&mut self, batch: &Batch) {
        self.rows.extend(batch.rows.iter().cloned());
        for RemovedWorker { worker, last: _, name } in &batch.removed {
            self.projections.remove(worker);
            self.idempotency_rows.retain(|(of, _), _| of != worker);
            if let Some(DeletedName { id, oplog_end }) = name {
                let end = self.deleted_names.entry(id.clone()).or_default();
                *end = (*end).max(*oplog_end);
            }
        }
        for stored in &batch.projections {
            let clash = self
                .projections
                .values()
                .find(|projection| projection.id == stored.id && projection.worker != stored.worker.0);
            assert!(clash.is_none(), "two projections with one id");
            self.projections.insert(stored.worker, WorkerProjection::from_stored(stored).unwrap());
        }
        for row in &batch.idempotency_rows {
            self.idempotency_rows.insert((row.worker, row.key_hash), *row);
        }
        if let Some(derived) = batch.derived {
            assert!(derived.applied >= self.derived.applied);
            self.derived = derived;
        }
    }

    fn reopen(&self) -> Ledger {
        let last = self.rows.last().map_or(Seq(0), |row| row.seq);
        let mut ledger = Ledger::new(StorePosition { last, derived: self.derived }, &[]);
        for row in self.rows.iter().filter(|row| row.seq > self.derived.applied) {
            if ledger.projection(row.worker).is_none()
                && let Some(projection) = self.projections.get(&row.worker)
            {
                ledger.load(projection.clone());
            }
            let body = codec::decode_row(&row.body).unwrap();
            let deleted_later = || {
                self.rows.iter().any(|later| {
                    later.worker == row.worker
                        && matches!(
                            codec::decode_row(&later.body),
                            Ok(Row::InboxEvent(InboxEvent::Deleted { .. }))
                        )
                })
            };
            let replayed = ledger.replay_row(row, &body);
            assert!(replayed.is_ok() || deleted_later(), "row {} of an unknown worker", row.seq);
        }
        for projection in self.projections.values().filter(|projection| projection.calls.expects_answer()) {
            ledger.load(projection.clone());
        }
        ledger
    }

    /// A worker to create, as the executor describes it after reading the store.
    fn new_worker(&self, id: WorkerId) -> NewWorker {
        let begins_after = self.deleted_names.get(&id).copied().unwrap_or_default();
        NewWorker { entry: created(id), options: FailureOptions::default(), begins_after }
    }

    /// Computes the expected state by folding all rows from the first one. Checks that the entries of workers with the
    /// same id have consecutive indexes.
    fn expected_state(&self) -> (BTreeMap<WorkerNum, WorkerProjection>, Outcomes) {
        let mut projections: BTreeMap<WorkerNum, WorkerProjection> = BTreeMap::new();
        let mut outcomes = Outcomes::new();
        let mut ends: BTreeMap<WorkerId, OplogIndex> = BTreeMap::new();
        for row in &self.rows {
            let body = codec::decode_row(&row.body).unwrap();
            if let Row::InboxEvent(InboxEvent::Deleted { .. }) = body {
                let deleted = projections.remove(&row.worker).unwrap();
                ends.insert(deleted.id, deleted.oplog_end);
                outcomes.retain(|(worker, _), _| *worker != row.worker);
                continue;
            }
            let mut effects = Vec::new();
            let projection = projections.entry(row.worker).or_insert_with(|| {
                let Row::Entries { first, entries } = &body else {
                    panic!("the first row of a worker holds no entries")
                };
                let created = WorkerProjection::from_created(row.worker, *first, &entries[0]).unwrap();
                let end = ends.get(&created.id).copied().unwrap_or_default();
                assert_eq!(*first, end.next(), "a worker continues after a deleted one of the same id");
                created
            });
            assert_eq!(row.prev.0, projection.last_row, "rows of a worker are linked");
            projection.apply_row(row.seq, &body, &mut effects);
            for effect in effects {
                if let FoldEffect::InvocationEnded { key, outcome, .. } = effect
                    && let Ok(key) = IdempotencyKey::new(key)
                {
                    outcomes.insert((row.worker, key.index_hash()), outcome);
                }
            }
        }
        (projections, outcomes)
    }
}

fn now() -> Timestamp {
    Timestamp::from_nanos(1)
}

fn worker_id(n: u64) -> WorkerId {
    WorkerId::new(TemplateId(Uuid::from_u128(7)), WorkerName::new(format!("w{n}")).unwrap())
}

fn created_first() -> LedgerEvent {
    LedgerEvent::CreateWorker(ModelStore::default().new_worker(worker_id(1)))
}

fn created(id: WorkerId) -> Entry {
    Entry::Created {
        at: now(),
        id,
        project: ProjectId(Uuid::nil()),
        account: AccountId(Uuid::nil()),
        template_version: 0,
        args: vec![],
        env: vec![],
        seed: [1; 32],
    }
}

fn started(key: &IdempotencyKey) -> Entry {
    let source = InvocationSource::Inline { function: Arc::from("f"), params: vec![Value::U64(1)] };
    Entry::InvocationStarted { at: now(), key: key.clone(), source }
}

fn completed() -> Entry {
    Entry::InvocationCompleted { at: now(), result: Some(Value::U64(2)) }
}

fn host_call(function: HostFunction) -> Entry {
    Entry::HostCall {
        call: HostCall { function, request: HostCallRequest::Inline(vec![]) },
        response: vec![1],
    }
}

fn append(
    worker: WorkerNum,
    activation: ActivationId,
    first: OplogIndex,
    entries: Vec<Entry>,
) -> LedgerEvent {
    LedgerEvent::Append { worker, activation, entries: EncodedEntries::new(first, entries) }
}

fn completion(promise: OplogIndex, data: Vec<u8>) -> PromiseOperation {
    PromiseOperation::Complete(EncodedEvent::promise_completed(now(), promise, data))
}

/// Performs one random event on a random worker.
fn random_step(ledger: &mut Ledger, store: &ModelStore, random: &mut Random, keys: &mut u64) {
    let id = worker_id(random.below(6));
    // As in the executor, an evicted projection is loaded from the store.
    let stored = store
        .projections
        .values()
        .find(|projection| projection.id == id && !ledger.is_removed(WorkerNum(projection.worker)));
    if let Some(projection) = stored.cloned().filter(|_| ledger.worker_num(&id).is_none()) {
        ledger.load(projection);
    }
    let Some(worker) = ledger.worker_num(&id) else {
        ledger.step(now(), LedgerEvent::CreateWorker(store.new_worker(id))).unwrap();
        return;
    };
    *keys += 1;
    let key = if random.below(4) == 0 {
        IdempotencyKey::anonymous(u128::from(*keys))
    } else {
        IdempotencyKey::new(format!("k{keys}")).unwrap()
    };
    let projection = ledger.projection(worker).unwrap().clone();
    let entries = match (&projection.current, random.below(10)) {
        (_, 0) => {
            let event = InboxEvent::Invocation { at: now(), key, function: Arc::from("g"), params: vec![] };
            ledger.step(now(), LedgerEvent::Inbox { worker, event }).unwrap();
            return;
        }
        (_, 1) => {
            let length = projection.oplog_end.0 - projection.begins_after.0;
            let index = projection.begins_after.plus(random.below(length + 1));
            let promise = PromiseId { worker: projection.id.clone(), index };
            let operation =
                if random.below(3) == 0 { PromiseOperation::Delete } else { completion(index, vec![1, 2]) };
            ledger
                .step(now(), LedgerEvent::Promise { owner: Some(worker), promise, operation, context: None })
                .unwrap();
            return;
        }
        (_, 2) if random.below(8) == 0 => {
            ledger
                .step(now(), LedgerEvent::Inbox { worker, event: InboxEvent::Deleted { at: now() } })
                .unwrap();
            return;
        }
        (None, _) => match projection.queue.front() {
            Some((accepted_row, queued)) => {
                let key = IdempotencyKey::from_stored(queued.0.clone()).unwrap();
                let source = InvocationSource::Queued { row: *accepted_row };
                vec![Entry::InvocationStarted { at: now(), key, source }]
            }
            None => vec![started(&key), completed()],
        },
        (Some(_), 3..=5) => vec![host_call(HostFunction::PromiseCreate)],
        (Some(_), 6) => {
            let promise = PromiseId {
                worker: projection.id.clone(),
                index: projection
                    .begins_after
                    .plus(1 + random.below(projection.oplog_end.0 - projection.begins_after.0)),
            };
            let wake_at = Some(Timestamp::from_nanos(random.below(100)));
            vec![Entry::Suspended(Suspension {
                at: now(),
                monotonic_nanos: 0,
                wake_at,
                promises: vec![promise],
            })]
        }
        (Some(_), _) => vec![completed()],
    };
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker }) else {
        panic!("a known worker is activated");
    };
    let first = projection.oplog_end.next();
    ledger.step(now(), append(worker, activation, first, entries)).unwrap();
}

fn check(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut store = ModelStore::default();
    let mut ledger = store.reopen();
    let mut keys = 0;
    for _ in 0..400 {
        match random.below(12) {
            0..=8 => random_step(&mut ledger, &store, &mut random, &mut keys),
            9 | 10 => {
                let batch = ledger.take_batch(random.below(2) == 0).encode();
                if random.below(10) > 0 {
                    store.commit(&batch);
                    ledger.mark_committed(&batch);
                    ledger.evict(2, |_| false);
                } else {
                    // The commit failed, or the process crashed during it.
                    ledger = store.reopen();
                }
            }
            _ => ledger = store.reopen(),
        }
        ledger.take_actions();
    }
    let reopened = store.reopen();
    let (projections, outcomes) = store.expected_state();
    for (worker, projection) in &projections {
        let known = reopened.projection(*worker).or_else(|| store.projections.get(worker));
        assert_eq!(known, Some(projection), "seed {seed}, worker {worker}");
    }
    for worker in store.projections.keys() {
        assert!(
            projections.contains_key(worker) || reopened.is_removed(*worker),
            "seed {seed}: {worker} should be gone"
        );
    }
    for ((worker, hash), outcome) in &outcomes {
        let here = reopened.keys.get_by_hash(*worker, *hash).and_then(|record| record.outcome);
        let stored = store.idempotency_rows.get(&(*worker, *hash)).map(|row| row.outcome);
        assert_eq!(here.or(stored), Some(*outcome), "seed {seed}: the outcome of a key of {worker} is lost");
    }
}

#[test]
fn committed_state_survives_any_crash() {
    for seed in 1..=400 {
        check(seed);
    }
}

#[test]
fn a_discarded_activation_changes_nothing() {
    let mut ledger = ModelStore::default().reopen();
    let Ok(StepOutcome::Created(worker)) = ledger.step(now(), created_first()) else {
        panic!("a new worker is created");
    };
    let mut activate = || match ledger.step(now(), LedgerEvent::Activate { worker }) {
        Ok(StepOutcome::Activated(activation)) => activation,
        other => panic!("{other:?}"),
    };
    let (old, new) = (activate(), activate());
    let key = IdempotencyKey::new("k").unwrap();
    let mut append = |activation, first| {
        let entries = vec![started(&key), completed()];
        ledger.step(now(), append(worker, activation, first, entries))
    };
    assert_eq!(append(old, OplogIndex(2)), Err(StepError::StaleActivation), "an old activation");
    assert_eq!(append(new, OplogIndex(3)), Err(StepError::StaleActivation), "a gap");
    assert_eq!(append(new, OplogIndex(2)), Ok(StepOutcome::Appended(Seq(2))));
    assert_eq!(append(new, OplogIndex(2)), Err(StepError::StaleActivation), "twice");
}

#[test]
fn the_first_completion_of_a_promise_wins_and_wakes_waiters() {
    let mut ledger = ModelStore::default().reopen();
    let Ok(StepOutcome::Created(worker)) = ledger.step(now(), created_first()) else {
        panic!("a new worker is created");
    };
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker }) else {
        panic!("it is activated");
    };
    let promise = PromiseId { worker: worker_id(1), index: OplogIndex(3) };
    let parked = Suspension { at: now(), monotonic_nanos: 0, wake_at: None, promises: vec![promise.clone()] };
    let key = IdempotencyKey::new("k").unwrap();
    let entries = vec![started(&key), host_call(HostFunction::PromiseCreate), Entry::Suspended(parked)];
    ledger.step(now(), append(worker, activation, OplogIndex(2), entries)).unwrap();
    ledger.take_actions();
    let mut complete = |owner| {
        let operation = completion(OplogIndex(3), vec![9]);
        ledger
            .step(now(), LedgerEvent::Promise { owner, promise: promise.clone(), operation, context: None })
            .unwrap()
    };
    assert!(matches!(complete(None), StepOutcome::Promise(PromiseCompletion::Unknown, _)));
    assert!(matches!(complete(Some(worker)), StepOutcome::Promise(PromiseCompletion::Completed, _)));
    assert!(matches!(complete(Some(worker)), StepOutcome::Promise(PromiseCompletion::AlreadyCompleted, _)));
    assert_eq!(ledger.take_actions(), [LedgerAction::Wake(worker), LedgerAction::PromiseSettled(promise)]);
}

/// The row that an event brings is written as it is, and projections leave the ledger without being encoded: neither
/// depends on the size of the data while the node's lock is held.
#[test]
fn large_rows_are_moved_and_projections_are_shared() {
    let mut ledger = ModelStore::default().reopen();
    let Ok(StepOutcome::Created(worker)) = ledger.step(now(), created_first()) else {
        panic!("a new worker is created");
    };
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker }) else {
        panic!("it is activated");
    };
    let key = IdempotencyKey::new("k").unwrap();
    let large = || Value::Bytes(vec![7; 100_000]);
    let source = InvocationSource::Inline { function: Arc::from("f"), params: vec![large()] };
    let begun = Entry::InvocationStarted { at: now(), key: key.clone(), source };
    let entries = EncodedEntries::new(OplogIndex(2), vec![begun.clone()]);
    let mut bodies = vec![entries.body().unwrap().as_ptr()];
    ledger.step(now(), LedgerEvent::Append { worker, activation, entries }).unwrap();
    let digest = ledger.key_record(worker, &key).unwrap().invocation.clone();
    assert!(digest.is_some(), "computed with the encoding");

    let accepted = IdempotencyKey::new("l").unwrap();
    let (function, params) = (Arc::from("g"), vec![large()]);
    let event = EncodedEvent::new(InboxEvent::Invocation { at: now(), key: accepted, function, params });
    bodies.push(event.body().as_ptr());
    ledger.step(now(), LedgerEvent::Accept { worker, event }).unwrap();

    let buffered = EncodedEntries::new(OplogIndex(3), vec![begun]);
    bodies.push(buffered.body().unwrap().as_ptr());
    let call = HostCall { function: HostFunction::KeyValueSet, request: HostCallRequest::Inline(vec![]) };
    let context = HostCallContext { worker, activation, buffered, call };
    let write = SharedWrite::KeyValue {
        bucket: "b".into(),
        write: golem_model::keyvalue::KeyValueWrite::Delete(vec!["k".into()]),
    };
    let write = shared_values::PlannedWrite::new(now(), write);
    assert!(matches!(write, shared_values::PlannedWrite::Decided(_)), "decided without the lock");
    let stored = shared_values::StoredValues::new();
    ledger.step(now(), LedgerEvent::SharedWrite { context, write, stored }).unwrap();

    let shared = ledger.shared_projection(worker).unwrap();
    let draft = ledger.take_batch(true);
    assert!(draft.projections().iter().any(|taken| Arc::ptr_eq(taken, &shared)));
    let batch = draft.encode();
    assert_eq!(batch.projections.len(), 1);
    let written: Vec<_> = batch.rows.iter().map(|row| row.body.as_ptr()).collect();
    for body in bodies {
        assert!(written.contains(&body), "a row was encoded again");
    }
    for row in &batch.rows {
        codec::decode_row(&row.body).unwrap();
    }
}

/// A worker that waits for two promises of another one, and continues after the first.
#[test]
fn the_promise_that_loses_a_race_keeps_no_registration() {
    let mut ledger = ModelStore::default().reopen();
    let mut create = |n| match ledger
        .step(now(), LedgerEvent::CreateWorker(ModelStore::default().new_worker(worker_id(n))))
    {
        Ok(StepOutcome::Created(worker)) => worker,
        other => panic!("{other:?}"),
    };
    let (owner, waiter) = (create(1), create(2));
    let append = |ledger: &mut Ledger, worker: WorkerNum, entries: Vec<Entry>| {
        let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker })
        else {
            panic!("it is activated");
        };
        let first = ledger.projection(worker).unwrap().oplog_end.next();
        ledger.step(now(), append(worker, activation, first, entries)).unwrap();
    };
    let key = IdempotencyKey::new("k").unwrap();
    let made = || host_call(HostFunction::PromiseCreate);
    append(&mut ledger, owner, vec![started(&key), made(), made(), made()]);
    let promise = |index| PromiseId { worker: worker_id(1), index: OplogIndex(index) };
    let parked =
        |promises| Entry::Suspended(Suspension { at: now(), monotonic_nanos: 0, wake_at: None, promises });
    append(&mut ledger, waiter, vec![started(&key), parked(vec![promise(3), promise(4), promise(5)])]);
    ledger.take_actions();
    let complete = |ledger: &mut Ledger, index| {
        let operation = completion(OplogIndex(index), vec![]);
        let event =
            LedgerEvent::Promise { owner: Some(owner), promise: promise(index), operation, context: None };
        ledger.step(now(), event).unwrap();
        let mut actions = ledger.take_actions();
        actions.retain(|action| matches!(action, LedgerAction::Wake(_)));
        actions
    };
    assert_eq!(complete(&mut ledger, 3), [LedgerAction::Wake(waiter)]);
    // It reads the first one, and waits for another pair.
    append(&mut ledger, waiter, vec![made(), parked(vec![promise(5)])]);
    assert_eq!(complete(&mut ledger, 4), [], "it does not wait for this one any more");
    assert_eq!(complete(&mut ledger, 5), [LedgerAction::Wake(waiter)]);
    append(&mut ledger, waiter, vec![made(), completed()]);
    assert!(ledger.promise_waiters.is_empty());
    // A deleted worker is not registered either.
    append(&mut ledger, waiter, vec![started(&key), parked(vec![promise(4)])]);
    ledger
        .step(now(), LedgerEvent::Inbox { worker: waiter, event: InboxEvent::Deleted { at: now() } })
        .unwrap();
    assert!(ledger.promise_waiters.is_empty());
}
