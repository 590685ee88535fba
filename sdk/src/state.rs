//! State that is saved: workers that come back at once, and move to new versions of their code.
//!
//! A worker whose struct derives serde's `Serialize` and `Deserialize` is saved from time to time by itself. After a crash
//! it comes back from what was saved, and only what happened since is replayed; without the derives it comes back from its
//! whole history, which is as safe and takes longer.
//!
//! ```
//! #[golem::worker]
//! mod counter {
//!     use serde::{Deserialize, Serialize};
//!
//!     #[derive(Default, Serialize, Deserialize)]
//!     pub struct Counter {
//!         count: u64,
//!     }
//!
//!     impl Counter {
//!         pub fn increment(&mut self) -> u64 {
//!             self.count += 1;
//!             self.count
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! All that has to survive is in the struct: what lies in a `static` or a `thread_local!` of the module is not saved with
//! it. Promises can be in it, and buckets are outside of it anyway.
//!
//! # Other shapes
//!
//! A running worker can be moved to a new version of its template by what it saves (`golem worker update --mode
//! manual`). Fields that were added need `#[serde(default)]`, and nothing more. When more than that changes, count the
//! versions with the option `state_version` and write a function `migrate`, which makes the new state of an old one:
//!
//! ```
//! #[golem::worker(state_version = "2")]
//! mod counter {
//!     use golem::state::SavedState;
//!     use serde::{Deserialize, Serialize};
//!
//!     #[derive(Default, Serialize, Deserialize)]
//!     pub struct Counter {
//!         counts: Vec<u64>,
//!     }
//!
//!     #[derive(Deserialize)]
//!     struct StateV1 {
//!         count: u64,
//!     }
//!
//!     impl Counter {
//!         pub fn increment(&mut self) {
//!             self.counts.push(1);
//!         }
//!
//!         fn migrate(saved: SavedState<'_>) -> Result<Self, String> {
//!             match saved.version() {
//!                 1 => Ok(Self { counts: vec![saved.read::<StateV1>()?.count] }),
//!                 other => Err(format!("version {other} of the state is unknown")),
//!             }
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! If it returns an error, the update does not happen, and the worker stays what it is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What another version of a worker's code has saved.
#[derive(Debug, Clone, Copy)]
pub struct SavedState<'a> {
    version: u32,
    bytes: &'a [u8],
}

impl SavedState<'_> {
    /// The `state_version` of the code that saved it.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The state, in the shape that it had.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let stored: SavedRecord<T> = ciborium::from_reader(self.bytes).map_err(|error| error.to_string())?;
        Ok(stored.state)
    }
}

/// What is saved, as CBOR: it keeps every number as it is, and maps with any keys.
#[derive(Serialize, Deserialize)]
struct SavedRecord<T> {
    version: u32,
    state: T,
}

/// Only the version.
#[derive(Deserialize)]
struct SavedVersion {
    version: u32,
}

/// The bytes of a state. For the expansion of [`worker`](crate::worker).
#[doc(hidden)]
pub fn save<T: Serialize>(version: u32, state: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&SavedRecord { version, state }, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The state in what `save` has made, perhaps in another version.
#[doc(hidden)]
pub fn load<T: DeserializeOwned>(
    version: u32,
    bytes: &[u8],
    migrate: Option<fn(SavedState<'_>) -> Result<T, String>>,
) -> Result<T, String> {
    let SavedVersion { version: stored } = ciborium::from_reader(bytes)
        .map_err(|error| format!("this was not saved by a worker in Rust: {error}"))?;
    let saved = SavedState { version: stored, bytes };
    match migrate {
        _ if stored == version => saved
            .read()
            .map_err(|error| format!("the saved state is of another shape than this one: {error}")),
        Some(migrate) => migrate(saved),
        None => Err(format!(
            "the state was saved in its version {stored}, this is version {version}: it needs a function `migrate`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct StateV1 {
        numbers: BTreeMap<(i32, String), f64>,
        name: Option<String>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct StateV2 {
        count: usize,
    }

    fn first() -> StateV1 {
        let numbers = [((-1, "a".to_owned()), f64::INFINITY), ((2, String::new()), 0.1 + 0.2)].into();
        StateV1 { numbers, name: None }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let bytes = save(1, &first()).unwrap();
        assert_eq!(load(1, &bytes, None), Ok(first()));
    }

    #[test]
    fn another_version_is_migrated_or_refused() {
        let bytes = save(1, &first()).unwrap();
        let migrate = |saved: SavedState<'_>| match saved.version() {
            1 => Ok(StateV2 { count: saved.read::<StateV1>()?.numbers.len() }),
            other => Err(format!("unknown version {other}")),
        };
        assert_eq!(load(2, &bytes, Some(migrate)), Ok(StateV2 { count: 2 }));
        let later = save(3, &first()).unwrap();
        assert_eq!(load(2, &later, Some(migrate)), Err("unknown version 3".to_owned()));
        let refused = load::<StateV2>(2, &bytes, None).unwrap_err();
        assert_eq!(
            refused,
            "the state was saved in its version 1, this is version 2: it needs a function `migrate`"
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        let error = load::<StateV1>(1, b"something else", None).unwrap_err();
        assert!(error.starts_with("this was not saved by a worker in Rust: "), "{error}");
        let shape = load::<StateV2>(1, &save(1, &first()).unwrap(), None).unwrap_err();
        assert!(shape.starts_with("the saved state is of another shape than this one: "), "{shape}");
    }
}
