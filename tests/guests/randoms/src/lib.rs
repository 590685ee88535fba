//! Draws random numbers from each source, and stores some of them.

#[golem::worker]
mod randoms {
    use std::collections::HashMap;
    use wasip2::random::{insecure, insecure_seed, random};

    #[derive(Default)]
    pub struct Randoms {
        drawn: Vec<u64>,
    }

    impl Randoms {
        /// Draws a number and stores it.
        pub fn draw(&mut self) -> u64 {
            let number = random::get_random_u64();
            self.drawn.push(number);
            number
        }

        /// The stored numbers.
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

    /// The seed of hash maps.
    pub fn seed() -> (u64, u64) {
        insecure_seed::insecure_seed()
    }

    /// The numbers below `count` in the order of a hash map.
    pub fn hash_order(count: u32) -> Vec<u32> {
        let map: HashMap<u32, ()> = (0..count).map(|number| (number, ())).collect();
        map.into_keys().collect()
    }
}
