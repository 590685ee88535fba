//! Tests of the simulated disk: which commits survive a crash, and which calls fail.

use super::*;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

fn connect(path: &Path, disk: &str) -> Connection {
    let connection = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), disk).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    connection
}

fn rows(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

/// Commits 20 rows with checkpoints in between, crashes, and returns the number of remaining rows.
fn rows_after_crash(name: &str, faults: DiskFaults) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let disk = register(name, DiskFaults::default());
    let first = connect(&path, name);
    first.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    let second = connect(&path, name);
    disk.set_faults(faults);
    for round in 0..20 {
        let writer = if round % 2 == 0 { &first } else { &second };
        writer.execute("INSERT INTO t VALUES (zeroblob(10000))", []).unwrap();
        assert_eq!(rows(&first), round + 1, "connections see each other's commits");
        assert_eq!(rows(&second), round + 1, "connections see each other's commits");
        if round % 7 == 6 {
            second.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        }
    }
    assert!(disk.syncs() >= 20);
    disk.set_faults(DiskFaults { killed: true, ..DiskFaults::default() });
    drop((first, second));
    disk.crash();
    disk.set_faults(DiskFaults::default());
    let connection = connect(&path, name);
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    rows(&connection)
}

#[test]
fn synced_commits_survive_a_crash() {
    assert_eq!(rows_after_crash("honest", DiskFaults::default()), 20);
}

#[test]
fn commits_vanish_in_a_crash_when_syncs_are_dropped() {
    let faults = DiskFaults { syncs_dropped: true, ..DiskFaults::default() };
    assert_eq!(rows_after_crash("forgetful", faults), 0);
}

#[test]
fn a_full_disk_refuses_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let disk = register("full", DiskFaults::default());
    let connection = connect(&dir.path().join("test.db"), "full");
    connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    disk.set_faults(DiskFaults { bytes_left: Some(30_000), ..DiskFaults::default() });
    let insert = || connection.execute("INSERT INTO t VALUES (zeroblob(10000))", []);
    let committed = (0..10).take_while(|_| insert().is_ok()).count();
    assert!((1..3).contains(&committed), "{committed}");
    let error = insert().unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull), "{error}");
    disk.set_faults(DiskFaults::default());
    insert().unwrap();
    assert_eq!(rows(&connection), i64::try_from(committed).unwrap() + 1);
}

#[test]
fn a_sync_fails_once_for_each_handle_and_its_blocks_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let disk = register("failing", DiskFaults::default());
    let connection = connect(&path, "failing");
    connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    disk.set_faults(DiskFaults { sync_failing: Some(2), ..DiskFaults::default() });
    let insert = || connection.execute("INSERT INTO t VALUES (zeroblob(10000))", []);
    insert().unwrap();
    let error = insert().unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::SystemIoFailure), "{error}");
    assert_eq!(rows(&connection), 1);
    insert().unwrap();
    disk.set_faults(DiskFaults { killed: true, ..DiskFaults::default() });
    drop(connection);
    disk.crash();
    disk.set_faults(DiskFaults::default());
    assert_eq!(rows(&connect(&path, "failing")), 2);
}
