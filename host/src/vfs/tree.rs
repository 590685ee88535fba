//! Operations that add, move and remove names, and listing a directory.
//!
//! Invariant: an operation that fails has changed nothing (`check` in the tests compares the
//! states), except that it may have used up a node number.

use super::node::{Content, Data};
use super::path::{NAME_BYTES_MAX, Target};
use super::{ENTRY_BYTES, Error, FileTime, Follow, NodeId, NodeKind, Vfs};

/// Bytes of a link's target, as on Linux; a longer target fails with [`Error::NameTooLong`].
const LINK_BYTES_MAX: usize = 4_095;

/// The options of [`Vfs::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the interface")]
pub(crate) struct OpenOptions {
    /// Follow a link at the end of the path.
    pub(crate) follow: bool,
    /// Create a file if the name does not exist.
    pub(crate) create: bool,
    /// With `create`: fail if the name exists.
    pub(crate) exclusive: bool,
    /// Fail if the node is not a directory.
    pub(crate) directory: bool,
    /// Truncate the file to zero bytes.
    pub(crate) truncate: bool,
    /// Open for writing. A directory cannot be opened for writing.
    pub(crate) write: bool,
}

/// An opened node. Its open count includes this opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenNode {
    /// The node.
    pub(crate) node: NodeId,
    /// A file or a directory.
    pub(crate) kind: NodeKind,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirEntry {
    /// The name.
    pub(crate) name: String,
    /// The kind of the node.
    pub(crate) kind: NodeKind,
}

impl Vfs {
    /// Opens the node that `path` names. The caller must call [`Vfs::release`] when it closes the node.
    pub(crate) fn open(
        &mut self,
        base: NodeId,
        path: &str,
        how: OpenOptions,
        now: FileTime,
    ) -> Result<OpenNode, Error> {
        if how.directory && (how.create || how.exclusive || how.truncate) {
            return Err(Error::Invalid);
        }
        let exclusive = how.create && how.exclusive;
        let follow = match (how.create, how.follow) {
            (true, true) if !exclusive => Follow::ToCreate,
            (true, _) => Follow::Never,
            (false, true) => Follow::Always,
            (false, false) => Follow::IfSlash,
        };
        let target = self.walk(base, path, follow)?;
        if how.create && matches!(target, Target::Name { slash: true, .. }) {
            return Err(Error::IsDirectory);
        }
        let node = match (&target, target.node()) {
            (_, Some(_)) if exclusive => return Err(Error::Exist),
            (_, Some(node)) => {
                self.open_existing(node, &target, how, now)?;
                node
            }
            (Target::Name { dir, name, .. }, None) if how.create => {
                self.insert_new(*dir, name, Content::File(Data::Owned(Vec::new())), now)?
            }
            (_, None) => return Err(Error::NoEntry),
        };
        self.retain(node)?;
        Ok(OpenNode { node, kind: self.node(node)?.content.kind() })
    }

    fn open_existing(
        &mut self,
        node: NodeId,
        target: &Target,
        how: OpenOptions,
        now: FileTime,
    ) -> Result<(), Error> {
        let wants_directory = how.directory || matches!(target, Target::Name { slash: true, .. });
        match self.node(node)?.content.kind() {
            NodeKind::Link => Err(Error::Loop),
            NodeKind::Directory if how.write || how.create || how.truncate => Err(Error::IsDirectory),
            NodeKind::File if wants_directory => Err(Error::NotDirectory),
            NodeKind::File if how.truncate => self.set_size(node, 0, now),
            NodeKind::Directory | NodeKind::File => Ok(()),
        }
    }

    /// Creates a directory.
    pub(crate) fn create_directory(&mut self, base: NodeId, path: &str, now: FileTime) -> Result<(), Error> {
        match self.walk(base, path, Follow::Never)? {
            Target::Name { dir, name, node: None, .. } => {
                self.insert_new(dir, &name, Content::directory(dir), now).map(drop)
            }
            Target::Name { .. } | Target::Directory(_) => Err(Error::Exist),
        }
    }

