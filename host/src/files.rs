//! Files that a component ships with.
//!
//! Each worker of the component begins with its own copy. Workers share a file's contents until one of them changes the
//! file; the change is visible to that worker only.

use crate::vfs::{Error, FileTime, OpenOptions, Vfs};
use bytes::Bytes;
use golem_model::Timestamp;
use std::sync::Arc;

/// The initial contents of a new worker's `/`. Clones share everything.
#[derive(Debug, Clone)]
pub struct Files {
    vfs: Arc<Vfs>,
}

/// Collects [`Files`].
#[derive(Debug)]
pub struct FilesBuilder {
    vfs: Vfs,
}

/// Why a path cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct FilesError {
    /// The path.
    pub path: String,
    /// The reason.
    pub problem: String,
}

impl Files {
    /// Starts without any files.
    pub fn builder() -> FilesBuilder {
        FilesBuilder { vfs: Vfs::new(FileTime::default()) }
    }

    /// Their size, in bytes of a worker's memory.
    pub fn bytes(&self) -> u64 {
        self.vfs.bytes()
    }

    /// The files of a worker that is created at `created`.
    pub(crate) fn to_vfs(&self, created: FileTime) -> Vfs {
        self.vfs.copy(created)
    }
}

impl FilesBuilder {
    /// Adds a directory and its parents. An existing directory stays.
    pub fn directory(&mut self, path: &str, modified: Timestamp) -> Result<(), FilesError> {
        let Some(name) = normalize_path(path)? else { return Ok(()) };
        self.parents(name, modified)?;
        match self.vfs.create_directory(Vfs::ROOT, name, modified.into()) {
            Err(Error::Exist) if self.is_directory(name) => Ok(()),
            made => made.map_err(|error| files_error(path, error)),
        }
    }

    /// Adds or replaces a file.
    pub fn file(&mut self, path: &str, bytes: Bytes, modified: Timestamp) -> Result<(), FilesError> {
        let name = normalize_path(path)?.ok_or_else(|| files_error(path, Error::IsDirectory))?;
        self.parents(name, modified)?;
        let now = modified.into();
        let put = || {
            let how = OpenOptions { create: true, write: true, ..OpenOptions::default() };
            let node = self.vfs.open(Vfs::ROOT, name, how, now)?.node;
            self.vfs.release(node)?;
            self.vfs.set_shared(node, bytes, now)
        };
        put().map_err(|error| files_error(path, error))
    }

    /// Adds a symbolic link that points to `target`.
    pub fn symlink(&mut self, path: &str, target: &str, modified: Timestamp) -> Result<(), FilesError> {
        let name = normalize_path(path)?.ok_or_else(|| files_error(path, Error::Exist))?;
        self.parents(name, modified)?;
        self.vfs.symlink(target, Vfs::ROOT, name, modified.into()).map_err(|error| match error {
            Error::NotPermitted => FilesError {
                path: path.to_owned(),
                problem: format!("a link to {target}: links must be relative"),
            },
            error => files_error(path, error),
        })
    }

    /// Adds another name (a hard link) for a file that was added before.
    pub fn hard_link(&mut self, path: &str, other: &str, modified: Timestamp) -> Result<(), FilesError> {
        let name = normalize_path(path)?.ok_or_else(|| files_error(path, Error::Exist))?;
        let other = normalize_path(other)?.ok_or_else(|| files_error(other, Error::IsDirectory))?;
        self.parents(name, modified)?;
        self.vfs
            .link(Vfs::ROOT, other, Vfs::ROOT, name, modified.into())
            .map_err(|error| files_error(path, error))
    }

    /// Completes the files.
    pub fn build(self) -> Files {
        Files { vfs: Arc::new(self.vfs) }
    }

    /// Creates the parent directories of `name`. Symbolic links among them are not followed: an archive could otherwise
    /// write outside the path that it shows.
    fn parents(&mut self, name: &str, modified: Timestamp) -> Result<(), FilesError> {
        for (end, _) in name.match_indices('/') {
            let parent = &name[..end];
            match self.vfs.create_directory(Vfs::ROOT, parent, modified.into()) {
                Ok(()) => {}
                Err(Error::Exist) if self.is_directory(parent) => {}
                Err(Error::Exist) => return Err(files_error(parent, Error::NotDirectory)),
                Err(error) => return Err(files_error(parent, error)),
            }
        }
        Ok(())
    }

