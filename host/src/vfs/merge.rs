//! Merging the files of another component version into a worker's files.
//!
//! Paths are compared without following links. A path that the worker did not change gets what the new version has there.
//! A path that both changed stays as the worker left it, and is a conflict.

use super::node::{Content, Data, Node};
use super::{Error, FileTime, NodeId, NodeKind, OpenOptions, Vfs};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

impl Vfs {
    /// Replaces the files of the version `from` by those of the version `to`, where the worker has not changed them.
    /// Returns the paths of the conflicts, sorted.
    ///
    /// The limit of [`Vfs::bytes`] does not apply; the caller checks the result. Names of one file (hard links) in `to`
    /// become separate files. After an error the files are merged in part.
    pub(crate) fn merge_version(
        &mut self,
        from: &Self,
        to: &Self,
        now: FileTime,
    ) -> Result<Vec<String>, Error> {
        let bytes_max = std::mem::replace(&mut self.bytes_max, u64::MAX);
        let merged = Merge { from, to, now, conflicts: BTreeSet::new() }.apply(self);
        self.bytes_max = bytes_max;
        merged
    }

    /// The nodes of all paths except the root.
    fn paths(&self) -> BTreeMap<String, NodeId> {
        let mut found = BTreeMap::new();
        let mut directories = vec![(String::new(), Self::ROOT)];
        while let Some((prefix, id)) = directories.pop() {
            let Ok(directory) = self.node(id).and_then(Node::directory) else { continue };
            for (name, child) in &directory.entries {
                let path = format!("{prefix}{name}");
                if self.kind(*child) == Some(NodeKind::Directory) {
                    directories.push((format!("{path}/"), *child));
                }
                found.insert(path, *child);
            }
        }
        found
    }

    /// The node at a path, without following links.
    fn at(&self, path: &str) -> Option<NodeId> {
        path.split('/')
            .try_fold(Self::ROOT, |id, name| self.node(id).ok()?.directory().ok()?.entries.get(name).copied())
    }

    fn kind(&self, id: NodeId) -> Option<NodeKind> {
        self.node(id).ok().map(|node| node.content.kind())
    }
}

/// Whether the nodes have the same kind, and the same bytes or target. The entries of directories are compared path by
/// path.
fn same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one.map(|node| &node.content), other.map(|node| &node.content)) {
        (None, None) | (Some(Content::Directory(_)), Some(Content::Directory(_))) => true,
        (Some(Content::File(one)), Some(Content::File(other))) => {
            let (one, other) = (one.as_slice(), other.as_slice());
            std::ptr::eq(one, other) || one == other
        }
        (Some(Content::Link(one)), Some(Content::Link(other))) => one == other,
        _ => false,
    }
}

struct Merge<'a> {
    from: &'a Vfs,
    to: &'a Vfs,
    now: FileTime,
    conflicts: BTreeSet<String>,
}

