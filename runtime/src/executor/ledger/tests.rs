//! The ledger against a model: random events, commits of random size, crashes at any of them. Whatever happens, the
//! ledger made from what was committed knows exactly what folding every committed row from the start gives.

mod call_delivery;

use super::*;
use crate::storage::ports::Batch;
use golem_model::oplog::InvocationSource;
use golem_model::oplog::{HostFunction, Parked, Request};
use golem_model::{AccountId, ProjectId, TemplateId, Value, WorkerName};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A tiny generator: the same seed, the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Where the outcome of each invocation is, by worker and hash of its key.
type Outcomes = BTreeMap<(WorkerNum, [u8; 16]), Seq>;

/// What a store keeps, without the store.
#[derive(Default)]
struct Kept {
    rows: Vec<LogRow>,
    heads: BTreeMap<WorkerNum, WorkerProjection>,
    idem: BTreeMap<(WorkerNum, [u8; 16]), IdemRow>,
    derived: Derived,
}

impl Kept {
    fn commit(&mut self, batch: &Batch) {
        self.rows.extend(batch.rows.iter().cloned());
        for (no, _) in &batch.removed {
            self.heads.remove(no);
            self.idem.retain(|(worker, _), _| worker != no);
        }
        for stored in &batch.heads {
            let clash = self.heads.values().find(|head| head.id == stored.id && head.no != stored.no.0);
            assert!(clash.is_none(), "two heads of one id");
            self.heads.insert(stored.no, WorkerProjection::from_stored(stored).unwrap());
        }
        for row in &batch.idem {
            self.idem.insert((row.worker, row.key_hash), *row);
        }
        if let Some(derived) = batch.derived {
            assert!(derived.applied >= self.derived.applied);
            self.derived = derived;
        }
    }

    fn reopen(&self) -> Ledger {
        let last = self.rows.last().map_or(Seq(0), |row| row.seq);
        let mut ledger = Ledger::new(Position { last, derived: self.derived }, &[]);
        for row in self.rows.iter().filter(|row| row.seq > self.derived.applied) {
            if ledger.head(row.worker).is_none()
                && let Some(head) = self.heads.get(&row.worker)
            {
                ledger.load(head.clone());
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
            let replayed = ledger.replay(row, &body);
            assert!(replayed.is_ok() || deleted_later(), "row {} of an unknown worker", row.seq);
        }
        for head in self.heads.values().filter(|head| head.calls.expects()) {
            ledger.load(head.clone());
        }
        ledger
    }

    /// Folds everything from the first row on: the truth.
    fn truth(&self) -> (BTreeMap<WorkerNum, WorkerProjection>, Outcomes) {
        let mut heads: BTreeMap<WorkerNum, WorkerProjection> = BTreeMap::new();
        let mut outcomes = Outcomes::new();
        for row in &self.rows {
            let body = codec::decode_row(&row.body).unwrap();
            if let Row::InboxEvent(InboxEvent::Deleted { .. }) = body {
                heads.remove(&row.worker);
                outcomes.retain(|(no, _), _| *no != row.worker);
                continue;
            }
            let mut facts = Vec::new();
            let head = heads.entry(row.worker).or_insert_with(|| {
                let Row::Entries { entries, .. } = &body else { panic!("begins with an arrival") };
                WorkerProjection::create(row.worker, &entries[0]).unwrap()
            });
            assert_eq!(row.prev.0, head.last_row, "rows of a worker are linked");
            head.apply(row.seq, &body, &mut facts);
            for fact in facts {
                if let FoldEffect::InvocationEnded { key, outcome, .. } = fact
                    && let Ok(key) = IdempotencyKey::new(key)
                {
                    outcomes.insert((row.worker, key.index_hash()), outcome);
                }
            }
        }
        (heads, outcomes)
    }
}

fn now() -> Timestamp {
    Timestamp::from_nanos(1)
}

fn worker(n: u64) -> WorkerId {
    WorkerId::new(TemplateId(Uuid::from_u128(7)), WorkerName::new(format!("w{n}")).unwrap())
}

fn created_first() -> LedgerEvent {
    LedgerEvent::CreateWorker { entry: created(worker(1)), options: FailureOptions::default() }
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
    Entry::HostCall { call: Call { function, request: Request::Inline(vec![]) }, response: vec![1] }
}

/// One random event on a random worker.
fn act(ledger: &mut Ledger, kept: &Kept, random: &mut Random, keys: &mut u64) {
    let id = worker(random.below(6));
    // A head that was forgotten is loaded from the store, as the executor does.
    let stored = kept.heads.values().find(|head| head.id == id && !ledger.is_removed(WorkerNum(head.no)));
    if let Some(head) = stored.cloned().filter(|_| ledger.no_of(&id).is_none()) {
        ledger.load(head);
    }
    let Some(no) = ledger.no_of(&id) else {
        ledger
            .step(now(), LedgerEvent::CreateWorker { entry: created(id), options: FailureOptions::default() })
            .unwrap();
        return;
    };
    *keys += 1;
    let key = if random.below(4) == 0 {
        IdempotencyKey::anonymous(u128::from(*keys))
    } else {
        IdempotencyKey::new(format!("k{keys}")).unwrap()
    };
    let head = ledger.head(no).unwrap().clone();
    let entries = match (&head.current, random.below(10)) {
        (_, 0) => {
            let arrival = InboxEvent::Invocation { at: now(), key, function: Arc::from("g"), params: vec![] };
            ledger.step(now(), LedgerEvent::Inbox { worker: no, arrival }).unwrap();
            return;
        }
        (_, 1) => {
            let index = OplogIndex(random.below(head.oplog_end.0 + 1));
            let promise = PromiseId { worker: head.id.clone(), index };
            let act = if random.below(3) == 0 {
                PromiseOperation::Delete
            } else {
                PromiseOperation::Complete(vec![1, 2])
            };
            ledger.step(now(), LedgerEvent::Promise { owner: Some(no), promise, act, by: None }).unwrap();
            return;
        }
        (_, 2) if random.below(8) == 0 => {
            ledger
                .step(now(), LedgerEvent::Inbox { worker: no, arrival: InboxEvent::Deleted { at: now() } })
                .unwrap();
            return;
        }
        (None, _) => match head.queue.front() {
            Some((arrival, queued)) => {
                let key = IdempotencyKey::new(queued.0.clone()).unwrap_or(key);
                let source = InvocationSource::Queued { arrival: *arrival };
                vec![Entry::InvocationStarted { at: now(), key, source }]
            }
            None => vec![started(&key), completed()],
        },
        (Some(_), 3..=5) => vec![host_call(HostFunction::PromiseCreate)],
        (Some(_), 6) => {
            let promise =
                PromiseId { worker: head.id.clone(), index: OplogIndex(1 + random.below(head.oplog_end.0)) };
            let wake_at = Some(Timestamp::from_nanos(random.below(100)));
            vec![Entry::Parked(Parked { at: now(), monotonic_nanos: 0, wake_at, promises: vec![promise] })]
        }
        (Some(_), _) => vec![completed()],
    };
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker: no })
    else {
        panic!("a known worker is activated");
    };
    let first = head.oplog_end.next();
    ledger.step(now(), LedgerEvent::Append { worker: no, activation, first, entries }).unwrap();
}

