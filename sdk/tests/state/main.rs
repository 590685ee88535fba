//! The saved state of a worker: what is saved is loaded again, exactly, or saving fails with the field's name.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]
#![expect(clippy::option_option, reason = "the tests are about options of options")]

mod derived;
mod evolution;
mod model;
mod old_format;
mod old_shapes;
mod refused;

use golem::__private::{load, save};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Saves a state and loads it again.
fn reload<T: Serialize + DeserializeOwned>(state: &T) -> Result<T, String> {
    load(1, &save(1, state)?, None)
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(state: &T) {
    assert_eq!(reload(state).as_ref(), Ok(state));
}
