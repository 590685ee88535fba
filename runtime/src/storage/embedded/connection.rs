//! Opening connections, and the translation of SQLite's errors.

use super::folder::Folder;
use crate::storage::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, OpenFlags, Row};
use std::time::Duration;

/// How long a connection waits for a lock that another one holds. Only a second opener of the folder can make the
/// writer wait at all; an answer after this long is an error.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared: all that the store has.
const STATEMENTS_KEPT: usize = 64;

/// Where and how to open the database.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) folder: Folder,
    pub(super) vfs: Option<String>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The one that writes.
    Write,
    /// One of those that only read.
    Read,
    /// The one that moves the write-ahead log into the database.
    Checkpoint,
}

impl Opener {
    /// A connection without any setting: reading the format must not change the file.
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
        connection.busy_timeout(BUSY_WAIT).map_err(|error| self.store_error("open", error))?;
        Ok(connection)
    }

    /// A connection with all settings.
    pub(super) fn open(&self, purpose: Purpose) -> Result<Connection, StoreError> {
        let connection = self.open_bare()?;
        Self::configure(&connection, purpose).map_err(|error| self.store_error("open", error))?;
        Ok(connection)
    }

    /// Invariant: no connection checkpoints by itself, neither in a commit nor when it is closed: after a failed
    /// sync, what the log holds must first be read again.
    pub(super) fn configure(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let cache_kib = match purpose {
            // Heads and index entries are written at random places; their pages should be at hand.
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

    /// An error of SQLite in the words of the port.
    pub(super) fn store_error(&self, operation: &'static str, error: rusqlite::Error) -> StoreError {
        let path = self.folder.database.clone();
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => StoreError::Full { path },
                // The shared-memory file beside the database is grown by writing zeros, which fails for want of space.
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

    /// Damage that we found ourselves.
    pub(super) fn corrupt_error(&self, place: impl Into<String>, details: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: self.folder.database.clone(),
            place: place.into(),
            details: details.into(),
        }
    }
}

/// SQLite has signed integers only; the bits are kept. Positions and numbers never come near the sign.
pub(super) const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

/// The `u64` that [`signed`] stored.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
