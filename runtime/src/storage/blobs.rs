//! Blobs: uploaded components and archives, and snapshot images, as files that are named by the BLAKE3 of their
//! contents.
//!
//! Invariant: a file with such a name is complete and durable before `put` returns. It is written under another name
//! and then renamed.

use super::embedded::folder::{io_error, sync_folder};
use super::ports::{ContentStore, StoreError};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Blobs as files `DIR/<folder>/<hash in hex>`.
#[derive(Debug)]
pub struct FileContentStore {
    dir: PathBuf,
    /// Held while files are created or removed, so that a sweep does not remove a file that is being written.
    writing: Mutex<()>,
}

impl FileContentStore {
    /// Opens the components and archives of a data folder; creates their folder if it is missing.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_folder(data_dir, "blobs")
    }

    /// Opens the snapshot images of a data folder; creates their folder if it is missing.
    pub fn open_snapshots(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_folder(data_dir, "snapshots")
    }

    fn open_folder(data_dir: &Path, name: &str) -> Result<Self, StoreError> {
        let dir = data_dir.join(name);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => sync_folder(data_dir)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            Err(source) => return Err(io_error("create the folder", &dir, source)),
        }
        Ok(Self { dir, writing: Mutex::new(()) })
    }

    fn path(&self, hash: &[u8; 32]) -> PathBuf {
        self.dir.join(blake3::Hash::from_bytes(*hash).to_hex().as_str())
    }
}

impl ContentStore for FileContentStore {
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(&hash);
        verify(&path, hash, bytes)?;
        let _writing = self.writing.lock();
        if let Ok(Some(_)) = read(&path, hash) {
            // The file exists, but an earlier `put` may have crashed between the rename and the sync of the folder.
            return sync_folder(&self.dir);
        }
        let partial = path.with_extension("partial");
        let written = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        if let Err(source) = written() {
            // Best effort: a sweep removes the file too.
            drop(fs::remove_file(&partial));
            return Err(io_error("write", &path, source));
        }
        sync_folder(&self.dir)
    }

    fn get(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.path(&hash), hash)
    }

    fn read_prefix(&self, hash: [u8; 32], count: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(&hash);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path, error)),
        };
        let mut head = Vec::new();
        let read = file.take(count as u64).read_to_end(&mut head);
        read.map_err(|error| io_error("read", &path, error))?;
        Ok(Some(head))
    }

    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let failed = |source| io_error("read the folder", &self.dir, source);
        let mut hashes = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            hashes.extend(
                name.to_str().and_then(|name| blake3::Hash::from_hex(name).ok()).map(<[u8; 32]>::from),
            );
        }
        Ok(hashes)
    }

    fn remove(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        let _writing = self.writing.lock();
        let path = self.path(&hash);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sweep(&self, keep: &dyn Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError> {
        let _writing = self.writing.lock();
        let mut removed = 0;
        let failed = |source| io_error("read the folder", &self.dir, source);
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let garbage = match blake3::Hash::from_hex(name) {
                Ok(hash) => !keep(hash.as_bytes()),
                // A `put` that crashed leaves a file `*.partial`. Other files are not ours and stay.
                Err(_) => Path::new(name).extension().is_some_and(|extension| extension == "partial"),
            };
            if garbage {
                fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
                removed += 1;
            }
        }
        if removed > 0 {
            sync_folder(&self.dir)?;
        }
        Ok(removed)
    }
}

fn read(path: &Path, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = match File::open(path).and_then(|mut file| {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map(|_| bytes)
    }) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path, source)),
    };
    verify(path, hash, &bytes)?;
    Ok(Some(bytes))
}

fn verify(path: &Path, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
    let found = blake3::hash(bytes);
    if found == hash {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        path: path.to_owned(),
        place: format!("{} bytes of a blob", bytes.len()),
        details: format!("their BLAKE3 is {}, not the name", found.to_hex()),
    })
}

/// Blobs in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryContentStore {
    blobs: Mutex<BTreeMap<[u8; 32], Vec<u8>>>,
}

impl MemoryContentStore {
    /// Without any blob.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ContentStore for MemoryContentStore {
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        verify(Path::new("memory"), hash, bytes)?;
        self.blobs.lock().insert(hash, bytes.to_vec());
        Ok(())
    }

    fn get(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.blobs.lock().get(&hash).cloned())
    }

    fn read_prefix(&self, hash: [u8; 32], count: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let blobs = self.blobs.lock();
        Ok(blobs.get(&hash).map(|bytes| bytes[..count.min(bytes.len())].to_vec()))
    }

    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        Ok(self.blobs.lock().keys().copied().collect())
    }

    fn remove(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        self.blobs.lock().remove(&hash);
        Ok(())
    }

    fn sweep(&self, keep: &dyn Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError> {
        let mut blobs = self.blobs.lock();
        let before = blobs.len();
        blobs.retain(|hash, _| keep(hash));
        Ok((before - blobs.len()) as u64)
    }
}
