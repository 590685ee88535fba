//! The nodes of a filesystem.

use super::{Error, FileTime};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The number of a node. Numbers are never reused (`Vfs::next` only grows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(super) u64);

impl NodeId {
    /// The number, for computing the identity that a guest sees.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// The kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

/// The metadata of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The kind of the node.
    pub(crate) kind: NodeKind,
    /// Number of names. A directory has one, even if it contains directories.
    pub(crate) links: u64,
    /// Bytes of a file or of a link's target; 0 for a directory.
    pub(crate) size: u64,
    /// Time of the last read.
    pub(crate) accessed: FileTime,
    /// Time of the last change of the content.
    pub(crate) modified: FileTime,
    /// Time of the last change of content or metadata.
    pub(crate) changed: FileTime,
}

/// A file, a directory or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) content: Content,
    /// Number of names.
    pub(super) links: u32,
    /// Number of open descriptors and streams.
    pub(super) open_count: u32,
    pub(super) accessed: FileTime,
    pub(super) modified: FileTime,
    pub(super) changed: FileTime,
}

/// The content of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    File(Data),
    Directory(Directory),
    /// The target of a symbolic link: a relative path.
    Link(String),
}

/// The bytes of a file.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Shared with other workers until the file is changed: the content of a file that the component ships.
    Shared(Bytes),
    /// Bytes of this file alone.
    Owned(Vec<u8>),
}

/// The names in a directory, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<String, NodeId>,
    /// The parent directory; for the root, the root itself.
    pub(super) parent: NodeId,
}

impl Node {
    pub(super) fn new(content: Content, links: u32, now: FileTime) -> Self {
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

    /// Updates the times after a change of the content.
    pub(super) fn touch(&mut self, now: FileTime) {
        self.modified = now;
        self.changed = now;
    }

    /// Whether the node is an empty directory, a file or a link.
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

    pub(super) fn kind(&self) -> NodeKind {
        match self {
            Self::File(_) => NodeKind::File,
            Self::Directory(_) => NodeKind::Directory,
            Self::Link(_) => NodeKind::Link,
        }
    }

    /// Bytes that the content counts in addition to the node. The names in a directory are counted when they are added.
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

    /// Makes the bytes owned, extends them with zeroes to at least `length`, and returns them for writing.
    ///
    /// A new allocation is a quarter larger than needed. So many small writes copy little, and a file needs little
    /// more memory than it counts. On an error nothing has changed.
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
