//! Promises that are completed one after the other: the worker that waits for them stays in memory meanwhile.

use crate::node::{Node, Reply, promises, sleep};
use golem_model::oplog::HostFunction;
use golem_model::{Entry, Invocation, OplogIndex, PromiseId, Value, WorkerId, WorkerStatus};
use golem_runtime::executor::ExecutorSettings;
use golem_tests::wait;
use std::sync::atomic::Ordering;
use tokio::task::JoinHandle;

/// A worker that creates `count` promises in one invocation, and waits for each before it creates the next.
struct Gather {
    node: Node,
    worker: WorkerId,
    reply: JoinHandle<Reply>,
    completed: u64,
}

impl Gather {
    async fn start(count: u32, change: impl FnOnce(&mut ExecutorSettings)) -> Self {
        let node = Node::with(change).await;
        let worker = node.create_promises("w").await;
        let reply = node.invoke(&worker, promises("series", vec![Value::U32(count)], "k"));
        node.until_status(&worker, WorkerStatus::Suspended).await;
        Self { node, worker, reply, completed: 0 }
    }

    /// Completes the promise that the worker waits for.
    async fn complete(&mut self) {
        let created = wait::until("the next promise is created", || async {
            let log = self.node.oplog(&self.worker).await;
            let created: Vec<usize> =
                (1..).zip(&log).filter(|(_, entry)| is_creation(entry)).map(|(index, _)| index).collect();
            created.get(usize::try_from(self.completed).unwrap()).copied()
        })
        .await;
        let index = OplogIndex(u64::try_from(created).unwrap());
        let promise = PromiseId { worker: self.worker.clone(), index };
        assert!(self.node.executor.complete_promise(&promise, vec![1]).await.unwrap());
        self.completed += 1;
    }

    /// Waits until the worker has read the promise that was completed last.
    async fn until_read(&self) {
        wait::until("the promise is read", || async {
            let log = self.node.oplog(&self.worker).await;
            let read = log.iter().filter(|entry| is_call(entry, HostFunction::PromiseAwait)).count();
            (read as u64 == self.completed).then_some(())
        })
        .await;
    }

    fn activations(&self) -> u64 {
        self.node.metrics.activations.load(Ordering::Relaxed)
    }

    async fn suspensions(&self) -> usize {
        let log = self.node.oplog(&self.worker).await;
        log.iter().filter(|entry| matches!(entry, Entry::Suspended(_))).count()
    }
}

fn is_call(entry: &Entry, function: HostFunction) -> bool {
    matches!(entry, Entry::HostCall { call, .. } if call.function == function)
}

fn is_creation(entry: &Entry) -> bool {
    is_call(entry, HostFunction::PromiseCreate)
}

/// Regression: each completion replayed the whole invocation, so the time for all of them was quadratic.
#[tokio::test(flavor = "multi_thread")]
async fn promises_that_follow_each_other_cost_no_replay() {
    const COUNT: u32 = 200;
    let mut gather = Gather::start(COUNT, |_| {}).await;
    for _ in 0..COUNT {
        gather.complete().await;
    }
    let Value::List(read) = (&mut gather.reply).await.unwrap().unwrap().unwrap() else { panic!("a list") };
    assert_eq!(read.len(), COUNT as usize);
    assert_eq!(gather.activations(), 2, "the first, and that after the first completion");
    assert_eq!(gather.suspensions().await, 1);
    let replayed = gather.node.metrics.entries_replayed.load(Ordering::Relaxed);
    assert!(replayed < 20, "{replayed} entries were replayed");
    let entries = gather.node.oplog(&gather.worker).await.len();
    assert!(entries <= 2 * COUNT as usize + 10, "{entries} entries");
    gather.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_memory_when_no_promise_follows() {
    let mut gather = Gather::start(5, |_| {}).await;
    for loads in 1..=2 {
        gather.complete().await;
        gather.complete().await;
        gather.until_read().await;
        assert_eq!(
            (gather.activations(), gather.suspensions().await),
            (1 + loads, usize::try_from(loads).unwrap())
        );
        // Longer than `suspend_after`.
        wait::until("the worker leaves memory", || async {
            gather.node.advance_ms(5_000);
            (gather.suspensions().await as u64 == loads + 1).then_some(())
        })
        .await;
    }
    gather.complete().await;
    (&mut gather.reply).await.unwrap().unwrap();
    assert_eq!(gather.activations(), 4);
    gather.node.stop().await;
}

/// A worker that only waits gives its place to one that has something to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_in_memory_gives_its_place_away() {
    let mut gather = Gather::start(3, |settings| settings.residents_max = 1).await;
    gather.complete().await;
    gather.until_read().await;
    assert_eq!(gather.suspensions().await, 1, "it waits in memory");
    let other = gather.node.create("other").await;
    assert_eq!(gather.node.executor.invoke(&other, sleep(0, None)).await.unwrap(), Some(Value::U64(0)));
    assert_eq!(gather.suspensions().await, 2);
    gather.complete().await;
    gather.complete().await;
    (&mut gather.reply).await.unwrap().unwrap();
    gather.node.stop().await;
}

/// Regression: the worker whose timer was near took the notification that a place was needed, and stayed in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_leave_memory_takes_no_notification_from_one_that_can() {
    let mut gather = Gather::start(3, |settings| settings.residents_max = 2).await;
    let stays = gather.node.create("stays").await;
    let race = Invocation {
        function: "golem:sleeps/api/promise-then-race".into(),
        params: vec![Value::U64(5_000)],
        ..sleep(0, Some("race"))
    };
    let race = gather.node.invoke(&stays, race);
    gather.node.until_status(&stays, WorkerStatus::Suspended).await;
    let log = gather.node.oplog(&stays).await;
    let first = (1..).zip(&log).find(|(_, entry)| is_creation(entry)).map(|(index, _)| OplogIndex(index));
    let promise = PromiseId { worker: stays.clone(), index: first.unwrap() };
    assert!(gather.node.executor.complete_promise(&promise, vec![1]).await.unwrap());
    wait::until("it polls its timer", || async {
        let log = gather.node.oplog(&stays).await;
        log.iter().any(|entry| is_call(entry, HostFunction::PromiseAwait)).then_some(())
    })
    .await;
    gather.complete().await;
    gather.until_read().await;
    let other = gather.node.create("other").await;
    assert_eq!(gather.node.executor.invoke(&other, sleep(0, None)).await.unwrap(), Some(Value::U64(0)));
    assert_eq!(gather.suspensions().await, 2);
    assert_eq!(gather.node.over_time(race).await.unwrap(), Some(Value::Bool(false)));
    gather.node.stop().await;
}
