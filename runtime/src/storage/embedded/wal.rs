//! Checkpoints of the write-ahead log: it is preallocated, checkpointed while commits continue, and restarted instead
//! of truncated.
//!
//! A commit that extends a file must also sync the new size; one that overwrites does not. So the log is preallocated,
//! and SQLite restarts it from the beginning when all of it has been checkpointed. A thread with its own connection
//! checkpoints while commits continue. When few frames are left, a commit checkpoints them itself, because only between
//! two commits can the log be checkpointed completely.

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

/// Frames that a commit may checkpoint itself, 1 MiB. That takes one or two milliseconds, once for each restart of the
/// log.
const COMMIT_FRAMES_MAX: u64 = 256;

/// Fewer frames are not checkpointed in idle time: a single client would then pay a sync for each call.
const IDLE_FRAMES_MIN: u64 = 64;

/// Rounds of a checkpoint before the thread waits for the next request, if commits are faster than the thread.
const ROUNDS_MAX: usize = 16;

/// Thresholds, in frames.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A backlog of this size wakes the thread.
    backlog: u64,
    /// A log of this length is restarted as soon as few frames are left.
    restart: u64,
    /// A log of this length is checkpointed at once, while commits wait.
    blocking: u64,
}

/// Length of the log, and how much of it has been checkpointed, in frames.
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

/// State shared by the thread, the writer and the store.
#[derive(Debug)]
pub(super) struct Wal {
    opener: Opener,
    limits: Limits,
    requests: Mutex<CheckpointRequests>,
    requested: Condvar,
    /// The thread's connection; `None` after a failure until the store has recovered.
    connection: Mutex<Option<Connection>>,
    /// The thread has left so few frames that a commit can checkpoint them.
    nearly_checkpointed: AtomicBool,
    /// Why the thread's checkpoint failed. The next commit takes it.
    failure: Mutex<Option<StoreError>>,
    failed: AtomicBool,
    /// The database file, which the thread syncs so that commits need not wait for that. It must not be dropped before
    /// all connections are closed: closing any handle of a file releases the process's locks on it.
    database: File,
}

#[derive(Debug, Default)]
struct CheckpointRequests {
    checkpoint: bool,
    stop: bool,
}

impl Wal {
    /// `bytes` is the preallocated length. The log is restarted when half of it is used.
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

    /// Closes the thread's connection after its current round.
    pub(super) fn close(&self) {
        *self.connection.lock() = None;
    }

    /// Opens the thread's connection and clears the failure.
    pub(super) fn open(&self) -> Result<(), StoreError> {
        *self.connection.lock() = Some(self.opener.open(Purpose::Checkpoint)?);
        *self.failure.lock() = None;
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    /// Takes the thread's failure. Returns `None` if there was no failure, or if it was already taken.
    pub(super) fn take_failure(&self) -> Option<StoreError> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().take()
    }

    /// Called between two commits, with the writer's connection and the estimated pages written since the last check.
    /// Returns whether it has checked the log's length.
    pub(super) fn after_commit(&self, writer: &Connection, pages: u64) -> Result<bool, StoreError> {
        if pages < COMMIT_FRAMES_MAX && !self.nearly_checkpointed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let length = self.checkpoint_pragma(writer, "PRAGMA main.wal_checkpoint(NOOP)")?;
        if length.log >= self.limits.blocking {
            tracing::warn!(frames = length.log, "the write-ahead log is long; commits wait for a checkpoint");
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

    /// Appends zeros to the log until it has `bytes` bytes. SQLite does not take zeros for frames.
    ///
    /// Called between a full checkpoint and the first commit. SQLite holds no lock on this file, so closing this handle
    /// releases none. If the disk is full, the log keeps its length.
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
            tracing::warn!(%error, %path, "cannot preallocate the write-ahead log; commits are slower");
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
                tracing::error!(%error, "the checkpoint of the write-ahead log failed");
                // SQLite may count frames as checkpointed that are not on the disk. Closing all connections discards
                // that count, and recovery checkpoints all frames again.
                self.close();
                *self.failure.lock() = Some(error);
                self.failed.store(true, Ordering::Release);
            }
        }
    }

    fn checkpoint_rounds(&self) -> Result<(), StoreError> {
        for _ in 0..ROUNDS_MAX {
            // Locked for each round, so that a recovery does not wait for all of them.
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
            // Negative if another connection is checkpointing, so the number is unknown.
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
