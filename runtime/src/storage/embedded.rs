//! The store of one node: a SQLite file `golem.db` in the data folder.
//!
//! | module | contains |
//! | --- | --- |
//! | `folder` | the data folder and its lock |
//! | `connection` | opens connections, maps errors |
//! | `schema` | tables and migrations |
//! | `writer` | the one connection that writes |
//! | `readers`, `reads` | the connections that only read, and their queries |
//! | `values` | values and objects that workers share |
//! | `catalog` | accounts, projects, tokens and templates |
//! | `wal` | checkpoints of the write-ahead log |
//! | `wal_check` | checks the write-ahead log before SQLite opens it |
//! | `check` | a full check of the database |
//!
//! Invariant: every commit is one transaction with one sync of the write-ahead log, and nothing is acknowledged before
//! that sync. Invariant: after a failed write or checkpoint, all connections are closed before the next write. Then
//! SQLite reads the write-ahead log from the disk, and all of it is checkpointed and synced. Frames that a failed sync
//! may have left only in memory are overwritten before that ([`Store::recover`]), or written again after a crash
//! (`wal_check`). Until then, committed rows can be read. Assumptions on the disk: docs/oplog-format.md.

mod catalog;
mod check;
mod connection;
mod deleted_names;
pub(super) mod folder;
mod readers;
mod reads;
mod schema;
mod values;
mod wal;
mod wal_check;
mod writer;

pub use check::CheckReport;

use crate::storage::ports::{
    Batch, IdempotencyRow, LogRow, Seq, Store, StoreError, StorePosition, StoredProjection, ValueRow,
    WorkerNum,
};
use connection::{Opener, Purpose};
use folder::Folder;
use golem_model::shared::{KeySpace, ScopedKey};
use golem_model::{Epoch, OplogIndex, ProjectId, ShardId, TemplateId, WorkerId};
use parking_lot::Mutex;
use readers::Readers;
use rusqlite::Connection;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use wal::Wal;
use writer::{WriteFailure, Writer};

/// Preallocated bytes of the write-ahead log. At the highest rates, the log is restarted about once a second.
pub const WAL_BYTES_DEFAULT: u64 = 32 << 20;

/// Options for opening a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The data folder; created if it is missing.
    pub dir: PathBuf,
    /// Name of a registered SQLite VFS, for tests that inject faults.
    pub vfs: Option<String>,
    /// Bytes to preallocate for the write-ahead log.
    pub wal_bytes: u64,
    /// Whether to lock the folder against other processes. Only tests of fencing set it to false.
    pub exclusive: bool,
}

impl OpenOptions {
    /// The options of a server with the data folder `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), vfs: None, wal_bytes: WAL_BYTES_DEFAULT, exclusive: true }
    }
}

/// The store in a data folder.
#[derive(Debug)]
pub struct EmbeddedStore {
    opener: Opener,
    writer: Mutex<WriterSlot>,
    /// Keeps SQLite's index of the write-ahead log in memory while the writer is replaced. `None` if the store could
    /// not be opened again after a failure.
    anchor: Mutex<Option<Connection>>,
    readers: Readers,
    wal: Arc<Wal>,
    wal_thread: Option<JoinHandle<()>>,
    wal_bytes: u64,
    syncs: AtomicU64,
    /// Dropped last: no other process may open the folder before all connections are closed.
    _lock: Option<File>,
}

/// The writer, or why there is none.
#[derive(Debug)]
enum WriterSlot {
    Ready(Box<Writer>),
    /// A commit of the log failed. The committer must call [`Store::recover`] to learn which rows are stored.
    LogFailed,
    /// A checkpoint or another write failed. The log is unchanged, so the next write recovers without the committer.
    OtherFailed,
}

/// Kind of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteTarget {
    Log,
    Catalog,
}

