//! The encoding of a filesystem.
//!
//! | field | bytes |
//! | --- | --- |
//! | version | 1: this layout |
//! | next | the number that the next node gets |
//! | count | the number of nodes |
//! | nodes | the nodes in the order of their numbers |
//!
//! A node is encoded as its number, the number of its names, the number of open descriptors and streams, three times
//! (accessed, modified, changed: seconds and nanoseconds), and a tag with content:
//!
//! - 1: a file; its bytes
//! - 2: a directory; the number of its parent, the number of entries, and the name and node number of each entry
//! - 3: a symbolic link; its target
//!
//! Numbers are variable-length integers. Texts and bytes are preceded by their length.
//!
//! Invariant: equal filesystems have equal bytes. The count of bytes is not encoded; decoding computes it again.

use super::node::{Content, Data, Directory, Node};
use super::{ENTRY_BYTES, FileTime, NODE_BYTES, NodeId, Vfs};
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use std::collections::BTreeMap;

const VERSION: u8 = 1;

const FILE: u8 = 1;
const DIRECTORY: u8 = 2;
const LINK: u8 = 3;

impl Vfs {
    /// Copies the filesystem without open descriptors and streams. Nodes that only these referred to are freed.
    pub(crate) fn without_handles(&self) -> Self {
        let mut closed = self.clone();
        let open: Vec<NodeId> =
            closed.nodes.iter().filter(|(_, node)| node.open_count > 0).map(|(id, _)| *id).collect();
        for id in open {
            if let Some(node) = closed.nodes.get_mut(&id) {
                node.open_count = 0;
            }
            closed.free_unused(id);
        }
        closed
    }

    /// Encodes the filesystem.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.next.0);
        put_varint(&mut out, self.nodes.len() as u64);
        for (id, node) in &self.nodes {
            put_varint(&mut out, id.0);
            put_varint(&mut out, u64::from(node.links));
            put_varint(&mut out, u64::from(node.open_count));
            for time in [node.accessed, node.modified, node.changed] {
                put_varint(&mut out, time.seconds);
                put_varint(&mut out, u64::from(time.nanos));
            }
            match &node.content {
                Content::File(data) => {
                    out.push(FILE);
                    put_bytes(&mut out, data.as_slice());
                }
                Content::Directory(Directory { entries, parent }) => {
                    out.push(DIRECTORY);
                    put_varint(&mut out, parent.0);
                    put_varint(&mut out, entries.len() as u64);
                    for (name, node) in entries {
                        put_bytes(&mut out, name.as_bytes());
                        put_varint(&mut out, node.0);
                    }
                }
                Content::Link(target) => {
                    out.push(LINK);
                    put_bytes(&mut out, target.as_bytes());
                }
            }
        }
        out
    }

    /// Decodes the bytes of [`Vfs::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        match input.byte()? {
            VERSION => {}
            tag => return Err(DecodeError::UnknownTag { what: "filesystem version", tag }),
        }
        let next = NodeId(input.varint()?);
        let mut nodes = BTreeMap::new();
        let mut counted = 0;
        for _ in 0..input.count()? {
            let id = NodeId(input.varint()?);
            let node = decode_node(&mut input)?;
            counted += if id == Self::ROOT { 0 } else { NODE_BYTES } + node.content.bytes();
            if let Content::Directory(directory) = &node.content {
                let names = directory.entries.keys();
                counted += names.map(|name| ENTRY_BYTES + name.len() as u64).sum::<u64>();
            }
            if id >= next || nodes.insert(id, node).is_some() {
                return Err(DecodeError::Invalid("the number of a node"));
            }
        }
        input.finish()?;
        let vfs = Self { nodes, next, bytes: counted, bytes_max: u64::MAX };
        vfs.check().ok_or(DecodeError::Invalid("a tree of nodes"))?;
        Ok(vfs)
    }

    /// Checks that the nodes form a tree. Each node with names is found from the root as often as its number of names
    /// says, and a directory is found once. A node without a name is open, and empty if it is a directory.
    fn check(&self) -> Option<()> {
        let mut found: BTreeMap<NodeId, u32> = BTreeMap::from([(Self::ROOT, 1)]);
        let mut directories = vec![Self::ROOT];
        while let Some(dir) = directories.pop() {
            for entry in self.node(dir).ok()?.directory().ok()?.entries.values() {
                let count = found.entry(*entry).or_default();
                *count += 1;
                if let Content::Directory(child) = &self.nodes.get(entry)?.content {
                    if child.parent != dir || *count > 1 {
                        return None;
                    }
                    directories.push(*entry);
                }
            }
        }
        for (id, node) in &self.nodes {
            let names = found.get(id).copied().unwrap_or_default();
            let is_kept = names > 0 || (node.open_count > 0 && node.is_empty_or_file());
            if names != node.links || !is_kept {
                return None;
            }
        }
        Some(())
    }
}

fn decode_node(input: &mut Reader<'_>) -> Result<Node, DecodeError> {
    let links = input.varint_as()?;
    let open_count = input.varint_as()?;
    let [accessed, modified, changed] = [decode_time(input)?, decode_time(input)?, decode_time(input)?];
    let content = match input.byte()? {
        FILE => Content::File(Data::Owned(input.bytes()?.to_vec())),
        DIRECTORY => {
            let parent = NodeId(input.varint()?);
            let mut entries = BTreeMap::new();
            for _ in 0..input.count()? {
                let name = input.string()?;
                entries.insert(name, NodeId(input.varint()?));
            }
            Content::Directory(Directory { entries, parent })
        }
        LINK => Content::Link(input.string()?),
        tag => return Err(DecodeError::UnknownTag { what: "node", tag }),
    };
    Ok(Node { content, links, open_count, accessed, modified, changed })
}

fn decode_time(input: &mut Reader<'_>) -> Result<FileTime, DecodeError> {
    let (seconds, nanos) = (input.varint()?, input.varint_as()?);
    FileTime::new(seconds, nanos).ok_or(DecodeError::OutOfRange)
}
