//! Output of workers: the latest events of each worker, and its subscribers.
//!
//! The output is not durable and not part of the log. An event becomes visible when the rows before it are durable, so a
//! subscriber sees nothing that a crash undoes. Events that depend on a failed commit are dropped, because their code
//! runs again. A process shows each event at most once; another process may repeat those after the last durable entry.
//! Text that differs when its code runs again, because it depends on a reading that is not recorded, is not shown again.
//! The oldest events are dropped first.

use crate::storage::ports::{Seq, WorkerNum};
use golem_host::ports::{LogEvent, PrintedEvent};
use golem_model::OplogIndex;
use golem_model::limits::LOG_EVENTS_KEPT;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Maximum number of rings. At this limit, half of the rings without subscribers are dropped.
const RINGS_MAX: usize = 4_096;
/// Number of events by which a slow subscriber may lag behind before it loses the oldest.
const LAG_EVENTS_MAX: usize = 1_024;
/// Number of events of one worker that may wait for a commit. Subscribers lose the oldest beyond it.
const WAITING_EVENTS_MAX: usize = LAG_EVENTS_MAX;
/// Bytes of text of all workers that may wait for a commit. A worker that prints more loses its own oldest events.
const WAITING_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Clone)]
enum Signal {
    Notice(LogNotice),
    Ended,
}

/// The output of one worker.
#[derive(Debug)]
pub(crate) struct LogRing {
    state: Mutex<RingState>,
    live: broadcast::Sender<Signal>,
    waiting_bytes: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct RingState {
    /// The latest events that are visible.
    past: VecDeque<LogEvent>,
    /// Events that wait until a row is durable, ascending by row.
    waiting: VecDeque<(Seq, PrintedEvent)>,
    /// Number of events that were dropped while they waited, since the last one became visible.
    missed: u64,
    /// The place of the last event that became visible. After an interrupt the guest prints the events after its last
    /// entry again, in the same order. Events up to this one are those repetitions.
    shown: (OplogIndex, u64),
}

impl LogRing {
    fn new(waiting_bytes: Arc<AtomicUsize>) -> Self {
        Self { state: Mutex::default(), live: broadcast::channel(LAG_EVENTS_MAX).0, waiting_bytes }
    }

    /// Adds events that become visible when `row` is durable. Returns false if events already wait for that row.
    pub(crate) fn add(&self, row: Seq, events: Vec<PrintedEvent>) -> bool {
        let mut state = self.state.lock();
        let is_first = state.waiting.back().is_none_or(|(last, _)| *last != row);
        for event in events {
            self.waiting_bytes.fetch_add(event.event.text_bytes(), Ordering::Relaxed);
            state.waiting.push_back((row, event));
        }
        while state.waiting.len() > WAITING_EVENTS_MAX
            || (state.waiting.len() > 1 && self.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES_MAX)
        {
            let Some((_, dropped)) = state.waiting.pop_front() else { break };
            self.waiting_bytes.fetch_sub(dropped.event.text_bytes(), Ordering::Relaxed);
            state.missed += 1;
        }
        is_first
    }

    /// Makes the events visible that wait for rows up to `durable`.
    pub(crate) fn show(&self, durable: Seq) {
        let mut state = self.state.lock();
        while state.waiting.front().is_some_and(|(row, _)| *row <= durable) {
            let Some((_, printed)) = state.waiting.pop_front() else { break };
            self.waiting_bytes.fetch_sub(printed.event.text_bytes(), Ordering::Relaxed);
            let missed = std::mem::take(&mut state.missed);
            if missed > 0 {
                drop(self.live.send(Signal::Notice(LogNotice::Missed(missed))));
            }
            let place = (printed.after, printed.number);
            if place.0 == state.shown.0 && place.1 <= state.shown.1 {
                continue;
            }
            state.shown = place;
            if state.past.len() == LOG_EVENTS_KEPT {
                state.past.pop_front();
            }
            state.past.push_back(printed.event.clone());
            // Sent under the lock, so that a new subscriber sees each event exactly once. An error means that there are
            // no subscribers.
            drop(self.live.send(Signal::Notice(LogNotice::Event(printed.event))));
        }
    }

    /// Drops the events that wait: a commit failed, and their code runs again.
    pub(crate) fn drop_waiting(&self) {
        let mut state = self.state.lock();
        let bytes: usize = state.waiting.drain(..).map(|(_, printed)| printed.event.text_bytes()).sum();
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        state.missed = 0;
    }

    fn can_be_dropped(&self) -> bool {
        self.live.receiver_count() == 0 && self.state.lock().waiting.is_empty()
    }
}

/// The logs of all workers in memory.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    rings: Mutex<HashMap<WorkerNum, Arc<LogRing>>>,
    /// Bytes of text that wait for a commit.
    waiting_bytes: Arc<AtomicUsize>,
}