    /// Creates a symbolic link at `path` that points to `target`.
    pub(crate) fn symlink(
        &mut self,
        target: &str,
        base: NodeId,
        path: &str,
        now: FileTime,
    ) -> Result<(), Error> {
        if target.starts_with('/') {
            return Err(Error::NotPermitted);
        }
        if target.contains('\0') {
            return Err(Error::Invalid);
        }
        if target.is_empty() {
            return Err(Error::NoEntry);
        }
        if target.len() > LINK_BYTES_MAX {
            return Err(Error::NameTooLong);
        }
        match self.walk(base, path, Follow::Never)? {
            Target::Name { dir, name, node: None, slash: false } => {
                self.insert_new(dir, &name, Content::Link(target.to_owned()), now).map(drop)
            }
            // The slash means a directory, which does not exist.
            Target::Name { node: None, .. } => Err(Error::NoEntry),
            Target::Name { node: Some(node), slash, .. } => {
                if slash && self.node(node)?.content.kind() == NodeKind::File {
                    return Err(Error::NotDirectory);
                }
                Err(Error::Exist)
            }
            Target::Directory(_) => Err(Error::Exist),
        }
    }

    /// The target of the symbolic link at `path`.
    pub(crate) fn read_link(&self, base: NodeId, path: &str) -> Result<String, Error> {
        let node = self.find(base, path, false)?;
        match &self.node(node)?.content {
            Content::Link(target) => Ok(target.clone()),
            Content::File(_) | Content::Directory(_) => Err(Error::Invalid),
        }
    }

    /// Adds the name `new_path` to the node that `old_path` names.
    pub(crate) fn link(
        &mut self,
        old_base: NodeId,
        old_path: &str,
        new_base: NodeId,
        new_path: &str,
        now: FileTime,
    ) -> Result<(), Error> {
        let node = self.find(old_base, old_path, false)?;
        let target = self.walk(new_base, new_path, Follow::IfSlash)?;
        let Target::Name { dir, name, node: None, slash } = target else {
            return Err(Error::Exist);
        };
        if slash {
            return Err(Error::NoEntry);
        }
        if self.node(node)?.content.kind() == NodeKind::Directory {
            return Err(Error::NotPermitted);
        }
        self.insert(dir, &name, node, now)
    }

    /// Removes the name of a file or of a symbolic link.
    pub(crate) fn unlink(&mut self, base: NodeId, path: &str, now: FileTime) -> Result<(), Error> {
        match self.walk(base, path, Follow::Never)? {
            Target::Directory(_) => Err(Error::IsDirectory),
            Target::Name { node: None, .. } => Err(Error::NoEntry),
            Target::Name { dir, name, node: Some(node), slash } => {
                match self.node(node)?.content.kind() {
                    NodeKind::Directory => return Err(Error::IsDirectory),
                    NodeKind::File | NodeKind::Link if slash => return Err(Error::NotDirectory),
                    NodeKind::File | NodeKind::Link => {}
                }
                self.remove(dir, &name, node, now)
            }
        }
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&mut self, base: NodeId, path: &str, now: FileTime) -> Result<(), Error> {
        match self.walk(base, path, Follow::Never)? {
            Target::Directory(_) => Err(Error::Invalid),
            Target::Name { node: None, .. } => Err(Error::NoEntry),
            Target::Name { dir, name, node: Some(node), .. } => {
                if !self.node(node)?.directory()?.entries.is_empty() {
                    return Err(Error::NotEmpty);
                }
                self.remove(dir, &name, node, now)
            }
        }
    }

    /// Moves a name. A node at the new name is replaced.
    pub(crate) fn rename(
        &mut self,
        old_base: NodeId,
        old_path: &str,
        new_base: NodeId,
        new_path: &str,
        now: FileTime,
    ) -> Result<(), Error> {
        let from = self.walk(old_base, old_path, Follow::Never)?;
        let to = self.walk(new_base, new_path, Follow::Never)?;
        let (
            Target::Name { dir: from_dir, name: from_name, node: from_node, slash: from_slash },
            Target::Name { dir: to_dir, name: to_name, node: to_node, slash: to_slash },
        ) = (from, to)
        else {
            return Err(Error::Busy);
        };
        let node = from_node.ok_or(Error::NoEntry)?;
        let moves_directory = self.node(node)?.content.kind() == NodeKind::Directory;
        if (from_slash || to_slash) && !moves_directory {
            return Err(Error::NotDirectory);
        }
        if moves_directory && self.is_within(to_dir, node)? {
            return Err(Error::Invalid);
        }
        if let Some(over) = to_node {
            if self.is_within(from_dir, over)? {
                return Err(Error::NotEmpty);
            }
            if over == node {
                return Ok(());
            }
            match (moves_directory, &self.node(over)?.content) {
                (true, Content::Directory(directory)) if !directory.entries.is_empty() => {
                    return Err(Error::NotEmpty);
                }
                (true, Content::Directory(_)) | (false, Content::File(_) | Content::Link(_)) => {}
                (true, Content::File(_) | Content::Link(_)) => return Err(Error::NotDirectory),
                (false, Content::Directory(_)) => return Err(Error::IsDirectory),
            }
        }
        self.check_linked(to_dir)?;
        if to_node.is_none() {
            // The old name is removed below, so only a longer name needs more bytes.
            let (old, new) = (entry_bytes(&from_name), entry_bytes(&to_name));
            self.charge(new.saturating_sub(old))?;
            self.refund(old.saturating_sub(new));
        } else {
            self.refund(entry_bytes(&from_name));
        }
        // Nothing below fails.
        if let Some(over) = to_node {
            self.node_mut(over)?.changed = now;
            self.drop_link(over)?;
        }
        self.entries_mut(from_dir, now)?.remove(&from_name);
        self.entries_mut(to_dir, now)?.insert(to_name, node);
        let moved = self.node_mut(node)?;
        moved.changed = now;
        if let Content::Directory(directory) = &mut moved.content {
            directory.parent = to_dir;
        }
        Ok(())
    }

