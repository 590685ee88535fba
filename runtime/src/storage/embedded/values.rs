//! Data that workers share: values in buckets, and objects in containers.

use super::connection::{signed, unsigned};
use crate::storage::ports::{AbandonedBucket, Seq, ValueRow};
use golem_model::ProjectId;
use golem_model::shared::{KeySpace, ScopedKey};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Values of abandoned buckets to remove in one transaction. Each may have thousands of pages.
const SWEEP_VALUES_MAX: u32 = 16;

/// Stands for all buckets of a project in the table `abandoned`. It is not a bucket's name, because names are UTF-8.
const ALL_BUCKETS: &[u8] = &[0xFF];

/// Writes the values of a batch.
pub(super) fn write(connection: &Connection, rows: &[ValueRow]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut put = connection.prepare_cached(
        "INSERT INTO kv (project, space, bucket, key, value, version) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (project, space, bucket, key)
             DO UPDATE SET value = excluded.value, version = excluded.version",
    )?;
    let mut remove = connection
        .prepare_cached("DELETE FROM kv WHERE project = ? AND space = ? AND bucket = ? AND key = ?")?;
    for row in rows {
        let (project, space) = (row.project.0.as_bytes(), row.scoped_key.space.code());
        let (bucket, key) = (row.scoped_key.bucket.as_bytes(), row.scoped_key.key.as_bytes());
        match &row.value {
            Some(value) => {
                put.execute(params![project, space, bucket, key, &**value, signed(row.version.0)])?
            }
            None => remove.execute(params![project, space, bucket, key])?,
        };
    }
    Ok(())
}

/// Marks buckets whose values are garbage.
pub(super) fn mark_abandoned(connection: &Connection, buckets: &[AbandonedBucket]) -> rusqlite::Result<()> {
    for AbandonedBucket { project, bucket } in buckets {
        connection
            .prepare_cached("INSERT OR IGNORE INTO abandoned (project, bucket) VALUES (?, ?)")?
            .execute(params![project.0.as_bytes(), bucket.as_bytes()])?;
    }
    Ok(())
}

/// Marks a project, all of whose values are garbage.
pub(super) fn mark_project_abandoned(connection: &Connection, project: &[u8; 16]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO abandoned (project, bucket) VALUES (?, ?)")?
        .execute(params![project, ALL_BUCKETS])
        .map(drop)
}

/// Whether there are abandoned buckets.
pub(super) fn any_abandoned(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM abandoned)")?.query_row([], |row| row.get(0))
}

/// Removes some values of an abandoned bucket or project, or its mark when none are left. Must run in a transaction.
pub(super) fn sweep(connection: &Connection) -> rusqlite::Result<()> {
    let next = connection
        .prepare_cached("SELECT project, bucket FROM abandoned LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let Some((project, bucket)) = next else { return Ok(()) };
    let swept = if bucket == ALL_BUCKETS {
        connection
            .prepare_cached("DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE project = ? LIMIT ?)")?
            .execute(params![project, SWEEP_VALUES_MAX])?
    } else {
        connection
            .prepare_cached(
                "DELETE FROM kv WHERE rowid IN
                     (SELECT rowid FROM kv WHERE project = ? AND space = ? AND bucket = ? LIMIT ?)",
            )?
            .execute(params![project, KeySpace::Objects.code(), bucket, SWEEP_VALUES_MAX])?
    };
    if (swept as u64) < u64::from(SWEEP_VALUES_MAX) {
        connection
            .prepare_cached("DELETE FROM abandoned WHERE project = ? AND bucket = ?")?
            .execute(params![project, bucket])?;
    }
    Ok(())
}

/// Estimated pages in the write-ahead log for a value.
pub(super) fn estimated_pages(row: &ValueRow) -> usize {
    2 + row.value.as_ref().map_or(0, |value| value.len() / 4096)
}

pub(super) fn value(
    connection: &Connection,
    project: ProjectId,
    scoped_key: &ScopedKey,
) -> rusqlite::Result<Option<ValueRow>> {
    let (bucket, key) = (scoped_key.bucket.as_bytes(), scoped_key.key.as_bytes());
    connection
        .prepare_cached(
            "SELECT value, version FROM kv WHERE project = ? AND space = ? AND bucket = ? AND key = ?",
        )?
        .query_row(params![project.0.as_bytes(), scoped_key.space.code(), bucket, key], |row| {
            let value: Arc<[u8]> = row.get_ref(0)?.as_blob()?.into();
            let version = Seq(unsigned(row, 1)?);
            Ok(ValueRow { project, scoped_key: scoped_key.clone(), value: Some(value), version })
        })
        .optional()
}

pub(super) fn keys(
    connection: &Connection,
    project: ProjectId,
    space: KeySpace,
    bucket: &str,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    // The empty key is a valid key, so without `after` the comparison must include it.
    let condition = if after.is_some() { "key > ?" } else { "key >= ?" };
    connection
        .prepare_cached(&format!(
            "SELECT key FROM kv WHERE project = ? AND space = ? AND bucket = ? AND {condition} ORDER BY key LIMIT ?"
        ))?
        .query_map(
            params![
                project.0.as_bytes(),
                space.code(),
                bucket.as_bytes(),
                after.unwrap_or_default().as_bytes(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                let bytes: Vec<u8> = row.get(0)?;
                String::from_utf8(bytes).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
                })
            },
        )?
        .collect()
}
