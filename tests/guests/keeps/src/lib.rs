//! A state that serde saves: its first shape.

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

        /// How many words there are, and how often they came.
        pub fn totals(&self) -> (u64, u64) {
            (self.counts.len() as u64, self.counts.values().sum())
        }

        /// Makes a promise, and gives its index.
        pub fn ask(&mut self) -> u64 {
            self.asked.get_or_insert_with(Promise::new).id().oplog_idx
        }

        /// Waits for it.
        pub fn answer(&mut self) -> Result<String, String> {
            let asked = self.asked.take().ok_or("nobody was asked")?;
            asked.wait().map_err(|error| error.to_string())
        }
    }
}
