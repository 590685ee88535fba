//! Output of workers: the latest events of each worker, and its subscribers.
//!
//! The output is not durable and not part of the log. An event becomes visible when the rows before it are durable, so
//! a subscriber sees nothing that a crash undoes. Events that depend on a failed commit are dropped, because their code
//! runs again. A process shows each event at most once as long as it keeps the worker's ring; another process may
//! repeat the events after the last durable entry. Text that differs when its code runs again, because it depends on a
//! reading that is not recorded, is not shown again.
//!
//! Bounds: the host cuts the text of one event ([`LOG_EVENT_BYTES_MAX`]). A ring holds a bounded number of bytes of one
//! worker, and all rings together hold [`NODE_BYTES_MAX`]. Beyond a bound the oldest events are dropped, first those of
//! the worker with the most text. Events have consecutive numbers, so a subscriber finds out how many it missed.
//! [`EventQueue`] does the counting.

use crate::storage::ports::{Seq, WorkerNum};
use golem_host::ports::{LogEvent, PrintedEvent};
use golem_model::OplogIndex;
use golem_model::limits::{LOG_EVENT_BYTES_MAX, LOG_EVENTS_KEPT};
use parking_lot::{Mutex, MutexGuard};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Number of rings from which on a new ring replaces old ones: at most half of this number, and only rings without
/// subscribers and waiting events.
const RINGS_MAX: usize = 4_096;
/// Number of visible events by which a slow subscriber may lag behind before it loses the oldest.
const LAG_EVENTS_MAX: usize = 1_024;
/// Number of events of one worker that may wait for a commit.
const WAITING_EVENTS_MAX: usize = LAG_EVENTS_MAX;
/// Bytes of one worker's visible events while the worker has no subscriber.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// Bytes of one worker's visible events while it has subscribers, and of its events that wait for a commit. The bounds are
/// equal because one commit can make all waiting events visible.
const LAG_BYTES_MAX: usize = 1 << 20;
/// Bytes of the events of all workers.
const NODE_BYTES_MAX: usize = 64 << 20;
/// Bytes of all events after those beyond [`NODE_BYTES_MAX`] were dropped. The difference makes the search for the largest
/// rings rare.
const NODE_BYTES_LEFT: usize = NODE_BYTES_MAX / 8 * 7;
/// Bytes that an event takes beside its text.
const EVENT_OVERHEAD_BYTES: usize = 96;

// A queue with a bound of bytes has room for its newest event.
const _: () = assert!(KEPT_BYTES_MAX > LOG_EVENT_BYTES_MAX + EVENT_OVERHEAD_BYTES);

/// Events in order, each with a place. Invariant: the counter of the node is the sum of the bytes of all queues.
#[derive(Debug)]
struct EventQueue<P> {
    events: VecDeque<(P, LogEvent)>,
    bytes: usize,
    node_bytes: Arc<AtomicUsize>,
}

impl<P> EventQueue<P> {
    fn new(node_bytes: Arc<AtomicUsize>) -> Self {
        Self { events: VecDeque::new(), bytes: 0, node_bytes }
    }

    fn push(&mut self, place: P, event: LogEvent) {
        let bytes = event.text_bytes() + EVENT_OVERHEAD_BYTES;
        self.bytes += bytes;
        self.node_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.events.push_back((place, event));
    }

    fn pop_oldest(&mut self) -> Option<(P, LogEvent)> {
        let (place, event) = self.events.pop_front()?;
        let bytes = event.text_bytes() + EVENT_OVERHEAD_BYTES;
        self.bytes -= bytes;
        self.node_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some((place, event))
    }

