#[golem::worker]
mod counter {
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        pub fn get(&self) -> u64 {
            self.count
        }
    }
}

fn main() {}
