//! Draws random numbers from each source there is, and remembers some of them.

#[golem::worker]
mod randoms {
    use std::collections::HashMap;
    use wasip2::random::{insecure, insecure_seed, random};

    #[derive(Default)]
    pub struct Randoms {
        drawn: Vec<u64>,
    }

    impl Randoms {
        /// Draws a number and remembers it.
        pub fn draw(&mut self) -> u64 {
            let number = random::get_random_u64();
            self.drawn.push(number);
            number
        }

        /// The numbers drawn so far.
        pub fn drawn(&self) -> Vec<u64> {
            self.drawn.clone()
        }
    }

    pub fn bytes(count: u32) -> Vec<u8> {
        random::get_random_bytes(count.into())
    }

    pub fn insecure_bytes(count: u32) -> Vec<u8> {
        insecure::get_insecure_random_bytes(count.into())
    }

    pub fn insecure_number() -> u64 {
        insecure::get_insecure_random_u64()
    }

    /// What hash maps are seeded with.
    pub fn seed() -> (u64, u64) {
        insecure_seed::insecure_seed()
    }

    /// The order in which a hash map with the numbers below `count` happens to hold them.
    pub fn hash_order(count: u32) -> Vec<u32> {
        let map: HashMap<u32, ()> = (0..count).map(|number| (number, ())).collect();
        map.into_keys().collect()
    }
}
