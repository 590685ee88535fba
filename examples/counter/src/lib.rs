//! A worker that counts. It has no code for files, databases or crashes: the platform makes its memory durable.

#[golem::worker]
mod counter {
    #[derive(Default)]
    pub struct Counter {
        count: u64,
    }

    impl Counter {
        /// Adds one and returns the new count.
        pub fn increment(&mut self) -> u64 {
            self.count += 1;
            self.count
        }

        /// The count.
        pub fn get(&self) -> u64 {
            self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::counter::Counter;

    #[test]
    fn it_counts() {
        let mut counter = Counter::default();
        assert_eq!(counter.get(), 0);
        assert_eq!(counter.increment(), 1);
        assert_eq!(counter.increment(), 2);
        assert_eq!(counter.get(), 2);
    }
}
