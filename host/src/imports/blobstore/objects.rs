//! The host objects of `wasi:blobstore` as plain data.

use crate::objects::{Object, Objects, wrong_kind};
use std::sync::Arc;
use wasmtime::Result;

/// A host object of `wasi:blobstore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blob {
    /// A container, by its name.
    Container(String),
    /// Bytes that are to be written.
    Outgoing(OutgoingData),
    /// Bytes that were read.
    Incoming(Arc<[u8]>),
    /// Names that are read in pages.
    Names(ObjectNames),
}

/// Bytes that are to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutgoingData {
    pub(in crate::imports) bytes: Vec<u8>,
    /// Whether the guest took the stream.
    pub(super) stream_taken: bool,
    /// Container and object that are written when it is finished.
    pub(super) target: Option<(String, String)>,
}

/// Names of objects of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectNames {
    pub(super) container: String,
    pub(super) after: Option<String>,
    pub(super) ended: bool,
}

impl Blob {
    /// What it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Container(_) => "a container",
            Self::Outgoing(_) => "an outgoing value",
            Self::Incoming(_) => "an incoming value",
            Self::Names(_) => "names of objects",
        }
    }

    /// Bytes on the heap, about.
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
            Object::Blob(Blob::Container(name)) => Ok(name.clone()),
            other => Err(wrong_kind(other, "a container")),
        }
    }

    /// The bytes that are to be written, at `rep`.
    pub(super) fn outgoing_blob(&mut self, rep: u32) -> Result<&mut OutgoingData> {
        match self.get_mut(rep)? {
            Object::Blob(Blob::Outgoing(value)) => Ok(value),
            other => Err(wrong_kind(other, "an outgoing value")),
        }
    }

    /// Removes the bytes that are to be written, at `rep`.
    pub(super) fn take_outgoing_blob(&mut self, rep: u32) -> Result<OutgoingData> {
        match self.remove(rep)? {
            Object::Blob(Blob::Outgoing(value)) => Ok(value),
            other => Err(wrong_kind(&other, "an outgoing value")),
        }
    }

    /// The bytes that were read, at `rep`.
    pub(super) fn incoming_blob(&self, rep: u32) -> Result<Arc<[u8]>> {
        match self.get(rep)? {
            Object::Blob(Blob::Incoming(value)) => Ok(value.clone()),
            other => Err(wrong_kind(other, "an incoming value")),
        }
    }

    /// The names at `rep`.
    pub(super) fn names(&self, rep: u32) -> Result<ObjectNames> {
        match self.get(rep)? {
            Object::Blob(Blob::Names(names)) => Ok(names.clone()),
            other => Err(wrong_kind(other, "names of objects")),
        }
    }
}
