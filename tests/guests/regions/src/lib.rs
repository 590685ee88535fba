//! Atomic regions and jumps back in the oplog. The completion of a promise distinguishes attempts, because a promise
//! is completed only once.

#[golem::worker]
mod regions {
    use golem::{atomically, durability, promise};
    use std::time::Duration;

    #[derive(Default)]
    pub struct Regions {
        entered: u32,
    }

    impl Regions {
        /// Traps in a region at the first attempt. Returns the number of entries into the region that memory
        /// contains, and the idempotency keys from the region.
        pub fn flaky(&mut self) -> (u32, Vec<String>) {
            let first = promise::create();
            atomically(|| {
                self.entered += 1;
                let keys = (0..2).map(|_| golem::idempotency_key()).collect();
                println!("attempt with {keys:?}");
                assert!(!promise::complete(&first, b"seen"), "the first attempt fails");
                (self.entered, keys)
            })
        }

        /// Creates a promise in a region and waits for `ms` milliseconds in an inner region, then in the outer
        /// region, and after both.
        pub fn nested(&mut self, ms: u64) -> u32 {
            atomically(|| {
                let inside = promise::create();
                println!("promise {inside}");
                atomically(|| std::thread::sleep(Duration::from_millis(ms)));
                std::thread::sleep(Duration::from_millis(ms));
                promise::complete(&inside, b"done");
                self.entered += 1;
            });
            std::thread::sleep(Duration::from_millis(ms));
            self.entered
        }

        /// Waits in a region for a promise that was created in it.
        pub fn wait_inside(&mut self) -> Vec<u8> {
            atomically(|| {
                self.entered += 1;
                let inside = promise::create();
                println!("promise {inside}");
                promise::wait(&inside)
            })
        }

        /// Jumps back once, and returns the number of entries that memory contains.
        pub fn go_back(&mut self) -> u32 {
            let first = promise::create();
            let before = durability::oplog_index();
            self.entered += 1;
            let inside = promise::create();
            println!("promise {inside}");
            if promise::complete(&first, b"seen") {
                durability::jump(before);
            }
            self.entered
        }

        /// The number of entries into regions since the worker was created.
        pub fn entered(&self) -> u32 {
            self.entered
        }
    }

    /// Jumps to a position of the oplog.
    pub fn go_to(position: u64) {
        durability::jump(position);
    }

    /// Leaves a region open.
    pub fn leave_open() -> u64 {
        durability::region::begin()
    }

    /// Closes a region that may not be open.
    pub fn close(region: u64) {
        durability::region::end(region);
    }
}
