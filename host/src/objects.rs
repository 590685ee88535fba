//! The host objects that a guest holds handles to.
//!
//! Resource types of wasmtime's bindings are only tags here: a handle's `rep` is an index into [`Objects`], and
//! nothing is ever put into a wasmtime `ResourceTable`.
//!
//! Invariant: an object is plain data that replay rebuilds exactly, with its index; no kind holds a socket, a
//! task or a lock. Whatever is live (a wait in progress) lives in the host call, not here. An image of a
//! worker's memory needs that: it stores these objects beside the bytes.
//!
//! Invariant: indices are a function of the calls made, as replay must hand out the same ones.

use crate::durable::ResponsePart;
use crate::imports::{Blob, Http, KeyValue};
use crate::vfs::{self, Kind, Listed, NodeId};
use golem_model::PromiseId;
use wasmtime::component::Resource;
use wasmtime::{Result, bail, format_err};

/// Host objects that one worker may hold at a time; the call that would make one more traps. A guest with that
/// many leaks them, and each costs memory that its own limit does not count.
pub(crate) const OBJECTS_MAX: usize = 100_000;

/// Bytes of texts, header fields, HTTP bodies and values in one worker's host objects; the call that would add more traps. Room for
/// a read and a write of as many values as one call may have, far beyond what requests in flight hold.
const OBJECTS_BYTES_MAX: usize = 80 << 20;

/// A host object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// `wasi:io/poll.pollable`.
    Pollable(Pollable),
    /// `wasi:io/streams.input-stream`.
    Input(Input),
    /// `wasi:io/streams.output-stream`.
    Output(Output),
    /// `wasi:io/error.error`, with its text.
    Error(String),
    /// `wasi:io/error.error` of a file's stream.
    FileError(vfs::Error),
    /// `wasi:filesystem/types.descriptor`.
    Descriptor(Descriptor),
    /// `wasi:filesystem/types.directory-entry-stream`.
    Listing(Listing),
    /// `wasi:sockets/network.network`.
    Network,
    /// A resource of `wasi:http`.
    Http(Http),
    /// A resource of `wasi:keyvalue`.
    KeyValue(KeyValue),
    /// A resource of `wasi:blobstore`.
    Blob(Blob),
}

impl Object {
    /// What it is, for errors: the object itself may be large.
    fn kind(&self) -> &'static str {
        match self {
            Self::Pollable(_) => "a pollable",
            Self::Input(_) => "an input stream",
            Self::Output(_) => "an output stream",
            Self::Error(_) => "an error",
            Self::FileError(_) => "an error of a file",
            Self::Descriptor(_) => "a descriptor",
            Self::Listing(_) => "a listing",
            Self::Network => "a network",
            Self::Http(_) => "an object of HTTP",
            Self::KeyValue(object) => object.kind(),
            Self::Blob(object) => object.kind(),
        }
    }

    /// Bytes on the heap, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Pollable(_)
            | Self::Input(Input::Stdin | Input::File(_) | Input::HttpBody(_))
            | Self::Output(_)
            | Self::FileError(_)
            | Self::Descriptor(_)
            | Self::Network => 0,
            Self::Input(Input::Bytes { bytes, position: _ }) => bytes.len(),
            Self::Error(text) => text.len(),
            Self::Listing(listing) => listing.bytes,
            Self::Http(object) => object.bytes(),
            Self::KeyValue(object) => object.bytes(),
            Self::Blob(object) => object.bytes(),
        }
    }
}

/// What a pollable waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pollable {
    /// Nothing: always ready.
    Ready,
    /// The worker's monotonic clock reaching this many nanoseconds.
    Timer {
        /// On the worker's clock, which goes on over restarts.
        deadline_nanos: u64,
    },
    /// A promise being completed or deleted.
    Promise(PromiseId),
    /// The answer to a call of the worker's own, named as a promise would be.
    Call(PromiseId),
    /// The response of the `future-incoming-response` at this index, which is the pollable's parent.
    HttpResponse(u32),
    /// Something of the HTTP request that was sent as this call.
    Http {
        /// Its number.
        call: u64,
        /// What of it.
        part: ResponsePart,
    },
    /// What only the guest itself could bring about: the response to a request that it has not sent yet.
    Never,
    /// Standard input having something to read.
    Stdin,
}

/// Where an input stream reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input, which only a function that is called as a program has: elsewhere every read is an error.
    Stdin,
    /// From a file.
    File(FileStream),
    /// The incoming HTTP body at this index, which is the stream's parent.
    HttpBody(u32),
    /// Bytes that are there.
    Bytes {
        /// All of them.
        bytes: std::sync::Arc<[u8]>,
        /// The next one.
        position: usize,
    },
}

