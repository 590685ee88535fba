//! Finding the node that a path names.
//!
//! A path is resolved beneath a directory: `..` and symbolic links may lead anywhere below it, and not out of it,
//! not even for a moment.

use super::node::Content;
use super::{Error, NodeId, Vfs};

/// Bytes of a path, as on Linux; a longer one is too long.
const PATH_BYTES_MAX: usize = 4_095;

/// Bytes of a name, as on Linux; a longer one is too long.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Symbolic links followed for one path, as on Linux; one more is a loop.
const LINKS_FOLLOWED_MAX: u32 = 40;

/// Whether a symbolic link that a path ends in is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// It is.
    Always,
    /// It is, on the way to a file that may have to be made, which no slash can follow.
    ToCreate,
    /// Only if the path ends in a slash, which asks for a directory.
    IfSlash,
    /// It is not, whatever the path looks like.
    Never,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A name in a directory.
    Name {
        /// The directory.
        dir: NodeId,
        /// The name.
        name: String,
        /// What is there under this name, if anything.
        node: Option<NodeId>,
        /// Whether a slash after it asks for a directory.
        slash: bool,
    },
    /// A directory as itself: the path ends in `.` or `..`.
    Directory(NodeId),
}

impl Target {
    /// The node that is there.
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
    /// Finds what `path` names beneath `base`. All but its last name must be there.
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

    /// The node that `path` names beneath `base`; a directory, if the path ends in a slash.
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

/// The parts of `path`, the first one last.
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
