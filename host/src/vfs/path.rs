//! Finding the node that a path names.
//!
//! A path is resolved beneath a directory: no step of the path, including `..` and the target of a symbolic link, may
//! leave this directory.

use super::node::Content;
use super::{Error, NodeId, Vfs};

/// Bytes of a path, as on Linux; a longer path fails with [`Error::NameTooLong`].
const PATH_BYTES_MAX: usize = 4_095;

/// Bytes of a name, as on Linux; a longer name fails with [`Error::NameTooLong`].
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Symbolic links followed for one path, as on Linux; one more fails with [`Error::Loop`].
const LINKS_FOLLOWED_MAX: u32 = 40;

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The link is followed.
    Always,
    /// The link is followed in order to create a file; a slash at the end of the path is an error.
    ToCreate,
    /// The link is followed only if the path ends in a slash, which means a directory.
    IfSlash,
    /// The link is not followed.
    Never,
}

/// The result of resolving a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A name in a directory.
    Name {
        /// The directory.
        dir: NodeId,
        /// The name.
        name: String,
        /// The node with this name, if it exists.
        node: Option<NodeId>,
        /// Whether a slash follows the name, which means a directory.
        slash: bool,
    },
    /// A directory without a name: the path ends in `.` or `..`.
    Directory(NodeId),
}

impl Target {
    /// The node, if it exists.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Name { node, .. } => *node,
            Self::Directory(node) => Some(*node),
        }
    }
}

/// A part of a path.
#[derive(Debug)]
enum Step {
    Current,
    Parent,
    Name(String),
}

impl Vfs {
    /// Resolves `path` beneath `base`. All its names except the last one must exist.
    pub(super) fn walk(&self, base: NodeId, path: &str, follow: Follow) -> Result<Target, Error> {
        self.node(base)?.directory()?;
        let mut current = base;
        let mut parents = Vec::new();
        let mut rest = steps(path)?;
        let mut slash = path.ends_with('/');
        let mut links = 0;
        while let Some(step) = rest.pop() {
            let name = match step {
                Step::Current => continue,
                Step::Parent => {
                    current = parents.pop().ok_or(Error::NotPermitted)?;
                    continue;
                }
                Step::Name(name) => name,
            };
            if name.len() > NAME_BYTES_MAX {
                return Err(Error::NameTooLong);
            }
            let is_last = rest.is_empty();
            if is_last && slash && follow == Follow::ToCreate {
                return Err(Error::IsDirectory);
            }
            let Some(&node) = self.node(current)?.directory()?.entries.get(&name) else {
                if is_last {
                    return Ok(Target::Name { dir: current, name, node: None, slash });
                }
                return Err(Error::NoEntry);
            };
            let follows = match follow {
                Follow::Always | Follow::ToCreate => true,
                Follow::IfSlash => slash,
                Follow::Never => false,
            };
            match &self.node(node)?.content {
                Content::Link(target) if !is_last || follows => {
                    links += 1;
                    if links > LINKS_FOLLOWED_MAX {
                        return Err(Error::Loop);
                    }
                    rest.append(&mut steps(target)?);
                    if is_last {
                        slash |= target.ends_with('/');
                    }
                }
                Content::Directory(_) if !is_last => {
                    parents.push(current);
                    current = node;
                }
                Content::File(_) if !is_last => return Err(Error::NotDirectory),
                Content::File(_) | Content::Directory(_) | Content::Link(_) => {
                    return Ok(Target::Name { dir: current, name, node: Some(node), slash });
                }
            }
        }
        Ok(Target::Directory(current))
    }

    /// Finds the node that `path` names beneath `base`. If the path ends in a slash, the node must be a directory.
    pub(crate) fn find(&self, base: NodeId, path: &str, follow: bool) -> Result<NodeId, Error> {
        let follow = if follow { Follow::Always } else { Follow::IfSlash };
        let target = self.walk(base, path, follow)?;
        let node = target.node().ok_or(Error::NoEntry)?;
        if matches!(target, Target::Name { slash: true, .. }) {
            self.node(node)?.directory()?;
        }
        Ok(node)
    }
}

/// Splits `path` into its parts, in reverse order.
fn steps(path: &str) -> Result<Vec<Step>, Error> {
    if path.contains('\0') {
        return Err(Error::Invalid);
    }
    if path.is_empty() {
        return Err(Error::NoEntry);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(Error::NameTooLong);
    }
    if path.starts_with('/') {
        return Err(Error::NotPermitted);
    }
    let parts = path.rsplit('/').filter(|part| !part.is_empty()).map(|part| match part {
        "." => Step::Current,
        ".." => Step::Parent,
        name => Step::Name(name.to_owned()),
    });
    Ok(parts.collect())
}
