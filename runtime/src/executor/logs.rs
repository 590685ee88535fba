//! Output of workers: the latest events of each worker, and its subscribers.
//!
//! The output is not durable and not part of the log. Lines are delivered at least once, and the oldest are dropped
//! first.

use crate::storage::ports::WorkerNum;
use golem_host::ports::{LogEvent, LogSink};
use golem_model::limits::LOG_EVENTS_KEPT;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Maximum number of rings. At this limit, half of the rings without subscribers are dropped.
const RINGS_MAX: usize = 4_096;
/// Number of events by which a slow subscriber may lag behind before it loses the oldest.
const LAG_EVENTS_MAX: usize = 1_024;

#[derive(Debug, Clone)]
enum Signal {
    Event(LogEvent),
    Ended,
}

#[derive(Debug)]
struct LogRing {
    past: Mutex<VecDeque<LogEvent>>,
    live: broadcast::Sender<Signal>,
}

impl LogRing {
    fn new() -> Self {
        Self { past: Mutex::new(VecDeque::new()), live: broadcast::channel(LAG_EVENTS_MAX).0 }
    }

    fn push(&self, event: LogEvent) {
        let mut past = self.past.lock();
        if past.len() == LOG_EVENTS_KEPT {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Sent under the lock, so that a new subscriber sees each event exactly once. An error means that there are no
        // subscribers.
        drop(self.live.send(Signal::Event(event)));
    }
}

/// The logs of all workers in memory.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    rings: Mutex<HashMap<WorkerNum, Arc<LogRing>>>,
}

impl Logs {
    fn ring(&self, worker: WorkerNum) -> Arc<LogRing> {
        let mut rings = self.rings.lock();
        if rings.len() >= RINGS_MAX && !rings.contains_key(&worker) {
            let mut unheard: Vec<WorkerNum> = rings
                .iter()
                .filter(|(_, ring)| ring.live.receiver_count() == 0)
                .map(|(worker, _)| *worker)
                .collect();
            unheard.sort_unstable();
            for old in unheard.iter().take(RINGS_MAX / 2) {
                rings.remove(old);
            }
        }
        rings.entry(worker).or_insert_with(|| Arc::new(LogRing::new())).clone()
    }

    /// Returns the sink for the output of an activation.
    pub(crate) fn sink(self: &Arc<Self>, worker: WorkerNum) -> Arc<dyn LogSink> {
        Arc::new(LogRingSink { logs: self.clone(), worker })
    }

    /// Returns the past events, followed by live ones.
    pub(crate) fn subscribe(&self, worker: WorkerNum) -> LogSubscription {
        let ring = self.ring(worker);
        let past = ring.past.lock();
        LogSubscription { past: past.clone(), live: ring.live.subscribe() }
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

/// The sink of one activation.
#[derive(Debug)]
struct LogRingSink {
    logs: Arc<Logs>,
    worker: WorkerNum,
}

impl LogSink for LogRingSink {
    fn emit(&self, event: LogEvent) {
        self.logs.ring(self.worker).push(event);
    }
}

/// A message to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNotice {
    /// The worker printed something.
    Event(LogEvent),
    /// The subscriber was too slow and has lost this many events.
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
            Ok(Signal::Event(event)) => Some(LogNotice::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(LogNotice::Missed(count)),
            Ok(Signal::Ended) | Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
