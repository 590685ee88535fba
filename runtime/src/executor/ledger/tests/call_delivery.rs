//! Random calls between a few workers, with crashes between them: no call is lost, begins twice or is answered twice,
//! and no deadlock remains.

use super::*;
use crate::executor::ledger::call_delivery::{
    CallContent, CallRequest, CallTarget, CancelRequest, QueuedCall,
};
use golem_model::oplog::CallEvent;
use golem_model::oplog::FailureCause;
use std::collections::BTreeSet;

/// A small number, so that workers call each other often.
const WORKERS: u64 = 4;

fn call_record(function: HostFunction, index: u64) -> HostCall {
    HostCall {
        function,
        request: HostCallRequest::Inline(golem_model::call::encode_call_index(OplogIndex(index))),
    }
}

/// Returns the worker's number. As in the executor, its projection is loaded from the store if necessary.
fn locate(ledger: &mut Ledger, store: &ModelStore, id: &WorkerId) -> Option<WorkerNum> {
    let stored = store
        .projections
        .values()
        .find(|projection| projection.id == *id && !ledger.is_removed(WorkerNum(projection.worker)));
    if let Some(projection) = stored.cloned().filter(|_| ledger.worker_num(id).is_none()) {
        ledger.load(projection);
    }
    ledger.worker_num(id)
}

/// Performs the next random step of a worker, or a random event on it.
fn random_step(ledger: &mut Ledger, store: &ModelStore, random: &mut Random, time: u64) {
    let now = Timestamp::from_nanos(time);
    let id = worker_id(random.below(WORKERS));
    let Some(worker) = locate(ledger, store, &id) else {
        ledger.step(now, LedgerEvent::CreateWorker(store.new_worker(id))).unwrap();
        return;
    };
    let projection = ledger.projection(worker).unwrap().clone();
    match random.below(40) {
        0 => {
            let event = InboxEvent::Deleted { at: now };
            ledger.step(now, LedgerEvent::Inbox { worker, event }).unwrap();
            return;
        }
        1..=3 => {
            ledger.step(now, LedgerEvent::CallsDue { worker }).unwrap();
            return;
        }
        _ => {}
    }
    if projection.terminal.is_some() || projection.waiting.is_some() {
        return;
    }
    let Ok(StepOutcome::Activated(activation)) = ledger.step(now, LedgerEvent::Activate { worker }) else {
        panic!("a known worker is activated");
    };
    let first = projection.oplog_end.next();
    let outstanding: Vec<u64> = projection.calls.outstanding_indices();
    let pick = |random: &mut Random| {
        outstanding.get(usize::try_from(random.below(1 + outstanding.len() as u64)).unwrap())
    };
    let context = |call| {
        let buffered = EncodedEntries::new(first, vec![]);
        HostCallContext { worker, activation, buffered, call }
    };
    let entries = match (&projection.current, random.below(12)) {
        (None, _) => match projection.queue.front() {
            Some((accepted_row, _)) => {
                let source = InvocationSource::Queued { row: *accepted_row };
                vec![Entry::InvocationStarted { at: now, key: IdempotencyKey::anonymous(1), source }]
            }
            None => vec![started(&IdempotencyKey::anonymous(u128::from(time)))],
        },
        (Some(_), 0..=4) => {
            let other = worker_id(random.below(WORKERS));
            let target = match locate(ledger, store, &other) {
                Some(found) => CallTarget::Existing(found),
                None => CallTarget::New(Box::new(store.new_worker(other))),
            };
            let reply = random.below(4) > 0;
            let context =
                context(call_record(if reply { HostFunction::CallMake } else { HostFunction::CallSend }, 0));
            let not_before = (!reply).then(|| Timestamp::from_nanos(time + random.below(50)));
            let to_send = CallContent { function: Arc::from("f"), params: vec![], reply, not_before };
            let queued = QueuedCall::new(now, projection.id.clone(), &context, to_send);
            let request = CallRequest { context, target, queued };
            ledger.step(now, LedgerEvent::Call(Box::new(request))).unwrap();
            return;
        }
        (Some(_), 5) if !outstanding.is_empty() => {
            let Some(call) = pick(random).copied() else { return };
            let begun = random.below(2) == 0;
            let context = context(call_record(HostFunction::CallCancel, call));
            let request = CancelRequest { context, call: OplogIndex(call), begun };
            ledger.step(now, LedgerEvent::CancelCall(Box::new(request))).unwrap();
            return;
        }
        (Some(_), 6..=8) if !outstanding.is_empty() => {
            // The worker waits for some of its calls, or takes the answer of one.
            let Some(call) = pick(random).copied() else { return };
            if projection
                .calls
                .outstanding(OplogIndex(call))
                .is_some_and(|outstanding| outstanding.answer_row.is_some())
            {
                let call = call_record(HostFunction::CallAwait, call);
                vec![Entry::HostCall { call, response: vec![0] }]
            } else {
                let promise = |index: &u64| PromiseId { worker: id.clone(), index: OplogIndex(*index) };
                let promises = if random.below(3) == 0 {
                    outstanding.iter().map(promise).collect()
                } else {
                    vec![promise(&call)]
                };
                vec![Entry::Suspended(Suspension { at: now, monotonic_nanos: 0, wake_at: None, promises })]
            }
        }
        (Some(_), 9) if random.below(6) == 0 => {
            let cause = FailureCause::Trap { details: "on purpose".to_owned() };
            vec![Entry::InvocationFailed { at: now, cause }]
        }
        (Some(_), _) => vec![completed()],
    };
    ledger.step(now, append(worker, activation, first, entries)).unwrap();
}

