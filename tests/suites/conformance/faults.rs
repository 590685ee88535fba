//! Errors and contents of a store when the disk is full, fails or loses writes; and the faults of the memory store.

use crate::adapter::{SHARD, StoreAndCatalog, Writer};
use golem_model::{Account, AccountId, Timestamp};
use golem_runtime::storage::embedded::{EmbeddedStore, OpenOptions};
use golem_runtime::storage::memory::{Fault, FaultKind, MemoryStore};
use golem_runtime::storage::ports::{Batch, Catalog as _, CatalogWrite, Seq, Store as _, StoreError};
use golem_tests::vfs::{self, Disk, DiskFaults};
use tempfile::TempDir;
use uuid::Uuid;

/// A store on a separate simulated disk with faults.
struct FaultyStore {
    dir: TempDir,
    name: &'static str,
    disk: &'static Disk,
}

impl FaultyStore {
    fn new(name: &'static str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), name, disk: vfs::register(name, DiskFaults::default()) }
    }

    fn open(&self) -> EmbeddedStore {
        let mut options = OpenOptions::new(self.dir.path());
        options.vfs = Some(self.name.to_owned());
        options.wal_bytes = 64 << 10;
        EmbeddedStore::open(options).unwrap()
    }

    /// Simulates SIGKILL for the disk, and opens the store again.
    fn crash(&self, store: EmbeddedStore) -> EmbeddedStore {
        // A crash is not a clean shutdown: writes and deletions of closing connections must have no effect.
        self.disk.set_faults(DiskFaults { killed: true, ..DiskFaults::default() });
        drop(store);
        self.disk.crash();
        self.disk.set_faults(DiskFaults::default());
        self.open()
    }
}

/// Checks that the store contains exactly the rows up to `last`.
fn check_log(store: &EmbeddedStore, last: Seq) {
    assert_eq!(store.position().unwrap().last, last);
    let rows = store.rows_after(Seq(0), usize::MAX, usize::MAX).unwrap();
    assert_eq!(rows.len() as u64, last.0);
    assert_eq!(store.check().unwrap().findings, [] as [String; 0]);
}

#[test]
fn a_crash_keeps_what_was_acknowledged() {
    let faulty = FaultyStore::new("store-honest");
    let mut store = faulty.open();
    for _ in 0..4 {
        let mut writer = Writer::new(&store);
        for _ in 0..60 {
            writer.commit(&[1, 2, 3]);
        }
        let last = writer.last;
        store = faulty.crash(store);
        check_log(&store, last);
    }
}

#[test]
fn a_disk_that_drops_syncs_loses_what_was_acknowledged() {
    let faulty = FaultyStore::new("store-forgetful");
    let store = faulty.open();
    faulty.disk.set_faults(DiskFaults { syncs_dropped: true, ..DiskFaults::default() });
    let mut writer = Writer::new(&store);
    writer.commit(&[1, 2, 3]);
    let store = faulty.crash(store);
    check_log(&store, Seq(0));
}

