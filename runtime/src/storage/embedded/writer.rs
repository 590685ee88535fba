//! The one connection that writes, and the state that it keeps between transactions.
//!
//! Invariant: the state was read from the database or committed by this connection. It is read again when another
//! connection has written (`data_version`), and dropped with the connection after a failure.

use super::connection::{Opener, Purpose, signed, unsigned};
use super::wal::Wal;
use super::{deleted_names, values};
use crate::storage::ports::{
    Batch, DerivedPosition, IdempotencyRow, LogRow, RemovedWorker, Seq, StoreError, StorePosition,
    StoredProjection,
};
use golem_model::shard::SHARDS;
use golem_model::{Epoch, ShardId};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Why a transaction failed.
pub(super) enum WriteFailure {
    /// The store refused it. Nothing was written, and the connection is usable.
    Refused(StoreError),
    /// Something failed. The connection must not be used again.
    Broken(StoreError),
}

/// The connection and its state.
#[derive(Debug)]
pub(super) struct Writer {
    opener: Opener,
    wal: Arc<Wal>,
    connection: Connection,
    /// Changes when another connection has written.
    data_version: i64,
    epochs: Vec<Epoch>,
    position: StorePosition,
    /// Whether there may be rows of deleted workers to remove.
    trash: bool,
    /// Whether there may be values of abandoned buckets, or names of removed templates, to remove.
    abandoned: bool,
    /// Estimated pages written since the length of the write-ahead log was last checked.
    pages_written: u64,
}

impl Writer {
    /// Opens the connection and reads the state.
    pub(super) fn open(opener: Opener, wal: Arc<Wal>) -> Result<Self, StoreError> {
        let connection = opener.open(Purpose::Write)?;
        let mut writer = Self {
            opener,
            wal,
            connection,
            data_version: 0,
            epochs: Vec::new(),
            position: StorePosition::default(),
            trash: true,
            abandoned: true,
            pages_written: 0,
        };
        let failed = |error| writer.opener.store_error("read", error);
        writer.data_version = writer.read_data_version().map_err(failed)?;
        writer.read_state()?;
        Ok(writer)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Closes the connection. SQLite then checkpoints the write-ahead log and removes it.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        let setting = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        self.connection.set_db_config(setting, false)?;
        self.connection.close().map_err(|(_, error)| error)
    }

