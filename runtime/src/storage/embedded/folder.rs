//! The data folder: its files, their access modes, and the lock against other processes.

use crate::storage::ports::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Only the owner may access a data folder, because it contains the data of workers.
const FOLDER_MODE: u32 = 0o700;
/// The same for files. SQLite creates the files beside the database with the database's mode.
const FILE_MODE: u32 = 0o600;

/// The paths of a store's files.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    pub(super) database: PathBuf,
    pub(super) wal: PathBuf,
    pub(super) lock: PathBuf,
}

impl Folder {
    /// Creates the folder if it is missing.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            dir: dir.to_owned(),
            database: dir.join("golem.db"),
            wal: dir.join("golem.db-wal"),
            lock: dir.join("lock"),
        };
        if !dir.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(FOLDER_MODE)
                .create(dir)
                .map_err(|source| io_error("create the data folder", dir, source))?;
            if let Some(parent) = dir.parent() {
                sync_folder(parent)?;
            }
        }
        Ok(folder)
    }

    /// Locks the folder for this process. Dropping the returned file releases the lock.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&self.lock)
            .map_err(|source| io_error("open", &self.lock, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::InUse { path: self.dir.clone(), lock: self.lock.clone() })
            }
            Err(TryLockError::Error(source)) => Err(io_error("lock", &self.lock, source)),
        }
    }

    /// Creates the database file if it is missing, with our access mode. Its name is durable before SQLite writes to
    /// it.
    pub(super) fn create_database(&self) -> Result<(), StoreError> {
        match OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(&self.database) {
            Ok(_) => sync_folder(&self.dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(io_error("create", &self.database, source)),
        }
    }

    /// Copies the database durably to `golem.db.format-N.backup`. No connection may be open.
    pub(super) fn copy_database(&self, format: u32) -> Result<PathBuf, StoreError> {
        let copy = self.dir.join(format!("golem.db.format-{format}.backup"));
        let partial = self.dir.join(format!("golem.db.format-{format}.partial"));
        let failed = |source| io_error("copy the database before its migration to", &copy, source);
        fs::copy(&self.database, &partial).map_err(failed)?;
        File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&partial, &copy).map_err(failed)?;
        sync_folder(&self.dir)?;
        Ok(copy)
    }
}

/// Makes the directory entries of a folder durable.
pub(in crate::storage) fn sync_folder(dir: &Path) -> Result<(), StoreError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| io_error("sync", dir, source))
}

/// Maps an error of the file system.
pub(in crate::storage) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { path: path.to_owned() }
        }
        _ => StoreError::Io { operation, path: path.to_owned(), source: Box::new(source) },
    }
}
