#[golem::worker]
mod counter {
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        pub fn new(count: u64) -> Self {
            Self { count }
        }

        pub fn get(&self) -> u64 {
            self.count
        }
    }
}

fn main() {}