impl Merge<'_> {
    fn apply(mut self, worker: &mut Vfs) -> Result<Vec<String>, Error> {
        let (old, new) = (self.from.paths(), self.to.paths());
        let mut removed = BTreeSet::new();
        // The content of a directory comes before the directory.
        for (path, id) in old.iter().rev() {
            let kept = new.get(path).and_then(|id| self.to.kind(*id)) == self.from.kind(*id);
            if !kept && self.remove(worker, path, *id)? {
                removed.insert(path.as_str());
            }
        }
        for (path, id) in &new {
            let before = old.get(path).filter(|_| !removed.contains(path.as_str()));
            let before = before.and_then(|id| self.from.node(*id).ok());
            let after = self.to.node(*id)?;
            if !same(before, Some(after)) {
                self.put(worker, path, before, after)?;
            }
        }
        Ok(self.conflicts.into_iter().collect())
    }

    /// Removes what the old version had at `path`, unless the worker has changed it. Returns whether nothing is there now.
    fn remove(&mut self, worker: &mut Vfs, path: &str, old: NodeId) -> Result<bool, Error> {
        let Some(id) = worker.at(path) else { return Ok(false) };
        if !same(worker.node(id).ok(), self.from.node(old).ok()) {
            self.conflicts.insert(path.to_owned());
            return Ok(false);
        }
        if worker.kind(id) != Some(NodeKind::Directory) {
            worker.unlink(Vfs::ROOT, path, self.now)?;
            return Ok(true);
        }
        if !worker.node(id)?.is_empty_or_file() {
            // Files of the worker keep their directory.
            return Ok(false);
        }
        worker.remove_directory(Vfs::ROOT, path, self.now)?;
        Ok(true)
    }

    /// Puts what the new version has to `path`, unless the worker has changed the path.
    fn put(
        &mut self,
        worker: &mut Vfs,
        path: &str,
        before: Option<&Node>,
        after: &Node,
    ) -> Result<(), Error> {
        let id = worker.at(path);
        let current = id.and_then(|id| worker.node(id).ok());
        if same(current, Some(after)) {
            return Ok(());
        }
        let parent_exists = match path.rsplit_once('/') {
            None => true,
            Some((parent, _)) => {
                worker.at(parent).and_then(|id| worker.kind(id)) == Some(NodeKind::Directory)
            }
        };
        if !parent_exists || !same(current, before) {
            self.conflicts.insert(path.to_owned());
            return Ok(());
        }
        let has_one_name = current.is_some_and(|node| node.links == 1);
        let id = match (&after.content, id) {
            // An open file keeps its descriptor, and has the new content.
            (Content::File(data), Some(id)) if has_one_name => {
                worker.set_shared(id, share(data), self.now)?;
                id
            }
            (content, id) => {
                if id.is_some() {
                    worker.unlink(Vfs::ROOT, path, self.now)?;
                }
                self.create(worker, path, content)?
            }
        };
        let node = worker.node_mut(id)?;
        (node.accessed, node.modified, node.changed) = (after.accessed, after.modified, after.changed);
        Ok(())
    }

    fn create(&self, worker: &mut Vfs, path: &str, content: &Content) -> Result<NodeId, Error> {
        match content {
            Content::Directory(_) => worker.create_directory(Vfs::ROOT, path, self.now)?,
            Content::Link(target) => worker.symlink(target, Vfs::ROOT, path, self.now)?,
            Content::File(data) => {
                let how =
                    OpenOptions { create: true, exclusive: true, write: true, ..OpenOptions::default() };
                let opened = worker.open(Vfs::ROOT, path, how, self.now)?.node;
                worker.release(opened)?;
                worker.set_shared(opened, share(data), self.now)?;
            }
        }
        worker.at(path).ok_or(Error::NoEntry)
    }
}