    /// Commits a batch in one transaction.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), WriteFailure> {
        let position = self.transact(|writer| writer.write_batch(batch))?;
        self.position = position;
        self.trash |= !batch.removed.is_empty();
        let has_names = batch.removed.iter().any(|removed| removed.name.is_some());
        self.abandoned |= !batch.abandoned.is_empty() || has_names;
        Ok(())
    }

    /// Notes that there may be values of abandoned buckets or projects, or names of removed templates.
    pub(super) fn expect_abandoned(&mut self) {
        self.abandoned = true;
    }

    /// Removes some values of abandoned buckets and projects, and some names of removed templates. Returns whether there
    /// are more.
    pub(super) fn sweep_garbage(&mut self) -> Result<bool, WriteFailure> {
        if !self.abandoned {
            return Ok(false);
        }
        let any = self.transact(|writer| {
            let connection = &writer.connection;
            values::sweep(connection)
                .and_then(|()| deleted_names::sweep(connection))
                .and_then(|()| {
                    Ok(values::any_abandoned(connection)? || deleted_names::any_garbage(connection)?)
                })
                .map_err(|error| WriteFailure::Broken(writer.opener.store_error("write", error)))
        })?;
        self.abandoned = any;
        self.pages_written += 64;
        Ok(any)
    }

    /// Increments all epochs.
    pub(super) fn acquire(&mut self) -> Result<Vec<(ShardId, Epoch)>, WriteFailure> {
        self.transact(|writer| {
            writer
                .connection
                .execute("UPDATE lease SET epoch = epoch + 1", [])
                .map_err(|error| WriteFailure::Broken(writer.opener.store_error("write", error)))?;
            Ok(())
        })?;
        for epoch in &mut self.epochs {
            epoch.0 += 1;
        }
        Ok(ShardId::all().zip(self.epochs.iter().copied()).collect())
    }

    /// Runs `operation` in a transaction, which is committed if it succeeds and rolled back if not.
    pub(super) fn transact<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, WriteFailure>,
    ) -> Result<T, WriteFailure> {
        self.execute("BEGIN IMMEDIATE")?;
        let outcome = self.refresh().and_then(|()| operation(self));
        match outcome {
            Ok(value) => {
                self.execute("COMMIT")?;
                Ok(value)
            }
            Err(WriteFailure::Refused(error)) => {
                self.execute("ROLLBACK")?;
                Err(WriteFailure::Refused(error))
            }
            // Closing the connection rolls back.
            Err(WriteFailure::Broken(error)) => Err(WriteFailure::Broken(error)),
        }
    }

    /// Called between two commits: checkpoints the write-ahead log if necessary.
    pub(super) fn after_commit(&mut self) -> Result<(), StoreError> {
        if self.wal.after_commit(&self.connection, self.pages_written)? {
            self.pages_written = 0;
        }
        Ok(())
    }

    /// Removes at most `limit` rows of deleted workers. Returns whether there are more.
    ///
    /// A worker's rows are removed from the last to the first, so the remaining ones are always a complete chain. They
    /// are kept until the derived tables include the worker's deletion: before that, deriving them reads the rows.
    pub(super) fn purge_removed(&mut self, limit: usize) -> Result<bool, WriteFailure> {
        if !self.trash || limit == 0 {
            return Ok(self.trash);
        }
        let failed = |error| WriteFailure::Broken(self.opener.store_error("read", error));
        let (ready, any) = self.find_trash().map_err(failed)?;
        self.trash = any;
        if !ready {
            return Ok(false);
        }
        self.transact(|writer| {
            writer
                .empty_trash_in_transaction(limit)
                .map_err(|error| WriteFailure::Broken(writer.opener.store_error("write", error)))
        })?;
        self.pages_written += limit as u64 / 8;
        let (ready, any) = self
            .find_trash()
            .map_err(|error| WriteFailure::Broken(self.opener.store_error("read", error)))?;
        self.trash = any;
        Ok(ready)
    }

    /// Whether there are rows that may be removed now, and whether there are any.
    fn find_trash(&self) -> rusqlite::Result<(bool, bool)> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM trash WHERE last <= ?), EXISTS (SELECT 1 FROM trash)",
            )?
            .query_row([signed(self.position.derived.applied.0)], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn empty_trash_in_transaction(&mut self, limit: usize) -> rusqlite::Result<()> {
        let connection = &self.connection;
        let derived = signed(self.position.derived.applied.0);
        let mut next = connection
            .prepare_cached("SELECT worker, last FROM trash WHERE last <= ? ORDER BY worker LIMIT 1")?;
        let mut prev = connection.prepare_cached("SELECT prev FROM log WHERE seq = ? AND worker = ?")?;
        let mut remove = connection.prepare_cached("DELETE FROM log WHERE seq = ?")?;
        let mut remove_keys = connection.prepare_cached(
            "DELETE FROM idem WHERE worker = ?1 AND key_hash IN
                 (SELECT key_hash FROM idem WHERE worker = ?1 LIMIT ?2)",
        )?;
        // The last row of the log may be removed too, and its position must not be assigned again.
        connection
            .prepare_cached("UPDATE meta SET value = ? WHERE key = 'last'")?
            .execute([signed(self.position.last.0)])?;
        let mut left = limit;
        while left > 0 {
            let found = next
                .query_row([derived], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                .optional()?;
            let Some((worker, mut last)) = found else { return Ok(()) };
            while left > 0 && last != 0 {
                let before = prev.query_row([last, worker], |row| row.get::<_, i64>(0)).optional()?;
                if before.is_some() {
                    remove.execute([last])?;
                }
                last = before.unwrap_or(0);
                left -= 1;
            }
            if left > 0 {
                left -= remove_keys.execute([worker, i64::try_from(left).unwrap_or(i64::MAX)])?.min(left);
            }
            if left > 0 {
                connection.prepare_cached("DELETE FROM trash WHERE worker = ?")?.execute([worker])?;
                left -= 1;
            } else {
                connection
                    .prepare_cached("UPDATE trash SET last = ? WHERE worker = ?")?
                    .execute([last, worker])?;
            }
        }
        Ok(())
    }

    /// Writes a batch. Returns the position after it.
    fn write_batch(&mut self, batch: &Batch) -> Result<StorePosition, WriteFailure> {
        for &(shard, ours) in &batch.fences {
            let current = self.epochs[usize::from(shard.0)];
            if current != ours {
                return Err(WriteFailure::Refused(StoreError::Fenced { shard, ours, current }));
            }
        }
        let mut position = self.position;
        for row in &batch.rows {
            if row.seq != position.last.next() {
                let error = StoreError::OutOfOrder { first: row.seq, last: position.last };
                return Err(WriteFailure::Refused(error));
            }
            position.last = row.seq;
        }
        let failed = |error| WriteFailure::Broken(self.opener.store_error("write", error));
        self.write_rows(&batch.rows).map_err(failed)?;
        self.write_removed(&batch.removed).map_err(failed)?;
        if !batch.projections.is_empty() {
            self.write_projections(&batch.projections).map_err(|error| {
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
                    WriteFailure::Refused(StoreError::Conflict { what: "worker" })
                } else {
                    failed(error)
                }
            })?;
        }
        self.write_idempotency_rows(&batch.idempotency_rows).map_err(failed)?;
        values::write(&self.connection, &batch.values).map_err(failed)?;
        values::mark_abandoned(&self.connection, &batch.abandoned).map_err(failed)?;
        if let Some(derived) = batch.derived {
            self.write_derived(derived).map_err(failed)?;
            position.derived = derived;
        }
        let bodies: usize = batch.rows.iter().map(|row| row.body.len() + 32).sum();
        let projections: usize =
            batch.projections.iter().map(|projection| 2 + projection.encoded.len() / 4096).sum();
        let values: usize = batch.values.iter().map(values::estimated_pages).sum();
        self.pages_written += 2
            + (bodies / 4096 + projections + batch.idempotency_rows.len() + batch.removed.len() + values)
                as u64;
        Ok(position)
    }

    fn write_rows(&self, rows: &[LogRow]) -> rusqlite::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO log (seq, worker, prev, shard, epoch, body) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        for row in rows {
            insert.execute(params![
                signed(row.seq.0),
                signed(row.worker.0),
                signed(row.prev.0),
                row.shard.0,
                signed(row.epoch.0),
                row.body,
            ])?;
        }
        Ok(())
    }

    fn write_projections(&self, projections: &[StoredProjection]) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO worker (no, template, name, project, shard, applied, active, wake_at, head)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (no) DO UPDATE SET template = excluded.template, name = excluded.name,
                 project = excluded.project, shard = excluded.shard, applied = excluded.applied,
                 active = excluded.active, wake_at = excluded.wake_at, head = excluded.head",
        )?;
        for projection in projections {
            insert.execute(params![
                signed(projection.worker.0),
                projection.id.template.0.as_bytes(),
                projection.id.name.as_str(),
                projection.project.0.as_bytes(),
                projection.shard.0,
                signed(projection.applied.0),
                projection.active,
                projection.wake_at.map(|at| signed(at.as_nanos())),
                projection.encoded,
            ])?;
        }
        Ok(())
    }

    fn write_removed(&self, removed: &[RemovedWorker]) -> rusqlite::Result<()> {
        for RemovedWorker { worker, last, name } in removed {
            self.connection.prepare_cached("DELETE FROM worker WHERE no = ?")?.execute([signed(worker.0)])?;
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO trash (worker, last) VALUES (?, ?)")?
                .execute([signed(worker.0), signed(last.0)])?;
            if let Some(name) = name {
                deleted_names::write(&self.connection, name)?;
            }
        }
        Ok(())
    }

    fn write_idempotency_rows(&self, rows: &[IdempotencyRow]) -> rusqlite::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO idem (worker, key_hash, started, outcome) VALUES (?, ?, ?, ?)",
        )?;
        for row in rows {
            insert.execute(params![
                signed(row.worker.0),
                row.key_hash,
                signed(row.started.0),
                signed(row.outcome.0),
            ])?;
        }
        Ok(())
    }

    fn write_derived(&self, derived: DerivedPosition) -> rusqlite::Result<()> {
        let mut update = self.connection.prepare_cached("UPDATE meta SET value = ? WHERE key = ?")?;
        update.execute(params![signed(derived.applied.0), "derived"])?;
        update.execute(params![signed(derived.worker_num_max), "worker_no_max"])?;
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), WriteFailure> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .map_err(|error| WriteFailure::Broken(self.opener.store_error("write", error)))
    }

    /// Reads the state again if another connection has written. No other connection can write until this transaction
    /// ends.
    fn refresh(&mut self) -> Result<(), WriteFailure> {
        let data_version = self
            .read_data_version()
            .map_err(|error| WriteFailure::Broken(self.opener.store_error("read", error)))?;
        if data_version != self.data_version {
            self.data_version = data_version;
            self.read_state().map_err(WriteFailure::Broken)?;
        }
        Ok(())
    }

    fn read_data_version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }

    fn read_state(&mut self) -> Result<(), StoreError> {
        let failed = |error| self.opener.store_error("read", error);
        self.epochs = read_epochs(&self.connection).map_err(failed)?;
        if self.epochs.len() != usize::from(SHARDS) {
            let details = format!("it has {} rows instead of {SHARDS}", self.epochs.len());
            return Err(self.opener.corrupt_error("table lease", details));
        }
        self.position = read_position(&self.connection).map_err(failed)?;
        if self.position.derived.applied > self.position.last {
            let StorePosition { last, derived } = self.position;
            let details = format!(
                "it says that rows up to {} are derived, but the log ends at {last}",
                derived.applied
            );
            return Err(self.opener.corrupt_error("table meta", details));
        }
        self.trash = true;
        self.abandoned = true;
        Ok(())
    }
}

