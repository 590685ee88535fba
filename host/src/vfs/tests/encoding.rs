//! Tests of the encoding.

use super::*;

#[test]
fn filesystems_survive_encoding_and_decoding() {
    let mut vfs = sample();
    vfs.link(ROOT, "file", ROOT, "dir/same", LATER).unwrap();
    vfs.open(ROOT, "file", OpenOptions::default(), NOW).unwrap();
    vfs.set_bytes_max(u64::MAX);
    let bytes = vfs.encode();
    let read = Vfs::decode(&bytes).unwrap();
    assert_eq!(read, vfs);
    assert_eq!(read.encode(), bytes);
}

#[test]
fn the_encoding_has_not_changed() {
    let mut vfs = Vfs::new(NOW);
    put(&mut vfs, "a", b"b");
    let root = [1, 1, 0, 1, 0, 1, 0, 1, 0, 2, 1, 1, 1, b'a', 2];
    let file = [2, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, b'b'];
    assert_eq!(vfs.encode(), [&[1, 3, 2][..], &root, &file].concat());
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = sample().encode();
    for end in 0..bytes.len() {
        Vfs::decode(&bytes[..end]).unwrap_err();
    }
    // Nothing panics, and bytes that are accepted are a tree on which operations terminate.
    for position in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] ^= change;
            if let Ok(mut vfs) = Vfs::decode(&damaged) {
                assert!(vfs.rename(ROOT, "full", ROOT, "dir/inner", NOW).is_ok() || !vfs.encode().is_empty());
            }
        }
    }
}
