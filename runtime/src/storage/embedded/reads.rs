//! Queries of rows, projections and index entries.

use super::connection::{Opener, signed, unsigned};
use crate::storage::ports::{IdempotencyRow, LogRow, Seq, StoreError, StoredProjection, WorkerNum};
use golem_model::{Epoch, ProjectId, ShardId, TemplateId, Timestamp, WorkerId, WorkerName};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};
use uuid::Uuid;

const ROW: &str = "SELECT seq, worker, prev, shard, epoch, body FROM log";
const HEAD: &str = "SELECT no, template, name, project, shard, applied, active, wake_at, head FROM worker";

pub(super) fn row(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<LogRow>> {
    connection.prepare_cached(&format!("{ROW} WHERE seq = ?"))?.query_row([signed(seq.0)], log_row).optional()
}

pub(super) fn rows_after(
    connection: &Connection,
    seq: Seq,
    limit: usize,
    bytes_max: usize,
) -> rusqlite::Result<Vec<LogRow>> {
    let mut statement = connection.prepare_cached(&format!("{ROW} WHERE seq > ? ORDER BY seq LIMIT ?"))?;
    let mut found = statement.query([signed(seq.0), sql_limit(limit)])?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while bytes < bytes_max
        && let Some(row) = found.next()?
    {
        let row = log_row(row)?;
        bytes += row.body.len();
        rows.push(row);
    }
    Ok(rows)
}

/// Reads in one transaction. A worker's rows are removed from the last to the first, so a snapshot that contains a row
/// contains all rows before it; a missing one is damage.
pub(super) fn rows_back(
    opener: &Opener,
    connection: &Connection,
    last: Seq,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<LogRow>, StoreError> {
    let failed = |error| opener.store_error("read", error);
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let mut rows: Vec<LogRow> = Vec::new();
    let mut statement = snapshot.prepare_cached(&format!("{ROW} WHERE seq = ?")).map_err(failed)?;
    let mut seq = last;
    let mut bytes = 0;
    while rows.len() < limit && bytes < bytes_max && seq != Seq(0) {
        let found = statement.query_row([signed(seq.0)], log_row).optional().map_err(failed)?;
        match (found, rows.last()) {
            (None, None) => break,
            (None, Some(after)) => {
                let details =
                    format!("row {} of worker {} refers to it, and it is missing", after.seq, after.worker);
                return Err(opener.corrupt_error(format!("row {seq} of the log"), details));
            }
            (Some(row), Some(after)) if row.worker != after.worker => {
                let details = format!(
                    "row {} of worker {} refers to it, and it belongs to worker {}",
                    after.seq, after.worker, row.worker
                );
                return Err(opener.corrupt_error(format!("row {seq} of the log"), details));
            }
            (Some(row), _) if row.prev >= row.seq => {
                let details = format!("its previous row is {}, which is not before it", row.prev);
                return Err(opener.corrupt_error(format!("row {seq} of the log"), details));
            }
            (Some(row), _) => {
                seq = row.prev;
                bytes += row.body.len();
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

pub(super) fn projection(
    connection: &Connection,
    id: &WorkerId,
) -> rusqlite::Result<Option<StoredProjection>> {
    connection
        .prepare_cached(&format!("{HEAD} WHERE template = ? AND name = ?"))?
        .query_row((id.template.0.as_bytes(), id.name.as_str()), stored_projection)
        .optional()
}

pub(super) fn projection_by_num(
    connection: &Connection,
    worker: WorkerNum,
) -> rusqlite::Result<Option<StoredProjection>> {
    connection
        .prepare_cached(&format!("{HEAD} WHERE no = ?"))?
        .query_row([signed(worker.0)], stored_projection)
        .optional()
}

pub(super) fn projections_to_wake(
    connection: &Connection,
    after: WorkerNum,
    limit: usize,
) -> rusqlite::Result<Vec<StoredProjection>> {
    connection
        .prepare_cached(&format!(
            "{HEAD} INDEXED BY worker_to_wake
             WHERE (active <> 0 OR wake_at IS NOT NULL) AND no > ? ORDER BY no LIMIT ?"
        ))?
        .query_map([signed(after.0), sql_limit(limit)], stored_projection)?
        .collect()
}

/// Uses the index of template and name, which is ordered by bytes.
pub(super) fn projections_named(
    connection: &Connection,
    template: TemplateId,
    prefix: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<StoredProjection>> {
    let mut statement = connection.prepare_cached(&format!(
        "{HEAD} WHERE template = ? AND name >= ? AND name > ? ORDER BY name LIMIT ?"
    ))?;
    let mut rows = statement.query((template.0.as_bytes(), prefix, after, sql_limit(limit)))?;
    let mut projections = Vec::new();
    while let Some(row) = rows.next()? {
        let projection = stored_projection(row)?;
        // Names with the same prefix are adjacent in the index.
        if !projection.id.name.as_str().starts_with(prefix) {
            break;
        }
        projections.push(projection);
    }
    Ok(projections)
}

pub(super) fn projection_count(
    connection: &Connection,
    template: Option<TemplateId>,
) -> rusqlite::Result<u64> {
    match template {
        None => {
            connection.prepare_cached("SELECT count(*) FROM worker")?.query_row([], |row| unsigned(row, 0))
        }
        Some(template) => connection
            .prepare_cached("SELECT count(*) FROM worker WHERE template = ?")?
            .query_row([template.0.as_bytes()], |row| unsigned(row, 0)),
    }
}

pub(super) fn projection_counts(connection: &Connection) -> rusqlite::Result<Vec<(TemplateId, u64)>> {
    connection
        .prepare_cached("SELECT template, count(*) FROM worker GROUP BY template")?
        .query_map([], |row| Ok((TemplateId(uuid(row, 0)?), unsigned(row, 1)?)))?
        .collect()
}

pub(super) fn idempotency_row(
    connection: &Connection,
    worker: WorkerNum,
    key_hash: [u8; 16],
) -> rusqlite::Result<Option<IdempotencyRow>> {
    connection
        .prepare_cached("SELECT started, outcome FROM idem WHERE worker = ? AND key_hash = ?")?
        .query_row((signed(worker.0), key_hash), |row| {
            Ok(IdempotencyRow {
                worker,
                key_hash,
                started: Seq(unsigned(row, 0)?),
                outcome: Seq(unsigned(row, 1)?),
            })
        })
        .optional()
}

pub(super) fn log_row(row: &Row<'_>) -> rusqlite::Result<LogRow> {
    Ok(LogRow {
        seq: Seq(unsigned(row, 0)?),
        worker: WorkerNum(unsigned(row, 1)?),
        prev: Seq(unsigned(row, 2)?),
        shard: ShardId(row.get(3)?),
        epoch: Epoch(unsigned(row, 4)?),
        body: row.get(5)?,
    })
}

fn stored_projection(row: &Row<'_>) -> rusqlite::Result<StoredProjection> {
    let name = WorkerName::new(row.get::<_, String>(2)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?;
    Ok(StoredProjection {
        worker: WorkerNum(unsigned(row, 0)?),
        id: WorkerId { template: TemplateId(uuid(row, 1)?), name },
        project: ProjectId(uuid(row, 3)?),
        shard: ShardId(row.get(4)?),
        applied: Seq(unsigned(row, 5)?),
        active: row.get(6)?,
        wake_at: row.get::<_, Option<i64>>(7)?.map(|at| Timestamp::from_nanos(at.cast_unsigned())),
        encoded: row.get(8)?,
    })
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
