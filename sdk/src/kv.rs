//! Buckets: values by key, shared by all workers of the project.
//!
//! A bucket needs no creation. Values are kept as JSON, so that workers in other languages read them; bytes as they are
//! go through [`Bucket::bytes`] and [`Bucket::set_bytes`]. A write is in the same commit as the worker's own log: it is
//! done exactly once, whatever crashes.
//!
//! ```no_run
//! use golem::kv::Bucket;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Score {
//!     points: u32,
//! }
//!
//! # fn main() -> Result<(), golem::kv::Error> {
//! let scores = Bucket::open("scores")?;
//! scores.set("ada", &Score { points: 10 })?;
//! // Several workers may do this at a time: none of their changes is lost.
//! scores.update("ada", |known: Option<Score>| Score { points: known.map_or(0, |score| score.points) + 5 })?;
//! let games = scores.increment("games", 1)?;
//! # Ok(())
//! # }
//! ```

use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::guard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Why something was not done with a bucket.
#[derive(Debug)]
pub enum Error {
    /// The store refused: something is beyond a limit, or a value that was to be incremented is no number.
    Store(String),
    /// A value is no JSON of the type that was asked for, or cannot be written as JSON.
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(reason) => write!(f, "the bucket refused: {reason}"),
            Self::Value { key, .. } => write!(f, "the value of the key {key:?} is not of the type asked for"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(_) => None,
            Self::Value { source, .. } => Some(source),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(match error {
            store::Error::NoSuchStore => "no such bucket".to_owned(),
            store::Error::AccessDenied => "access denied".to_owned(),
            store::Error::Other(reason) => reason,
        })
    }
}

/// A named container of values, shared by all workers of the project.
#[derive(Debug)]
pub struct Bucket {
    handle: store::Bucket,
}

impl Bucket {
    /// The bucket of this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        guard::require_worker("golem::kv::Bucket::open");
        Ok(Self { handle: store::open(name)? })
    }

    /// The value of a key, or `None` if the key is not there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.bytes(key)?.map(|bytes| from_json(key, &bytes)).transpose()
    }

    /// Gives a key a value, whether or not it had one.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.set_bytes(key, &to_json(key, value)?)
    }

    /// The bytes of a key's value.
    pub fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.handle.get(key)?)
    }

    /// Gives a key these bytes.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.handle.set(key, value)?)
    }

    /// Removes a key. Removing one that is not there does nothing.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.handle.delete(key)?)
    }

    /// Whether a key is there.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.handle.exists(key)?)
    }

    /// All keys, in order. Those that come or go meanwhile may or may not be among them.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.handle.list_keys(cursor.as_deref())?;
            keys.extend(page.keys);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// Adds to a number, which counts as zero if it is not there, and gives the sum. Several workers may do so at a
    /// time. The number can be read with [`get`](Self::get).
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        Ok(atomics::increment(&self.handle, key, by)?)
    }

    /// Gives a key the value `new` if it has the value `expected` (`None`: if it is not there). Says whether it did.
    pub fn compare_and_swap<T>(&self, key: &str, expected: Option<&T>, new: &T) -> Result<bool, Error>
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        let cas = atomics::Cas::new(&self.handle, key)?;
        let current: Option<T> = cas.current()?.map(|bytes| from_json(key, &bytes)).transpose()?;
        if current.as_ref() != expected {
            return Ok(false);
        }
        match atomics::swap(cas, &to_json(key, new)?) {
            Ok(()) => Ok(true),
            Err(atomics::CasError::CasFailed(_)) => Ok(false),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }

    /// Gives a key the value that `change` makes of its present one, and returns that. If another worker writes to the
    /// key meanwhile, `change` is called again with what it wrote.
    pub fn update<T>(&self, key: &str, mut change: impl FnMut(Option<T>) -> T) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
    {
        let mut cas = atomics::Cas::new(&self.handle, key)?;
        loop {
            let current = cas.current()?.map(|bytes| from_json(key, &bytes)).transpose()?;
            let new = change(current);
            match atomics::swap(cas, &to_json(key, &new)?) {
                Ok(()) => return Ok(new),
                Err(atomics::CasError::CasFailed(again)) => cas = again,
                Err(atomics::CasError::StoreError(error)) => return Err(error.into()),
            }
        }
    }

    /// The values of several keys, in this order.
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[&str]) -> Result<Vec<Option<T>>, Error> {
        let names: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = batch::get_many(&self.handle, &names)?;
        found.into_iter().map(|(key, value)| value.map(|bytes| from_json(&key, &bytes)).transpose()).collect()
    }

    /// Gives several keys values, all or none.
    pub fn set_many<T: Serialize>(&self, values: &[(&str, T)]) -> Result<(), Error> {
        let values = values.iter().map(|(key, value)| Ok(((*key).to_owned(), to_json(key, value)?)));
        Ok(batch::set_many(&self.handle, &values.collect::<Result<Vec<_>, Error>>()?)?)
    }

    /// Removes several keys, all or none.
    pub fn delete_many(&self, keys: &[&str]) -> Result<(), Error> {
        let names: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(batch::delete_many(&self.handle, &names)?)
    }
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Value { key: key.to_owned(), source })
}

fn written<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| Error::Value { key: key.to_owned(), source })
}
