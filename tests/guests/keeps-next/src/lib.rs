//! A state that serde saves: its second shape, which is made of the first.

#[golem::worker(package = "golem:keeps", state_version = "2")]
mod keeps {
    use golem::state::Saved;
    use serde::{Deserialize, Serialize};
    use std::collections::HashMap;

    #[derive(Default, Serialize, Deserialize)]
    pub struct Keeps {
        words: u64,
        total: u64,
    }

    #[derive(Deserialize)]
    struct First {
        counts: HashMap<String, u64>,
    }

    impl Keeps {
        /// How many words there are, and how often they came.
        pub fn totals(&self) -> (u64, u64) {
            (self.words, self.total)
        }

        fn migrate(saved: Saved<'_>) -> Result<Self, String> {
            if saved.version() != 1 {
                return Err(format!("version {} of the state is unknown", saved.version()));
            }
            let first: First = saved.read()?;
            if first.counts.contains_key("stay") {
                return Err("one of the words is `stay`".to_owned());
            }
            Ok(Self { words: first.counts.len() as u64, total: first.counts.values().sum() })
        }
    }
}