/// Where an output stream writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To the worker's log.
    Print(StdStream),
    /// Into the outgoing HTTP body at this index, which is the stream's parent.
    HttpBody(u32),
    /// Into a file.
    File(FileStream),
    /// Into the value at this index that is to be written to a bucket or container, which is the stream's parent.
    Value(u32),
}

/// An open file or directory, which counts as open in the worker's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// What is open.
    pub(crate) node: NodeId,
    /// A file or a directory.
    pub(crate) kind: Kind,
    /// May it be read.
    pub(crate) read: bool,
    /// May it be written.
    pub(crate) write: bool,
    /// What was asked for about syncing.
    pub(crate) sync: SyncFlags,
}

/// Whether syncing a file's integrity, its data's, and before reading was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncFlags(pub(crate) [bool; 3]);

/// A stream of an open file, which counts as open in the worker's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStream {
    /// The file.
    pub(crate) node: NodeId,
    /// Where it stands; `None` is always at the end.
    pub(crate) at: Option<u64>,
    /// Whether its descriptor allowed what it does.
    pub(crate) allowed: bool,
    /// Whether an error has closed it.
    pub(crate) closed: bool,
}

/// The entries of a directory as they were, and where their reader stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    entries: Vec<Listed>,
    position: usize,
    bytes: usize,
}

impl Listing {
    /// Before the first of `entries`.
    pub(crate) fn new(entries: Vec<Listed>) -> Self {
        let bytes = entries.iter().map(|entry| size_of::<Listed>() + entry.name.len()).sum();
        Self { entries, position: 0, bytes }
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Option<Listed> {
        let entry = self.entries.get(self.position)?.clone();
        self.position += 1;
        Some(entry)
    }
}

/// What a worker prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StdStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

#[derive(Debug)]
struct Slot {
    object: Object,
    parent: Option<u32>,
    children: u32,
}

/// The host objects of one worker.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    slots: Vec<Option<Slot>>,
    /// Freed indices; the last one freed is used first.
    free: Vec<u32>,
    /// The sum of [`Object::bytes`].
    bytes: usize,
}

