#[golem::worker]
mod counter {
    #[derive(Default)]
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        pub fn finish(self) -> u64 {
            self.count
        }
    }
}

fn main() {}
