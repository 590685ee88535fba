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
//! # What is kept
//!
//! Every value that serde can describe is loaded as it was saved: `Some(None)`, `None` and `Some(())` stay different,
//! maps may have keys of any type, and floats keep every bit. Some types lose a difference before the format sees it.
//! Two examples are two flattened maps in one struct, and an omitted field whose default is another value. Such a
//! state is loaded and compared when it is saved. If serde loads another value, the snapshot is refused with the path
//! of the value, as in ``the state cannot be saved: `orders.o17.answer`: serde would load another value``. The worker
//! continues, and its history is replayed after a crash. The reason is in the worker's oplog, and `golem worker update
//! --mode manual` reports it.
//!
//! - Two values that serde serializes to the same data cannot be told apart, such as the variants `A(u8)` and `B(u8)` of
//!   an untagged enum: the first variant is loaded. Give such an enum a tag.
//! - Lists, maps, structs, variants with values and `Some`s may contain each other up to 512 levels deep. A deeper
//!   state is refused. Keep a long chain in a `Vec`.
//! - An [`Rc`](std::rc::Rc) that two fields share is saved twice. After the snapshot the fields do not share it.
//! - Fields with `#[serde(skip)]`, and what a hand-written `Serialize` omits, are lost at the snapshot.
//!
//! # Migration
//!
//! The saved state can be used to update a worker to a new version of its template (`golem worker update --mode
//! manual`). A new field only needs `#[serde(default)]`. A removed field, a wider integer, and an `Option` around a
//! field that had none need nothing. For other changes, increase the option `state_version` and
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

mod decode;
mod encode;
mod error;
mod exact;
mod format;

use ciborium_ll::Header;
use decode::StateFormat;
use error::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::mem::ManuallyDrop;

/// A state that another version of the worker's code has saved.
#[derive(Debug, Clone, Copy)]
pub struct SavedState<'a> {
    version: u32,
    format: StateFormat,
    /// The state alone, or in the older format the whole record.
    bytes: &'a [u8],
}

impl<'a> SavedState<'a> {
    /// The `state_version` of the code that saved the state.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Deserializes the state as the type `T` that it had when it was saved.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let read = match self.format {
            StateFormat::Tagged => decode::decode(self.bytes, StateFormat::Tagged).map(|(state, _)| state),
            StateFormat::Old => decode::decode(self.bytes, StateFormat::Old)
                .map(|(record, _): (OldRecord<T>, bool)| record.state),
        };
        read.map_err(|error| error.to_string())
    }

    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let foreign =
            |error: &dyn std::fmt::Display| format!("this was not saved by a worker in Rust: {error}");
        match bytes {
            [] => Err(foreign(&"it is empty")),
            [format::FORMAT, rest @ ..] => {
                let (header, length) = format::read_head(rest).map_err(|error| foreign(&error))?;
                let Header::Positive(version) = header else { return Err(foreign(&"it has no version")) };
                let version = u32::try_from(version).map_err(|error| foreign(&error))?;
                Ok(Self { version, format: StateFormat::Tagged, bytes: &rest[length..] })
            }
            [format::OLD_FORMAT, ..] => {
                let (OldVersion { version }, _) =
                    decode::decode(bytes, StateFormat::Old).map_err(|error| foreign(&error))?;
                Ok(Self { version, format: StateFormat::Old, bytes })
            }
            // Numbers that later formats may have.
            [later @ format::FORMAT..=0x1f, ..] => Err(format!(
                "the state is in format {later} and this worker reads formats up to {}: build it with a newer version \
                 of golem-sdk",
                format::FORMAT
            )),
            [other, ..] => Err(foreign(&format_args!("it begins with the byte {other:#04x}"))),
        }
    }
}

/// The saved data in the older format.
#[derive(Deserialize)]
struct OldRecord<T> {
    #[serde(rename = "version")]
    _version: u32,
    state: T,
}

/// The version in the older format, readable whatever the type of the state is.
#[derive(Deserialize)]
struct OldVersion {
    version: u32,
}

/// Encodes a state. The expansion of [`worker`](crate::worker) calls it.
///
/// An error names a value that would not be loaded as it is. On `Ok`, [`load`] of the same code accepts the bytes.
#[doc(hidden)]
pub fn save<T: Serialize + DeserializeOwned>(version: u32, state: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![format::FORMAT];
    format::push_head(&mut bytes, Header::Positive(version.into()));
    let begin = bytes.len();
    encode::encode(state, &mut bytes)
        .and_then(|omitted| check(state, &bytes[begin..], omitted))
        .map_err(|error| format!("the state cannot be saved: {error}"))?;
    Ok(bytes)
}

/// Loads an encoded state, as the fresh instance after the snapshot will, and compares it with the original.
///
/// The format itself keeps every value. The type may not: without a type to guide it, serde takes the first variant of
/// an untagged enum that fits, and moves all unknown fields into a flattened map. Without this check, the state of the
/// worker would change at the snapshot.
fn check<T: Serialize + DeserializeOwned>(state: &T, encoded: &[u8], omitted: bool) -> Result<(), Error> {
    let (loaded, guessed) = decode::decode::<T>(encoded, StateFormat::Tagged)?;
    // Not dropped: the instance is discarded after `save`, and a destructor could call the host, which would refuse the
    // snapshot.
    let loaded = ManuallyDrop::new(loaded);
    if !guessed && !omitted {
        return Ok(());
    }
    match exact::difference_path(&encode::encode_typed(state)?, &encode::encode_typed(&*loaded)?)? {
        None => Ok(()),
        Some(path) => Err(path.into_iter().fold(
            Error::new(
                "serde would load another value than it saves here; look for fields with `flatten`, `untagged`, \
                 `rename`, `skip` or `default`, and for variants or fields that cannot be told apart",
            ),
            Error::inside,
        )),
    }
}

/// Decodes a state that [`save`] has encoded, possibly in another version.
#[doc(hidden)]
pub fn load<T: DeserializeOwned>(
    version: u32,
    bytes: &[u8],
    migrate: Option<fn(SavedState<'_>) -> Result<T, String>>,
) -> Result<T, String> {
    let saved = SavedState::open(bytes)?;
    match migrate {
        _ if saved.version == version => saved
            .read()
            .map_err(|error| format!("the saved state is of another shape than this one: {error}")),
        Some(migrate) => migrate(saved),
        None => Err(format!(
            "the state was saved in its version {}, this is version {version}: it needs a function `migrate`",
            saved.version
        )),
    }
}
