//! Atomic regions and jumps: what is reverted, what is kept, and what a replay does.

use crate::guests::toolbox;
use golem_model::oplog::{HostFunction, RevertReason};
use golem_model::{Entry, OplogIndex, PromiseId};
use golem_testing::{Failure, Options, SimulatedClock, TestWorker, Timestamp, Value};

/// The reverts in the worker's oplog: reason, first reverted index, and index of the revert itself.
fn reverts(worker: &TestWorker) -> Vec<(RevertReason, u64, u64)> {
    let oplog = worker.oplog();
    let reverts = (1..).zip(&oplog).filter_map(|(index, entry)| match entry {
        Entry::Revert { from, reason, .. } => Some((*reason, from.0, index)),
        _ => None,
    });
    reverts.collect()
}

/// A toolbox whose clock moves only when the test advances it.
async fn worker_with_stopped_clock() -> TestWorker {
    let clock = SimulatedClock::new(Timestamp::from_nanos(1_767_225_600_000_000_000));
    TestWorker::start_with(toolbox(), Options { clock, ..Options::default() }).await.expect("a good guest")
}

/// Interrupts the worker while it sleeps in memory.
async fn interrupt_during_sleep(worker: &mut TestWorker, first: bool, nanos: u64) {
    let (control, clock) = (worker.interrupt_handle(), worker.clock().clone());
    let stop = async {
        clock.wait_for_sleeper().await;
        control.interrupt();
    };
    let stopped = if first {
        tokio::join!(worker.invoke("repeat", vec![Value::U64(nanos)]), stop).0
    } else {
        tokio::join!(worker.resume(), stop).0
    };
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
}

#[tokio::test]
async fn a_crash_reverts_an_open_region() {
    let mut worker = worker_with_stopped_clock().await;
    interrupt_during_sleep(&mut worker, true, 1_000).await;
    // 1 created, 2 activated, 3 started, 4 region, 5 promise, 6 the time at which the sleep began.
    let id = worker.id().clone();
    let promise = |index| PromiseId { worker: id.clone(), index: OplogIndex(index) };
    let (lost, again) = (promise(5), promise(8));
    assert_eq!(worker.complete_promise(&lost, b"early"), golem_model::promise::PromiseCompletion::Completed);
    interrupt_during_sleep(&mut worker, false, 1_000).await;
    assert_eq!(reverts(&worker), [(RevertReason::RegionRetry, 5, 7)]);
    let unknown = golem_model::promise::PromiseState::Unknown;
    assert_eq!(worker.store().promise(&lost), unknown, "it was reverted with the region");
    assert_eq!(worker.store().promise(&again), golem_model::promise::PromiseState::Pending);

    // The next attempt leaves the region. What follows the region is not repeated.
    let _jumps_from_now_on = worker.clock().clone().jumping();
    assert_eq!(worker.resume().await.unwrap(), Some(Value::U64(1)), "the memory was restored");
    assert_eq!(reverts(&worker).len(), 2);
    worker.crash();
    assert_eq!(worker.invoke("counter/get", vec![]).await.unwrap(), Some(Value::U64(1)));
    assert_eq!(reverts(&worker).len(), 2, "a closed region is replayed");
}

#[tokio::test]
async fn the_end_of_a_region_is_durable() {
    let mut worker = worker_with_stopped_clock().await;
    let (control, clock) = (worker.interrupt_handle(), worker.clock().clone());
    let (store, id) = (worker.store().clone(), worker.id().clone());
    let (stopped, ()) = tokio::join!(worker.invoke("repeat", vec![Value::U64(1_000)]), async {
        clock.wait_for_sleeper().await;
        clock.advance(std::time::Duration::from_secs(1));
        let ended = |entry: &Entry| matches!(entry, Entry::HostCall { call, .. } if call.function == HostFunction::RegionEnd);
        while !store.oplog_committed(&id).iter().any(ended) {
            tokio::task::yield_now().await;
        }
        clock.wait_for_sleeper().await;
        control.interrupt();
    });
    assert!(matches!(stopped, Err(Failure::Interrupted)), "{stopped:?}");
    worker.crash();
    let _jumps_from_now_on = worker.clock().clone().jumping();
    assert_eq!(worker.resume().await.unwrap(), Some(Value::U64(1)));
    assert_eq!(reverts(&worker), []);
}

#[tokio::test]
async fn parking_in_a_region_is_no_crash() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let hour = Value::U64(3_600_000_000_000);
    let Err(Failure::Waiting(_)) = worker.invoke("repeat", vec![hour]).await else { panic!("it sleeps") };
    worker.crash();
    assert_eq!(worker.resume_over_time().await.unwrap(), Some(Value::U64(1)));
    assert_eq!(reverts(&worker), []);
    worker.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn a_region_ends_with_its_invocation() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    let region = worker.invoke("begin", vec![]).await.unwrap().unwrap();
    assert_eq!(region, Value::U64(4));
    worker.crash();
    let closed = worker.invoke("end", vec![region]).await;
    let Err(Failure::Trapped { details, .. }) = closed else { panic!("{closed:?}") };
    assert!(details.starts_with("no atomic region 4 is open"), "{details}");
}

#[tokio::test]
async fn a_jump_restores_the_state_at_its_position() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    for count in 1..=3 {
        // It counted twice, and the jump reverted the first time.
        assert_eq!(worker.invoke("once-more", vec![]).await.unwrap(), Some(Value::U64(count)));
        worker.crash();
    }
    let jumps = reverts(&worker);
    // 3 started, 4 promise, 5 position, 6 completed, 7 jump, 8 completed again without effect, 9 returned.
    assert_eq!(jumps[0], (RevertReason::Jump, 6, 7));
    assert_eq!(jumps.len(), 3);
    worker.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn jumps_stay_in_their_invocation() {
    let mut worker = TestWorker::start(toolbox()).await.unwrap();
    worker.invoke("position", vec![]).await.unwrap();
    let end = worker.oplog().len() as u64;
    for position in [0, 1, end, end + 1, end + 3, u64::MAX] {
        let jumped = worker.invoke("jump", vec![Value::U64(position)]).await;
        let Err(Failure::Trapped { details, .. }) = jumped else { panic!("{jumped:?}") };
        let text = format!("cannot jump to position {position}: the current invocation goes from ");
        assert!(details.starts_with(&text), "{details}");
        worker = TestWorker::start(toolbox()).await.unwrap();
        worker.invoke("position", vec![]).await.unwrap();
    }
}
