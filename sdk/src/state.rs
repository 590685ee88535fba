//! Saved state: faster recovery, and updates to new versions of the code.
//!
//! If the state of a worker derives serde's `Serialize` and `Deserialize`, the server saves snapshots of the state.
//! After a crash, the state is loaded from the latest snapshot, and only the history since then is replayed. Without
//! the derives, the whole history is replayed, which is equally safe but takes longer.
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
//! The struct must contain everything that has to survive. The values of a `static` or a `thread_local!` of the
//! module are not saved. The struct can contain a [`Promise`](crate::Promise). Values in buckets need not be part of
//! it.
//!
//! # Migration
//!
//! The saved state can be used to update a worker to a new version of its template (`golem worker update --mode
//! manual`). A new field only needs `#[serde(default)]`. For other changes, increase the option `state_version` and
//! write a function `migrate`, which converts a saved state of an older version:
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
//! If `migrate` returns an error, the update fails and the worker keeps its version and state.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A state that another version of the worker's code has saved.
#[derive(Debug, Clone, Copy)]
pub struct SavedState<'a> {
    version: u32,
    bytes: &'a [u8],
}

impl SavedState<'_> {
    /// The `state_version` of the code that saved the state.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Deserializes the state as the type `T` that it had when it was saved.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let stored: SavedRecord<T> = ciborium::from_reader(self.bytes).map_err(|error| error.to_string())?;
        Ok(stored.state)
    }
}

/// The saved data, encoded as CBOR. Unlike JSON, CBOR keeps every number exactly and allows maps with any type of key.
#[derive(Serialize, Deserialize)]
struct SavedRecord<T> {
    version: u32,
    state: T,
}

/// The version in the saved data, readable whatever the type of the state is.
#[derive(Deserialize)]
struct SavedVersion {
    version: u32,
}

/// Encodes a state. The expansion of [`worker`](crate::worker) calls it.
#[doc(hidden)]
pub fn save<T: Serialize>(version: u32, state: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&SavedRecord { version, state }, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Decodes a state that [`save`] has encoded, possibly in another version.
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
    fn a_saved_state_is_loaded() {
        let bytes = save(1, &first()).unwrap();
        assert_eq!(load(1, &bytes, None), Ok(first()));
    }

    #[test]
    fn another_version_is_migrated_or_rejected() {
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
    fn other_bytes_are_rejected() {
        let error = load::<StateV1>(1, b"something else", None).unwrap_err();
        assert!(error.starts_with("this was not saved by a worker in Rust: "), "{error}");
        let shape = load::<StateV2>(1, &save(1, &first()).unwrap(), None).unwrap_err();
        assert!(shape.starts_with("the saved state is of another shape than this one: "), "{shape}");
    }
}
