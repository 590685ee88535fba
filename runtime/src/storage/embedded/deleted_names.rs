//! The ends of the oplogs of deleted workers, by template and name.
//!
//! A name is written with derived state, which lags behind the log. So a name can be written after its template was
//! removed and swept: the mark of a removed template stays, and a sweep deletes names that were written since.

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

pub(super) fn counts_by_template(connection: &Connection) -> rusqlite::Result<Vec<(TemplateId, u64)>> {
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

/// A removed template that has names left. The ids of templates are not reused.
const TEMPLATE_TO_SWEEP: &str = "SELECT template FROM removed_template AS removed WHERE EXISTS
     (SELECT 1 FROM deleted_name WHERE deleted_name.template = removed.template) LIMIT 1";

/// Whether names of removed templates are left.
pub(super) fn any_garbage(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached(TEMPLATE_TO_SWEEP)?.exists([])
}

/// Deletes some names of a removed template. Must run in a transaction.
pub(super) fn sweep(connection: &Connection) -> rusqlite::Result<()> {
    let next = connection
        .prepare_cached(TEMPLATE_TO_SWEEP)?
        .query_row([], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    let Some(template) = next else { return Ok(()) };
    connection
        .prepare_cached(
            "DELETE FROM deleted_name WHERE template = ?1 AND name IN
                 (SELECT name FROM deleted_name WHERE template = ?1 LIMIT ?2)",
        )?
        .execute(params![template, SWEEP_NAMES_MAX])
        .map(drop)
}
