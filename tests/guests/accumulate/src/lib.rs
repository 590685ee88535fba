//! Hashes every answer of the host, in order, into one number.
//!
//! Two workers with the same answers have the same digest. An answer that differs, is missing or is repeated changes
//! it.

#[golem::worker]
mod accumulate {
    use golem::promise;
    use std::collections::HashMap;
    use wasip2::clocks::{monotonic_clock, wall_clock};
    use wasip2::io::poll::poll;
    use wasip2::random::random;

    /// One kind of host call.
    pub enum Step {
        /// Read the wall clock.
        Wall,
        /// Read the monotonic clock.
        Monotonic,
        /// Draw that many random bytes.
        Random(u32),
        /// Sleep for that many milliseconds.
        Sleep(u64),
        /// Poll that many timers, one millisecond apart, and take those that are ready.
        Poll(u32),
        /// Read the environment and the arguments.
        Environment,
        /// Write a line.
        Print(String),
        /// Read the order of a hash map with that many entries.
        HashOrder(u32),
        /// Create a promise and complete it with these bytes.
        Answer(Vec<u8>),
        /// Create a promise, print its id, and wait until it is completed.
        Await,
        /// Wait for a promise, at most that many milliseconds.
        AwaitUntil(u64),
    }

    #[derive(Default)]
    pub struct Accumulate {
        digest: u64,
        steps: u64,
    }

    impl Accumulate {
        /// Runs the steps one after the other and returns the digest.
        pub fn run(&mut self, steps: Vec<Step>) -> u64 {
            for step in &steps {
                self.take(step);
            }
            self.digest
        }

        /// Runs each kind of step that needs no external event, `rounds` times.
        pub fn everything(&mut self, rounds: u32) -> u64 {
            for round in 0..rounds {
                let line = format!("round {round}");
                self.run(vec![
                    Step::Wall,
                    Step::Monotonic,
                    Step::Random(16),
                    Step::Sleep(1),
                    Step::Poll(3),
                    Step::Environment,
                    Step::Print(line.clone()),
                    Step::HashOrder(8),
                    Step::Answer(line.into_bytes()),
                ]);
            }
            self.digest
        }

        /// The digest of all answers so far.
        pub fn digest(&self) -> u64 {
            self.digest
        }

        /// Number of steps so far.
        pub fn steps(&self) -> u64 {
            self.steps
        }

        fn take(&mut self, step: &Step) {
            self.steps += 1;
            match step {
                Step::Wall => {
                    let now = wall_clock::now();
                    self.mix(&now.seconds.to_le_bytes());
                    self.mix(&now.nanoseconds.to_le_bytes());
                }
                Step::Monotonic => self.mix(&monotonic_clock::now().to_le_bytes()),
                Step::Random(count) => self.mix(&random::get_random_bytes((*count).into())),
                Step::Sleep(ms) => {
                    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
                    self.mix(b"slept");
                }
                Step::Poll(count) => {
                    let timers: Vec<_> = (0..u64::from(*count))
                        .map(|ms| monotonic_clock::subscribe_duration(ms * 1_000_000))
                        .collect();
                    for ready in poll(&timers.iter().collect::<Vec<_>>()) {
                        self.mix(&ready.to_le_bytes());
                    }
                }
                Step::Environment => {
                    for argument in std::env::args() {
                        self.mix(argument.as_bytes());
                    }
                    for (name, value) in std::env::vars() {
                        self.mix(name.as_bytes());
                        self.mix(value.as_bytes());
                    }
                }
                Step::Print(line) => println!("{line}"),
                Step::HashOrder(count) => {
                    let map: HashMap<u32, ()> = (0..*count).map(|number| (number, ())).collect();
                    for number in map.into_keys() {
                        self.mix(&number.to_le_bytes());
                    }
                }
                Step::Answer(bytes) => {
                    let id = promise::create();
                    self.mix(&id.oplog_idx.to_le_bytes());
                    self.mix(&[
                        u8::from(promise::complete(&id, bytes)),
                        u8::from(promise::complete(&id, b"again")),
                    ]);
                    self.mix(&promise::wait(&id));
                    promise::delete(&id);
                }
                Step::Await => {
                    let id = promise::create();
                    println!("promise {id}");
                    self.mix(&promise::wait(&id));
                }
                Step::AwaitUntil(ms) => {
                    let id = promise::create();
                    println!("promise {id}");
                    let timer = monotonic_clock::subscribe_duration(ms * 1_000_000);
                    for ready in poll(&[&promise::subscribe(&id), &timer]) {
                        self.mix(&ready.to_le_bytes());
                    }
                    self.mix(&promise::get(&id).unwrap_or_else(|| b"nothing yet".to_vec()));
                }
            }
        }

        // FNV-1a. The length is hashed first, so that ("ab", "c") and ("a", "bc") differ.
        fn mix(&mut self, bytes: &[u8]) {
            let length = (bytes.len() as u64).to_le_bytes();
            for byte in length.iter().chain(bytes) {
                self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
}