    /// Drops the oldest events until both bounds hold. Returns the number of dropped events.
    fn shrink_to(&mut self, events_max: usize, bytes_max: usize) -> u64 {
        let mut dropped = 0;
        while (self.events.len() > events_max || self.bytes > bytes_max) && self.pop_oldest().is_some() {
            dropped += 1;
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        dropped
    }
}

impl<P> Drop for EventQueue<P> {
    fn drop(&mut self) {
        self.node_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The output of one worker.
#[derive(Debug)]
pub(crate) struct LogRing {
    state: Mutex<RingState>,
    /// Notified when something became visible, and when the subscriptions end.
    changed: Notify,
}

/// The place of an event that waits: the row that must be durable first, and the event's place in the worker's history.
type WaitingPlace = (Seq, (OplogIndex, u64));

#[derive(Debug)]
struct RingState {
    /// The latest events that are visible, by their numbers.
    visible: EventQueue<u64>,
    /// The number of the next event that becomes visible.
    next_number: u64,
    /// Events that wait until a row is durable, ascending by row.
    waiting: EventQueue<WaitingPlace>,
    /// Number of events that were dropped while they waited, since the last one became visible.
    missed: u64,
    /// The place of the last event that became visible. After an interrupt the guest prints the events after its last
    /// entry again, in the same order. Events up to this one are those repetitions.
    shown: (OplogIndex, u64),
    subscribers: usize,
    /// Number of times that the worker left memory.
    unloads: u64,
}

impl RingState {
    fn publish(&mut self, place: (OplogIndex, u64), event: LogEvent) {
        // Numbers that no event has tell subscribers how many events were dropped.
        self.next_number += std::mem::take(&mut self.missed);
        if place.0 == self.shown.0 && place.1 <= self.shown.1 {
            return;
        }
        self.shown = place;
        self.visible.push(self.next_number, event);
        self.next_number += 1;
        self.shrink_visible();
    }

    fn shrink_visible(&mut self) {
        if self.subscribers > 0 {
            self.visible.shrink_to(LAG_EVENTS_MAX, LAG_BYTES_MAX);
        } else {
            self.visible.shrink_to(LOG_EVENTS_KEPT, KEPT_BYTES_MAX);
        }
    }

    /// The notice for a subscriber that has seen everything below `next`, and what it has seen afterwards.
    fn notice_at(&self, next: u64) -> Option<(LogNotice, u64)> {
        let at = self.visible.events.partition_point(|(number, _)| *number < next);
        match self.visible.events.get(at) {
            Some((number, event)) if *number == next => Some((LogNotice::Event(event.clone()), next + 1)),
            Some((number, _)) => Some((LogNotice::Missed(number - next), *number)),
            None if next < self.next_number => {
                Some((LogNotice::Missed(self.next_number - next), self.next_number))
            }
            None => None,
        }
    }
}

impl LogRing {
    fn new(node_bytes: &Arc<AtomicUsize>) -> Self {
        let state = RingState {
            visible: EventQueue::new(node_bytes.clone()),
            next_number: 0,
            waiting: EventQueue::new(node_bytes.clone()),
            missed: 0,
            shown: (OplogIndex(0), 0),
            subscribers: 0,
            unloads: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Adds events that become visible when `row` is durable. Returns false if events already wait for that row.
    fn add(&self, row: Seq, events: Vec<PrintedEvent>) -> bool {
        let mut state = self.state.lock();
        let is_first = state.waiting.events.back().is_none_or(|((last, _), _)| *last != row);
        for PrintedEvent { after, number, event } in events {
            state.waiting.push((row, (after, number)), event);
        }
        state.missed += state.waiting.shrink_to(WAITING_EVENTS_MAX, LAG_BYTES_MAX);
        is_first
    }

    /// Makes the events visible that wait for rows up to `durable`.
    pub(crate) fn publish(&self, durable: Seq) {
        let mut state = self.state.lock();
        while state.waiting.events.front().is_some_and(|((row, _), _)| *row <= durable)
            && let Some(((_, place), event)) = state.waiting.pop_oldest()
        {
            state.publish(place, event);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Drops the events that wait: a commit failed, and their code runs again.
    pub(crate) fn drop_waiting(&self) {
        let mut state = self.state.lock();
        state.waiting.shrink_to(0, 0);
        state.missed = 0;
    }

    /// Drops all events.
    fn clear(&self) {
        let mut state = self.state.lock();
        state.visible.shrink_to(0, 0);
        state.missed += state.waiting.shrink_to(0, 0);
        drop(state);
        self.changed.notify_waiters();
    }

    fn bytes(&self) -> usize {
        let state = self.state.lock();
        state.visible.bytes + state.waiting.bytes
    }

    /// Ends the subscriptions.
    fn end(&self) {
        self.state.lock().unloads += 1;
        self.changed.notify_waiters();
    }

    fn can_be_dropped(&self) -> bool {
        let state = self.state.lock();
        state.subscribers == 0 && state.waiting.events.is_empty()
    }
}

/// The rings of all workers.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    rings: Mutex<HashMap<WorkerNum, Arc<LogRing>>>,
    /// Bytes of all events.
    node_bytes: Arc<AtomicUsize>,
}

impl Logs {
    /// Adds events of a worker that become visible when `row` is durable. Returns the worker's ring, and whether no events
    /// waited for that row before.
    pub(crate) fn add(&self, worker: WorkerNum, row: Seq, events: Vec<PrintedEvent>) -> (Arc<LogRing>, bool) {
        let ring = self.ring(worker);
        let is_first = ring.add(row, events);
        self.shrink();
        (ring, is_first)
    }

    /// Returns the worker's ring.
    fn ring(&self, worker: WorkerNum) -> Arc<LogRing> {
        let mut rings = self.rings.lock();
        if rings.len() >= RINGS_MAX && !rings.contains_key(&worker) {
            let mut unheard: Vec<WorkerNum> =
                rings.iter().filter(|(_, ring)| ring.can_be_dropped()).map(|(worker, _)| *worker).collect();
            unheard.sort_unstable();
            for old in unheard.iter().take(RINGS_MAX / 2) {
                rings.remove(old);
            }
        }
        rings.entry(worker).or_insert_with(|| Arc::new(LogRing::new(&self.node_bytes))).clone()
    }

    /// If the events of all workers take too many bytes, drops events of the workers that have the most.
    fn shrink(&self) {
        if self.node_bytes.load(Ordering::Relaxed) <= NODE_BYTES_MAX {
            return;
        }
        let mut rings: Vec<(usize, Arc<LogRing>)> =
            self.rings.lock().values().map(|ring| (ring.bytes(), ring.clone())).collect();
        rings.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        for (_, ring) in rings {
            if self.node_bytes.load(Ordering::Relaxed) <= NODE_BYTES_LEFT {
                return;
            }
            ring.clear();
        }
    }

    /// Returns the past events, followed by live ones.
    pub(crate) fn subscribe(&self, worker: WorkerNum) -> LogSubscription {
        let ring = self.ring(worker);
        let mut state = ring.state.lock();
        state.subscribers += 1;
        let past = &state.visible.events;
        let next =
            past.get(past.len().saturating_sub(LOG_EVENTS_KEPT)).map_or(state.next_number, |first| first.0);
        let unloads = state.unloads;
        drop(state);
        LogSubscription { ring, next, unloads }
    }

    /// The worker left memory: ends its subscriptions.
    pub(crate) fn notify_unloaded(&self, worker: WorkerNum) {
        if let Some(ring) = self.rings.lock().get(&worker) {
            ring.end();
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
    /// This many events were lost: the subscriber or the disk was slower than the worker, or the workers printed more than
    /// the node keeps.
    Missed(u64),
}

/// A subscription to a worker's log.
#[derive(Debug)]
pub struct LogSubscription {
    ring: Arc<LogRing>,
    /// The number of the next event.
    next: u64,
    /// How often the worker had left memory when the subscription began.
    unloads: u64,
}

impl LogSubscription {
    /// Returns the next notice, or `None` when the worker left memory. Loses nothing if it is dropped before it is ready.
    pub async fn next(&mut self) -> Option<LogNotice> {
        let ring = self.ring.clone();
        loop {
            let mut changed = std::pin::pin!(ring.changed.notified());
            // A change after this line completes `changed`.
            changed.as_mut().enable();
            {
                let state: MutexGuard<'_, RingState> = ring.state.lock();
                if let Some((notice, next)) = state.notice_at(self.next) {
                    self.next = next;
                    return Some(notice);
                }
                if state.unloads != self.unloads {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl Drop for LogSubscription {
    fn drop(&mut self) {
        let mut state = self.ring.state.lock();
        state.subscribers -= 1;
        state.shrink_visible();
    }
}

#[cfg(test)]
mod tests;
