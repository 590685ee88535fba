//! Fails in all possible ways. Functions count first, so that a test can see whether a failed call left a change
//! behind.

#[golem::worker]
mod failures {
    use std::hint::black_box;
    use wasip2::clocks::wall_clock;

    #[derive(Default)]
    pub struct Failures {
        count: u64,
        kept: Vec<Vec<u8>>,
    }

    impl Failures {
        /// Adds one and returns the count.
        pub fn increment(&mut self) -> u64 {
            self.count += 1;
            self.count
        }

        /// The count.
        pub fn get(&self) -> u64 {
            self.count
        }

        /// Adds one, then panics with the text.
        pub fn panic(&mut self, text: String) {
            self.count += 1;
            panic!("{text}");
        }

        /// Adds one, then panics if the wall clock is before this second since 1970; otherwise returns the count.
        pub fn fail_until(&mut self, seconds: u64) -> u64 {
            self.count += 1;
            let now = wall_clock::now().seconds;
            assert!(now >= seconds, "it is {now}, this works from {seconds} on");
            self.count
        }

        /// Adds one, then panics unless a random number below `n` is 0.
        pub fn fail_mostly(&mut self, n: u64) -> u64 {
            self.count += 1;
            let drawn = wasip2::random::random::get_random_u64() % n.max(1);
            assert!(drawn == 0, "drew {drawn}, this works with 0");
            self.count
        }

        /// Allocates that many MiB, writes and keeps them, and returns the number of MiB kept.
        pub fn allocate(&mut self, mib: u32) -> u32 {
            for _ in 0..mib {
                self.kept.push(vec![1; 1 << 20]);
            }
            u32::try_from(self.kept.len()).unwrap_or(u32::MAX)
        }
    }

    /// Exits the program with this code.
    pub fn exit(code: i32) {
        std::process::exit(code);
    }

    /// Loops forever without host calls.
    pub fn spin() {
        let mut turns = 0u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }

    /// Uses a stack frame for each level, and returns the depth.
    pub fn recurse(depth: u32) -> u32 {
        let frame = black_box([depth; 64]);
        if depth == 0 { 0 } else { recurse(depth - 1) + u32::from(black_box(frame)[0] == depth) }
    }

    /// Executes an instruction that always traps.
    pub fn trap() {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
    }

    /// Reads outside the memory.
    pub fn read_beyond_memory() -> u8 {
        let outside = black_box(usize::MAX - 64) as *const u8;
        // SAFETY: the read is invalid on purpose; the host must trap.
        unsafe { outside.read_volatile() }
    }

    /// Divides; traps if the divisor is zero.
    pub fn divide(dividend: u32, divisor: u32) -> u32 {
        dividend / divisor
    }

    /// Returns an error as an ordinary result.
    pub fn refuse(reason: String) -> Result<u64, String> {
        Err(reason)
    }
}
