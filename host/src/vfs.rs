//! A worker's files: a virtual filesystem in memory.
//!
//! A [`Vfs`] is a tree of nodes: directories, files and symbolic links. Its content is determined
//! by the calls on it and the times passed to them. So a replay rebuilds it exactly, and no call on
//! it is recorded. It behaves like the Linux kernel seen through wasmtime's `wasi:filesystem`: the
//! same calls succeed, and failing calls return the same error. The test `against_std` checks this
//! and names two exceptions.
//!
//! - `node`: the nodes of the tree
//! - `path`: finds the node that a path names
//! - `tree`: adds, moves and removes names
//! - `file`: reads and writes the content of files
//! - `merge`: takes over the files of another component version
//! - `time`: the file clock
//! - `codec`: the encoding as bytes
//!
//! Architecture invariant: no I/O, no clock, no randomness and no wasmtime; times and limits are passed in.
//!
//! Invariant: a node exists as long as a name, an open descriptor or an open stream refers to it. Node numbers are never
//! reused.
//!
//! Invariant: the answers to the guest depend only on constants and on the worker's own memory, so a replay reaches a
//! limit at the same call. A constant that a guest can observe must not change.

mod codec;
mod error;
mod file;
mod merge;
mod node;
mod path;
#[cfg(test)]
mod tests;
mod time;
mod tree;

pub(crate) use error::Error;
pub(crate) use node::{NodeId, NodeKind, Stat};
pub(crate) use path::Follow;
pub(crate) use time::{FileClock, FileTime};
#[cfg(test)]
use tree::OpenNode;
pub(crate) use tree::{DirEntry, OpenOptions};

use node::{Content, Node};
use std::collections::BTreeMap;

/// Nodes that a worker's filesystem may have; one more is refused with `insufficient-space`. Every snapshot encodes all
/// nodes.
const NODES_MAX: usize = 100_000;

/// Bytes that a node counts in addition to its content: approximately the memory that it needs.
const NODE_BYTES: u64 = 256;

/// Bytes that a directory entry counts in addition to its name: approximately the memory that it needs.
const ENTRY_BYTES: u64 = 64;

/// A filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vfs {
    nodes: BTreeMap<NodeId, Node>,
    /// The number of the next node.
    next: NodeId,
    /// Bytes that count against the limit: contents, names, and all nodes except the root.
    bytes: u64,
    /// The current limit of `bytes`. It is not part of the encoded state.
    bytes_max: u64,
}

impl Vfs {
    /// The root directory.
    pub(crate) const ROOT: NodeId = NodeId(1);

    /// Creates an empty filesystem.
    pub(crate) fn new(now: FileTime) -> Self {
        let root = Node::new(Content::directory(Self::ROOT), 1, now);
        Self { nodes: BTreeMap::from([(Self::ROOT, root)]), next: NodeId(2), bytes: 0, bytes_max: u64::MAX }
    }

    /// Copies the filesystem for a new worker. The times of the copy's root are `now`.
    pub(crate) fn copy(&self, now: FileTime) -> Self {
        let mut copy = self.clone();
        if let Ok(root) = copy.node_mut(Self::ROOT) {
            (root.accessed, root.modified, root.changed) = (now, now, now);
        }
        copy
    }

    /// Bytes that the filesystem counts as memory of the worker.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sets the limit of [`Vfs::bytes`]. Existing content stays, even if it exceeds the limit.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Adds one to the open descriptors and streams of `node`.
    pub(crate) fn retain(&mut self, node: NodeId) -> Result<(), Error> {
        self.node_mut(node)?.open_count += 1;
        Ok(())
    }

    /// Subtracts one from the open descriptors and streams of `node`. A node without a name is freed with the last one.
    pub(crate) fn release(&mut self, node: NodeId) -> Result<(), Error> {
        let open = self.node_mut(node)?;
        open.open_count = open.open_count.saturating_sub(1);
        self.free_unused(node);
        Ok(())
    }

    fn node(&self, id: NodeId) -> Result<&Node, Error> {
        self.nodes.get(&id).ok_or(Error::BadDescriptor)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, Error> {
        self.nodes.get_mut(&id).ok_or(Error::BadDescriptor)
    }

    /// Adds a node that has no name yet, and charges the bytes of the node and its content.
    fn add(&mut self, content: Content, now: FileTime) -> Result<NodeId, Error> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Error::InsufficientSpace);
        }
        self.charge(NODE_BYTES + content.bytes())?;
        let id = self.next;
        self.next = NodeId(id.0 + 1);
        self.nodes.insert(id, Node::new(content, 0, now));
        Ok(id)
    }

    fn free_unused(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get(&id)
            && node.links == 0
            && node.open_count == 0
        {
            let bytes = NODE_BYTES + node.content.bytes();
            self.nodes.remove(&id);
            self.refund(bytes);
        }
    }

    /// Adds `bytes` to the count, or fails with [`Error::InsufficientSpace`] if that would exceed the limit.
    fn charge(&mut self, bytes: u64) -> Result<(), Error> {
        match self.bytes.checked_add(bytes) {
            Some(total) if total <= self.bytes_max => {
                self.bytes = total;
                Ok(())
            }
            _ => Err(Error::InsufficientSpace),
        }
    }

    fn refund(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
