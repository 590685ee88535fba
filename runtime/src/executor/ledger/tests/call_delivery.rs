//! Calls at random between a few workers, and crashes at any of them: no call is lost, none begins twice, none is
//! answered twice, and nobody waits in a circle.

use super::*;
use crate::executor::ledger::call_delivery::{CallRequest, CallTarget, CancelRequest};
use golem_model::oplog::FailureCause;
use golem_model::oplog::calls::CallEvent;
use std::collections::BTreeSet;

/// Few, so that they meet.
const WORKERS: u64 = 4;

fn call_record(function: HostFunction, index: u64) -> Call {
    Call { function, request: Request::Inline(golem_model::call::encode_index(OplogIndex(index))) }
}

/// The worker's number; its head is loaded as the executor does.
fn locate(ledger: &mut Ledger, kept: &Kept, id: &WorkerId) -> Option<WorkerNum> {
    let stored = kept.heads.values().find(|head| head.id == *id && !ledger.is_removed(WorkerNum(head.no)));
    if let Some(head) = stored.cloned().filter(|_| ledger.no_of(id).is_none()) {
        ledger.load(head);
    }
    ledger.no_of(id)
}

/// What a worker does next, or what happens to it.
fn act(ledger: &mut Ledger, kept: &Kept, random: &mut Random, time: u64) {
    let now = Timestamp::from_nanos(time);
    let id = worker(random.below(WORKERS));
    let Some(no) = locate(ledger, kept, &id) else {
        ledger
            .step(now, LedgerEvent::CreateWorker { entry: created(id), options: FailureOptions::default() })
            .unwrap();
        return;
    };
    let head = ledger.head(no).unwrap().clone();
    match random.below(40) {
        0 => {
            let arrival = InboxEvent::Deleted { at: now };
            ledger.step(now, LedgerEvent::Inbox { worker: no, arrival }).unwrap();
            return;
        }
        1..=3 => {
            ledger.step(now, LedgerEvent::CallsDue { worker: no }).unwrap();
            return;
        }
        _ => {}
    }
    if head.end.is_some() || head.waiting.is_some() {
        return;
    }
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now, LedgerEvent::Activate { worker: no })
    else {
        panic!("a known worker is activated");
    };
    let first = head.oplog_end.next();
    let made: Vec<u64> = head.calls.made_all();
    let pick = |random: &mut Random| made.get(usize::try_from(random.below(1 + made.len() as u64)).unwrap());
    let by = |call| HostCallContext { worker: no, activation, first, entries: vec![], call };
    let entries = match (&head.current, random.below(12)) {
        (None, _) => match head.queue.front() {
            Some((arrival, _)) => {
                let source = InvocationSource::Queued { arrival: *arrival };
                vec![Entry::InvocationStarted { at: now, key: IdempotencyKey::anonymous(1), source }]
            }
            None => vec![started(&IdempotencyKey::anonymous(u128::from(time)))],
        },
        (Some(_), 0..=4) => {
            let other = worker(random.below(WORKERS));
            let target = match locate(ledger, kept, &other) {
                Some(found) => CallTarget::Existing(found),
                None => CallTarget::New(created(other), FailureOptions::default()),
            };
            let reply = random.below(4) > 0;
            let made = CallRequest {
                by: by(call_record(if reply { HostFunction::CallMake } else { HostFunction::CallSend }, 0)),
                target,
                function: Arc::from("f"),
                params: vec![],
                reply,
                not_before: (!reply).then(|| Timestamp::from_nanos(time + random.below(50))),
            };
            ledger.step(now, LedgerEvent::Call(Box::new(made))).unwrap();
            return;
        }
        (Some(_), 5) if !made.is_empty() => {
            let Some(call) = pick(random).copied() else { return };
            let begun = random.below(2) == 0;
            let by = by(call_record(HostFunction::CallCancel, call));
            let cancelled = CancelRequest { by, call: OplogIndex(call), begun };
            ledger.step(now, LedgerEvent::CancelCall(Box::new(cancelled))).unwrap();
            return;
        }
        (Some(_), 6..=8) if !made.is_empty() => {
            // It waits for some of its calls, or takes the answer of one.
            let Some(call) = pick(random).copied() else { return };
            if head.calls.made(OplogIndex(call)).is_some_and(|made| made.answered.is_some()) {
                let call = call_record(HostFunction::CallAwait, call);
                vec![Entry::HostCall { call, response: vec![0] }]
            } else {
                let promise = |index: &u64| PromiseId { worker: id.clone(), index: OplogIndex(*index) };
                let promises = if random.below(3) == 0 {
                    made.iter().map(promise).collect()
                } else {
                    vec![promise(&call)]
                };
                vec![Entry::Parked(Parked { at: now, monotonic_nanos: 0, wake_at: None, promises })]
            }
        }
        (Some(_), 9) if random.below(6) == 0 => {
            let cause = FailureCause::Trap { details: "on purpose".to_owned() };
            vec![Entry::InvocationFailed { at: now, cause }]
        }
        (Some(_), _) => vec![completed()],
    };
    ledger.step(now, LedgerEvent::Append { worker: no, activation, first, entries }).unwrap();
}