#[test]
fn a_full_disk_is_reported_and_writes_resume_with_space() {
    let faulty = FaultyStore::new("store-full");
    let mut store = faulty.open();
    for bytes in [0, 100, 4_096, 10_000, 50_000, 300_000] {
        faulty.disk.set_faults(DiskFaults::default());
        let mut writer = Writer::new(&store);
        writer.commit(&[1]);
        faulty.disk.set_faults(DiskFaults { bytes_left: Some(bytes), ..DiskFaults::default() });
        let mut acknowledged = writer.last;
        let error = loop {
            let batch = writer.batch(&[1, 2, 3, 4]);
            match store.commit(&batch) {
                Ok(()) => acknowledged = writer.last,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.to_string().contains("no space is left for"), "{error}");
        // While the disk is full, commits and recovery fail, and committed rows can be read.
        let error = store.commit(&Batch::default()).unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        let error = store.recover().unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert_eq!(store.row(acknowledged).unwrap().unwrap().seq, acknowledged);

        faulty.disk.set_faults(DiskFaults::default());
        let last = store.recover().unwrap().last;
        check_after_failure(acknowledged, writer.last, last);
        check_log(&store, last);
        Writer::new(&store).commit(&[1, 2]);
        store = faulty.crash(store);
        check_log(&store, Seq(last.0 + 2));
    }
}

#[test]
fn a_failed_catalog_write_blocks_nothing_once_there_is_space() {
    let faulty = FaultyStore::new("catalog-full");
    let store = faulty.open();
    let mut writer = Writer::new(&store);
    writer.commit(&[1]);
    let account = |number| {
        CatalogWrite::Account(Account {
            id: AccountId(Uuid::from_u128(number)),
            name: "x".repeat(10_000),
            email: String::new(),
            created_at: Timestamp::from_nanos(1),
            roles: std::collections::BTreeSet::new(),
            external: None,
        })
    };
    let full = DiskFaults { bytes_left: Some(0), ..DiskFaults::default() };
    for round in 0..4 {
        faulty.disk.set_faults(full);
        for _ in 0..2 {
            let error = store.write(&[account(round)]).unwrap_err();
            assert!(matches!(error, StoreError::Full { .. }), "{error}");
        }
        faulty.disk.set_faults(DiskFaults::default());
        // Either kind of write may be the first after the fault.
        if round % 2 == 0 {
            store.write(&[account(round)]).unwrap();
            writer.commit(&[1]);
        } else {
            writer.commit(&[1]);
            store.write(&[account(round)]).unwrap();
        }
    }
    assert_eq!(store.accounts().unwrap().len(), 4);
    let last = writer.last;
    let store = faulty.crash(store);
    check_log(&store, last);
    assert_eq!(store.accounts().unwrap().len(), 4);
}

#[test]
fn recovery_after_a_failed_sync_keeps_what_was_acknowledged() {
    let mut faulty = FaultyStore::new("store-sync");
    // The first syncs belong to commits, later ones also to checkpoints.
    for number in (1..=6).chain((30..=52).step_by(2)) {
        faulty.dir = tempfile::tempdir().unwrap();
        let store = faulty.open();
        let mut writer = Writer::new(&store);
        writer.commit(&[1, 2]);
        faulty.disk.set_faults(DiskFaults { sync_failing: Some(number), ..DiskFaults::default() });
        let acknowledged = loop {
            let acknowledged = writer.last;
            let batch = writer.batch(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            match store.commit(&batch) {
                // The sync belonged to a checkpoint; the store has recovered from that itself.
                Ok(()) if faulty.disk.syncs() > number + 2 => break writer.last,
                Ok(()) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::Io { .. }), "{error}");
                    break acknowledged;
                }
            }
        };
        // The failing sync may be one of the recovery itself.
        let last = store.recover().or_else(|_| store.recover()).unwrap().last;
        check_after_failure(acknowledged, writer.last, last);
        check_log(&store, last);
        // The process crashes now or after some commits. The rows that recovery reported are still there.
        let commits = number % 3;
        let mut writer = Writer::with_epoch(&store, writer.epoch);
        for _ in 0..commits {
            writer.commit(&[1]);
        }
        let store = faulty.crash(store);
        check_log(&store, Seq(last.0 + commits));
        Writer::new(&store).commit(&[1, 2, 3]);
    }
}

#[test]
fn a_crash_before_recovery_keeps_what_was_acknowledged() {
    let mut faulty = FaultyStore::new("store-sync-crash");
    for number in 1..=20 {
        faulty.dir = tempfile::tempdir().unwrap();
        let store = faulty.open();
        let mut writer = Writer::new(&store);
        faulty.disk.set_faults(DiskFaults { sync_failing: Some(number), ..DiskFaults::default() });
        let acknowledged = loop {
            let before = writer.last;
            let batch = writer.batch(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            if store.commit(&batch).is_err() {
                break before;
            }
            if faulty.disk.syncs() > number {
                // A checkpoint failed.
                break writer.last;
            }
        };
        let tried = writer.last;
        let store = faulty.crash(store);
        let last = store.position().unwrap().last;
        check_after_failure(acknowledged, tried, last);
        check_log(&store, last);
    }
}

/// A failed batch is stored as a whole or not at all. All earlier batches are stored.
fn check_after_failure(acknowledged: Seq, tried: Seq, found: Seq) {
    assert!(found == acknowledged || found == tried, "{found} is neither {acknowledged} nor {tried}");
}

#[test]
fn the_memory_store_fails_at_the_chosen_commit() {
    for (kind, applied) in
        [(FaultKind::Full, false), (FaultKind::Full, true), (FaultKind::Io, false), (FaultKind::Io, true)]
    {
        let store = MemoryStore::new();
        let both: &dyn StoreAndCatalog = &store;
        let mut writer = Writer::new(both);
        store.fail(Fault { commit: 2, kind, applied });
        writer.commit(&[1]);
        let error = store.commit(&writer.batch(&[1])).unwrap_err();
        let right = match kind {
            FaultKind::Full => matches!(error, StoreError::Full { .. }),
            FaultKind::Io => matches!(error, StoreError::Io { .. }),
            // Such a commit returns nothing; the suite `executor` uses it.
            FaultKind::Panic => false,
        };
        assert!(right, "{kind:?}: {error}");
        let nothing = Batch { fences: vec![(SHARD, writer.epoch)], ..Batch::default() };
        store.commit(&nothing).unwrap_err();
        store.run_maintenance(1).unwrap_err();
        let last = if applied { Seq(2) } else { Seq(1) };
        assert_eq!(store.recover().unwrap().last, last);
        store.commit(&nothing).unwrap();
        assert_eq!(store.rows_after(Seq(0), 10, usize::MAX).unwrap().len() as u64, last.0);
    }
}
