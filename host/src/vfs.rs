//! A worker's files: a virtual filesystem in memory, as plain data.
//!
//! A [`Vfs`] is a tree of nodes (directories, files, symbolic links). It is a function of the calls made and of the
//! times passed to them, so a replay rebuilds it exactly and no call on it is recorded. It behaves like the Linux
//! kernel behind wasmtime's `wasi:filesystem`: the same calls succeed, and the others return the same errors.
//!
//! | module | contents |
//! |---|---|
//! | `node` | the nodes of the tree |
//! | `path` | resolves a path to its node |
//! | `tree` | operations that add and remove names |
//! | `file` | the contents of a file |
//! | `time` | the times of files |
//! | `codec` | the filesystem as bytes |
//!
//! Architecture invariant: no I/O, no clock, no randomness, and no type of wasmtime; times and limits are passed in.
//! Invariant: a node lives as long as a name or an open descriptor or stream refers to it; its number is not reused.
//! Invariant: every answer depends only on constants and on the worker's own memory, so a replay reaches a limit at the
//! same call. A constant here that a guest can observe must not change.

mod codec;
mod error;
mod file;
mod node;
mod path;
#[cfg(test)]
mod tests;
mod time;
mod tree;

pub(crate) use error::Error;
pub(crate) use node::{Kind, NodeId, Stat};
pub(crate) use path::Follow;
pub(crate) use time::{FileClock, Time};
#[cfg(test)]
use tree::Opened;
pub(crate) use tree::{Listed, Open};

use node::{Content, Node};
use std::collections::BTreeMap;

/// Nodes that a worker's filesystem may have; one more fails with insufficient space. Every snapshot copies all of
/// them.
const NODES_MAX: usize = 100_000;

/// Bytes that a node counts for in addition to its contents: about its real size.
const NODE_BYTES: u64 = 256;

/// Bytes that a name in a directory counts for in addition to its text: about its real size.
const ENTRY_BYTES: u64 = 64;

/// A filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vfs {
    nodes: BTreeMap<NodeId, Node>,
    /// The number of the next node.
    next: NodeId,
    /// The accounted bytes: contents, names, and nodes except for the root.
    bytes: u64,
    /// The current upper limit of `bytes`; not part of the filesystem's state.
    bytes_max: u64,
}

impl Vfs {
    /// The root directory.
    pub(crate) const ROOT: NodeId = NodeId(1);

    /// An empty filesystem.
    pub(crate) fn new(now: Time) -> Self {
        let root = Node::new(Content::directory(Self::ROOT), 1, now);
        Self { nodes: BTreeMap::from([(Self::ROOT, root)]), next: NodeId(2), bytes: 0, bytes_max: u64::MAX }
    }

    /// A copy for a new worker, with the times of the root set to `now`.
    pub(crate) fn copy(&self, now: Time) -> Self {
        let mut copy = self.clone();
        if let Ok(root) = copy.node_mut(Self::ROOT) {
            (root.accessed, root.modified, root.changed) = (now, now, now);
        }
        copy
    }

    /// The accounted size, in bytes of the worker's memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sets the limit of [`Vfs::bytes`]. A lower limit removes nothing.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Counts one more descriptor or stream of `node`.
    pub(crate) fn retain(&mut self, node: NodeId) -> Result<(), Error> {
        self.node_mut(node)?.opens += 1;
        Ok(())
    }

    /// Counts one descriptor or stream of `node` less. The last one frees a node that has no name.
    pub(crate) fn release(&mut self, node: NodeId) -> Result<(), Error> {
        let open = self.node_mut(node)?;
        open.opens = open.opens.saturating_sub(1);
        self.free_unused(node);
        Ok(())
    }

    fn node(&self, id: NodeId) -> Result<&Node, Error> {
        self.nodes.get(&id).ok_or(Error::BadDescriptor)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, Error> {
        self.nodes.get_mut(&id).ok_or(Error::BadDescriptor)
    }

    /// Adds a node that has no name yet. It counts for [`NODE_BYTES`] and its contents.
    fn add(&mut self, content: Content, now: Time) -> Result<NodeId, Error> {
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
            && node.opens == 0
        {
            let bytes = NODE_BYTES + node.content.bytes();
            self.nodes.remove(&id);
            self.refund(bytes);
        }
    }

    /// Accounts for `bytes` more, or fails if they exceed the limit.
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
