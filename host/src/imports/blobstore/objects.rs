//! The host objects of `wasi:blobstore` as plain data.

use crate::objects::{Object, Objects, wrong_kind};
use std::sync::Arc;
use wasmtime::Result;

/// A host object of `wasi:blobstore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobObject {
    /// A container, by its name.
    Container(String),
    /// `outgoing-value`: bytes that the guest is going to write.
    Outgoing(OutgoingData),
    /// `incoming-value`: bytes that were read.
    Incoming(Arc<[u8]>),
    /// `stream-object-names`: names that the guest reads in pages.
    Names(ObjectNames),
}

/// The data of an `outgoing-value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutgoingData {
    pub(in crate::imports) bytes: Vec<u8>,
    /// Whether the guest has taken the stream.
    pub(super) stream_taken: bool,
    /// The container and object to write when the guest calls `finish`.
    pub(super) target: Option<(String, String)>,
}

/// The data of a `stream-object-names`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectNames {
    pub(super) container: String,
    pub(super) after: Option<String>,
    pub(super) ended: bool,
}

impl BlobObject {
    /// The kind of the object, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Container(_) => "a container",
            Self::Outgoing(_) => "an outgoing value",
            Self::Incoming(_) => "an incoming value",
            Self::Names(_) => "names of objects",
        }
    }

    /// Approximate bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Container(name) => name.len(),
            Self::Outgoing(value) => {
                let target =
                    value.target.as_ref().map_or(0, |(container, object)| container.len() + object.len());
                value.bytes.len() + target
            }
            Self::Incoming(value) => value.len(),
            Self::Names(names) => names.container.len() + names.after.as_ref().map_or(0, String::len),
        }
    }
}

impl Objects {
    /// The name of the container at `rep`.
    pub(super) fn container(&self, rep: u32) -> Result<String> {
        match self.get(rep)? {
            Object::Blob(BlobObject::Container(name)) => Ok(name.clone()),
            other => Err(wrong_kind(other, "a container")),
        }
    }

    /// The `outgoing-value` at `rep`.
    pub(super) fn outgoing_blob(&mut self, rep: u32) -> Result<&mut OutgoingData> {
        match self.get_mut(rep)? {
            Object::Blob(BlobObject::Outgoing(value)) => Ok(value),
            other => Err(wrong_kind(other, "an outgoing value")),
        }
    }

    /// Removes the `outgoing-value` at `rep`.
    pub(super) fn take_outgoing_blob(&mut self, rep: u32) -> Result<OutgoingData> {
        match self.remove(rep)? {
            Object::Blob(BlobObject::Outgoing(value)) => Ok(value),
            other => Err(wrong_kind(&other, "an outgoing value")),
        }
    }

    /// The bytes of the `incoming-value` at `rep`.
    pub(super) fn incoming_blob(&self, rep: u32) -> Result<Arc<[u8]>> {
        match self.get(rep)? {
            Object::Blob(BlobObject::Incoming(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an incoming value")),
        }
    }

    /// The `stream-object-names` at `rep`.
    pub(super) fn names(&self, rep: u32) -> Result<ObjectNames> {
        match self.get(rep)? {
            Object::Blob(BlobObject::Names(names)) => Ok(names.clone()),
            other => Err(wrong_kind(other, "names of objects")),
        }
    }
}
