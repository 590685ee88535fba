//! Runs the same random operations on a [`Vfs`] and on a real directory: both succeed or both fail with the same error,
//! and the trees are equal in the end.
//!
//! Two differences are allowed. Only the [`Vfs`] refuses paths that leave the directory, so these operations are not
//! run on the real directory. If a path ends in a slash or a dot and several errors are possible, systems return
//! different ones.

use super::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

const SEEDS: u64 = 60;
const STEPS: usize = 250;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn path(&mut self) -> String {
        let mut path = String::new();
        for _ in 0..=self.below(3) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(["a", "b", "c", "d", "a", "b", ".", ".."][self.below(8)]);
        }
        if self.chance(12) {
            path.push('/');
        }
        path
    }
}

/// A file that is open on both sides.
struct OpenPair {
    node: NodeId,
    file: File,
}

fn error(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(1) => Error::NotPermitted,
        Some(2) => Error::NoEntry,
        Some(16) => Error::Busy,
        Some(17) => Error::Exist,
        Some(20) => Error::NotDirectory,
        Some(21) => Error::IsDirectory,
        Some(22) => Error::Invalid,
        Some(36) => Error::NameTooLong,
        Some(39) => Error::NotEmpty,
        Some(40) => Error::Loop,
        _ => panic!("{error}"),
    }
}

/// Compares the results of an operation on both sides.
fn compare<T: PartialEq + std::fmt::Debug>(
    ours: Result<T, Error>,
    what: &str,
    theirs: impl FnOnce() -> io::Result<T>,
) {
    // The path leaves the directory, or the operation is a hard link to a directory.
    let ours = match ours {
        Err(Error::NotPermitted) => return,
        ours => ours,
    };
    let theirs = theirs().map_err(|failure| error(&failure));
    let is_plain = what.split(' ').all(|path| !path.ends_with(['/', '.']));
    match (&ours, &theirs) {
        (Err(_), Err(_)) if !is_plain => {}
        _ => assert_eq!(ours, theirs, "{what}"),
    }
}

/// All nodes below a directory by path: the kind, the number of names and the content of each.
type Tree = BTreeMap<String, (NodeKind, u64, Vec<u8>)>;

fn our_tree(vfs: &mut Vfs, dir: NodeId, path: &str, tree: &mut Tree) {
    for DirEntry { name, kind } in vfs.list(dir, NOW).unwrap() {
        let node = vfs.find(dir, &name, false).unwrap();
        let path = format!("{path}/{name}");
        let stat = vfs.stat(node).unwrap();
        let (links, holds) = match kind {
            NodeKind::File => (stat.links, vfs.read(node, 0, u64::MAX, NOW).unwrap()),
            NodeKind::Link => (stat.links, vfs.read_link(dir, &name).unwrap().into_bytes()),
            NodeKind::Directory => (0, Vec::new()),
        };
        assert_eq!(stat.size, holds.len() as u64);
        tree.insert(path.clone(), (kind, links, holds));
        if kind == NodeKind::Directory {
            our_tree(vfs, node, &path, tree);
        }
    }
}

fn their_tree(dir: &Path, path: &str, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let metadata = entry.metadata().unwrap();
        let (kind, links, holds) = if metadata.is_dir() {
            their_tree(&entry.path(), &path, tree);
            (NodeKind::Directory, 0, Vec::new())
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            (NodeKind::Link, metadata.nlink(), target.to_str().unwrap().as_bytes().to_vec())
        } else {
            (NodeKind::File, metadata.nlink(), fs::read(entry.path()).unwrap())
        };
        tree.insert(path, (kind, links, holds));
    }
}

fn kind(metadata: &fs::Metadata) -> NodeKind {
    if metadata.is_dir() {
        NodeKind::Directory
    } else if metadata.is_symlink() {
        NodeKind::Link
    } else {
        NodeKind::File
    }
}

