//! Compiled code on disk, named by the component's content and by everything that the code depends on.
//!
//! Invariant: only files that this module wrote completely are run; other files in the folder are ignored. Only the
//! server may have write access to the folder, because its files are machine code.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled code.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    compatibility: [u8; 32],
}

/// Only the owner may read or write the folder.
const FOLDER_MODE: u32 = 0o700;

/// Bytes of the BLAKE3 checksum that precedes the code in a file.
const CHECKSUM_BYTES: usize = 32;

impl Cache {
    /// Uses `folder` for code of this compatibility, and creates it if it is missing. Sets its mode so that only the
    /// owner may read or write it: the code in it is run.
    pub(crate) fn new(folder: PathBuf, compatibility: [u8; 32]) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        Ok(Self { folder, compatibility })
    }

    /// The compiled component of this content, if it exists and is undamaged.
    pub(crate) fn load(&self, engine: &Engine, content_hash: &[u8; 32]) -> Option<Component> {
        let path = self.path(content_hash);
        let bytes = std::fs::read(&path).ok()?;
        let (checksum, code) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
        if blake3::hash(code).as_bytes() != checksum {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again");
            return None;
        }
        // SAFETY: the checksum guarantees that these are the bytes that `store` wrote, from a component that wasmtime
        // compiled. The file name guarantees the same settings and version of the engine.
        #[expect(unsafe_code, reason = "loading machine code is what this file is for")]
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "compiled code is unusable; compiling again");
            })
            .ok()
    }

    /// Stores `component`. A failure only costs time later, so it is logged and ignored.
    pub(crate) fn store(&self, component: &Component, content_hash: &[u8; 32]) {
        let path = self.path(content_hash);
        let written = component
            .serialize()
            .map_err(|error| std::io::Error::other(format!("{error:#}")))
            .and_then(|code| write(&path, &code));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "cannot keep compiled code");
        }
    }

    fn path(&self, content_hash: &[u8; 32]) -> PathBuf {
        let mut name = blake3::Hasher::new();
        name.update(content_hash).update(&self.compatibility);
        self.folder.join(format!("{}.cwasm", name.finalize().to_hex()))
    }
}

/// Writes a file completely or not at all. It need not survive a power failure: the checksum detects a torn file.
fn write(path: &Path, code: &[u8]) -> std::io::Result<()> {
    static WRITES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = WRITES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // Another process may share the folder, and another thread may compile the same component.
    let temporary = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(blake3::hash(code).as_bytes())?;
        file.write_all(code)?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: a leftover file is never read.
        drop(std::fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_the_folder() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("compiled");
        let mode = || std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        Cache::new(folder.clone(), [0; 32]).unwrap();
        assert_eq!(mode(), FOLDER_MODE);
        // The mode that an earlier version set.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        Cache::new(folder.clone(), [0; 32]).unwrap();
        assert_eq!(mode(), FOLDER_MODE);
    }
}
