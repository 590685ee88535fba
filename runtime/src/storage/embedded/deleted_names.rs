//! The ends of the oplogs of deleted workers, by template and name.

use super::connection::{signed, unsigned};
use crate::storage::ports::DeletedName;
use golem_model::{OplogIndex, TemplateId, WorkerId};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

/// Names of removed templates to delete in one transaction.
const SWEEP_NAMES_MAX: u32 = 500;

/// Writes a name. A later worker of the same name ends at a higher index.
pub(super) fn write(connection: &Connection, name: &DeletedName) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO deleted_name (template, name, oplog_end) VALUES (?, ?, ?)
             ON CONFLICT (template, name) DO UPDATE SET oplog_end = max(oplog_end, excluded.oplog_end)",
        )?
        .execute(params![name.id.template.0.as_bytes(), name.id.name.as_str(), signed(name.oplog_end.0)])
        .map(drop)
}

pub(super) fn oplog_end(connection: &Connection, id: &WorkerId) -> rusqlite::Result<Option<OplogIndex>> {
    connection
        .prepare_cached("SELECT oplog_end FROM deleted_name WHERE template = ? AND name = ?")?
        .query_row((id.template.0.as_bytes(), id.name.as_str()), |row| unsigned(row, 0).map(OplogIndex))
        .optional()
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(TemplateId, u64)>> {
    connection
        .prepare_cached("SELECT template, count(*) FROM deleted_name GROUP BY template")?
        .query_map([], |row| Ok((TemplateId(Uuid::from_bytes(row.get(0)?)), unsigned(row, 1)?)))?
        .collect()
}

/// Marks a removed template, all of whose names are garbage.
pub(super) fn mark_template_removed(connection: &Connection, template: &[u8; 16]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO removed_template (template) VALUES (?)")?
        .execute([template])
        .map(drop)
}

/// Whether names of removed templates may be left.
pub(super) fn any_garbage(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM removed_template)")?
        .query_row([], |row| row.get(0))
}

/// Deletes some names of a removed template, or its mark when none are left. Must run in a transaction.
pub(super) fn sweep(connection: &Connection) -> rusqlite::Result<()> {
    let next = connection
        .prepare_cached("SELECT template FROM removed_template LIMIT 1")?
        .query_row([], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    let Some(template) = next else { return Ok(()) };
    let swept = connection
        .prepare_cached(
            "DELETE FROM deleted_name WHERE template = ?1 AND name IN
                 (SELECT name FROM deleted_name WHERE template = ?1 LIMIT ?2)",
        )?
        .execute(params![template, SWEEP_NAMES_MAX])?;
    if (swept as u64) < u64::from(SWEEP_NAMES_MAX) {
        connection.prepare_cached("DELETE FROM removed_template WHERE template = ?")?.execute([template])?;
    }
    Ok(())
}
