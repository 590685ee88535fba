//! Work that is delayed after an end of the process, and withdrawn during the delay.

use super::*;
use golem_model::oplog::{AdminRequest, CallEvent, ProcessEvent, UpdateMode};

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::new(name).unwrap()
}

fn accepted(name: &str) -> InboxEvent {
    InboxEvent::Invocation { at: now(), key: key(name), function: Arc::from("f"), params: Vec::new() }
}

fn cancelled(name: &str) -> InboxEvent {
    InboxEvent::Admin(AdminRequest::InvocationCancelled { at: now(), key: key(name) })
}

fn call_withdrawn(call_row: u64) -> InboxEvent {
    InboxEvent::Call(CallEvent::Cancelled { at: now(), call_row })
}

/// The call of another worker, and its withdrawal. The rows of these tests begin with the worker's creation.
fn call() -> InboxEvent {
    let call = CallEvent::Queued {
        at: now(),
        key: key("call"),
        function: Arc::from("f"),
        params: Vec::new(),
        caller: worker_id(2),
        reply: None,
        not_before: None,
    };
    InboxEvent::Call(call)
}

/// Regression: nothing woke a worker whose delayed work was withdrawn, although it had something else to do. The attempts
/// of a call that its caller withdrew were counted as those of the work behind it.
#[test]
fn a_worker_continues_when_its_delayed_work_is_withdrawn() {
    let requested =
        InboxEvent::Admin(AdminRequest::UpdateRequested { at: now(), mode: UpdateMode::Automatic, to: 1 });
    let withdrawn = InboxEvent::Admin(AdminRequest::UpdateWithdrawn { at: now() });
    for (about, work, event, wakes) in [
        ("the delayed invocation", accepted("a"), cancelled("a"), true),
        ("one behind it", accepted("a"), cancelled("b"), false),
        ("a delayed update", requested.clone(), withdrawn, true),
        ("the first invocation behind it", requested, cancelled("b"), false),
        ("a delayed call", call(), call_withdrawn(2), true),
        ("a call that is not queued", call(), call_withdrawn(1), false),
    ] {
        let store = ModelStore::default();
        let mut ledger = store.reopen();
        let Ok(StepOutcome::Created(worker)) =
            ledger.step(now(), LedgerEvent::CreateWorker(store.new_worker(worker_id(1))))
        else {
            panic!("{about}: it is created");
        };
        let delayed = [
            work,
            accepted("b"),
            InboxEvent::Process(ProcessEvent::Continued { at: now() }),
            InboxEvent::Process(ProcessEvent::Ended { at: now(), resume_at: now() }),
        ];
        for event in delayed {
            ledger.step(now(), LedgerEvent::Inbox { worker, event }).unwrap();
        }
        assert!(!ledger.take_actions().contains(&LedgerAction::Wake(worker)), "{about}: its timer wakes it");
        ledger.step(now(), LedgerEvent::Inbox { worker, event }).unwrap();
        assert_eq!(ledger.take_actions().contains(&LedgerAction::Wake(worker)), wakes, "{about}");
        let ends = &ledger.projection(worker).unwrap().process_ends;
        assert_eq!((ends.count(), ends.resume_at().is_some()), (u32::from(!wakes), !wakes), "{about}");
    }
}

/// The timer of a worker may have elapsed although its time has not come: the wall clock was set back meanwhile. So a
/// worker that waits again until the same time sets it again.
#[test]
fn a_worker_that_waits_again_until_the_same_time_sets_its_timer_again() {
    let store = ModelStore::default();
    let mut ledger = store.reopen();
    let Ok(StepOutcome::Created(worker)) =
        ledger.step(now(), LedgerEvent::CreateWorker(store.new_worker(worker_id(1))))
    else {
        panic!("it is created");
    };
    let wake_at = Some(Timestamp::from_nanos(1_000));
    let started = Entry::InvocationStarted {
        at: now(),
        key: key("a"),
        source: InvocationSource::Inline { function: Arc::from("f"), params: Vec::new() },
    };
    let suspended =
        || Entry::Suspended(Suspension { at: now(), monotonic_nanos: 0, wake_at, promises: Vec::new() });
    for (about, entries) in [("the first wait", vec![started, suspended()]), ("the same", vec![suspended()])]
    {
        let Ok(StepOutcome::Activated(activation)) = ledger.step(now(), LedgerEvent::Activate { worker })
        else {
            panic!("it is activated");
        };
        let first = ledger.projection(worker).unwrap().oplog_end.next();
        let entries = EncodedEntries::new(first, entries);
        ledger.take_actions();
        ledger.step(now(), LedgerEvent::Append { worker, activation, entries }).unwrap();
        assert_eq!(ledger.take_actions(), [LedgerAction::SetTimer(worker, wake_at)], "{about}");
    }
}