fn share(data: &Data) -> Bytes {
    match data {
        Data::Shared(bytes) => bytes.clone(),
        Data::Owned(bytes) => Bytes::copy_from_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Files;
    use golem_model::Timestamp;

    const AT: Timestamp = Timestamp::from_nanos(7);
    const NOW: FileTime = FileTime { seconds: 9, nanos: 0 };

    /// A tree from lines: `path=content`, `path/` for a directory, `path->target` for a link.
    fn tree(lines: &[&str]) -> Vfs {
        let mut files = Files::builder();
        for line in lines {
            if let Some((path, target)) = line.split_once("->") {
                files.symlink(path, target, AT).unwrap();
            } else if let Some((path, content)) = line.split_once('=') {
                files.file(path, Bytes::copy_from_slice(content.as_bytes()), AT).unwrap();
            } else {
                files.directory(line, AT).unwrap();
            }
        }
        files.build().to_vfs(NOW)
    }

    fn lines(vfs: &Vfs) -> Vec<String> {
        let line = |(path, id): (String, NodeId)| match &vfs.node(id).unwrap().content {
            Content::File(data) => format!("{path}={}", String::from_utf8_lossy(data.as_slice())),
            Content::Directory(_) => format!("{path}/"),
            Content::Link(target) => format!("{path}->{target}"),
        };
        vfs.paths().into_iter().map(line).collect()
    }

    #[derive(Default)]
    struct Case<'a> {
        from: &'a [&'a str],
        to: &'a [&'a str],
        worker: &'a [&'a str],
        merged: &'a [&'a str],
        conflicts: &'a [&'a str],
    }

    fn check(case: &Case<'_>) {
        let mut worker = tree(case.worker);
        let conflicts = worker.merge_version(&tree(case.from), &tree(case.to), NOW).unwrap();
        assert_eq!(conflicts, case.conflicts);
        assert_eq!(lines(&worker), case.merged);
        // The counts are the same as those of a tree that was encoded and decoded.
        assert_eq!(Vfs::decode(&worker.encode()).unwrap().bytes(), worker.bytes());
    }

    #[test]
    fn unchanged_paths_follow_the_version() {
        check(&Case {
            from: &["a=1", "d/b=1", "d/gone=1", "e/x=1", "l->a", "same=1", "was-file=1", "was-dir/y=1"],
            to: &["a=2", "d/b=1", "d/new=2", "f/", "l->d", "same=1", "was-file/z=2", "was-dir=2"],
            worker: &[
                "a=1",
                "d/b=1",
                "d/gone=1",
                "d/own=w",
                "e/x=1",
                "l->a",
                "same=1",
                "was-file=1",
                "was-dir/y=1",
            ],
            merged: &[
                "a=2",
                "d/",
                "d/b=1",
                "d/new=2",
                "d/own=w",
                "f/",
                "l->d",
                "same=1",
                "was-dir=2",
                "was-file/",
                "was-file/z=2",
            ],
            conflicts: &[],
        });
    }

    #[test]
    fn changes_of_the_worker_stay_and_are_reported_where_the_version_changed_too() {
        check(&Case {
            from: &["both=1", "deleted=1", "dir/x=1", "mine=1", "removed=1"],
            to: &["added=2", "both=2", "deleted=2", "dir/x=1", "dir/y=2", "mine=1"],
            worker: &["added=w", "both=w", "mine=w", "removed=w"],
            merged: &["added=w", "both=w", "mine=w", "removed=w"],
            conflicts: &["added", "both", "deleted", "dir/y", "removed"],
        });
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        check(&Case {
            from: &["a=1", "gone=1"],
            to: &["a=2", "new=2", "d/"],
            worker: &["a=2", "new=2", "d/own=w"],
            merged: &["a=2", "d/", "d/own=w", "new=2"],
            conflicts: &[],
        });
        check(&Case {
            from: &["d/a=1"],
            worker: &["d/a=1", "d/own=w"],
            merged: &["d/", "d/own=w"],
            ..Case::default()
        });
    }

    #[test]
    fn an_open_file_has_the_new_content_and_its_times() {
        let (from, to) = (tree(&["a=1"]), tree(&["a=22"]));
        let mut worker = tree(&["a=1"]);
        let node = worker.open(Vfs::ROOT, "a", OpenOptions::default(), NOW).unwrap().node;
        assert_eq!(worker.merge_version(&from, &to, NOW), Ok(Vec::new()));
        assert_eq!(worker.read(node, 0, 10, NOW).unwrap(), b"22");
        assert_eq!(worker.stat(node).unwrap().modified, FileTime::from(AT));
    }

    #[test]
    fn a_second_name_of_a_file_keeps_the_old_content() {
        let mut worker = tree(&["a=1"]);
        worker.link(Vfs::ROOT, "a", Vfs::ROOT, "own", NOW).unwrap();
        let merged = worker.merge_version(&tree(&["a=1"]), &tree(&["a=2"]), NOW);
        assert_eq!((merged, lines(&worker)), (Ok(Vec::new()), vec!["a=2".to_owned(), "own=1".to_owned()]));
    }

    #[test]
    fn the_limit_of_bytes_does_not_apply() {
        let mut worker = tree(&[]);
        worker.set_bytes_max(10);
        assert_eq!(worker.merge_version(&tree(&[]), &tree(&["a=1"]), NOW), Ok(Vec::new()));
        assert!(worker.bytes() > 10);
        assert_eq!(worker.create_directory(Vfs::ROOT, "d", NOW), Err(Error::InsufficientSpace));
    }
}
