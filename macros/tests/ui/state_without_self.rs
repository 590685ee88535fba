#[golem::worker]
mod counter {
    #[derive(Default)]
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        pub fn get(&self) -> u64 {
            self.count
        }

        pub fn limit() -> u64 {
            100
        }
    }
}

fn main() {}
