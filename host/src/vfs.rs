//! A worker's files: a virtual filesystem that is nothing but data.
//!
//! A [`Vfs`] is a tree of nodes (directories, files, symbolic links) in memory. Everything that happens to it is a
//! function of the calls made and of the times that come with them, so a replay rebuilds it exactly and no call on
//! it is recorded. It answers as the Linux kernel would, seen through wasmtime's `wasi:filesystem`: the same
//! calls succeed, and the same error is given where one is.
//!
//! `node` is what the tree is made of, `path` finds the node that a path names, `tree` changes which names there
//! are, `file` what a file holds, `time` tells the time of files, `codec` writes it all as bytes.
//!
//! Architecture invariant: no I/O, no clock, no randomness, and no name of wasmtime's; times and limits are passed in.
//! Invariant: a node lives as long as a name or an open descriptor or stream refers to it; its number is
//! never given to another.
//! Invariant: what answers a guest gets depends on constants and on the worker's own memory only, so a limit is
//! reached at the same call in a replay. A constant here that a guest can see must not change.

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
use tree::OpenNode;
pub(crate) use tree::{Listed, Open};

use node::{Content, Node};
use std::collections::BTreeMap;

/// Nodes that a worker's filesystem may have; one more is no space. Each is work for every snapshot.
const NODES_MAX: usize = 100_000;

/// Bytes that a node counts for beside what it holds, about what it takes.
const NODE_BYTES: u64 = 256;

/// Bytes that a name in a directory counts for beside its text, about what it takes.
const ENTRY_BYTES: u64 = 64;

/// A filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vfs {
    nodes: BTreeMap<NodeId, Node>,
    /// The number of the next node.
    next: NodeId,
    /// What it counts for: contents, names, and nodes but for the root.
    bytes: u64,
    /// What it may count for at most now; not part of what it is.
    bytes_max: u64,
}

impl Vfs {
    /// The directory that all others are in.
    pub(crate) const ROOT: NodeId = NodeId(1);

    /// An empty one.
    pub(crate) fn new(now: Time) -> Self {
        let root = Node::new(Content::directory(Self::ROOT), 1, now);
        Self { nodes: BTreeMap::from([(Self::ROOT, root)]), next: NodeId(2), bytes: 0, bytes_max: u64::MAX }
    }

    /// A copy for a new worker, whose root is made now.
    pub(crate) fn copy(&self, now: Time) -> Self {
        let mut copy = self.clone();
        if let Ok(root) = copy.node_mut(Self::ROOT) {
            (root.accessed, root.modified, root.changed) = (now, now, now);
        }
        copy
    }

    /// What it counts for, in bytes of the worker's memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sets how far [`Vfs::bytes`] may grow. What it counts for already stays.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Counts one more descriptor or stream of `node`.
    pub(crate) fn retain(&mut self, node: NodeId) -> Result<(), Error> {
        self.node_mut(node)?.open_count += 1;
        Ok(())
    }

    /// Counts one descriptor or stream of `node` less. The last one frees a node without a name.
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

    /// Adds a node without a name yet; it counts for `bytes` more than its own.
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
            && node.open_count == 0
        {
            let bytes = NODE_BYTES + node.content.bytes();
            self.nodes.remove(&id);
            self.refund(bytes);
        }
    }

    /// Takes `bytes` of what is left, or refuses.
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
