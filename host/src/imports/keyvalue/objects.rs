//! The host objects of `wasi:keyvalue` as plain data.

use crate::imports::Blob;
use crate::objects::{Object, Objects, wrong_kind};
use golem_model::shared::Version;
use std::sync::Arc;
use wasmtime::Result;

/// A host object of `wasi:keyvalue`. Its errors are `Object::Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyValue {
    /// A bucket, by its name.
    Bucket(String),
    /// A value that is to be written.
    Outgoing(Vec<u8>),
    /// A value that was read.
    Incoming(Arc<[u8]>),
    /// A key as it was.
    Cas(Cas),
}

/// A key as it was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cas {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Version,
}

impl KeyValue {
    /// What it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "a bucket",
            Self::Outgoing(_) => "an outgoing value",
            Self::Incoming(_) => "an incoming value",
            Self::Cas(_) => "a compare-and-swap handle",
        }
    }

    /// Bytes on the heap, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bucket(name) => name.len(),
            Self::Outgoing(value) => value.len(),
            Self::Incoming(value) => value.len(),
            Self::Cas(cas) => cas.bucket.len() + cas.key.len(),
        }
    }
}

/// Handles are numbers in the interface of 2023, so that a guest can use one of another kind: that traps.
impl Objects {
    /// The name of the bucket at `rep`.
    pub(super) fn bucket(&self, rep: u32) -> Result<String> {
        match self.get(rep)? {
            Object::KeyValue(KeyValue::Bucket(name)) => Ok(name.clone()),
            other => Err(wrong_kind(other, "a bucket")),
        }
    }

    /// The value that is to be written, at `rep`.
    pub(super) fn outgoing_value(&self, rep: u32) -> Result<Vec<u8>> {
        match self.get(rep)? {
            Object::KeyValue(KeyValue::Outgoing(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an outgoing value")),
        }
    }

    /// Gives the value at `rep` its bytes.
    pub(super) fn fill_outgoing_value(&mut self, rep: u32, bytes: Vec<u8>) -> Result<()> {
        self.outgoing_value(rep)?;
        self.update(rep, |object| *object = Object::KeyValue(KeyValue::Outgoing(bytes)))
    }

    /// The value that was read, at `rep`.
    pub(super) fn incoming_value(&self, rep: u32) -> Result<Arc<[u8]>> {
        match self.get(rep)? {
            Object::KeyValue(KeyValue::Incoming(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an incoming value")),
        }
    }

    /// The key as it was, at `rep`.
    pub(super) fn cas(&self, rep: u32) -> Result<Cas> {
        match self.get(rep)? {
            Object::KeyValue(KeyValue::Cas(cas)) => Ok(cas.clone()),
            other => Err(wrong_kind(other, "a compare-and-swap handle")),
        }
    }

    /// The text of the error at `rep`.
    pub(super) fn error_text(&self, rep: u32) -> Result<String> {
        match self.get(rep)? {
            Object::Error(text) => Ok(text.clone()),
            other => Err(wrong_kind(other, "an error")),
        }
    }

    /// Adds what a stream was given to the value at `rep` that is to be written, to a bucket or to a container.
    pub(crate) fn extend_value(&mut self, rep: u32, more: &[u8]) -> Result<()> {
        self.update(rep, |object| match object {
            Object::KeyValue(KeyValue::Outgoing(value)) => {
                value.extend_from_slice(more);
                Ok(())
            }
            Object::Blob(Blob::Outgoing(value)) => {
                value.bytes.extend_from_slice(more);
                Ok(())
            }
            other => Err(wrong_kind(other, "a value that is to be written")),
        })?
    }
}
