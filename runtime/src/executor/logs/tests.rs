//! Events become visible with their rows, and the bounds of rings and node hold.

use super::*;

const WORKER: WorkerNum = WorkerNum(1);

fn text(text: String) -> LogEvent {
    LogEvent::Stdout(text.into())
}

fn printed(after: u64, number: u64) -> PrintedEvent {
    PrintedEvent { after: OplogIndex(after), number, event: text(format!("{after}.{number}")) }
}

/// An event with the most text that an event can have.
fn large(number: u64) -> PrintedEvent {
    PrintedEvent { after: OplogIndex(1), number, event: text("x".repeat(LOG_EVENT_BYTES_MAX)) }
}

/// The notices that `subscription` can return without waiting.
async fn ready(subscription: &mut LogSubscription) -> Vec<String> {
    let mut notices = Vec::new();
    loop {
        let next = std::future::poll_fn(|context| {
            let mut next = std::pin::pin!(subscription.next());
            std::task::Poll::Ready(next.as_mut().poll(context))
        });
        match next.await {
            std::task::Poll::Ready(Some(LogNotice::Event(LogEvent::Stdout(text)))) => {
                notices.push(text.to_string());
            }
            std::task::Poll::Ready(Some(LogNotice::Missed(count))) => notices.push(format!("missed {count}")),
            std::task::Poll::Ready(Some(other)) => panic!("{other:?} was not printed"),
            std::task::Poll::Ready(None) => {
                notices.push("end".to_owned());
                return notices;
            }
            std::task::Poll::Pending => return notices,
        }
    }
}

async fn visible(logs: &Logs) -> Vec<String> {
    ready(&mut logs.subscribe(WORKER)).await
}

fn node_bytes(logs: &Logs) -> usize {
    logs.node_bytes.load(Ordering::Relaxed)
}

#[tokio::test]
async fn events_become_visible_with_their_rows_and_once() {
    let logs = Logs::default();
    let (ring, is_first) = logs.add(WORKER, Seq(10), vec![printed(3, 1), printed(3, 2)]);
    assert!(is_first, "the first event for this row");
    assert!(!logs.add(WORKER, Seq(10), vec![printed(3, 3)]).1);
    assert!(logs.add(WORKER, Seq(12), vec![printed(5, 1)]).1);
    assert!(visible(&logs).await.is_empty());
    ring.publish(Seq(11));
    assert_eq!(visible(&logs).await, ["3.1", "3.2", "3.3"]);
    ring.publish(Seq(12));
    // The worker was interrupted: its next activation prints the event after entry 5 again, and one more.
    assert!(logs.add(WORKER, Seq(12), vec![printed(5, 1), printed(5, 2)]).1);
    ring.publish(Seq(12));
    // A failed attempt has an entry, so the output of the next attempt has other places.
    logs.add(WORKER, Seq(13), vec![printed(6, 1)]);
    ring.publish(Seq(13));
    assert_eq!(visible(&logs).await, ["3.1", "3.2", "3.3", "5.1", "5.2", "6.1"]);
}

#[tokio::test]
async fn events_of_a_failed_commit_are_dropped_and_printed_again() {
    let logs = Logs::default();
    let (ring, _) = logs.add(WORKER, Seq(10), vec![printed(3, 1)]);
    ring.drop_waiting();
    ring.publish(Seq(10));
    assert!(visible(&logs).await.is_empty());
    assert_eq!(node_bytes(&logs), 0);
    logs.add(WORKER, Seq(10), vec![printed(3, 1)]);
    ring.publish(Seq(10));
    assert_eq!(visible(&logs).await, ["3.1"]);
}

