//! Simulated time: it stands still while tasks run, and jumps to the next time that a task waits for.

use super::locked;
use crate::rng::Rng;
use async_trait::async_trait;
use golem_host::ports::Clock;
use golem_model::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A clock. Clones are one clock.
#[derive(Debug, Clone)]
pub struct SimulationClock {
    state: Arc<Mutex<ClockState>>,
    /// The elapsed time at which the process of this handle began: a process measures from its own start.
    origin: Duration,
    /// Decides which waits of this handle do not end.
    losing_timers: Option<Arc<Mutex<Rng>>>,
}

#[derive(Debug)]
struct ClockState {
    wall: Timestamp,
    /// The latest time that the wall clock has shown.
    latest: Timestamp,
    elapsed: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
}

impl SimulationClock {
    /// A clock that shows `wall`.
    pub fn new(wall: Timestamp) -> Self {
        let state = ClockState {
            wall,
            latest: wall,
            elapsed: Duration::from_secs(1),
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), origin: Duration::ZERO, losing_timers: None }
    }

    /// A handle for a process that starts now.
    #[must_use]
    pub fn of_new_process(&self) -> Self {
        Self { origin: self.lock().elapsed, ..self.clone() }
    }

    /// Another handle to the clock, on which one wait in two hundred does not end: a mutant.
    #[must_use]
    pub fn losing_timers(&self, random: Rng) -> Self {
        Self { losing_timers: Some(Arc::new(Mutex::new(random))), ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        locked(&self.state)
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.lock();
            state.elapsed += by;
            state.wall = state.wall.plus(by);
            state.latest = state.latest.max(state.wall);
            let later = (state.elapsed + Duration::from_nanos(1), 0);
            let sleeping = state.sleepers.split_off(&later);
            std::mem::replace(&mut state.sleepers, sleeping)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Lets time pass until a task wakes. Returns false if none sleeps.
    pub fn advance_to_next(&self) -> bool {
        let (next, elapsed) = {
            let state = self.lock();
            (state.sleepers.keys().next().copied(), state.elapsed)
        };
        let Some((deadline, _)) = next else { return false };
        self.advance(deadline.saturating_sub(elapsed));
        true
    }

    /// Sets the wall clock forwards, while no time passes.
    pub fn set_forwards(&self, by: Duration) {
        let mut state = self.lock();
        state.wall = state.wall.plus(by);
        state.latest = state.latest.max(state.wall);
    }

    /// Sets the wall clock back, while no time passes.
    pub fn set_back(&self, by: Duration) {
        let mut state = self.lock();
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        state.wall = Timestamp::from_nanos(state.wall.as_nanos().saturating_sub(by));
    }

    /// Waits until the wall clock shows a time that is later by `by` than any that it has shown so far.
    pub async fn wait_past_latest(&self, by: Duration) {
        let target = self.lock().latest.plus(by);
        loop {
            let left = target.since(self.now());
            if left.is_zero() {
                return;
            }
            self.sleep_until(self.elapsed() + left).await;
        }
    }
}

#[async_trait]
impl Clock for SimulationClock {
    fn now(&self) -> Timestamp {
        self.lock().wall
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed.saturating_sub(self.origin)
    }

    async fn sleep_until(&self, deadline: Duration) {
        if self.losing_timers.as_ref().is_some_and(|random| locked(random).once_in(200)) {
            return std::future::pending().await;
        }
        let deadline = deadline.saturating_add(self.origin);
        Sleep { clock: self.clone(), deadline, number: None }.await;
    }
}

struct Sleep {
    clock: SimulationClock,
    deadline: Duration,
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.lock();
        if state.elapsed >= self.deadline {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.next_sleeper += 1;
            state.next_sleeper
        });
        state.sleepers.insert((self.deadline, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.clock.lock().sleepers.remove(&(self.deadline, number));
            drop(waker);
        }
    }
}
