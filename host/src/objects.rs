//! The host objects behind the guest's handles.
//!
//! Resource types of wasmtime's bindings are only tags here: a handle's `rep` is an index into [`Objects`], and
//! wasmtime's `ResourceTable` is not used.
//!
//! Invariant: an object is plain data that replay rebuilds exactly, with its index. No kind holds a
//! socket, a task or a lock. Live state (a wait in progress) belongs to the host call.
//!
//! Invariant: indices are a function of the calls made, because replay must return the same ones.

use crate::durable::ResponsePart;
use crate::imports::{BlobObject, HttpObject, KeyValueObject};
use crate::vfs::{self, DirEntry, NodeId, NodeKind};
use golem_model::PromiseId;
use wasmtime::component::Resource;
use wasmtime::{Result, bail, format_err};

/// Host objects that one worker may hold at a time; the call that would create one more traps. A guest with that many
/// leaks them, and the memory of each is not counted in the guest's own limit.
pub(crate) const OBJECTS_MAX: usize = 100_000;

/// Bytes of texts, header fields, HTTP bodies and values in one worker's host objects; the call
/// that would add more traps. It has room for the values of the largest read and of the largest
/// write (`KEY_VALUE_CALL_BYTES_MAX` each) and for some HTTP bodies.
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
    Http(HttpObject),
    /// A resource of `wasi:keyvalue`.
    KeyValue(KeyValueObject),
    /// A resource of `wasi:blobstore`.
    Blob(BlobObject),
}

impl Object {
    /// The kind of object, for errors: the object itself may be large.
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

    /// Bytes on the heap, approximately.
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
    /// Nothing: it is always ready.
    Ready,
    /// The worker's monotonic clock to reach a time.
    Timer {
        /// The time in nanoseconds, on the worker's clock, which continues across restarts.
        deadline_nanos: u64,
    },
    /// A promise to be completed or deleted.
    Promise(PromiseId),
    /// The answer to one of the worker's own calls. The call is named like a promise.
    Call(PromiseId),
    /// The response of the `future-incoming-response` at this index, which is the pollable's parent.
    HttpResponse(u32),
    /// A part of the response to an HTTP request.
    Http {
        /// The number of the call that sent the request.
        call: u64,
        /// The part.
        part: ResponsePart,
    },
    /// The response to a request that the guest has not sent: only the guest itself could make it ready.
    Never,
    /// Standard input to have bytes to read.
    Stdin,
}

/// The source of an input stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input. Only a function that is called as a program has it; for others every read is an error.
    Stdin,
    /// A file.
    File(FileStream),
    /// The incoming HTTP body at this index, which is the stream's parent.
    HttpBody(u32),
    /// Bytes in memory.
    Bytes {
        /// The whole contents.
        bytes: std::sync::Arc<[u8]>,
        /// Index of the next byte.
        position: usize,
    },
}

/// The destination of an output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output or standard error.
    Print(StdStream),
    /// The outgoing HTTP body at this index, which is the stream's parent.
    HttpBody(u32),
    /// A file.
    File(FileStream),
    /// The outgoing value at this index, for a bucket or container. The value is the stream's parent.
    Value(u32),
}

/// An open file or directory, which counts as open in the worker's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// The file or directory.
    pub(crate) node: NodeId,
    /// Whether it is a file or a directory.
    pub(crate) kind: NodeKind,
    /// Whether it may be read.
    pub(crate) read: bool,
    /// Whether it may be written.
    pub(crate) write: bool,
    /// The sync modes that the guest asked for.
    pub(crate) sync: SyncFlags,
}

/// Whether the guest asked for sync of file integrity, of data integrity, and before reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncFlags(pub(crate) [bool; 3]);

/// A stream of an open file, which counts as open in the worker's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStream {
    /// The file.
    pub(crate) node: NodeId,
    /// Its offset; `None` appends to the end.
    pub(crate) at: Option<u64>,
    /// Whether the descriptor allowed this direction.
    pub(crate) allowed: bool,
    /// Whether an error has closed it.
    pub(crate) closed: bool,
}

/// The entries of a directory at the time of the listing, and the reader's position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    entries: Vec<DirEntry>,
    position: usize,
    bytes: usize,
}

impl Listing {
    /// A listing that begins at the first of `entries`.
    pub(crate) fn new(entries: Vec<DirEntry>) -> Self {
        let bytes = entries.iter().map(|entry| size_of::<DirEntry>() + entry.name.len()).sum();
        Self { entries, position: 0, bytes }
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Option<DirEntry> {
        let entry = self.entries.get(self.position)?.clone();
        self.position += 1;
        Some(entry)
    }
}

/// An output stream of a process.
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
    /// Adds `object` and returns its handle.
    pub(crate) fn insert<T: 'static>(&mut self, object: Object) -> Result<Resource<T>> {
        self.insert_slot(object, None)
    }

    /// Adds `object`, which must be dropped before `parent`.
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

    /// Applies `change` to the object at `rep`, and accounts for the bytes by which it grows or shrinks.
    pub(crate) fn update<R>(&mut self, rep: u32, change: impl FnOnce(&mut Object) -> R) -> Result<R> {
        let object = self.get_mut(rep)?;
        let before = object.bytes();
        let answer = change(object);
        let after = object.bytes();
        self.bytes = self.bytes - before + after;
        within_limit(self.bytes)?;
        Ok(answer)
    }

    /// Removes and returns the object at `rep`; an error while it has children.
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

    /// Whether the object at `rep` has children.
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

    /// Advances the stream of bytes at `rep`.
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

/// The error for a handle of another kind. wasmtime checks handle types, so a guest can cause this only in the
/// interfaces of 2023, where handles are plain numbers.
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
