//! The host objects of `wasi:keyvalue` as plain data.

use crate::imports::BlobObject;
use crate::objects::{Object, Objects, wrong_kind};
use golem_model::shared::ValueVersion;
use std::sync::Arc;
use wasmtime::Result;

/// A host object of `wasi:keyvalue`. Its errors are `Object::Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyValueObject {
    /// A bucket, by its name.
    Bucket(String),
    /// A value that the guest is going to write.
    Outgoing(Vec<u8>),
    /// A value that was read.
    Incoming(Arc<[u8]>),
    /// A compare-and-swap handle.
    Cas(Cas),
}

/// The data of a compare-and-swap handle: a key, and the version that the guest has seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cas {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: ValueVersion,
}

impl KeyValueObject {
    /// The kind of the object, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "a bucket",
            Self::Outgoing(_) => "an outgoing value",
            Self::Incoming(_) => "an incoming value",
            Self::Cas(_) => "a compare-and-swap handle",
        }
    }

    /// Approximate bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bucket(name) => name.len(),
            Self::Outgoing(value) => value.len(),
            Self::Incoming(value) => value.len(),
            Self::Cas(cas) => cas.bucket.len() + cas.key.len(),
        }
    }
}

/// Access to the objects. In the interface of 2023 handles are plain numbers, so a guest can pass a handle of another
/// kind; such a call traps.
impl Objects {
    /// The name of the bucket at `rep`.
    pub(super) fn bucket(&self, rep: u32) -> Result<String> {
        match self.get(rep)? {
            Object::KeyValue(KeyValueObject::Bucket(name)) => Ok(name.clone()),
            other => Err(wrong_kind(other, "a bucket")),
        }
    }

    /// The outgoing value at `rep`.
    pub(super) fn outgoing_value(&self, rep: u32) -> Result<Vec<u8>> {
        match self.get(rep)? {
            Object::KeyValue(KeyValueObject::Outgoing(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an outgoing value")),
        }
    }

    /// Sets the bytes of the outgoing value at `rep`.
    pub(super) fn fill_outgoing_value(&mut self, rep: u32, bytes: Vec<u8>) -> Result<()> {
        self.outgoing_value(rep)?;
        self.update(rep, |object| *object = Object::KeyValue(KeyValueObject::Outgoing(bytes)))
    }

    /// The incoming value at `rep`.
    pub(super) fn incoming_value(&self, rep: u32) -> Result<Arc<[u8]>> {
        match self.get(rep)? {
            Object::KeyValue(KeyValueObject::Incoming(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an incoming value")),
        }
    }

    /// The compare-and-swap handle at `rep`.
    pub(super) fn cas(&self, rep: u32) -> Result<Cas> {
        match self.get(rep)? {
            Object::KeyValue(KeyValueObject::Cas(cas)) => Ok(cas.clone()),
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

    /// Appends bytes that were written to a stream to the outgoing value at `rep`, of `wasi:keyvalue` or
    /// `wasi:blobstore`.
    pub(crate) fn extend_value(&mut self, rep: u32, more: &[u8]) -> Result<()> {
        self.update(rep, |object| match object {
            Object::KeyValue(KeyValueObject::Outgoing(value)) => {
                value.extend_from_slice(more);
                Ok(())
            }
            Object::Blob(BlobObject::Outgoing(value)) => {
                value.bytes.extend_from_slice(more);
                Ok(())
            }
            other => Err(wrong_kind(other, "a value that is to be written")),
        })?
    }
}
