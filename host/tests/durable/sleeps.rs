//! Waiting for time.

use crate::guests::toolbox;
use golem_testing::SimulatedClock;
use golem_testing::{Failure, Options, TestWorker, Timestamp, Value};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn stopped_clock() -> Options {
    Options { clock: SimulatedClock::new(Timestamp::from_nanos(1_000 * SECOND)), ..Options::default() }
}

#[tokio::test]
async fn a_short_sleep_waits_in_memory() {
    let mut worker = TestWorker::start_with(toolbox(), stopped_clock()).await.unwrap();
    let clock = worker.clock().clone();
    let (slept, ()) = tokio::join!(worker.invoke("sleep", vec![Value::U64(SECOND / 100)]), async {
        clock.wait_for_sleeper().await;
        clock.advance(Duration::from_millis(10));
    });
    assert_eq!(slept.unwrap(), Some(Value::U64(1)));
    assert_eq!(worker.store().appends(), 1, "the sleep is appended only with the result");
}

#[tokio::test]
async fn a_long_sleep_parks_and_wakes_on_time() {
    let mut worker = TestWorker::start_with(toolbox(), stopped_clock()).await.unwrap();
    worker.invoke("counter/increment", vec![]).await.unwrap();
    let Err(Failure::Waiting(parked)) = worker.invoke("sleep", vec![Value::U64(3_600 * SECOND)]).await else {
        panic!("an hour is long");
    };
    assert_eq!(parked.at, Timestamp::from_nanos(1_000 * SECOND));
    assert_eq!(parked.wake_at, Some(Timestamp::from_nanos(4_600 * SECOND)));
    assert!(parked.promises.is_empty());

    // After an early wake-up it waits again.
    worker.clock().advance(Duration::from_mins(30));
    let Err(Failure::Waiting(again)) = worker.resume().await else { panic!("half an hour is left") };
    assert_eq!(again.wake_at, parked.wake_at);

    worker.crash();
    worker.clock().advance(Duration::from_mins(30));
    assert_eq!(worker.resume().await.unwrap(), Some(Value::U64(2)));
    worker.crash();
    assert_eq!(worker.invoke("counter/get", vec![]).await.unwrap(), Some(Value::U64(2)));
}

#[tokio::test]
async fn a_sleep_of_no_time_needs_no_entry() {
    let mut worker = TestWorker::start_with(toolbox(), stopped_clock()).await.unwrap();
    worker.invoke("sleep", vec![Value::U64(0)]).await.unwrap();
    assert_eq!(worker.oplog().len(), 4);
}

#[tokio::test]
async fn a_race_of_timer_and_promise_ends_with_the_first_event() {
    for (long, finished) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut worker = TestWorker::start_with(toolbox(), stopped_clock()).await.unwrap();
        let created = worker.invoke("create-promise", vec![]).await.unwrap();
        let Some(Value::U64(index)) = created else { panic!("{created:?}") };
        let promise =
            golem_testing::PromiseId { worker: worker.id().clone(), index: golem_model::OplogIndex(index) };
        let seconds = if long { 100 } else { 5 };
        let params = vec![Value::U64(seconds * SECOND)];
        let (clock, store) = (worker.clock().clone(), worker.store().clone());
        let happens = || {
            if finished {
                store.complete(&promise, b"x");
            } else {
                clock.advance(Duration::from_secs(seconds));
            }
        };
        let answer = if long {
            let Err(Failure::Waiting(parked)) = worker.invoke("race", params).await else {
                panic!("nothing is ready and the timer is far");
            };
            assert_eq!(parked.promises, std::slice::from_ref(&promise));
            assert!(parked.wake_at.is_some());
            happens();
            worker.resume().await
        } else {
            let (answer, ()) = tokio::join!(worker.invoke("race", params), async {
                clock.wait_for_sleeper().await;
                happens();
            });
            answer
        };
        let first = Value::U32(u32::from(finished));
        assert_eq!(answer.unwrap(), Some(Value::List(vec![first])), "long {long}, finished {finished}");
        worker.crash();
        worker.invoke("counter/get", vec![]).await.unwrap();
    }
}

/// Regression: after a crash between a timer's end and the next reading of the clock, the guest saw a time before that
/// end.
#[tokio::test]
async fn after_a_timer_the_clock_shows_its_end_even_after_a_crash() {
    for seconds in [5, 100] {
        let mut worker = TestWorker::start(toolbox()).await.unwrap();
        let mut answer = worker.invoke("sleep-then-now", vec![Value::U64(seconds * SECOND)]).await;
        if matches!(answer, Err(Failure::Waiting(_))) {
            answer = worker.resume_over_time().await;
        }
        assert_eq!(answer.unwrap(), Some(Value::U64(seconds * SECOND)));
        worker.replay_from_every_prefix().await.unwrap();
    }
}
