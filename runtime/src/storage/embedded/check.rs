//! A full check of the store. It reads the whole database, so the server does not run it at every start.

use super::EmbeddedStore;
use super::connection::{signed, unsigned};
use super::reads::log_row;
use super::writer::read_position;
use crate::storage::ports::{Seq, StoreError};
use golem_model::oplog::codec::decode_row;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// Findings in a report, at most. More would not help to decide what to do.
const FINDINGS_MAX: usize = 100;

/// Result of a full check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Rows of the log that were read.
    pub rows: u64,
    /// Projections that were read.
    pub projections: u64,
    /// Descriptions of damage; at most the first hundred.
    pub findings: Vec<String>,
}

impl EmbeddedStore {
    /// Reads and checks everything: the pages of the database, each row's checksum and links, projections and index
    /// entries against the log. Takes as long as reading the file. The store may be used at the same time.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        self.readers.with(|connection| {
            let mut report = CheckReport::default();
            check(connection, &mut report).map_err(|error| self.opener.store_error("check", error))?;
            Ok(report)
        })
    }
}

fn check(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    // All queries read the same snapshot.
    let snapshot = connection.unchecked_transaction()?;
    let lines: Vec<String> = snapshot
        .prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if lines != ["ok"] {
        report.findings.extend(lines);
    }
    let last = read_position(&snapshot)?.last;
    check_log(&snapshot, report, last)?;
    check_heads(&snapshot, report, last)?;
    check_values(&snapshot, report, last)?;
    report.findings.truncate(FINDINGS_MAX);
    Ok(())
}

fn check_log(snapshot: &Connection, report: &mut CheckReport, last: Seq) -> rusqlite::Result<()> {
    let mut before = snapshot.prepare("SELECT worker FROM log WHERE seq = ?")?;
    let mut statement =
        snapshot.prepare("SELECT seq, worker, prev, shard, epoch, body FROM log ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = next(&mut rows, report)? {
        let row = log_row(row)?;
        report.rows += 1;
        let mut found = |what: String| report.findings.push(format!("row {} of the log: {what}", row.seq));
        if let Err(error) = decode_row(&row.body) {
            found(error.to_string());
        }
        if row.seq > last || row.prev >= row.seq {
            found(format!("its previous row is {}, which is not before it", row.prev));
        } else if row.prev != Seq(0) {
            match before.query_row([signed(row.prev.0)], |before| unsigned(before, 0)).optional()? {
                None => found(format!("its previous row {} is missing", row.prev)),
                Some(worker) if worker != row.worker.0 => {
                    found(format!("its previous row {} belongs to another worker", row.prev));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

fn check_heads(snapshot: &Connection, report: &mut CheckReport, last: Seq) -> rusqlite::Result<()> {
    let mut owner = snapshot.prepare("SELECT worker FROM log WHERE seq = ?")?;
    let mut statement = snapshot.prepare("SELECT no, applied FROM worker ORDER BY no")?;
    let mut rows = statement.query([])?;
    while let Some(row) = next(&mut rows, report)? {
        let (no, applied) = (unsigned(row, 0)?, unsigned(row, 1)?);
        report.projections += 1;
        let owner = owner.query_row([signed(applied)], |row| unsigned(row, 0)).optional()?;
        if owner != Some(no) || applied > last.0 {
            report.findings.push(format!(
                "projection of worker #{no}: its last row {applied} does not belong to the worker"
            ));
        }
    }
    let mut statement = snapshot.prepare(
        "SELECT i.worker, i.started, i.outcome FROM idem i
         WHERE NOT EXISTS (SELECT 1 FROM log WHERE seq = i.started AND worker = i.worker)
            OR NOT EXISTS (SELECT 1 FROM log WHERE seq = i.outcome AND worker = i.worker)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = next(&mut rows, report)? {
        let (worker, started, outcome) = (unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?);
        // Of a deleted worker, rows are removed before index entries.
        let trashed: bool = snapshot.query_row(
            "SELECT EXISTS (SELECT 1 FROM trash WHERE worker = ?)",
            [signed(worker)],
            |row| row.get(0),
        )?;
        if !trashed {
            report
                .findings
                .push(format!("idempotency index of worker #{worker}: rows {started} and {outcome} do not belong to the worker"));
        }
    }
    Ok(())
}

fn check_values(snapshot: &Connection, report: &mut CheckReport, last: Seq) -> rusqlite::Result<()> {
    let mut statement = snapshot.prepare("SELECT rowid, version FROM kv WHERE version > ? OR version < 1")?;
    let mut rows = statement.query([signed(last.0)])?;
    while let Some(row) = next(&mut rows, report)? {
        let (number, version): (i64, i64) = (row.get(0)?, row.get(1)?);
        report.findings.push(format!("value {number}: the row {version} that wrote it is not in the log"));
    }
    Ok(())
}

/// The next row, unless the report is full.
fn next<'a>(rows: &'a mut rusqlite::Rows<'_>, report: &CheckReport) -> rusqlite::Result<Option<&'a Row<'a>>> {
    if report.findings.len() >= FINDINGS_MAX { Ok(None) } else { rows.next() }
}
