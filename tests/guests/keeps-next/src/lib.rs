//! A state that is saved with serde: version 2, which migrates from version 1.

#[golem::worker(package = "golem:keeps", state_version = "2")]
mod keeps {
    use golem::state::SavedState;
    use serde::{Deserialize, Serialize};
    use std::collections::HashMap;

    #[derive(Default, Serialize, Deserialize)]
    pub struct Keeps {
        words: u64,
        total: u64,
    }

    #[derive(Deserialize)]
    struct FirstVersion {
        counts: HashMap<String, u64>,
    }

    impl Keeps {
        /// The number of different words, and the number of all words.
        pub fn totals(&self) -> (u64, u64) {
            (self.words, self.total)
        }

        fn migrate(saved: SavedState<'_>) -> Result<Self, String> {
            if saved.version() != 1 {
                return Err(format!("version {} of the state is unknown", saved.version()));
            }
            let first: FirstVersion = saved.read()?;
            if first.counts.contains_key("stay") {
                return Err("one of the words is `stay`".to_owned());
            }
            Ok(Self { words: first.counts.len() as u64, total: first.counts.values().sum() })
        }
    }
}
