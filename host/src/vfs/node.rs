//! What a filesystem is made of.

use super::{Error, Time};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The number of a node, which no other node ever gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(super) u64);

impl NodeId {
    /// The number, for what identifies a file to its reader.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// What kind of node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

/// What a node tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// What it is.
    pub(crate) kind: Kind,
    /// How many names it has. One for a directory, however many directories it holds.
    pub(crate) links: u64,
    /// Bytes of a file or of a link's target; 0 for a directory.
    pub(crate) size: u64,
    /// When it was read last.
    pub(crate) accessed: Time,
    /// When what it holds was changed last.
    pub(crate) modified: Time,
    /// When anything about it was changed last.
    pub(crate) changed: Time,
}

/// A file, a directory or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) content: Content,
    /// Names that it has.
    pub(super) links: u32,
    /// Descriptors and streams that are open on it.
    pub(super) open_count: u32,
    pub(super) accessed: Time,
    pub(super) modified: Time,
    pub(super) changed: Time,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    File(Data),
    Directory(Directory),
    /// Where the link points: a relative path.
    Link(String),
}

/// The bytes of a file.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Shared with other workers until it is changed: what a component ships with.
    Shared(Bytes),
    /// Its own.
    Owned(Vec<u8>),
}

/// The names in a directory, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<String, NodeId>,
    /// The directory that it is in; itself for the root.
    pub(super) parent: NodeId,
}

impl Node {
    pub(super) fn new(content: Content, links: u32, now: Time) -> Self {
        Self { content, links, open_count: 0, accessed: now, modified: now, changed: now }
    }

    pub(super) fn stat(&self) -> Stat {
        Stat {
            kind: self.content.kind(),
            links: u64::from(self.links),
            size: match &self.content {
                Content::File(data) => data.as_slice().len() as u64,
                Content::Directory(_) => 0,
                Content::Link(target) => target.len() as u64,
            },
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
        }
    }

    /// What it holds has changed.
    pub(super) fn touch(&mut self, now: Time) {
        self.modified = now;
        self.changed = now;
    }

    /// Whether nothing can be found in it.
    pub(super) fn is_empty_or_file(&self) -> bool {
        self.directory().map_or(true, |directory| directory.entries.is_empty())
    }

    pub(super) fn directory(&self) -> Result<&Directory, Error> {
        match &self.content {
            Content::Directory(directory) => Ok(directory),
            Content::File(_) | Content::Link(_) => Err(Error::NotDirectory),
        }
    }

    pub(super) fn directory_mut(&mut self) -> Result<&mut Directory, Error> {
        match &mut self.content {
            Content::Directory(directory) => Ok(directory),
            Content::File(_) | Content::Link(_) => Err(Error::NotDirectory),
        }
    }
}

impl Content {
    pub(super) fn directory(parent: NodeId) -> Self {
        Self::Directory(Directory { entries: BTreeMap::new(), parent })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::File,
            Self::Directory(_) => Kind::Directory,
            Self::Link(_) => Kind::Link,
        }
    }

    /// What it counts for beside the node. Names of a directory count when they are given.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::File(data) => data.as_slice().len() as u64,
            Self::Directory(_) => 0,
            Self::Link(target) => target.len() as u64,
        }
    }
}

impl Data {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    /// The bytes, to change: no longer shared, and at least `length`, lengthened with zeroes. Where more is needed,
    /// a quarter more than that is taken, so that many small writes copy little and a file takes little more than it
    /// counts for. On an error nothing changed.
    pub(super) fn make_owned(&mut self, length: usize) -> Result<&mut Vec<u8>, Error> {
        if let Self::Shared(bytes) = self {
            let mut owned = Vec::new();
            owned.try_reserve_exact(bytes.len()).map_err(|_| Error::HostMemory)?;
            owned.extend_from_slice(bytes);
            *self = Self::Owned(owned);
        }
        let Self::Owned(bytes) = self else { unreachable!("the bytes became owned above") };
        if length > bytes.capacity() {
            let room = length.saturating_add(length / 4) - bytes.len();
            bytes.try_reserve_exact(room).map_err(|_| Error::HostMemory)?;
        }
        if length > bytes.len() {
            bytes.resize(length, 0);
        }
        Ok(bytes)
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Data {}