impl EmbeddedStore {
    /// Opens the store; creates or migrates the database if necessary.
    pub fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let OpenOptions { dir, vfs, wal_bytes, exclusive } = options;
        let folder = Folder::create(&dir)?;
        let lock = if exclusive { Some(folder.lock()?) } else { None };
        folder.create_database()?;
        let opener = Opener { folder, vfs };
        if exclusive {
            wal_check::check_wal(&opener)?;
        }
        schema::open_or_migrate(&opener, &schema::CURRENT)?;
        let wal = Wal::new(opener.clone(), wal_bytes)?;
        let mut store = Self {
            writer: Mutex::new(WriterSlot::OtherFailed),
            anchor: Mutex::new(None),
            readers: Readers::new(opener.clone()),
            wal_thread: None,
            wal_bytes,
            syncs: AtomicU64::new(0),
            _lock: lock,
            wal,
            opener,
        };
        store.wal_thread = Some(store.wal.start()?);
        store.recover()?;
        Ok(store)
    }

    /// Runs `write` on the writer. If it fails, the writer must be replaced before the next write.
    fn write_with<T>(
        &self,
        target: WriteTarget,
        write: impl FnOnce(&mut Writer) -> Result<T, WriteFailure>,
    ) -> Result<T, StoreError> {
        let mut slot = self.writer.lock();
        if let (WriterSlot::Ready(_), Some(error)) = (&*slot, self.wal.take_failure()) {
            tracing::warn!(%error, "a checkpoint of the write-ahead log failed; the store recovers");
            *slot = WriterSlot::OtherFailed;
        }
        if matches!(&*slot, WriterSlot::OtherFailed) {
            self.reopen(&mut slot)?;
        }
        let WriterSlot::Ready(writer) = &mut *slot else { return Err(self.needs_recovery()) };
        match write(writer) {
            Ok(value) => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                // The transaction is durable, so the caller gets `Ok` even if this fails.
                if let Err(error) = writer.after_commit() {
                    tracing::error!(%error, "the checkpoint of the write-ahead log failed");
                    *slot = WriterSlot::OtherFailed;
                }
                Ok(value)
            }
            Err(WriteFailure::Refused(error)) => Err(error),
            Err(WriteFailure::Broken(error)) => {
                *slot = match target {
                    WriteTarget::Log => WriterSlot::LogFailed,
                    WriteTarget::Catalog => WriterSlot::OtherFailed,
                };
                Err(error)
            }
        }
    }

    /// Closes all connections and opens them again, after a failure or for the first time.
    fn reopen(&self, slot: &mut WriterSlot) -> Result<StorePosition, StoreError> {
        // Closing rolls the transaction back. SQLite's index does not contain the frames of a failed transaction.
        if let WriterSlot::Ready(_) = slot {
            *slot = WriterSlot::LogFailed;
        }
        let mut anchor = self.anchor.lock();
        if anchor.is_some() {
            // The frames of the failed transaction may be readable in the file although they are not on the disk. The
            // index makes the next transaction overwrite the first of them, which invalidates the others.
            writer::overwrite_failed_frames(&self.opener)?;
        }
        let _no_readers = self.readers.close_all();
        self.wal.close();
        *anchor = None;
        // All connections are closed, so the index is gone. It said how many frames have been checkpointed, which is
        // wrong if a sync of the database failed. A new index starts with none.
        let connection = self.opener.open(Purpose::Write)?;
        schema::checkpoint_all(&self.opener, &connection)?;
        self.wal.preallocate(self.wal_bytes);
        let writer = Writer::open(self.opener.clone(), Arc::clone(&self.wal))?;
        let position =
            writer::read_position(&connection).map_err(|error| self.opener.store_error("read", error))?;
        self.wal.open()?;
        *anchor = Some(connection);
        *slot = WriterSlot::Ready(Box::new(writer));
        Ok(position)
    }

    fn needs_recovery(&self) -> StoreError {
        StoreError::Io {
            operation: "write",
            path: self.opener.folder.database.clone(),
            source: "a write failed before, and the store has not recovered yet".into(),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.readers
            .with(|connection| read(connection).map_err(|error| self.opener.store_error("read", error)))
    }
}

impl Store for EmbeddedStore {
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError> {
        self.write_with(WriteTarget::Log, Writer::acquire)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write_with(WriteTarget::Log, |writer| writer.commit(batch))
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.reopen(&mut self.writer.lock())
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        self.read(writer::read_position)
    }

    fn rows_back(&self, last: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.readers.with(|connection| reads::rows_back(&self.opener, connection, last, limit, bytes_max))
    }

    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError> {
        self.read(|connection| reads::row(connection, seq))
    }

    fn rows_after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.read(|connection| reads::rows_after(connection, seq, limit, bytes_max))
    }

    fn projection(&self, id: &WorkerId) -> Result<Option<StoredProjection>, StoreError> {
        self.read(|connection| reads::projection(connection, id))
    }

    fn projection_by_num(&self, worker: WorkerNum) -> Result<Option<StoredProjection>, StoreError> {
        self.read(|connection| reads::projection_by_num(connection, worker))
    }

    fn projections_to_wake(
        &self,
        after: WorkerNum,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.read(|connection| reads::projections_to_wake(connection, after, limit))
    }

    fn projections_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.read(|connection| reads::projections_named(connection, template, prefix, after, limit))
    }

    fn projection_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError> {
        self.read(|connection| reads::projection_count(connection, template))
    }

    fn projection_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.read(reads::projection_counts)
    }

    fn deleted_name(&self, id: &WorkerId) -> Result<Option<OplogIndex>, StoreError> {
        self.read(|connection| deleted_names::oplog_end(connection, id))
    }

    fn deleted_name_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.read(deleted_names::counts_by_template)
    }

    fn idempotency_row(
        &self,
        worker: WorkerNum,
        key_hash: [u8; 16],
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        self.read(|connection| reads::idempotency_row(connection, worker, key_hash))
    }

    fn value(&self, project: ProjectId, key: &ScopedKey) -> Result<Option<ValueRow>, StoreError> {
        self.read(|connection| values::value(connection, project, key))
    }

    fn keys(
        &self,
        project: ProjectId,
        space: KeySpace,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|connection| values::keys(connection, project, space, bucket, after, limit))
    }

    fn run_maintenance(&self, limit: usize) -> Result<bool, StoreError> {
        let mut slot = self.writer.lock();
        if let WriterSlot::OtherFailed = &*slot {
            self.reopen(&mut slot)?;
        }
        let WriterSlot::Ready(writer) = &mut *slot else { return Err(self.needs_recovery()) };
        let outcome = writer.purge_removed(limit).and_then(|more| {
            let more = writer.sweep_garbage()? | more;
            self.wal.checkpoint_when_idle(writer.connection()).map_err(WriteFailure::Broken)?;
            Ok(more)
        });
        match outcome {
            Ok(more) => Ok(more),
            Err(WriteFailure::Refused(error)) => Err(error),
            Err(WriteFailure::Broken(error)) => {
                *slot = WriterSlot::OtherFailed;
                Err(error)
            }
        }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.wal.stop();
        if let Some(thread) = self.wal_thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
        let failed = self.wal.take_failure().is_some();
        let _no_readers = self.readers.close_all();
        self.wal.close();
        *self.anchor.get_mut() = None;
        // After a failure, the files are left unchanged: the next start reads the write-ahead log from the disk.
        let slot = std::mem::replace(self.writer.get_mut(), WriterSlot::LogFailed);
        if let (WriterSlot::Ready(writer), false) = (slot, failed)
            && let Err(error) = writer.close()
        {
            tracing::warn!(%error, "the checkpoint at shutdown failed; the next start repeats it");
        }
    }
}
