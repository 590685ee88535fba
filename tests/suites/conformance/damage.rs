//! The files of the embedded store: files after a crash or damage, and files that must be refused.

use crate::adapter::{Embedded, Writer};
use golem_model::oplog::codec::decode_row;
use golem_runtime::storage::embedded::{EmbeddedStore, OpenOptions};
use golem_runtime::storage::ports::{Batch, DerivedPosition, Seq, Store as _, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Sizes in bytes: header of the write-ahead log, header of a frame, whole frame.
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4096;

/// A copy of the files of a store after a crash, with commits in the write-ahead log.
struct CrashedStore {
    database: Vec<u8>,
    wal: Vec<u8>,
    /// The last row of each commit, and the length of the write-ahead log after it.
    commits: Vec<(Seq, usize)>,
    bodies: Vec<Vec<u8>>,
}

impl CrashedStore {
    fn new() -> Self {
        let embedded = Embedded::default();
        let dir = embedded.options().dir;
        let store = EmbeddedStore::open(embedded.options()).unwrap();
        let mut writer = Writer::new(&store);
        let wal = || fs::read(dir.join("golem.db-wal")).unwrap();
        let mut commits = vec![(Seq(0), end_of(&wal()))];
        for workers in [&[1][..], &[2, 1], &[3, 3, 3, 3, 3, 1], &[1], &[2, 2, 2, 2]] {
            writer.commit(workers);
            commits.push((writer.last, end_of(&wal())));
        }
        let bodies =
            store.rows_after(Seq(0), 100, usize::MAX).unwrap().into_iter().map(|row| row.body).collect();
        Self { database: fs::read(dir.join("golem.db")).unwrap(), wal: wal(), commits, bodies }
    }

    /// Opens a copy of the files with the given write-ahead log.
    fn open(&self, wal: &[u8]) -> Result<(tempfile::TempDir, EmbeddedStore), StoreError> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("golem.db"), &self.database).unwrap();
        fs::write(dir.path().join("golem.db-wal"), wal).unwrap();
        let store = EmbeddedStore::open(options(dir.path()))?;
        Ok((dir, store))
    }

    /// Checks that the store contains exactly the rows up to `last`, unchanged, and accepts new ones.
    fn check(&self, store: &EmbeddedStore, last: Seq) {
        assert_eq!(store.position().unwrap().last, last);
        let rows = store.rows_after(Seq(0), 100, usize::MAX).unwrap();
        let bodies: Vec<_> = rows.iter().map(|row| row.body.clone()).collect();
        assert_eq!(bodies, self.bodies[..usize::try_from(last.0).unwrap()]);
        assert_eq!(store.check().unwrap().findings, [] as [String; 0]);
        Writer::new(store).commit(&[1, 4]);
        assert_eq!(store.position().unwrap().last, Seq(last.0 + 2));
    }
}

#[test]
fn a_torn_tail_loses_the_last_commit_or_nothing() {
    let crashed = CrashedStore::new();
    let &[.., (before, start), (after, end)] = &*crashed.commits else { panic!("too few commits") };
    assert!(end - start >= 3 * FRAME, "the last commit has several frames");
    let mut cuts: Vec<usize> = vec![start, start + 1, start + FRAME_HEADER - 1, end - 1, end - 512, end];
    for frame in (start..end).step_by(FRAME) {
        cuts.extend([frame, frame + 4, frame + FRAME_HEADER, frame + FRAME_HEADER + 1, frame + FRAME - 1]);
    }
    // And some positions without a pattern.
    cuts.extend((1..12).map(|step: usize| start + step * 7_919 % (end - start)));
    if golem_tests::is_long_run() {
        cuts = (start..=end).collect();
    }
    for cut in cuts {
        let expected = if cut == end { after } else { before };
        // First case: the file ends at the cut.
        let (_dir, store) = crashed.open(&crashed.wal[..cut]).unwrap();
        crashed.check(&store, expected);
        // Second case: the file was preallocated, so zeros follow the cut. Some bytes after the cut may have been
        // zeros before.
        let mut wal = crashed.wal.clone();
        wal[cut..].fill(0);
        let expected = if wal[..end] == crashed.wal[..end] { after } else { before };
        let (_dir, store) = crashed.open(&wal).unwrap();
        crashed.check(&store, expected);
    }
}

