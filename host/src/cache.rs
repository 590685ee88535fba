//! Compiled code on disk, named by the component's content and by all that the code depends on.
//!
//! Invariant: only files that this module wrote, whole, are ever run; anything else in the folder is ignored. The
//! folder must be writable by nobody but the server: its files are machine code.

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

/// Only the owner may look into the folder or write there.
const FOLDER_MODE: u32 = 0o700;

/// BLAKE3 of the code, before it.
const CHECKSUM_BYTES: usize = 32;

impl Cache {
    /// Uses `folder`, made if it is missing, for code of this compatibility. Only its owner may look into it or write
    /// there, whatever mode it had: the code in it is run.
    pub(crate) fn new(folder: PathBuf, compatibility: [u8; 32]) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        Ok(Self { folder, compatibility })
    }

    /// The compiled component of this content, if it is there and whole.
    pub(crate) fn load(&self, engine: &Engine, content_hash: &[u8; 32]) -> Option<Component> {
        let path = self.path(content_hash);
        let bytes = std::fs::read(&path).ok()?;
        let (checksum, code) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
        if blake3::hash(code).as_bytes() != checksum {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again");
            return None;
        }
        // SAFETY: the checksum says that these are the bytes that `store` wrote whole, from a component that
        // wasmtime compiled; the name says that it was for an engine with the same settings and version.
        #[expect(unsafe_code, reason = "loading machine code is what this file is for")]
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "compiled code is unusable; compiling again");
            })
            .ok()
    }

    /// Keeps `component`. A failure costs only time later, so it is logged and forgotten.
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

/// Writes a file whole or not at all. It need not survive a power failure: the checksum finds a torn one.
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
        // Best effort: what is left over is never read.
        drop(std::fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_look_into_the_folder() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("compiled");
        let mode = || std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        Cache::new(folder.clone(), [0; 32]).unwrap();
        assert_eq!(mode(), FOLDER_MODE);
        // A folder that an earlier version made.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        Cache::new(folder.clone(), [0; 32]).unwrap();
        assert_eq!(mode(), FOLDER_MODE);
    }
}
