//! The files of a template version: a tar archive that is checked at upload and read again when a worker needs it.

use super::components::read_template_file;
use crate::executor::ComponentFault;
use crate::storage::ports::ContentStore;
use bytes::Bytes;
use golem_host::{Files, FilesError};
use golem_model::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tar::{Archive, Entry, EntryType};

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes are in another format, which is named.
    #[error("this is not a tar archive but {0}; send a tar archive that is not compressed")]
    NotTar(&'static str),
    /// The archive is truncated or malformed.
    #[error("the tar archive cannot be read: {0}")]
    Damaged(io::Error),
    /// The archive contains an entry of a kind that a worker's file system does not support.
    #[error("the tar archive holds {kind} {path}; files, folders and relative links are possible")]
    Kind {
        /// Kind of the entry, with an article.
        kind: &'static str,
        /// Path of the entry.
        path: String,
    },
    /// A name in the archive is not UTF-8.
    #[error("the tar archive holds a name that is not UTF-8: {0}")]
    Name(String),
    /// A file's path or a link's target is not possible.
    #[error("the tar archive holds a file that cannot be one of a worker: {0}")]
    File(#[from] FilesError),
}

/// Reads the files in `archive`. Their contents are slices of it, not copies.
pub(super) fn read_archive(archive: &Bytes) -> Result<Files, ArchiveError> {
    if let Some(other) = other_format(archive) {
        return Err(ArchiveError::NotTar(other));
    }
    let mut files = Files::builder();
    let mut entries = Archive::new(&archive[..]);
    for entry in entries.entries().map_err(ArchiveError::Damaged)? {
        let entry = entry.map_err(ArchiveError::Damaged)?;
        let path = utf8_text(&entry.path_bytes())?;
        let seconds = entry.header().mtime().unwrap_or_default();
        let modified = Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000));
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                files.file(&path, file_content(archive, &entry)?, modified)?;
            }
            EntryType::Directory => files.directory(&path, modified)?,
            EntryType::Symlink => files.symlink(&path, &link_target(&entry)?, modified)?,
            EntryType::Link => files.hard_link(&path, &link_target(&entry)?, modified)?,
            // Metadata of the archive itself, not of a file.
            EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => return Err(ArchiveError::Kind { kind: "a sparse file", path }),
            EntryType::Char | EntryType::Block => return Err(ArchiveError::Kind { kind: "a device", path }),
            EntryType::Fifo => return Err(ArchiveError::Kind { kind: "a pipe", path }),
            _ => return Err(ArchiveError::Kind { kind: "something unknown", path }),
        }
    }
    Ok(files.build())
}

/// The files of recently used archives, by the hash of the archive.
pub(super) struct FilesCache {
    blobs: Arc<dyn ContentStore>,
    // An evicted archive stays in memory as long as a worker has an unchanged file of it.
    cached: Mutex<LruCache<[u8; 32], Files>>,
}

impl FilesCache {
    pub(super) fn new(blobs: Arc<dyn ContentStore>, cached_max: usize) -> Self {
        let cached_max = NonZeroUsize::new(cached_max).unwrap_or(NonZeroUsize::MIN);
        Self { blobs, cached: Mutex::new(LruCache::new(cached_max)) }
    }

    /// The files of an archive.
    pub(super) async fn get(&self, hash: [u8; 32]) -> Result<Files, ComponentFault> {
        if let Some(files) = self.cached.lock().get(&hash) {
            return Ok(files.clone());
        }
        let blobs = self.blobs.clone();
        let load = move || {
            let archive = read_template_file(&*blobs, hash)?;
            read_archive(&archive.into()).map_err(|error| ComponentFault::Invalid(error.to_string()))
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        let files = loaded
            .map_err(|panicked| ComponentFault::Invalid(format!("reading its files failed: {panicked}")))??;
        // Two workers may read the same archive concurrently; both results are equal, and the first one is kept.
        Ok(self.cached.lock().get_or_insert(hash, || files).clone())
    }
}

impl std::fmt::Debug for FilesCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilesCache").finish_non_exhaustive()
    }
}

/// The format of `bytes`, if they are recognisably not a tar archive.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "a gzip file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"BZh", "a bzip2 file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"\0asm", "WebAssembly"),
    ];
    if bytes.is_empty() {
        return Some("an empty file");
    }
    KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind)
}

/// The bytes of a file in the archive, as a slice of it.
fn file_content(archive: &Bytes, entry: &Entry<'_, &[u8]>) -> Result<Bytes, ArchiveError> {
    let offset = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = offset(entry.raw_file_position());
    let end = start.saturating_add(offset(entry.size()));
    if end > archive.len() {
        return Err(ArchiveError::Damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(archive.slice(start..end))
}

fn link_target(entry: &Entry<'_, &[u8]>) -> Result<String, ArchiveError> {
    utf8_text(&entry.link_name_bytes().unwrap_or_default())
}

fn utf8_text(bytes: &[u8]) -> Result<String, ArchiveError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| ArchiveError::Name(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn archive(entries: &[(EntryType, &str, &str)]) -> Bytes {
        let mut archive = Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(0);
            // Written directly: the library refuses to write the invalid names that the tests need.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if kind.is_file() {
                header.set_size(content.len() as u64);
            } else {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_mtime(7);
            header.set_cksum();
            let content = if kind.is_file() { content } else { "" };
            archive.append(&header, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().into()
    }

    #[test]
    fn files_of_all_supported_kinds_are_read() {
        let archive = archive(&[
            (EntryType::Directory, "./", ""),
            (EntryType::Regular, "./a/file", "four"),
            (EntryType::Symlink, "link", "a/file"),
            (EntryType::Link, "a/same", "./a/file"),
        ]);
        let bytes = read_archive(&archive).unwrap().bytes();
        // Three nodes and the directory, four entries, names and contents.
        assert_eq!(bytes, 3 * 256 + 4 * 64 + 4 + 6 + "afilelinksame".len() as u64);
    }

    #[test]
    fn an_archive_that_is_refused_is_explained() {
        let check = |archive: Bytes, text: &str| {
            let shown = read_archive(&archive).unwrap_err().to_string();
            assert!(shown.starts_with(text), "{shown}");
        };
        let one = |kind, path: &str, content: &str| archive(&[(kind, path, content)]);
        check(Bytes::new(), "this is not a tar archive but an empty file");
        check(Bytes::from_static(b"\x1f\x8b...."), "this is not a tar archive but a gzip file");
        check(Bytes::from(vec![b'x'; 2_000]), "the tar archive cannot be read: ");
        check(one(EntryType::Regular, "file", "text").slice(..514), "the tar archive cannot be read: ");
        check(one(EntryType::Fifo, "pipe", ""), "the tar archive holds a pipe pipe; files, folders");
        let cannot = "the tar archive holds a file that cannot be one of a worker: ";
        check(one(EntryType::Regular, "/etc/x", ""), &format!("{cannot}/etc/x: paths must be relative"));
        check(
            one(EntryType::Regular, "a/../../x", ""),
            &format!("{cannot}a/../../x: paths must be relative"),
        );
        check(one(EntryType::Symlink, "x", "/etc"), &format!("{cannot}x: a link to /etc"));
    }
}