impl Objects {
    /// Takes `object` and gives its handle.
    pub(crate) fn insert<T: 'static>(&mut self, object: Object) -> Result<Resource<T>> {
        self.insert_slot(object, None)
    }

    /// Takes `object`, which must be dropped before `parent` is.
    pub(crate) fn insert_child<T: 'static>(&mut self, object: Object, parent: u32) -> Result<Resource<T>> {
        let resource = self.insert_slot(object, Some(parent))?;
        self.slot_mut(parent)?.children += 1;
        Ok(resource)
    }

    fn insert_slot<T: 'static>(&mut self, object: Object, parent: Option<u32>) -> Result<Resource<T>> {
        if let Some(parent) = parent {
            self.slot(parent)?;
        }
        let bytes = within_limit(self.bytes + object.bytes())?;
        let slot = Some(Slot { object, parent, children: 0 });
        let rep = if let Some(rep) = self.free.pop() {
            self.slots[rep as usize] = slot;
            rep
        } else {
            if self.slots.len() >= OBJECTS_MAX {
                bail!(
                    "the worker holds {OBJECTS_MAX} host objects (streams, pollables, …), which is the limit"
                );
            }
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1)?
        };
        self.bytes = bytes;
        Ok(Resource::new_own(rep))
    }

    /// How many more bytes objects may hold.
    pub(crate) fn bytes_left(&self) -> usize {
        OBJECTS_BYTES_MAX - self.bytes
    }

    /// All objects, by their index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.slots.iter().flatten().map(|slot| &slot.object)
    }

    /// The object at `rep`.
    pub(crate) fn get(&self, rep: u32) -> Result<&Object> {
        self.slot(rep).map(|slot| &slot.object)
    }

    /// The object at `rep`, to change.
    pub(crate) fn get_mut(&mut self, rep: u32) -> Result<&mut Object> {
        self.slot_mut(rep).map(|slot| &mut slot.object)
    }

    /// Lets `change` work on the object at `rep`, where it may grow or shrink.
    pub(crate) fn update<R>(&mut self, rep: u32, change: impl FnOnce(&mut Object) -> R) -> Result<R> {
        let object = self.get_mut(rep)?;
        let before = object.bytes();
        let answer = change(object);
        let after = object.bytes();
        self.bytes = self.bytes - before + after;
        within_limit(self.bytes)?;
        Ok(answer)
    }

    /// Removes and gives the object at `rep`; an error while it has children.
    pub(crate) fn remove(&mut self, rep: u32) -> Result<Object> {
        if self.slot(rep)?.children > 0 {
            bail!("a host object was dropped before the objects made from it");
        }
        let slot = self.slots[rep as usize].take().ok_or_else(|| missing(rep))?;
        self.free.push(rep);
        self.bytes -= slot.object.bytes();
        if let Some(parent) = slot.parent {
            self.slot_mut(parent)?.children -= 1;
        }
        Ok(slot.object)
    }

    /// Whether there are objects made from the one at `rep`.
    pub(crate) fn has_children(&self, rep: u32) -> Result<bool> {
        Ok(self.slot(rep)?.children > 0)
    }

    /// The pollable at `rep`.
    pub(crate) fn pollable(&self, rep: u32) -> Result<&Pollable> {
        match self.get(rep)? {
            Object::Pollable(pollable) => Ok(pollable),
            other => Err(wrong_kind(other, "a pollable")),
        }
    }

    /// The input stream at `rep`.
    pub(crate) fn input(&self, rep: u32) -> Result<&Input> {
        match self.get(rep)? {
            Object::Input(input) => Ok(input),
            other => Err(wrong_kind(other, "an input stream")),
        }
    }

    /// Moves the stream of bytes at `rep` on.
    pub(crate) fn skip_bytes(&mut self, rep: u32, length: usize) -> Result<()> {
        match self.get_mut(rep)? {
            Object::Input(Input::Bytes { position, .. }) => {
                *position += length;
                Ok(())
            }
            other => Err(wrong_kind(other, "a stream of bytes")),
        }
    }

    /// The output stream at `rep`.
    pub(crate) fn output(&self, rep: u32) -> Result<Output> {
        match self.get(rep)? {
            Object::Output(output) => Ok(*output),
            other => Err(wrong_kind(other, "an output stream")),
        }
    }

    fn slot(&self, rep: u32) -> Result<&Slot> {
        self.slots.get(rep as usize).and_then(Option::as_ref).ok_or_else(|| missing(rep))
    }

    fn slot_mut(&mut self, rep: u32) -> Result<&mut Slot> {
        self.slots.get_mut(rep as usize).and_then(Option::as_mut).ok_or_else(|| missing(rep))
    }
}

fn within_limit(bytes: usize) -> Result<usize> {
    if bytes > OBJECTS_BYTES_MAX {
        bail!(
            "the worker's host objects (HTTP fields, requests, bodies, values, errors, listings) hold more than \
             {OBJECTS_BYTES_MAX} bytes"
        );
    }
    Ok(bytes)
}

fn missing(rep: u32) -> wasmtime::Error {
    format_err!("there is no host object {rep}")
}

/// wasmtime checks handle types, so a guest can cause this only where handles are plain numbers: in the interfaces of
/// 2023.
pub(crate) fn wrong_kind(object: &Object, wanted: &str) -> wasmtime::Error {
    format_err!("a handle to {} was used as {wanted}", object.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_reused_last_freed_first() {
        let mut objects = Objects::default();
        let reps: Vec<u32> =
            (0..3).map(|_| objects.insert::<()>(Object::Pollable(Pollable::Ready)).unwrap().rep()).collect();
        assert_eq!(reps, [0, 1, 2]);
        objects.remove(0).unwrap();
        objects.remove(2).unwrap();
        assert!(objects.get(2).is_err());
        assert_eq!(objects.insert::<()>(Object::Output(Output::Print(StdStream::Stdout))).unwrap().rep(), 2);
        assert_eq!(objects.insert::<()>(Object::Output(Output::Print(StdStream::Stderr))).unwrap().rep(), 0);
        assert_eq!(objects.output(0).unwrap(), Output::Print(StdStream::Stderr));
        assert!(objects.pollable(0).is_err());
    }

    #[test]
    fn a_parent_outlives_its_children() {
        let mut objects = Objects::default();
        let parent = objects.insert::<()>(Object::Output(Output::Print(StdStream::Stdout))).unwrap().rep();
        let child = objects.insert_child::<()>(Object::Pollable(Pollable::Ready), parent).unwrap().rep();
        assert!(objects.remove(parent).unwrap_err().to_string().contains("before the objects made from it"));
        objects.remove(child).unwrap();
        objects.remove(parent).unwrap();
        assert!(objects.insert_child::<()>(Object::Pollable(Pollable::Ready), parent).is_err());
    }
}
