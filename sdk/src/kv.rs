//! Buckets: key-value storage that all workers of a project share.
//!
//! A bucket does not have to be created. Values are stored as JSON, so that workers in other languages can read them.
//! [`Bucket::bytes`] and [`Bucket::set_bytes`] access raw bytes.
//!
//! A write is part of the same commit as the oplog entry that records it. It therefore happens
//! exactly once, even if the worker or the server crashes, unless an atomic region or a jump
//! repeats it.
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
//! // Several workers may do this at the same time: no change is lost.
//! scores.update("ada", |score: Option<Score>| Score { points: score.map_or(0, |score| score.points) + 5 })?;
//! let games = scores.increment("games", 1)?;
//! # Ok(())
//! # }
//! ```

use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::guard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The reason why a bucket operation failed.
#[derive(Debug)]
pub enum Error {
    /// The store rejected the operation: for example a limit is exceeded, or the value to increment
    /// is not a number.
    Store(String),
    /// The value is not JSON of the requested type, or it cannot be serialized as JSON.
    Value {
        /// Key of the value.
        key: String,
        /// Error of the JSON parser or serializer.
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

/// A named container of keys and values, shared by all workers of the project.
#[derive(Debug)]
pub struct Bucket {
    handle: store::Bucket,
}

impl Bucket {
    /// Opens the bucket with this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        guard::require_worker("golem::kv::Bucket::open");
        Ok(Self { handle: store::open(name)? })
    }

    /// The value of a key, or `None` if the key does not exist.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.bytes(key)?.map(|bytes| from_json(key, &bytes)).transpose()
    }

    /// Sets the value of a key, whether or not the key exists.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.set_bytes(key, &to_json(key, value)?)
    }

    /// The value of a key as raw bytes, or `None` if the key does not exist.
    pub fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.handle.get(key)?)
    }

    /// Sets the value of a key to raw bytes.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.handle.set(key, value)?)
    }

    /// Deletes a key. Does nothing if the key does not exist.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.handle.delete(key)?)
    }

    /// Whether a key exists.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.handle.exists(key)?)
    }

    /// All keys, in sorted order. A key that is added or deleted during the call may or may not be included.
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

    /// Adds `by` to a number and returns the sum. A key that does not exist counts as zero. Several workers may
    /// increment the same key concurrently. [`get`](Self::get) reads the number.
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        Ok(atomics::increment(&self.handle, key, by)?)
    }

    /// Sets the value of a key to `new` if its current value is `expected`. `None` expects that the key does not exist.
    /// Returns whether the value was set.
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

    /// Computes a new value with `change` from the current value, sets it and returns it. `change` gets `None` if the
    /// key does not exist. If another worker writes the key meanwhile, `change` is called again with the value that
    /// was written.
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

    /// The values of several keys, in the order of `keys`. A value is `None` if its key does not exist.
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[&str]) -> Result<Vec<Option<T>>, Error> {
        let names: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = batch::get_many(&self.handle, &names)?;
        found.into_iter().map(|(key, value)| value.map(|bytes| from_json(&key, &bytes)).transpose()).collect()
    }

    /// Sets the values of several keys as one atomic operation.
    pub fn set_many<T: Serialize>(&self, values: &[(&str, T)]) -> Result<(), Error> {
        let values = values.iter().map(|(key, value)| Ok(((*key).to_owned(), to_json(key, value)?)));
        Ok(batch::set_many(&self.handle, &values.collect::<Result<Vec<_>, Error>>()?)?)
    }

    /// Deletes several keys as one atomic operation.
    pub fn delete_many(&self, keys: &[&str]) -> Result<(), Error> {
        let names: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(batch::delete_many(&self.handle, &names)?)
    }
}

fn from_json<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Value { key: key.to_owned(), source })
}

fn to_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| Error::Value { key: key.to_owned(), source })
}