    /// The entries of a directory, in the order of their names' bytes.
    pub(crate) fn list(&mut self, node: NodeId, now: FileTime) -> Result<Vec<DirEntry>, Error> {
        let entries = self.node(node)?.directory()?.entries.iter();
        let listed = entries
            .map(|(name, node)| Ok(DirEntry { name: name.clone(), kind: self.node(*node)?.content.kind() }));
        let listed = listed.collect::<Result<_, Error>>()?;
        self.node_mut(node)?.accessed = now;
        Ok(listed)
    }

    /// Whether `node` is `directory` or a descendant of it.
    fn is_within(&self, node: NodeId, directory: NodeId) -> Result<bool, Error> {
        let mut current = node;
        loop {
            if current == directory {
                return Ok(true);
            }
            let parent = self.node(current)?.directory()?.parent;
            if parent == current {
                return Ok(false);
            }
            // A removed directory that is still open may exist longer than its parent.
            if !self.nodes.contains_key(&parent) {
                return Ok(false);
            }
            current = parent;
        }
    }

    /// Adds a new node with a name. On an error, neither is added.
    fn insert_new(
        &mut self,
        dir: NodeId,
        name: &str,
        content: Content,
        now: FileTime,
    ) -> Result<NodeId, Error> {
        let node = self.add(content, now)?;
        match self.insert(dir, name, node, now) {
            Ok(()) => Ok(node),
            Err(error) => {
                self.free_unused(node);
                Err(error)
            }
        }
    }

    /// Adds a name to `node`. The name must not exist.
    fn insert(&mut self, dir: NodeId, name: &str, node: NodeId, now: FileTime) -> Result<(), Error> {
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::NameTooLong);
        }
        self.check_linked(dir)?;
        self.charge(entry_bytes(name))?;
        self.entries_mut(dir, now)?.insert(name.to_owned(), node);
        let node = self.node_mut(node)?;
        node.links += 1;
        node.changed = now;
        Ok(())
    }

    /// Removes a name of `node`.
    fn remove(&mut self, dir: NodeId, name: &str, node: NodeId, now: FileTime) -> Result<(), Error> {
        self.entries_mut(dir, now)?.remove(name);
        self.refund(entry_bytes(name));
        self.node_mut(node)?.changed = now;
        self.drop_link(node)
    }

    fn drop_link(&mut self, node: NodeId) -> Result<(), Error> {
        let unlinked = self.node_mut(node)?;
        unlinked.links = unlinked.links.saturating_sub(1);
        self.free_unused(node);
        Ok(())
    }

    /// Fails for a directory that was removed while it was open: no names can be added to it.
    fn check_linked(&self, dir: NodeId) -> Result<(), Error> {
        if self.node(dir)?.links == 0 { Err(Error::NoEntry) } else { Ok(()) }
    }

    /// Updates the times of a directory and returns its names for a change.
    fn entries_mut(
        &mut self,
        dir: NodeId,
        now: FileTime,
    ) -> Result<&mut std::collections::BTreeMap<String, NodeId>, Error> {
        let node = self.node_mut(dir)?;
        node.touch(now);
        Ok(&mut node.directory_mut()?.entries)
    }
}

fn entry_bytes(name: &str) -> u64 {
    ENTRY_BYTES + name.len() as u64
}