impl Logs {
    /// Returns the worker's ring.
    pub(crate) fn ring(&self, worker: WorkerNum) -> Arc<LogRing> {
        let mut rings = self.rings.lock();
        if rings.len() >= RINGS_MAX && !rings.contains_key(&worker) {
            let mut unheard: Vec<WorkerNum> =
                rings.iter().filter(|(_, ring)| ring.can_be_dropped()).map(|(worker, _)| *worker).collect();
            unheard.sort_unstable();
            for old in unheard.iter().take(RINGS_MAX / 2) {
                rings.remove(old);
            }
        }
        let new = || Arc::new(LogRing::new(self.waiting_bytes.clone()));
        rings.entry(worker).or_insert_with(new).clone()
    }

    /// Returns the past events, followed by live ones.
    pub(crate) fn subscribe(&self, worker: WorkerNum) -> LogSubscription {
        let ring = self.ring(worker);
        let state = ring.state.lock();
        LogSubscription { past: state.past.clone(), live: ring.live.subscribe() }
    }

    /// The worker left memory: ends its subscriptions.
    pub(crate) fn notify_unloaded(&self, worker: WorkerNum) {
        if let Some(ring) = self.rings.lock().get(&worker) {
            drop(ring.live.send(Signal::Ended));
        }
    }

    /// The worker was deleted.
    pub(crate) fn remove(&self, worker: WorkerNum) {
        self.notify_unloaded(worker);
        self.rings.lock().remove(&worker);
    }
}

/// A message to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNotice {
    /// The worker printed something.
    Event(LogEvent),
    /// This many events were lost: the subscriber or the disk was slower than the worker.
    Missed(u64),
}

/// A subscription to a worker's log.
#[derive(Debug)]
pub struct LogSubscription {
    past: VecDeque<LogEvent>,
    live: broadcast::Receiver<Signal>,
}

impl LogSubscription {
    /// Returns the next notice, or `None` when the worker left memory.
    pub async fn next(&mut self) -> Option<LogNotice> {
        if let Some(event) = self.past.pop_front() {
            return Some(LogNotice::Event(event));
        }
        match self.live.recv().await {
            Ok(Signal::Notice(notice)) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(LogNotice::Missed(count)),
            Ok(Signal::Ended) | Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(after: u64, number: u64) -> PrintedEvent {
        let event = LogEvent::Stdout(format!("{after}.{number}").into());
        PrintedEvent { after: OplogIndex(after), number, event }
    }

    fn visible(logs: &Logs) -> Vec<String> {
        let past = logs.subscribe(WorkerNum(1)).past;
        past.iter()
            .map(|event| match event {
                LogEvent::Stdout(text) => text.to_string(),
                other => panic!("{other:?} was not printed"),
            })
            .collect()
    }

    #[test]
    fn events_become_visible_with_their_rows_and_once() {
        let logs = Logs::default();
        let ring = logs.ring(WorkerNum(1));
        assert!(ring.add(Seq(10), vec![printed(3, 1), printed(3, 2)]), "the first event for this row");
        assert!(!ring.add(Seq(10), vec![printed(3, 3)]));
        assert!(ring.add(Seq(12), vec![printed(5, 1)]));
        assert!(visible(&logs).is_empty());
        ring.show(Seq(11));
        assert_eq!(visible(&logs), ["3.1", "3.2", "3.3"]);
        ring.show(Seq(12));
        // The worker was interrupted: its next activation prints the event after entry 5 again, and one more.
        assert!(ring.add(Seq(12), vec![printed(5, 1), printed(5, 2)]));
        ring.show(Seq(12));
        // A failed attempt has an entry, so the output of the next attempt has other places.
        ring.add(Seq(13), vec![printed(6, 1)]);
        ring.show(Seq(13));
        assert_eq!(visible(&logs), ["3.1", "3.2", "3.3", "5.1", "5.2", "6.1"]);
    }

    #[test]
    fn events_of_a_failed_commit_are_dropped_and_printed_again() {
        let logs = Logs::default();
        let ring = logs.ring(WorkerNum(1));
        ring.add(Seq(10), vec![printed(3, 1)]);
        ring.drop_waiting();
        ring.show(Seq(10));
        assert!(visible(&logs).is_empty());
        ring.add(Seq(10), vec![printed(3, 1)]);
        ring.show(Seq(10));
        assert_eq!(visible(&logs), ["3.1"]);
        assert_eq!(logs.waiting_bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn while_no_commit_succeeds_the_oldest_events_are_dropped_and_counted() {
        let logs = Logs::default();
        let ring = logs.ring(WorkerNum(1));
        let mut subscription = logs.subscribe(WorkerNum(1));
        let count = WAITING_EVENTS_MAX as u64 + 5;
        for number in 1..=count {
            ring.add(Seq(10), vec![printed(3, number)]);
        }
        let large = LogEvent::Stdout("x".repeat(WAITING_BYTES_MAX).into());
        ring.add(Seq(10), vec![PrintedEvent { after: OplogIndex(4), number: 1, event: large }]);
        ring.show(Seq(10));
        assert_eq!(subscription.next().await, Some(LogNotice::Missed(count)));
        assert!(matches!(subscription.next().await, Some(LogNotice::Event(_))));
        assert_eq!(logs.waiting_bytes.load(Ordering::Relaxed), 0);
    }
}
