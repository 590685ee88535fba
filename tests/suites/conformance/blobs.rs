//! The contract of the blob store, which holds uploaded components.

use golem_runtime::storage::blobs::{FileContentStore, MemoryContentStore};
use golem_runtime::storage::ports::{ContentStore, StoreError};
use std::fs;
use std::path::Path;

#[test]
fn memory_keeps_the_contract() {
    check(&MemoryContentStore::new());
}

#[test]
fn files_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    check(&FileContentStore::open(dir.path()).unwrap());
}

fn check(blobs: &dyn ContentStore) {
    let all: Vec<Vec<u8>> = vec![Vec::new(), b"\0asm".to_vec(), vec![3; 1 << 20]];
    for bytes in &all {
        assert_eq!(blobs.get(hash(bytes)).unwrap(), None);
        blobs.put(hash(bytes), bytes).unwrap();
        blobs.put(hash(bytes), bytes).unwrap();
    }
    for bytes in &all {
        assert_eq!(blobs.get(hash(bytes)).unwrap().as_ref(), Some(bytes));
        for count in [0, 3, 4096] {
            let head = blobs.read_prefix(hash(bytes), count).unwrap().unwrap();
            assert_eq!(head, bytes[..count.min(bytes.len())], "the first {count} bytes of {}", bytes.len());
        }
    }
    assert_eq!(blobs.read_prefix(hash(b"missing"), 10).unwrap(), None);
    let error = blobs.put(hash(b"one thing"), b"another").unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(blobs.get(hash(b"one thing")).unwrap(), None);

    let keep = hash(&all[1]);
    assert_eq!(blobs.sweep(&|hash| *hash == keep).unwrap(), 2);
    assert_eq!(blobs.get(keep).unwrap().as_ref(), Some(&all[1]));
    assert_eq!(blobs.get(hash(&all[2])).unwrap(), None);
    assert_eq!(blobs.sweep(&|_| true).unwrap(), 0);
}

#[test]
fn files_survive_a_restart_and_leftovers_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    FileContentStore::open(dir.path()).unwrap().put(hash(b"x"), b"x").unwrap();
    let partial = file(dir.path(), b"y").with_extension("partial");
    fs::write(&partial, "half").unwrap();
    let foreign = dir.path().join("blobs/README");
    fs::write(&foreign, "not ours").unwrap();

    let blobs = FileContentStore::open(dir.path()).unwrap();
    assert_eq!(blobs.get(hash(b"x")).unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(blobs.get(hash(b"y")).unwrap(), None);
    assert_eq!(blobs.sweep(&|_| true).unwrap(), 1);
    assert!(!partial.exists());
    assert!(foreign.exists());
}

#[test]
fn a_damaged_file_is_refused_and_repaired_by_the_next_upload() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = FileContentStore::open(dir.path()).unwrap();
    blobs.put(hash(b"component"), b"component").unwrap();
    fs::write(file(dir.path(), b"component"), "c0mponent").unwrap();
    let error = blobs.get(hash(b"component")).unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("blobs"), "{error}");
    blobs.put(hash(b"component"), b"component").unwrap();
    assert_eq!(blobs.get(hash(b"component")).unwrap().as_deref(), Some(&b"component"[..]));
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn file(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    dir.join("blobs").join(blake3::hash(bytes).to_hex().as_str())
}