fn check(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut kept = Kept::default();
    let mut ledger = kept.reopen();
    let mut keys = 0;
    for _ in 0..400 {
        match random.below(12) {
            0..=8 => act(&mut ledger, &kept, &mut random, &mut keys),
            9 | 10 => {
                let batch = ledger.take_batch(random.below(2) == 0);
                if random.below(10) > 0 {
                    kept.commit(&batch);
                    ledger.committed(&batch);
                    ledger.forget(2, |_| false);
                } else {
                    // The commit failed, or the process died in it.
                    ledger = kept.reopen();
                }
            }
            _ => ledger = kept.reopen(),
        }
        ledger.take_actions();
    }
    let reopened = kept.reopen();
    let (heads, outcomes) = kept.truth();
    for (no, head) in &heads {
        let known = reopened.head(*no).or_else(|| kept.heads.get(no));
        assert_eq!(known, Some(head), "seed {seed}, worker {no}");
    }
    for no in kept.heads.keys() {
        assert!(heads.contains_key(no) || reopened.is_removed(*no), "seed {seed}: {no} should be gone");
    }
    for ((no, hash), outcome) in &outcomes {
        let here = reopened.keys.get(&(*no, *hash)).and_then(|record| record.outcome);
        let stored = kept.idem.get(&(*no, *hash)).map(|row| row.outcome);
        assert_eq!(here.or(stored), Some(*outcome), "seed {seed}: the outcome of a key of {no} is lost");
    }
}

#[test]
fn what_was_committed_is_known_after_any_crash() {
    for seed in 1..=400 {
        check(seed);
    }
}

#[test]
fn a_discarded_activation_changes_nothing() {
    let mut ledger = Kept::default().reopen();
    let Ok(StepOutcome::Created(no)) = ledger.step(now(), created_first()) else {
        panic!("a new worker is created");
    };
    let mut activate = || match ledger.step(now(), LedgerEvent::Activate { worker: no }) {
        Ok(StepOutcome::Activated(activation)) => activation,
        other => panic!("{other:?}"),
    };
    let (old, new) = (activate(), activate());
    let key = IdempotencyKey::new("k").unwrap();
    let mut append = |activation, first| {
        let entries = vec![started(&key), completed()];
        ledger.step(now(), LedgerEvent::Append { worker: no, activation, first, entries })
    };
    assert_eq!(append(old, OplogIndex(2)), Err(StepError::Discarded), "an old activation");
    assert_eq!(append(new, OplogIndex(3)), Err(StepError::Discarded), "a gap");
    assert_eq!(append(new, OplogIndex(2)), Ok(StepOutcome::Appended(Seq(2))));
    assert_eq!(append(new, OplogIndex(2)), Err(StepError::Discarded), "twice");
}

#[test]
fn the_first_completion_of_a_promise_wins_and_wakes_who_waits() {
    let mut ledger = Kept::default().reopen();
    let Ok(StepOutcome::Created(no)) = ledger.step(now(), created_first()) else {
        panic!("a new worker is created");
    };
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker: no })
    else {
        panic!("it is activated");
    };
    let promise = PromiseId { worker: worker(1), index: OplogIndex(3) };
    let parked = Parked { at: now(), monotonic_nanos: 0, wake_at: None, promises: vec![promise.clone()] };
    let key = IdempotencyKey::new("k").unwrap();
    let entries = vec![started(&key), host_call(HostFunction::PromiseCreate), Entry::Parked(parked)];
    ledger
        .step(now(), LedgerEvent::Append { worker: no, activation, first: OplogIndex(2), entries })
        .unwrap();
    ledger.take_actions();
    let mut complete = |owner| {
        let act = PromiseOperation::Complete(vec![9]);
        ledger.step(now(), LedgerEvent::Promise { owner, promise: promise.clone(), act, by: None }).unwrap()
    };
    assert!(matches!(complete(None), StepOutcome::Promise(Completion::Unknown, _)));
    assert!(matches!(complete(Some(no)), StepOutcome::Promise(Completion::Completed, _)));
    assert!(matches!(complete(Some(no)), StepOutcome::Promise(Completion::AlreadyCompleted, _)));
    assert_eq!(ledger.take_actions(), [Action::Wake(no)]);
}
