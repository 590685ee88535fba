//! Reads the clocks with the standard library and with WASI functions, and stores the readings.

#[golem::worker]
mod clocks {
    use std::time::{SystemTime, UNIX_EPOCH};
    use wasip2::clocks::{monotonic_clock, wall_clock};

    /// One reading of both clocks.
    #[derive(Clone)]
    pub struct Reading {
        /// Whole seconds since 1970.
        pub seconds: u64,
        /// Nanoseconds of the current second.
        pub nanoseconds: u32,
        /// Nanoseconds of the monotonic clock.
        pub monotonic: u64,
    }

    #[derive(Default)]
    pub struct Clocks {
        readings: Vec<Reading>,
    }

    impl Clocks {
        /// Reads both clocks and stores the reading.
        pub fn read(&mut self) -> Reading {
            let now = wall_clock::now();
            let monotonic = monotonic_clock::now();
            let reading = Reading { seconds: now.seconds, nanoseconds: now.nanoseconds, monotonic };
            self.readings.push(reading.clone());
            reading
        }

        /// All readings so far.
        pub fn readings(&self) -> Vec<Reading> {
            self.readings.clone()
        }

        /// Reads the monotonic clock `count` times and returns whether it never went back.
        pub fn is_monotonic(&mut self, count: u32) -> bool {
            let read: Vec<u64> = (0..count).map(|_| monotonic_clock::now()).collect();
            read.is_sorted()
        }
    }

    /// Milliseconds since 1970 by the standard library.
    pub fn now_ms() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the host's clock is after 1970");
        u64::try_from(since.as_millis()).expect("for the next 500 million years")
    }

    /// Reads the monotonic clock, and the wall clock if `wall` is set, until `ms` milliseconds have passed. Returns the
    /// number of readings.
    pub fn spin_ms(ms: u64, wall: bool) -> u64 {
        let begin = monotonic_clock::now();
        let mut readings = 1;
        while monotonic_clock::now() - begin < ms * 1_000_000 {
            readings += 1;
            if wall {
                wall_clock::now();
                readings += 1;
            }
        }
        readings
    }

    /// Resolutions in nanoseconds of the wall clock and the monotonic clock.
    pub fn resolutions() -> (u64, u64) {
        let wall = wall_clock::resolution();
        (wall.seconds * 1_000_000_000 + u64::from(wall.nanoseconds), monotonic_clock::resolution())
    }
}
