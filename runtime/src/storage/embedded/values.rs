//! The values of buckets.

use super::connection::{signed, unsigned};
use crate::storage::ports::{Seq, ValueRow};
use golem_model::ProjectId;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Writes what a batch says of values.
pub(super) fn write(connection: &Connection, rows: &[ValueRow]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut put = connection.prepare_cached(
        "INSERT INTO kv (project, bucket, key, value, version) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (project, bucket, key) DO UPDATE SET value = excluded.value, version = excluded.version",
    )?;
    let mut remove =
        connection.prepare_cached("DELETE FROM kv WHERE project = ? AND bucket = ? AND key = ?")?;
    for row in rows {
        let (project, bucket, key) = (row.project.0.as_bytes(), row.bucket.as_bytes(), row.key.as_bytes());
        match &row.value {
            Some(value) => put.execute(params![project, bucket, key, &**value, signed(row.version.0)])?,
            None => remove.execute(params![project, bucket, key])?,
        };
    }
    Ok(())
}

/// Pages of the write-ahead log that a value takes, about.
pub(super) fn pages(row: &ValueRow) -> usize {
    2 + row.value.as_ref().map_or(0, |value| value.len() / 4096)
}

pub(super) fn value(
    connection: &Connection,
    project: ProjectId,
    bucket: &str,
    key: &str,
) -> rusqlite::Result<Option<ValueRow>> {
    connection
        .prepare_cached("SELECT value, version FROM kv WHERE project = ? AND bucket = ? AND key = ?")?
        .query_row(params![project.0.as_bytes(), bucket.as_bytes(), key.as_bytes()], |row| {
            let value: Arc<[u8]> = row.get_ref(0)?.as_blob()?.into();
            Ok(ValueRow {
                project,
                bucket: bucket.into(),
                key: key.into(),
                value: Some(value),
                version: Seq(unsigned(row, 1)?),
            })
        })
        .optional()
}

pub(super) fn keys(
    connection: &Connection,
    project: ProjectId,
    bucket: &str,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    // Nothing is after the bytes of no key: the empty one is a key as well.
    let condition = if after.is_some() { "key > ?" } else { "key >= ?" };
    connection
        .prepare_cached(&format!(
            "SELECT key FROM kv WHERE project = ? AND bucket = ? AND {condition} ORDER BY key LIMIT ?"
        ))?
        .query_map(
            params![
                project.0.as_bytes(),
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