fn step(random: &mut Random, vfs: &mut Vfs, root: &Path, open: &mut Vec<OpenPair>) {
    let (path, other) = (random.path(), random.path());
    let (real, real_other) = (root.join(&path), root.join(&other));
    let now = LATER;
    match random.below(13) {
        0 => compare(vfs.create_directory(ROOT, &path, now), &path, || fs::create_dir(&real)),
        1 => compare(vfs.remove_directory(ROOT, &path, now), &path, || fs::remove_dir(&real)),
        2 => compare(vfs.unlink(ROOT, &path, now), &path, || fs::remove_file(&real)),
        3 | 4 => {
            let what = format!("{path} {other}");
            compare(vfs.rename(ROOT, &path, ROOT, &other, now), &what, || fs::rename(&real, &real_other));
        }
        5 => {
            let what = format!("{path} {other}");
            compare(vfs.link(ROOT, &path, ROOT, &other, now), &what, || fs::hard_link(&real, &real_other));
        }
        6 => compare(vfs.symlink(&other, ROOT, &path, now), &path, || symlink(&other, &real)),
        7 => {
            let ours = vfs.find(ROOT, &path, true).map(|node| vfs.stat(node).unwrap().kind);
            compare(ours, &path, || fs::metadata(&real).map(|metadata| kind(&metadata)));
        }
        8 => {
            let ours = vfs.find(ROOT, &path, false).map(|node| vfs.stat(node).unwrap().kind);
            compare(ours, &path, || fs::symlink_metadata(&real).map(|metadata| kind(&metadata)));
        }
        9 => {
            let ours = vfs.read_link(ROOT, &path);
            compare(ours, &path, || fs::read_link(&real).map(|path| path.to_str().unwrap().to_owned()));
        }
        10 | 11 => open_both(random, vfs, &path, &real, open),
        _ => use_open(random, vfs, open),
    }
}

fn open_both(random: &mut Random, vfs: &mut Vfs, path: &str, real: &Path, open: &mut Vec<OpenPair>) {
    let create = !random.chance(3);
    let how = OpenOptions {
        follow: true,
        create,
        exclusive: create && random.chance(4),
        truncate: random.chance(4),
        write: true,
        directory: false,
    };
    let ours = vfs.open(ROOT, path, how, LATER);
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(create).truncate(how.truncate);
    if how.exclusive {
        options.create_new(true);
    }
    let mut file = None;
    compare(ours.map(|_| ()), path, || options.open(real).map(|opened| file = Some(opened)));
    if let (Ok(OpenNode { node, .. }), Some(file)) = (ours, file) {
        open.push(OpenPair { node, file });
    }
}

fn use_open(random: &mut Random, vfs: &mut Vfs, open: &mut Vec<OpenPair>) {
    if open.is_empty() {
        return;
    }
    let index = random.below(open.len());
    let OpenPair { node, file } = &open[index];
    let offset = random.below(50) as u64;
    match random.below(5) {
        0 => {
            vfs.set_size(*node, offset, LATER).unwrap();
            file.set_len(offset).unwrap();
        }
        1 => {
            let mut theirs = [0; 20];
            let length = file.read_at(&mut theirs, offset).unwrap();
            assert_eq!(vfs.read(*node, offset, 20, LATER).unwrap(), &theirs[..length]);
        }
        2 => {
            vfs.release(*node).unwrap();
            open.swap_remove(index);
        }
        _ => {
            let bytes = vec![u8::try_from(random.below(256)).unwrap(); random.below(30)];
            vfs.write(*node, offset, &bytes, LATER).unwrap();
            file.write_all_at(&bytes, offset).unwrap();
        }
    }
}

#[test]
fn random_operations_have_the_same_results_as_on_a_real_directory() {
    for seed in 1..=SEEDS {
        let real = tempfile::tempdir().unwrap();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut vfs = empty();
        let mut open = Vec::new();
        for number in 0..STEPS {
            // The output of a failing test shows the step at which it failed.
            println!("seed {seed}, step {number}");
            step(&mut random, &mut vfs, real.path(), &mut open);
        }
        let (mut ours, mut theirs) = (Tree::new(), Tree::new());
        our_tree(&mut vfs, ROOT, "", &mut ours);
        their_tree(real.path(), "", &mut theirs);
        assert_eq!(ours, theirs, "seed {seed}");
        for OpenPair { node, file } in open {
            assert_eq!(vfs.stat(node).unwrap().links, file.metadata().unwrap().nlink(), "seed {seed}");
            vfs.release(node).unwrap();
        }
        let decoded = Vfs::decode(&vfs.encode()).unwrap();
        assert_eq!(decoded.bytes(), vfs.bytes(), "seed {seed}: bytes are counted right");
    }
}