    fn is_directory(&self, name: &str) -> bool {
        self.vfs.find(Vfs::ROOT, &format!("{name}/."), false).is_ok()
            && self.vfs.read_link(Vfs::ROOT, name).is_err()
    }
}

/// `path` without redundant parts; `None` is the root itself. `..` is rejected.
fn normalize_path(path: &str) -> Result<Option<&str>, FilesError> {
    let mut name = path.trim_end_matches('/');
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    if path.starts_with('/') || name.split('/').any(|step| step == "..") {
        return Err(FilesError {
            path: path.to_owned(),
            problem: "paths must be relative, and without `..`".to_owned(),
        });
    }
    Ok((!name.is_empty() && name != ".").then_some(name))
}

fn files_error(path: &str, error: Error) -> FilesError {
    let problem = match error {
        Error::InsufficientSpace => "there are too many files and folders".to_owned(),
        error => error.to_string(),
    };
    FilesError { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_nanos(5);

    fn problem(build: impl FnOnce(&mut FilesBuilder) -> Result<(), FilesError>) -> String {
        build(&mut Files::builder()).unwrap_err().to_string()
    }

    #[test]
    fn files_are_found_at_their_paths() {
        let mut builder = Files::builder();
        builder.directory("./", AT).unwrap();
        builder.file("./a/b/c", Bytes::from_static(b"old"), AT).unwrap();
        builder.file("a/b/c", Bytes::from_static(b"text"), AT).unwrap();
        builder.directory("a/b/", AT).unwrap();
        builder.symlink("a/link", "b/c", AT).unwrap();
        builder.hard_link("same", "./a/b/c", AT).unwrap();
        let files = builder.build();
        let mut one = files.to_vfs(FileTime { seconds: 9, nanos: 0 });
        let mut other = files.to_vfs(FileTime::default());
        let found = one.find(Vfs::ROOT, "a/link", true).unwrap();
        one.append(found, b" and more", FileTime::default()).unwrap();
        let read = |vfs: &mut Vfs| vfs.read(found, 0, 100, FileTime::default()).unwrap();
        assert_eq!(read(&mut one), b"text and more");
        assert_eq!(read(&mut other), b"text", "what one worker changes is its own");
        assert_eq!(one.stat(found).unwrap().links, 2);
        assert_eq!(one.bytes(), files.bytes() + 9);
        assert_eq!(other.stat(found).unwrap().modified, FileTime { seconds: 0, nanos: 5 });
        assert_eq!(one.stat(Vfs::ROOT).unwrap().modified.seconds, 9);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_rejected() {
        let text = || Bytes::from_static(b"x");
        let relative = "paths must be relative, and without `..`";
        assert_eq!(problem(|files| files.file("/etc/x", text(), AT)), format!("/etc/x: {relative}"));
        assert_eq!(problem(|files| files.file("a/../../x", text(), AT)), format!("a/../../x: {relative}"));
        assert_eq!(problem(|files| files.file("./", text(), AT)), "./: it is a directory");
        assert_eq!(
            problem(|files| files.symlink("x", "/etc", AT)),
            "x: a link to /etc: links must be relative"
        );
        assert_eq!(
            problem(|files| files.symlink("x", "..", AT).and_then(|()| files.file("x/y", text(), AT))),
            "x: it is not a directory"
        );
        assert_eq!(
            problem(|files| files
                .directory("d", AT)
                .and_then(|()| files.symlink("here", "d", AT))
                .and_then(|()| files.file("here/y", text(), AT))),
            "here: it is not a directory"
        );
        assert_eq!(problem(|files| files.hard_link("x", "y", AT)), "x: no such file or directory");
        let long = "x".repeat(300);
        assert_eq!(problem(|files| files.file(&long, text(), AT)), format!("{long}: the name is too long"));
    }
}