#[tokio::test]
async fn a_subscriber_waits_for_events_and_for_the_end() {
    let logs = Arc::new(Logs::default());
    let mut subscription = logs.subscribe(WORKER);
    let reader = tokio::spawn(async move {
        let mut notices = Vec::new();
        while let Some(notice) = subscription.next().await {
            notices.push(notice);
        }
        notices
    });
    for number in 1..=3 {
        let (ring, _) = logs.add(WORKER, Seq(number), vec![printed(number, 1)]);
        tokio::task::yield_now().await;
        ring.publish(Seq(number));
    }
    logs.notify_unloaded(WORKER);
    let expected: Vec<LogNotice> = (1..=3).map(|number| LogNotice::Event(printed(number, 1).event)).collect();
    assert_eq!(reader.await.unwrap(), expected);
    // A later subscription sees the past, and does not end at once.
    assert_eq!(visible(&logs).await, ["1.1", "2.1", "3.1"]);
}

#[tokio::test]
async fn a_subscriber_that_lags_loses_the_oldest_events_and_learns_how_many() {
    let logs = Logs::default();
    let mut slow = logs.subscribe(WORKER);
    let count = LAG_EVENTS_MAX as u64 + 5;
    for number in 1..=count {
        let (ring, _) = logs.add(WORKER, Seq(1), vec![printed(1, number)]);
        ring.publish(Seq(1));
    }
    let seen = ready(&mut slow).await;
    assert_eq!((seen[0].as_str(), seen[1].as_str(), seen.len()), ("missed 5", "1.6", LAG_EVENTS_MAX + 1));
    // A new subscriber gets fewer past events. After the last subscription ends, no others are kept.
    let first = format!("1.{}", count + 1 - LOG_EVENTS_KEPT as u64);
    assert_eq!(visible(&logs).await.first(), Some(&first));
    drop(slow);
    assert_eq!(logs.ring(WORKER).state.lock().visible.events.len(), LOG_EVENTS_KEPT);
}

#[tokio::test]
async fn while_no_commit_succeeds_the_oldest_events_are_dropped_and_counted() {
    for (events, kept) in [
        ((1..=WAITING_EVENTS_MAX as u64 + 5).map(|number| printed(1, number)).collect(), WAITING_EVENTS_MAX),
        (
            (1..=40).map(large).collect::<Vec<_>>(),
            LAG_BYTES_MAX / (LOG_EVENT_BYTES_MAX + EVENT_OVERHEAD_BYTES),
        ),
    ] {
        let logs = Logs::default();
        let mut subscription = logs.subscribe(WORKER);
        let count = events.len();
        for event in events {
            logs.add(WORKER, Seq(10), vec![event]);
        }
        logs.ring(WORKER).publish(Seq(10));
        let seen = ready(&mut subscription).await;
        assert_eq!((seen[0].clone(), seen.len()), (format!("missed {}", count - kept), kept + 1));
    }
}

#[tokio::test]
async fn the_text_of_a_worker_and_of_the_node_is_bounded() {
    let logs = Logs::default();
    let quiet = WorkerNum(0);
    let (ring, _) = logs.add(quiet, Seq(1), vec![printed(1, 1)]);
    ring.publish(Seq(1));
    let mut most = 0;
    for worker in 1..=1_000 {
        for number in 1..=8 {
            let (ring, _) = logs.add(WorkerNum(worker), Seq(1), vec![large(number)]);
            // Half of the events wait, so that both queues reach the bound.
            if worker % 2 == 0 {
                ring.publish(Seq(1));
                assert!(ring.state.lock().visible.bytes <= KEPT_BYTES_MAX);
            }
            most = most.max(node_bytes(&logs));
        }
    }
    assert!(most <= NODE_BYTES_MAX, "{most} bytes");
    assert!(most >= NODE_BYTES_LEFT, "the bound was reached: {most} bytes");
    assert_eq!(ready(&mut logs.subscribe(quiet)).await, ["1.1"], "a worker that prints little keeps it");
    for worker in 0..=1_000 {
        logs.remove(WorkerNum(worker));
    }
    drop(ring);
    assert_eq!(node_bytes(&logs), 0);
}
