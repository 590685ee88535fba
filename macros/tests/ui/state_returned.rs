#[golem::worker]
mod counter {
    #[derive(Default, Clone)]
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        pub fn get(&self) -> u64 {
            self.count
        }

        pub fn copy(&self) -> Counter {
            self.clone()
        }
    }
}

fn main() {}
