//! Sleeps, and waits for several timers at once.

#[golem::worker]
mod sleeps {
    use std::time::{Duration, Instant};
    use wasip2::clocks::monotonic_clock::{now, subscribe_duration, subscribe_instant};
    use wasip2::io::poll::poll;

    #[derive(Default)]
    pub struct Sleeps {
        finished: u64,
    }

    impl Sleeps {
        /// Sleeps for `ms` milliseconds and returns the elapsed milliseconds by the worker's clock.
        pub fn sleep_ms(&mut self, ms: u64) -> u64 {
            let begin = Instant::now();
            std::thread::sleep(Duration::from_millis(ms));
            self.finished += 1;
            elapsed_ms(begin)
        }

        /// Sleeps `count` times.
        pub fn sleep_often(&mut self, count: u32, ms: u64) -> u64 {
            let begin = Instant::now();
            for _ in 0..count {
                self.sleep_ms(ms);
            }
            elapsed_ms(begin)
        }

        /// The number of finished sleeps since the worker was created.
        pub fn finished(&self) -> u64 {
            self.finished
        }
    }

    fn elapsed_ms(begin: Instant) -> u64 {
        u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for the first timer, and returns the timers that are ready then.
    pub fn race(timers_ms: Vec<u64>) -> Vec<u32> {
        let timers: Vec<_> = timers_ms.iter().map(|ms| subscribe_duration(ms * 1_000_000)).collect();
        poll(&timers.iter().collect::<Vec<_>>())
    }

    /// Waits for all timers, one poll after the other, and returns the order in which they became ready.
    pub fn order(timers_ms: Vec<u64>) -> Vec<u32> {
        let begin = now();
        let mut waiting: Vec<_> =
            (0u32..).zip(timers_ms.iter().map(|ms| subscribe_instant(begin + ms * 1_000_000))).collect();
        let mut rang = Vec::new();
        while !waiting.is_empty() {
            let ready = poll(&waiting.iter().map(|(_, timer)| timer).collect::<Vec<_>>());
            rang.extend(ready.iter().map(|at| waiting[*at as usize].0));
            let mut at = 0u32;
            waiting.retain(|_| {
                at += 1;
                !ready.contains(&(at - 1))
            });
        }
        rang
    }

    /// Waits for a promise of its own, and then for another one or for `ms` milliseconds. Returns whether the second
    /// promise was completed.
    pub fn promise_then_race(ms: u64) -> bool {
        let (first, second) = (golem::promise::create(), golem::promise::create());
        golem::promise::wait(&first);
        let (completed, timer) = (golem::promise::subscribe(&second), subscribe_duration(ms * 1_000_000));
        poll(&[&completed, &timer]).contains(&0)
    }
}