fn check_calls(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut store = ModelStore::default();
    let mut ledger = store.reopen();
    for time in 1..=500 {
        match random.below(12) {
            0..=8 => random_step(&mut ledger, &store, &mut random, time),
            9 | 10 => {
                let batch = ledger.take_batch(random.below(2) == 0).encode();
                if random.below(10) > 0 {
                    store.commit(&batch);
                    ledger.mark_committed(&batch);
                    ledger.evict(1, |_| false);
                } else {
                    ledger = store.reopen();
                }
            }
            _ => ledger = store.reopen(),
        }
        ledger.take_actions();
        for worker in (1..=ledger.worker_num_max).map(WorkerNum) {
            assert!(!ledger.is_deadlocked(worker), "seed {seed}, at {time}: {worker} waits for itself");
        }
    }
    let (projections, _) = store.expected_state();
    let reopened = store.reopen();
    for (worker, projection) in &projections {
        assert_eq!(
            reopened.projection(*worker).or_else(|| store.projections.get(worker)),
            Some(projection),
            "seed {seed}, worker {worker}"
        );
        for call in projection.calls.outstanding_indices() {
            let outstanding = projection.calls.outstanding(OplogIndex(call)).unwrap();
            if outstanding.answer_row.is_some() {
                continue;
            }
            assert!(
                reopened.projection(*worker).is_some(),
                "seed {seed}: {worker} waits for an answer out of memory"
            );
            let target = projections.values().find(|projection| projection.id == outstanding.target);
            let target = target
                .unwrap_or_else(|| panic!("seed {seed}: {worker} waits for a worker that does not exist"));
            let queued = target.queue.iter().any(|(call_row, _)| *call_row == outstanding.call_row);
            let runs = target.current.as_ref().is_some_and(|current| current.started == outstanding.call_row);
            assert!(queued || runs, "seed {seed}: call {call} of {worker} is lost");
        }
    }
    let (mut begun, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for row in &store.rows {
        match codec::decode_row(&row.body).unwrap() {
            Row::Entries { entries, .. } => {
                for entry in entries {
                    if let Entry::InvocationStarted {
                        source: InvocationSource::Queued { row: accepted_row },
                        ..
                    } = entry
                    {
                        assert!(
                            begun.insert(accepted_row),
                            "seed {seed}: the call of row {accepted_row} begins twice"
                        );
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