fn check_calls(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut kept = Kept::default();
    let mut ledger = kept.reopen();
    for time in 1..=500 {
        match random.below(12) {
            0..=8 => act(&mut ledger, &kept, &mut random, time),
            9 | 10 => {
                let batch = ledger.take_batch(random.below(2) == 0);
                if random.below(10) > 0 {
                    kept.commit(&batch);
                    ledger.committed(&batch);
                    ledger.forget(1, |_| false);
                } else {
                    ledger = kept.reopen();
                }
            }
            _ => ledger = kept.reopen(),
        }
        ledger.take_actions();
        for no in (1..=ledger.worker_no_max).map(WorkerNum) {
            assert!(!ledger.waits_in_circle(no), "seed {seed}, at {time}: {no} waits for itself");
        }
    }
    let (heads, _) = kept.truth();
    let reopened = kept.reopen();
    for (no, head) in &heads {
        assert_eq!(reopened.head(*no).or_else(|| kept.heads.get(no)), Some(head), "seed {seed}, worker {no}");
        for call in head.calls.made_all() {
            let made = head.calls.made(OplogIndex(call)).unwrap();
            if made.answered.is_some() {
                continue;
            }
            assert!(reopened.head(*no).is_some(), "seed {seed}: {no} waits for an answer out of memory");
            let target = heads.values().find(|head| head.id == made.target);
            let target = target.unwrap_or_else(|| panic!("seed {seed}: {no} waits for nobody"));
            let queued = target.queue.iter().any(|(call_row, _)| *call_row == made.call_row);
            let runs = target.current.as_ref().is_some_and(|current| current.started == made.call_row);
            assert!(queued || runs, "seed {seed}: call {call} of {no} is lost");
        }
    }
    let (mut begun, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for row in &kept.rows {
        match codec::decode_row(&row.body).unwrap() {
            Row::Entries { entries, .. } => {
                for entry in entries {
                    if let Entry::InvocationStarted { source: InvocationSource::Queued { arrival }, .. } =
                        entry
                    {
                        assert!(begun.insert(arrival), "seed {seed}: the call of row {arrival} begins twice");
                    }
                }
            }
            Row::InboxEvent(InboxEvent::Call(CallEvent::Answered { call, call_row, .. })) => {
                assert!(
                    answered.insert((row.worker, call, call_row)),
                    "seed {seed}: {call} is answered twice"
                );
            }
            Row::InboxEvent(_) => {}
        }
    }
}

#[test]
fn calls_are_made_and_answered_once_whatever_crashes() {
    for seed in 1..=400 {
        check_calls(seed);
    }
}