#[test]
fn pages_of_the_last_commit_may_be_missing_in_any_order() {
    let crashed = CrashedStore::new();
    let &[.., (before, start), (_, end)] = &*crashed.commits else { panic!("too few commits") };
    for frame in (start..end).step_by(FRAME) {
        let mut wal = crashed.wal.clone();
        wal[frame..frame + FRAME].fill(0);
        let (_dir, store) = crashed.open(&wal).unwrap();
        crashed.check(&store, before);
    }
}

#[test]
fn a_flipped_byte_in_the_last_commit_loses_that_commit() {
    let crashed = CrashedStore::new();
    let &[.., (before, start), (_, end)] = &*crashed.commits else { panic!("too few commits") };
    for at in (start..end).step_by(613) {
        let mut wal = crashed.wal.clone();
        wal[at] ^= 0x10;
        let (_dir, store) = crashed.open(&wal).unwrap();
        crashed.check(&store, before);
    }
}

#[test]
fn a_flipped_byte_in_an_earlier_commit_is_refused() {
    let crashed = CrashedStore::new();
    let (_, start) = crashed.commits[0];
    let (_, end) = crashed.commits[2];
    for at in (start..end).step_by(613) {
        let mut wal = crashed.wal.clone();
        wal[at] ^= 0x10;
        let error = crashed.open(&wal).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "byte {at}: {error}");
        let text = error.to_string();
        assert!(text.contains("golem.db-wal") && text.contains("backup"), "{text}");
    }
}

#[test]
fn a_flipped_byte_in_a_stored_row_is_found() {
    let embedded = Embedded::default();
    let body = {
        let store = EmbeddedStore::open(embedded.options()).unwrap();
        let mut writer = Writer::new(&store);
        writer.commit(&[1; 5]);
        let batch = Batch {
            derived: Some(DerivedPosition { applied: Seq(5), worker_num_max: 1 }),
            ..Batch::default()
        };
        store.commit(&batch).unwrap();
        store.row(Seq(3)).unwrap().unwrap().body
    };
    let path = embedded.options().dir.join("golem.db");
    let mut database = fs::read(&path).unwrap();
    let at = find(&database, &body[..40]) + 20;
    database[at] ^= 1;
    fs::write(&path, database).unwrap();

    let store = EmbeddedStore::open(embedded.options()).unwrap();
    let rows = store.rows_back(Seq(5), 10, usize::MAX).unwrap();
    let damaged: Vec<u64> =
        rows.iter().filter(|row| decode_row(&row.body).is_err()).map(|row| row.seq.0).collect();
    assert_eq!(damaged, [3]);
    let findings = store.check().unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("row 3 of the log"), "{findings:?}");
}

#[test]
fn a_missing_row_is_an_error_not_an_end() {
    let embedded = Embedded::default();
    {
        let store = EmbeddedStore::open(embedded.options()).unwrap();
        Writer::new(&store).commit(&[1; 5]);
    }
    let path = embedded.options().dir.join("golem.db");
    rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM log WHERE seq = 2", []).unwrap();
    let store = EmbeddedStore::open(embedded.options()).unwrap();
    let error = store.rows_back(Seq(5), 10, usize::MAX).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { place, .. } if place == "row 2 of the log"), "{error}");
    assert!(!store.check().unwrap().findings.is_empty());
}

