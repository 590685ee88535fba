//! The write-ahead log: grown before it is needed, moved into the database beside the commits, begun again and
//! never truncated.
//!
//! A commit that extends a file must also sync the file's new size; one that overwrites does not. So the log is
//! grown once, and SQLite begins again at its start whenever all of it is in the database. A thread with a
//! connection of its own moves frames while commits go on; when few are left, a commit moves these itself,
//! because only between two commits can the log be fully moved.

use super::connection::{Opener, Purpose};
use super::folder::io_error;
use crate::storage::ports::StoreError;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Bytes of a frame: a page and its header.
const FRAME_BYTES: u64 = 4096 + 24;

/// Frames that a commit may move by itself, 1 MiB: a millisecond or two, once for each time the log is begun again.
const COMMIT_FRAMES_MAX: u64 = 256;

/// Frames that idle time is not used for: moving them would cost a lone client a sync for each call.
const IDLE_FRAMES_MIN: u64 = 64;

/// Rounds of the thread before it waits to be asked again, if commits are faster than it.
const ROUNDS_MAX: usize = 16;

/// Sizes at which things happen, in frames.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A backlog that the thread is woken for.
    backlog: u64,
    /// A log of this length is begun again as soon as little is left to move.
    restart: u64,
    /// A log of this length is moved at once, whoever waits.
    blocking: u64,
}

/// How long the log is and how much of it is in the database, in frames.
#[derive(Debug, Clone, Copy)]
struct WalLength {
    log: u64,
    checkpointed: u64,
}

impl WalLength {
    fn backlog(self) -> u64 {
        self.log.saturating_sub(self.checkpointed)
    }
}

/// What the thread, the writer and the store share.
#[derive(Debug)]
pub(super) struct Wal {
    opener: Opener,
    limits: Limits,
    requests: Mutex<CheckpointRequests>,
    requested: Condvar,
    /// The thread's; none after something failed, until the store was recovered.
    connection: Mutex<Option<Connection>>,
    /// The thread left so little that a commit can move it.
    nearly_checkpointed: AtomicBool,
    /// Why the thread gave up. The next commit reports it.
    failure: Mutex<Option<StoreError>>,
    failed: AtomicBool,
    /// The database file, to have it written to the disk before a commit must wait for that. It may not be
    /// dropped before all connections: closing any handle of a file gives up the process's locks on it.
    database: File,
}

#[derive(Debug, Default)]
struct CheckpointRequests {
    checkpoint: bool,
    stop: bool,
}

impl Wal {
    /// `bytes` is the length to which the log is grown; half of it is used before it is begun again.
    pub(super) fn new(opener: Opener, bytes: u64) -> Result<Arc<Self>, StoreError> {
        let frames = (bytes / FRAME_BYTES).max(8 * COMMIT_FRAMES_MAX);
        let database = &opener.folder.database;
        let database = File::open(database).map_err(|source| io_error("open", database, source))?;
        Ok(Arc::new(Self {
            limits: Limits { backlog: frames / 4, restart: frames / 2, blocking: frames * 4 },
            requests: Mutex::default(),
            requested: Condvar::new(),
            connection: Mutex::new(None),
            nearly_checkpointed: AtomicBool::new(false),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
            database,
            opener,
        }))
    }

