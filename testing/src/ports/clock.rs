//! A clock that tests control.

use async_trait::async_trait;
use golem_host::ports::Clock;
use golem_model::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A clock that stands still until a test advances it. Clones are one clock.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    times: Mutex<Times>,
    /// Sends the elapsed time after each change.
    elapsed: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    wall: Timestamp,
    elapsed: Duration,
    /// Time added by each reading.
    step: Duration,
    jumps: bool,
}

impl SimulatedClock {
    /// A clock that shows `wall`.
    pub fn new(wall: Timestamp) -> Self {
        let times = Times { wall, elapsed: Duration::from_secs(1), step: Duration::ZERO, jumps: false };
        let elapsed = watch::Sender::new(times.elapsed);
        Self { shared: Arc::new(Shared { times: Mutex::new(times), elapsed }) }
    }

    /// The same clock; from now on it jumps to the end of every wait.
    #[must_use]
    pub fn jumping(self) -> Self {
        self.shared.times.lock().jumps = true;
        self
    }

    /// The same clock; from now on each reading advances it by `step`, so no two readings are equal.
    #[must_use]
    pub fn stepping(self, step: Duration) -> Self {
        self.shared.times.lock().step = step;
        self
    }

    /// Advances the clock.
    pub fn advance(&self, duration: Duration) {
        let elapsed = {
            let mut times = self.shared.times.lock();
            times.wall = times.wall.plus(duration);
            times.elapsed += duration;
            times.elapsed
        };
        self.shared.elapsed.send_replace(elapsed);
    }

    /// Advances the clock until the wall clock shows `wall`; does nothing if it shows a later time.
    pub fn advance_to(&self, wall: Timestamp) {
        let now = self.shared.times.lock().wall;
        self.advance(wall.since(now));
    }

    /// Sets the wall clock, forward or back, without letting time pass.
    pub fn set_wall(&self, wall: Timestamp) {
        self.shared.times.lock().wall = wall;
    }

    /// The time on the wall clock.
    pub fn wall(&self) -> Timestamp {
        self.shared.times.lock().wall
    }

    /// Returns once a task sleeps until a future time.
    pub async fn wait_for_sleeper(&self) {
        while self.shared.elapsed.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let mut times = self.shared.times.lock();
        let step = times.step;
        times.wall = times.wall.plus(step);
        times.elapsed += step;
        times.wall
    }

    fn elapsed(&self) -> Duration {
        let mut times = self.shared.times.lock();
        let step = times.step;
        times.wall = times.wall.plus(step);
        times.elapsed += step;
        times.elapsed
    }

    async fn sleep_until(&self, deadline: Duration) {
        let Times { elapsed, jumps, .. } = *self.shared.times.lock();
        if jumps {
            self.advance(deadline.saturating_sub(elapsed));
            return;
        }
        let mut changes = self.shared.elapsed.subscribe();
        // The only error is a dropped clock, and `self` holds it.
        drop(changes.wait_for(|elapsed| *elapsed >= deadline).await);
    }
}