/// Commits a dummy change over the frames of a failed transaction. SQLite's index of the write-ahead log must have been
/// kept in memory since then.
pub(super) fn overwrite_failed_frames(opener: &Opener) -> Result<(), StoreError> {
    let connection = opener.open(Purpose::Write)?;
    connection
        // The value must change: SQLite does not write an unchanged page.
        .execute_batch("UPDATE meta SET value = value + 1 WHERE key = 'recoveries'")
        .map_err(|error| opener.store_error("write", error))
}

fn read_epochs(connection: &Connection) -> rusqlite::Result<Vec<Epoch>> {
    let mut statement: CachedStatement<'_> =
        connection.prepare_cached("SELECT epoch FROM lease ORDER BY shard")?;
    statement.query_map([], |row| unsigned(row, 0).map(Epoch))?.collect()
}

/// The position of the store. Its last row is the last one in `log`, or the one that `meta` recorded when rows were
/// removed, whichever is later.
pub(super) fn read_position(connection: &Connection) -> rusqlite::Result<StorePosition> {
    connection
        .prepare_cached(
            "SELECT max(coalesce((SELECT max(seq) FROM log), 0), (SELECT value FROM meta WHERE key = 'last')),
                    (SELECT value FROM meta WHERE key = 'derived'),
                    (SELECT value FROM meta WHERE key = 'worker_no_max')",
        )?
        .query_row([], |row| {
            Ok(StorePosition {
                last: Seq(unsigned(row, 0)?),
                derived: DerivedPosition { applied: Seq(unsigned(row, 1)?), worker_num_max: unsigned(row, 2)? },
            })
        })
}
