//! Opens connections, and maps SQLite's errors to [`StoreError`].

use super::folder::Folder;
use crate::storage::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, OpenFlags, Row};
use std::time::Duration;

/// How long a connection waits for a lock. The writer has to wait only if another process uses the folder; after this
/// time it fails.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection caches: more than the store has.
const STATEMENTS_KEPT: usize = 64;

/// Path and VFS of the database.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) folder: Folder,
    pub(super) vfs: Option<String>,
}

/// Purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The connection that writes.
    Write,
    /// A connection that only reads.
    Read,
    /// The connection that runs checkpoints.
    Checkpoint,
}

impl Opener {
    /// A connection to read the format of a file that may not be ours. Closing it changes nothing: it does not checkpoint
    /// the write-ahead log.
    pub(super) fn open_bare(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        let path = &self.folder.database;
        let connection = match &self.vfs {
            None => Connection::open_with_flags(path, flags),
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
        }
        .map_err(|error| self.store_error("open", error))?;
        let set_up = connection
            .busy_timeout(BUSY_WAIT)
            .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        set_up.map_err(|error| self.store_error("open", error))?;
        Ok(connection)
    }

    /// A connection with all settings for its purpose.
    pub(super) fn open(&self, purpose: Purpose) -> Result<Connection, StoreError> {
        let connection = self.open_bare()?;
        Self::configure(&connection, purpose).map_err(|error| self.store_error("open", error))?;
        Ok(connection)
    }

    /// Sets a connection up.
    ///
    /// Invariant: a connection with these settings does not checkpoint on its own, neither in a commit nor when it is
    /// closed. After a failed sync, the write-ahead log must first be read from the disk again. `Writer::close` is the
    /// exception: it checkpoints at a clean shutdown.
    pub(super) fn configure(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let cache_kib = match purpose {
            // Projections and index entries are written at random positions, so their pages should be cached.
            Purpose::Write => 16 << 10,
            Purpose::Read => 4 << 10,
            Purpose::Checkpoint => 256,
        };
        connection.execute_batch(&format!(
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = -1;
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{cache_kib};"
        ))?;
        if purpose == Purpose::Read {
            connection.pragma_update(None, "query_only", true)?;
        }
        Ok(())
    }

    /// Maps an error of SQLite.
    pub(super) fn store_error(&self, operation: &'static str, error: rusqlite::Error) -> StoreError {
        let path = self.folder.database.clone();
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => StoreError::Full { path },
                // SQLite grows the shared-memory file by writing zeros, which fails if the disk is full.
                ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                    StoreError::Full { path }
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt {
                    path,
                    place: "a page of the database".to_owned(),
                    details: error.to_string(),
                },
                _ => StoreError::Io { operation, path, source: Box::new(error) },
            },
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt {
                path,
                place: "a column of a row".to_owned(),
                details: error.to_string(),
            },
            _ => StoreError::Io { operation, path, source: Box::new(error) },
        }
    }

    /// An error for damage that this store detects itself.
    pub(super) fn corrupt_error(&self, place: impl Into<String>, details: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: self.folder.database.clone(),
            place: place.into(),
            details: details.into(),
        }
    }
}

/// Converts to SQLite's signed integers by keeping the bits. Positions and numbers do not reach the sign bit.
pub(super) const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

/// Reads a `u64` that [`signed`] has converted.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