#[test]
fn a_folder_in_use_is_refused() {
    let embedded = Embedded::default();
    let store = EmbeddedStore::open(embedded.options()).unwrap();
    let error = EmbeddedStore::open(embedded.options()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(store);
    EmbeddedStore::open(embedded.options()).unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let embedded = Embedded::default();
    drop(EmbeddedStore::open(embedded.options()).unwrap());
    let path = embedded.options().dir.join("golem.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    let error = EmbeddedStore::open(embedded.options()).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 1_000, .. }), "{error}");
}

/// Regression: after a crash, a refused folder was changed, because the connection that had read its header moved the
/// write-ahead log into the database when it was closed.
#[test]
fn a_refused_folder_is_not_changed() {
    let crashed = CrashedStore::new();
    for (pragma, expected) in [("user_version", "format 1000"), ("application_id", "another program")] {
        let dir = tempfile::tempdir().unwrap();
        let files = ["golem.db", "golem.db-wal"].map(|name| dir.path().join(name));
        fs::write(&files[0], &crashed.database).unwrap();
        fs::write(&files[1], &crashed.wal).unwrap();
        let other = rusqlite::Connection::open(&files[0]).unwrap();
        other.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        other.pragma_update(None, pragma, 1_000).unwrap();
        drop(other);
        let contents = || files.each_ref().map(|file| blake3::hash(&fs::read(file).unwrap()));
        let before = contents();
        let error = EmbeddedStore::open(options(dir.path())).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(contents(), before, "{pragma}");
    }
}

#[test]
fn a_path_that_is_no_store_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let noise = dir.path().join("noise");
    fs::create_dir(&noise).unwrap();
    fs::write(noise.join("golem.db"), vec![b'n'; 10_000]).unwrap();
    let blocked = dir.path().join("blocked");
    fs::create_dir_all(blocked.join("golem.db")).unwrap();
    for (path, part) in [
        (file.clone(), "cannot create the data folder"),
        (file.join("below"), "cannot create the data folder"),
        (noise, "is damaged"),
        (blocked, "cannot open"),
    ] {
        let error = EmbeddedStore::open(options(&path)).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{}: {error}", path.display());
        assert!(error.contains(&*dir.path().to_string_lossy()), "{error}");
    }
}

#[test]
fn only_the_owner_may_read_the_folder() {
    let embedded = Embedded::default();
    let dir = embedded.options().dir;
    let _store = EmbeddedStore::open(embedded.options()).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.clone()), 0o700);
    for file in ["golem.db", "golem.db-wal", "golem.db-shm", "lock"] {
        assert_eq!(mode(dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn the_write_ahead_log_is_reused_and_not_truncated() {
    let embedded = Embedded::default();
    let mut options = embedded.options();
    options.wal_bytes = 8 << 20;
    let wal = options.dir.join("golem.db-wal");
    let store = EmbeddedStore::open(options).unwrap();
    let length = || fs::metadata(&wal).unwrap().len();
    assert_eq!(length(), 8 << 20);
    let mut writer = Writer::new(&store);
    // About 60 MiB of rows pass through a log of 8 MiB.
    for _ in 0..400 {
        writer.commit(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert!(length() >= 8 << 20);
    }
    assert!(length() <= 4 * (8 << 20) + (4 << 20), "{} bytes", length());
    assert_eq!(store.check().unwrap().findings, [] as [String; 0]);
}

#[test]
fn a_clean_end_leaves_one_file() {
    let embedded = Embedded::default();
    let dir = embedded.options().dir;
    let store = EmbeddedStore::open(embedded.options()).unwrap();
    Writer::new(&store).commit(&[1]);
    drop(store);
    assert!(!dir.join("golem.db-wal").exists());
    assert!(!dir.join("golem.db-shm").exists());
}

fn options(dir: &Path) -> OpenOptions {
    let mut options = OpenOptions::new(dir);
    options.wal_bytes = 64 << 10;
    options
}

/// The end of the last frame whose salts match those of the header.
fn end_of(wal: &[u8]) -> usize {
    let salts = &wal[16..24];
    let frames = wal[WAL_HEADER..].chunks_exact(FRAME);
    WAL_HEADER + FRAME * frames.take_while(|frame| &frame[8..16] == salts).count()
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).expect("the row is in the file")
}

/// Format 1 has no table of deleted names. A store of that format is migrated, and its rows stay.
#[test]
fn a_store_of_format_1_is_migrated() {
    let embedded = Embedded::default();
    let path = embedded.options().dir.join("golem.db");
    let store = EmbeddedStore::open(embedded.options()).unwrap();
    Writer::new(&store).commit(&[1, 2, 1]);
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("DROP TABLE deleted_name; DROP TABLE removed_template; PRAGMA user_version = 1;")
        .unwrap();
    drop(connection);
    let store = EmbeddedStore::open(embedded.options()).unwrap();
    assert_eq!(store.rows_after(Seq(0), 100, usize::MAX).unwrap().len(), 3);
    assert_eq!(store.deleted_name_counts().unwrap(), []);
    assert!(path.with_file_name("golem.db.format-1.backup").is_file());
    assert_eq!(store.check().unwrap().findings, [] as [String; 0]);
}
