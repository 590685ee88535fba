//! A state that is saved with serde: version 1.

#[golem::worker(package = "golem:keeps")]
mod keeps {
    use golem::Promise;
    use serde::{Deserialize, Serialize};
    use std::collections::HashMap;

    #[derive(Default, Serialize, Deserialize)]
    pub struct Keeps {
        counts: HashMap<String, u64>,
        asked: Option<Promise<String>>,
    }

    impl Keeps {
        /// Counts a word.
        pub fn add(&mut self, word: String) -> u64 {
            let count = self.counts.entry(word).or_default();
            *count += 1;
            *count
        }

        /// The number of different words, and the number of all words.
        pub fn totals(&self) -> (u64, u64) {
            (self.counts.len() as u64, self.counts.values().sum())
        }

        /// Creates a promise and returns its index.
        pub fn ask(&mut self) -> u64 {
            self.asked.get_or_insert_with(Promise::new).id().oplog_idx
        }

        /// Waits for the promise.
        pub fn answer(&mut self) -> Result<String, String> {
            let asked = self.asked.take().ok_or("there is no promise; call ask first")?;
            asked.wait().map_err(|error| error.to_string())
        }
    }
}
