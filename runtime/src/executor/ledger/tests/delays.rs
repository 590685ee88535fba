//! Work that is delayed after an end of the process, and withdrawn during the delay.

use super::*;
use golem_model::oplog::{AdminRequest, ProcessEvent, UpdateMode};

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::new(name).unwrap()
}

fn accepted(name: &str) -> InboxEvent {
    InboxEvent::Invocation { at: now(), key: key(name), function: Arc::from("f"), params: Vec::new() }
}

fn cancelled(name: &str) -> InboxEvent {
    InboxEvent::Admin(AdminRequest::InvocationCancelled { at: now(), key: key(name) })
}

/// Regression: nothing woke a worker whose delayed work was withdrawn, although it had something else to do.
#[test]
fn a_worker_continues_when_its_delayed_work_is_withdrawn() {
    let requested =
        InboxEvent::Admin(AdminRequest::UpdateRequested { at: now(), mode: UpdateMode::Automatic, to: 1 });
    let withdrawn = InboxEvent::Admin(AdminRequest::UpdateWithdrawn { at: now() });
    for (about, work, event, wakes) in [
        ("the delayed invocation", accepted("a"), cancelled("a"), true),
        ("one behind it", accepted("a"), cancelled("b"), false),
        ("a delayed update", requested, withdrawn, true),
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