    /// Starts the thread.
    pub(super) fn start(self: &Arc<Self>) -> Result<JoinHandle<()>, StoreError> {
        let wal = Arc::clone(self);
        std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || wal.run()).map_err(|source| {
            io_error("start the checkpoint thread of", &self.opener.folder.database, source)
        })
    }

    /// Makes the thread end.
    pub(super) fn stop(&self) {
        self.requests.lock().stop = true;
        self.requested.notify_one();
    }

    /// Closes the thread's connection, after what it is doing.
    pub(super) fn close(&self) {
        *self.connection.lock() = None;
    }

    /// Opens the thread's connection, and forgets what failed.
    pub(super) fn open(&self) -> Result<(), StoreError> {
        *self.connection.lock() = Some(self.opener.open(Purpose::Checkpoint)?);
        *self.failure.lock() = None;
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    /// What made the thread give up, once; after that only that it did.
    pub(super) fn take_failure(&self) -> Option<StoreError> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().take()
    }

    /// Called between two commits, with the writer's connection and roughly the pages written since the last call
    /// that looked. Says whether it looked.
    pub(super) fn after_commit(&self, writer: &Connection, pages: u64) -> Result<bool, StoreError> {
        if pages < COMMIT_FRAMES_MAX && !self.nearly_checkpointed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let length = self.checkpoint_pragma(writer, "PRAGMA main.wal_checkpoint(NOOP)")?;
        if length.log >= self.limits.blocking {
            tracing::warn!(
                frames = length.log,
                "the write-ahead log is long; commits wait until it is moved"
            );
            self.checkpoint_pragma(writer, "PRAGMA main.wal_checkpoint(RESTART)")?;
        } else if length.log >= self.limits.restart && length.backlog() <= COMMIT_FRAMES_MAX {
            self.checkpoint_pragma(writer, "PRAGMA main.wal_checkpoint(PASSIVE)")?;
        } else if length.backlog() >= self.limits.backlog || length.log >= self.limits.restart {
            self.request_checkpoint();
        }
        self.nearly_checkpointed.store(false, Ordering::Relaxed);
        Ok(true)
    }

    /// Called when there is nothing to commit.
    pub(super) fn checkpoint_when_idle(&self, writer: &Connection) -> Result<(), StoreError> {
        if self.checkpoint_pragma(writer, "PRAGMA main.wal_checkpoint(NOOP)")?.backlog() > IDLE_FRAMES_MIN {
            self.request_checkpoint();
        }
        Ok(())
    }

    /// Writes zeros past the end of the log until it has the wanted length. SQLite takes zeros for no frames.
    ///
    /// For the time between a full checkpoint and the first commit. SQLite holds no lock on this file, so that
    /// closing this handle gives none up. If there is no space, the log is left as long as it is.
    pub(super) fn preallocate(&self, bytes: u64) {
        let preallocate = || {
            let mut file = OpenOptions::new().write(true).open(&self.opener.folder.wal)?;
            let mut length = file.seek(SeekFrom::End(0))?;
            if length >= bytes {
                return Ok(());
            }
            let zeros = vec![0; 1 << 20];
            while length < bytes {
                let count = zeros.len().min(usize::try_from(bytes - length).unwrap_or(usize::MAX));
                file.write_all(&zeros[..count])?;
                length += count as u64;
            }
            file.sync_all()
        };
        if let Err(error) = preallocate() {
            let path = self.opener.folder.wal.display();
            tracing::warn!(%error, %path, "cannot grow the write-ahead log ahead of its use; commits are slower");
        }
    }

    fn request_checkpoint(&self) {
        self.requests.lock().checkpoint = true;
        self.requested.notify_one();
    }

    fn run(&self) {
        loop {
            {
                let mut requests = self.requests.lock();
                while !requests.checkpoint && !requests.stop {
                    self.requested.wait(&mut requests);
                }
                if requests.stop {
                    return;
                }
                requests.checkpoint = false;
            }
            if let Err(error) = self.checkpoint_rounds() {
                tracing::error!(%error, "moving the write-ahead log into the database failed");
                // Frames that SQLite counts as moved may not be on the disk. Closing forgets that count, once the
                // writer does the same, and recovery moves all of them again.
                self.close();
                *self.failure.lock() = Some(error);
                self.failed.store(true, Ordering::Release);
            }
        }
    }

    fn checkpoint_rounds(&self) -> Result<(), StoreError> {
        for _ in 0..ROUNDS_MAX {
            // Taken for each round, so that a recovery does not wait for all of them.
            let connection = self.connection.lock();
            let Some(connection) = &*connection else { return Ok(()) };
            self.checkpoint_pragma(connection, "PRAGMA main.wal_checkpoint(PASSIVE)")?;
            self.database
                .sync_data()
                .map_err(|source| io_error("sync", &self.opener.folder.database, source))?;
            let left = self.checkpoint_pragma(connection, "PRAGMA main.wal_checkpoint(NOOP)")?;
            if left.backlog() <= COMMIT_FRAMES_MAX / 2 {
                self.nearly_checkpointed.store(left.log >= self.limits.restart, Ordering::Relaxed);
                return Ok(());
            }
        }
        Ok(())
    }

    fn checkpoint_pragma(&self, connection: &Connection, sql: &str) -> Result<WalLength, StoreError> {
        let count = |row: &rusqlite::Row<'_>, column| {
            // Negative: somebody else is checkpointing, and nothing is known.
            row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0))
        };
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_row([], |row| Ok(WalLength { log: count(row, 1)?, checkpointed: count(row, 2)? }))
            })
            .map_err(|error| self.opener.store_error("checkpoint", error))
    }
}
