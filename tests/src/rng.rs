//! A random number generator that repeats its numbers from a printed seed.

/// A small generator (SplitMix64). Its numbers decide what a test does; they are not cryptographic.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator whose numbers are determined by `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The seed in the environment variable `GOLEM_TEST_SEED`, or a random one. The caller prints it, so that the run
    /// can be repeated.
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer repeats a run with this variable; it is no setting of the server"
    )]
    pub fn seed_from_env() -> u64 {
        if let Ok(text) = std::env::var("GOLEM_TEST_SEED") {
            return text
                .parse()
                .unwrap_or_else(|_| panic!("GOLEM_TEST_SEED must be a number, found {text:?}"));
        }
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        // Below 10^9, so that it can be typed.
        u64::from_le_bytes(bytes) % 1_000_000_000
    }

    /// A separate generator for the `index`-th part of a test. Numbers that one part draws do not change those of
    /// another part.
    #[must_use]
    pub fn fork(&self, index: u64) -> Self {
        let mut fork = Self::new(self.state ^ index.wrapping_mul(0xd1b5_4a32_d192_ed03));
        fork.next_u64();
        fork
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        self.next_u64() % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `times`, on average.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).expect("an index fits");
        &items[index]
    }
}
