//! Entries are appended at the latest 50 milliseconds after they were recorded, whatever the guest does meanwhile.

use crate::guests::toolbox;
use golem_testing::SimulatedClock;
use golem_testing::{Failure, Options, TestWorker, Timestamp, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn clock() -> SimulatedClock {
    SimulatedClock::new(Timestamp::from_nanos(1_000 * SECOND))
}

async fn start(clock: SimulatedClock) -> TestWorker {
    TestWorker::start_with(toolbox(), Options { clock, ..Options::default() })
        .await
        .expect("the guest starts")
}

/// The time of the entry that begins the first invocation.
fn begun_at(worker: &TestWorker) -> Timestamp {
    let oplog = worker.oplog();
    let begun = oplog.iter().find_map(|entry| match entry {
        golem_model::Entry::InvocationStarted { at, .. } => Some(*at),
        _ => None,
    });
    begun.expect("an invocation has begun")
}

#[tokio::test]
async fn an_invocation_that_ends_in_time_is_appended_once() {
    let mut worker = start(clock()).await;
    worker.invoke("readings", vec![Value::U32(100)]).await.unwrap();
    assert_eq!(worker.store().appends(), 1);
}

#[tokio::test]
async fn a_guest_that_makes_calls_appends_its_entries_in_time() {
    // Each reading of the clock takes three milliseconds. One call reads it twice: for its answer, and for the age of
    // its entry.
    let mut worker = start(clock().stepping(Duration::from_millis(3))).await;
    worker.invoke("readings", vec![Value::U32(100)]).await.unwrap();
    // After 50 ms, which are at most nine calls, the next call appends.
    let appends = worker.store().appends();
    assert!((11..=14).contains(&appends), "100 calls in 600 ms are appended in {appends} rows");
    worker.crash();
    worker.invoke("counter/get", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_computes_appends_its_entries_in_time() {
    // The engine's ticks read the clock as long as entries wait.
    let step = Duration::from_millis(5);
    let mut worker = start(clock().stepping(step)).await;
    let (store, id) = (worker.store().clone(), worker.id().clone());
    let (control, clock) = (worker.interrupt_handle(), worker.clock().clone());
    let mut appended_at = None;
    let (stopped, ()) = tokio::join!(worker.invoke("read-and-spin", vec![]), async {
        while store.oplog(&id).len() < 4 {
            tokio::task::yield_now().await;
        }
        appended_at = Some(clock.wall());
        control.interrupt();
    });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
    let waited = appended_at.unwrap().since(begun_at(&worker));
    let expected = Duration::from_millis(50)..=Duration::from_millis(50) + 4 * step;
    assert!(expected.contains(&waited), "the entries waited for {waited:?}");
    assert_eq!(worker.store().appends(), 1);
}

#[tokio::test]
async fn a_guest_that_waits_for_longer_appends_its_entries_before() {
    let mut worker = start(clock()).await;
    let (store, clock) = (worker.store().clone(), worker.clock().clone());
    let id = worker.id().clone();
    let (slept, ()) = tokio::join!(worker.invoke("sleep", vec![Value::U64(9 * SECOND)]), async {
        clock.wait_for_sleeper().await;
        assert_eq!(store.appends(), 1, "before the wait");
        assert_eq!(store.oplog(&id).len(), 4, "created, engine, invocation, clock");
        clock.advance(Duration::from_secs(9));
    });
    slept.unwrap();
    assert_eq!(worker.store().appends(), 2);
}

/// An interrupt and a crash during a wait keep everything that was recorded before it.
#[tokio::test]
async fn a_crash_during_a_wait_keeps_the_entries_before_it() {
    for crashes in [true, false] {
        let mut worker = start(clock()).await;
        let (control, clock, store) =
            (worker.interrupt_handle(), worker.clock().clone(), worker.store().clone());
        let (stopped, ()) = tokio::join!(worker.invoke("sleep", vec![Value::U64(9 * SECOND)]), async {
            clock.wait_for_sleeper().await;
            clock.advance(Duration::from_secs(4));
            // What the committer does meanwhile.
            store.commit();
            control.interrupt();
        });
        assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
        if crashes {
            worker.crash();
        }
        assert_eq!(worker.oplog().len(), 4, "created, engine, invocation, clock");
        let (slept, ()) = tokio::join!(worker.resume(), async {
            clock.wait_for_sleeper().await;
            clock.advance(Duration::from_secs(9));
        });
        assert_eq!(slept.unwrap(), Some(Value::U64(1)));
    }
}

/// An open region is repeated as a whole, although its first entries were appended early.
#[tokio::test]
async fn an_open_region_is_repeated_as_a_whole() {
    let mut worker = start(clock()).await;
    let (control, clock) = (worker.interrupt_handle(), worker.clock().clone());
    let (stopped, ()) = tokio::join!(worker.invoke("repeat", vec![Value::U64(9 * SECOND)]), async {
        clock.wait_for_sleeper().await;
        clock.advance(Duration::from_secs(8));
        control.interrupt();
    });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
    let over_time = async {
        loop {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
        }
    };
    let ended = tokio::select! {
        ended = worker.resume() => ended,
        () = over_time => unreachable!("time does not end"),
    };
    assert_eq!(ended.unwrap(), Some(Value::U64(1)));
    let reverts =
        worker.oplog().iter().filter(|entry| matches!(entry, golem_model::Entry::Revert { .. })).count();
    assert_eq!(reverts, 1);
}

/// A line is passed on together with the entries before it, and causes no append of its own.
#[tokio::test]
async fn a_line_leaves_with_the_entries_before_it() {
    let mut worker = start(clock()).await;
    worker.invoke("print", vec![Value::String("done\n".to_owned())]).await.unwrap();
    assert_eq!((worker.store().appends(), worker.log().stdout().as_str()), (1, "done\n"));

    let mut worker = start(clock().stepping(Duration::from_millis(5))).await;
    let (store, id, log) = (worker.store().clone(), worker.id().clone(), worker.log().clone());
    let control = worker.interrupt_handle();
    let line = vec![Value::String("busy\n".to_owned())];
    let (stopped, ()) = tokio::join!(worker.invoke("print-and-spin", line), async {
        while log.stdout().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.oplog(&id).len(), 3, "created, engine, invocation");
        control.interrupt();
    });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
    assert_eq!(worker.log().stdout(), "busy\n");
}
