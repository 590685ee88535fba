//! The tables, and the migration of databases with an older format.

use super::connection::{Opener, Purpose};
use crate::storage::ports::StoreError;
use rusqlite::Connection;

/// Identifies the file as a database of golem: "GOLM".
const APPLICATION_ID: i32 = 0x474F_4C4D;

/// A format of the database: how to create it, and how to migrate to it.
#[derive(Debug)]
pub(super) struct Format {
    /// The format's number, stored in `user_version`. A number is never given to another format.
    pub(super) version: u32,
    /// SQL that creates the tables.
    pub(super) create: &'static str,
    /// Migrations from older formats, in ascending order.
    pub(super) migrations: &'static [Migration],
}

/// The migration from a format to the next one.
#[derive(Debug)]
pub(super) struct Migration {
    /// The format that it starts from. The result is the format `from + 1`.
    pub(super) from: u32,
    /// SQL of the migration.
    pub(super) sql: &'static str,
}

/// The format that this version of golem writes.
pub(super) const CURRENT: Format =
    Format { version: 2, create: CREATE, migrations: &[Migration { from: 1, sql: DELETED_NAMES }] };

/// Format 2: the names of deleted workers. Workers that were deleted before have no row, and their indexes are used
/// again.
const DELETED_NAMES: &str = "
    CREATE TABLE deleted_name (
        template BLOB NOT NULL,
        name TEXT NOT NULL,
        oplog_end INTEGER NOT NULL,
        PRIMARY KEY (template, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE removed_template (template BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// `log` is appended in commit order and not clustered by worker, which would dirty a page for each row. Projections
/// and index entries are written rarely and by key. `kv` has row ids, because values may be large: its index then
/// contains only keys. Keys are bytes rather than text, so that they have the same order as elsewhere.
const CREATE: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta (key, value) VALUES ('derived', 0), ('last', 0), ('recoveries', 0), ('worker_no_max', 0);

    CREATE TABLE lease (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;
    WITH RECURSIVE shards (shard) AS (SELECT 0 UNION ALL SELECT shard + 1 FROM shards WHERE shard < 255)
        INSERT INTO lease (shard, epoch) SELECT shard, 0 FROM shards;

    CREATE TABLE log (
        seq INTEGER PRIMARY KEY,
        worker INTEGER NOT NULL,
        prev INTEGER NOT NULL,
        shard INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;

    CREATE TABLE worker (
        no INTEGER PRIMARY KEY,
        template BLOB NOT NULL,
        name TEXT NOT NULL,
        project BLOB NOT NULL,
        shard INTEGER NOT NULL,
        applied INTEGER NOT NULL,
        active INTEGER NOT NULL,
        wake_at INTEGER,
        head BLOB NOT NULL,
        UNIQUE (template, name)
    ) STRICT;
    CREATE INDEX worker_to_wake ON worker (no) WHERE active <> 0 OR wake_at IS NOT NULL;

    CREATE TABLE idem (
        worker INTEGER NOT NULL,
        key_hash BLOB NOT NULL,
        started INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        PRIMARY KEY (worker, key_hash)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE kv (
        project BLOB NOT NULL,
        space INTEGER NOT NULL,
        bucket BLOB NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (project, space, bucket, key)
    ) STRICT;
    CREATE TABLE abandoned (
        project BLOB NOT NULL,
        bucket BLOB NOT NULL,
        PRIMARY KEY (project, bucket)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE trash (worker INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;

    CREATE TABLE deleted_name (
        template BLOB NOT NULL,
        name TEXT NOT NULL,
        oplog_end INTEGER NOT NULL,
        PRIMARY KEY (template, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE removed_template (template BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

    CREATE TABLE account (id BLOB PRIMARY KEY, external TEXT UNIQUE, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE project (
        id BLOB PRIMARY KEY,
        owner BLOB NOT NULL,
        is_default INTEGER NOT NULL,
        data TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX project_default ON project (owner) WHERE is_default <> 0;
    CREATE INDEX project_owner ON project (owner);
    CREATE TABLE policy (id BLOB PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE project_grant (
        id BLOB PRIMARY KEY,
        project BLOB NOT NULL,
        grantee BLOB NOT NULL,
        data TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE token (id BLOB PRIMARY KEY, account BLOB NOT NULL, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE invited (email TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE usage (account BLOB PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE switch (name TEXT PRIMARY KEY, is_on INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE template_version (
        id BLOB NOT NULL,
        version INTEGER NOT NULL,
        project BLOB NOT NULL,
        name TEXT NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (id, version)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX template_name ON template_version (project, name);
";

/// Creates the database, migrates it, or leaves it unchanged if it has the current format. The caller holds the
/// folder's lock.
pub(super) fn open_or_migrate(opener: &Opener, format: &Format) -> Result<(), StoreError> {
    let connection = opener.open_bare()?;
    let failed = |error| opener.store_error("open", error);
    let (found, tables) = read_header(&connection).map_err(failed)?;
    if found.application == 0 && found.format == 0 && tables == 0 {
        return create(&connection, format).map_err(failed);
    }
    if found.application != APPLICATION_ID {
        return Err(opener.corrupt_error("its header", "it is a database of another program"));
    }
    if found.format > format.version {
        return Err(StoreError::NewerFormat {
            path: opener.folder.dir.clone(),
            found: found.format,
            known: format.version,
        });
    }
    if found.format < format.version {
        // The write-ahead log must be checkpointed before the database file is copied.
        checkpoint_all(opener, &connection)?;
        drop(connection);
        opener.folder.copy_database(found.format)?;
        return migrate(opener, format, found.format);
    }
    Ok(())
}

/// Fields of the database header.
struct Header {
    application: i32,
    format: u32,
}

fn read_header(connection: &Connection) -> rusqlite::Result<(Header, i64)> {
    let application = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((Header { application, format }, tables))
}

fn create(connection: &Connection, format: &Format) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 4096)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("this file system does not support the shared memory file of the write-ahead log; use a local disk"
                .to_owned()),
        ));
    }
    Opener::configure(connection, Purpose::Write)?;
    // One transaction: a crash leaves no table, and the next start creates them.
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {}
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {};
         COMMIT;",
        format.create, format.version
    ))
}

/// Runs all migrations from format `found` in one transaction: a crash leaves the old format.
fn migrate(opener: &Opener, format: &Format, found: u32) -> Result<(), StoreError> {
    let connection = opener.open(Purpose::Write)?;
    let failed = |error| opener.store_error("migrate", error);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    for version in found..format.version {
        let Some(step) = format.migrations.iter().find(|step| step.from == version) else {
            return Err(
                opener.corrupt_error("its header", format!("no version of golem wrote a format {version}"))
            );
        };
        connection.execute_batch(step.sql).map_err(failed)?;
    }
    connection.pragma_update(None, "user_version", format.version).map_err(failed)?;
    connection.execute_batch("COMMIT").map_err(failed)
}

/// Checkpoints the whole write-ahead log and syncs the database.
pub(super) fn checkpoint_all(opener: &Opener, connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection
        .query_row("PRAGMA main.wal_checkpoint(RESTART)", [], |row| row.get(0))
        .map_err(|error| opener.store_error("checkpoint", error))?;
    if busy == 0 {
        return Ok(());
    }
    Err(StoreError::Io {
        operation: "checkpoint",
        path: opener.folder.database.clone(),
        source: "another program is reading the database".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::embedded::folder::Folder;
    use std::path::Path;

    const OLD: Format = Format {
        version: 5,
        create: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT; INSERT INTO thing VALUES (1), (2);",
        migrations: &[],
    };

    const NEW: Format = Format {
        version: 7,
        create: "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT, size INTEGER) STRICT;",
        migrations: &[
            Migration { from: 4, sql: "DROP TABLE thing;" },
            Migration { from: 5, sql: "ALTER TABLE thing ADD COLUMN name TEXT;" },
            Migration {
                from: 6,
                sql: "ALTER TABLE thing ADD COLUMN size INTEGER; UPDATE thing SET size = id * 10;",
            },
        ],
    };

    fn opener(dir: &Path) -> Opener {
        let folder = Folder::create(dir).unwrap();
        folder.create_database().unwrap();
        Opener { folder, vfs: None }
    }

    fn things(opener: &Opener) -> rusqlite::Result<Vec<i64>> {
        let connection = opener.open(Purpose::Read).unwrap();
        let mut statement = connection.prepare("SELECT size FROM thing ORDER BY id")?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    #[test]
    fn an_older_format_is_migrated_after_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(dir.path());
        open_or_migrate(&opener, &OLD).unwrap();
        open_or_migrate(&opener, &NEW).unwrap();
        assert_eq!(things(&opener).unwrap(), [10, 20]);

        let copy = Connection::open(dir.path().join("golem.db.format-5.backup")).unwrap();
        assert_eq!(read_header(&copy).unwrap().0.format, 5);
        let count: i64 = copy.query_row("SELECT count(*) FROM thing", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2);
        open_or_migrate(&opener, &NEW).unwrap();
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_format() {
        const BAD: Format = Format {
            version: 7,
            create: "",
            migrations: &[
                Migration { from: 5, sql: "DROP TABLE thing;" },
                Migration { from: 6, sql: "ALTER TABLE no_such ADD COLUMN x;" },
            ],
        };
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(dir.path());
        open_or_migrate(&opener, &OLD).unwrap();
        open_or_migrate(&opener, &BAD).unwrap_err();
        open_or_migrate(&opener, &NEW).unwrap();
        assert_eq!(things(&opener).unwrap(), [10, 20]);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(dir.path());
        open_or_migrate(&opener, &NEW).unwrap();
        let error = open_or_migrate(&opener, &OLD).unwrap_err();
        assert!(matches!(error, StoreError::NewerFormat { found: 7, known: 5, .. }), "{error}");
        open_or_migrate(&opener, &NEW).unwrap();
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(dir.path());
        Connection::open(&opener.folder.database).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let error = open_or_migrate(&opener, &NEW).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_a_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(dir.path());
        std::fs::write(&opener.folder.database, [b'x'; 8192]).unwrap();
        let error = open_or_migrate(&opener, &NEW).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}
