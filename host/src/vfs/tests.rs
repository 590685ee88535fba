//! Tests of the operations: the answer of each case, and the counted bytes.

mod against_std;
mod encoding;

use super::*;

const NOW: FileTime = FileTime { seconds: 1, nanos: 0 };
const LATER: FileTime = FileTime { seconds: 2, nanos: 0 };
const ROOT: NodeId = Vfs::ROOT;

/// Room for a megabyte.
fn empty() -> Vfs {
    let mut vfs = Vfs::new(NOW);
    vfs.set_bytes_max(1 << 20);
    vfs
}

/// The filesystem that most tests begin with: `file`, `dir/inner`, `full/sub/file`, and various symbolic links.
fn sample() -> Vfs {
    let mut vfs = empty();
    for dir in ["dir", "dir/inner", "full", "full/sub"] {
        vfs.create_directory(ROOT, dir, NOW).unwrap();
    }
    for file in ["file", "full/sub/file"] {
        put(&mut vfs, file, b"text");
    }
    let links = [
        ("to-file", "file"),
        ("to-dir", "dir"),
        ("to-nothing", "nothing"),
        ("to-itself", "to-itself"),
        ("to-outside", "../outside"),
        ("to-and-fro", "full/../full/sub/../sub/file"),
        ("dir/up", "../file"),
        ("dir/out", "../../file"),
        ("to-dir-slash", "dir/"),
        ("to-file-slash", "file/"),
    ];
    for (path, target) in links {
        vfs.symlink(target, ROOT, path, NOW).unwrap();
    }
    vfs
}

/// Creates or overwrites a file.
fn put(vfs: &mut Vfs, path: &str, bytes: &[u8]) {
    let how =
        OpenOptions { create: true, truncate: true, write: true, follow: true, ..OpenOptions::default() };
    let node = vfs.open(ROOT, path, how, NOW).unwrap().node;
    vfs.write(node, 0, bytes, NOW).unwrap();
    vfs.release(node).unwrap();
}

fn text(vfs: &mut Vfs, path: &str) -> String {
    let node = vfs.find(ROOT, path, true).unwrap();
    String::from_utf8(vfs.read(node, 0, 1_000, NOW).unwrap()).unwrap()
}

fn names(vfs: &mut Vfs, path: &str) -> Vec<String> {
    let node = vfs.find(ROOT, path, true).unwrap();
    vfs.list(node, NOW).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Runs `operation` on the sample for each case. A failed operation must change nothing.
fn check<T: PartialEq + std::fmt::Debug>(
    cases: &[(&str, Result<T, Error>)],
    operation: impl Fn(&mut Vfs, &str) -> Result<T, Error>,
) {
    for (path, expected) in cases {
        let mut vfs = sample();
        let before = vfs.clone();
        let answer = operation(&mut vfs, path);
        assert_eq!(&answer, expected, "{path}");
        if answer.is_err() {
            assert_eq!(vfs, before, "{path} failed but changed something");
        }
        assert_eq!(
            Vfs::decode(&vfs.encode()).unwrap().bytes(),
            vfs.bytes(),
            "{path}: bytes are counted right"
        );
    }
}

#[test]
fn paths_lead_to_what_they_name() {
    let cases = [
        ("file", Ok(NodeKind::File)),
        ("./file", Ok(NodeKind::File)),
        ("dir/../file", Ok(NodeKind::File)),
        ("dir//inner/", Ok(NodeKind::Directory)),
        (".", Ok(NodeKind::Directory)),
        ("./", Ok(NodeKind::Directory)),
        ("dir/..", Ok(NodeKind::Directory)),
        ("to-file", Ok(NodeKind::File)),
        ("to-and-fro", Ok(NodeKind::File)),
        ("dir/up", Ok(NodeKind::File)),
        ("to-dir/up", Ok(NodeKind::File)),
        ("to-dir-slash", Ok(NodeKind::Directory)),
        ("", Err(Error::NoEntry)),
        ("nothing", Err(Error::NoEntry)),
        ("nothing/file", Err(Error::NoEntry)),
        ("nothing/..", Err(Error::NoEntry)),
        ("to-nothing", Err(Error::NoEntry)),
        ("file/", Err(Error::NotDirectory)),
        ("file/.", Err(Error::NotDirectory)),
        ("file/..", Err(Error::NotDirectory)),
        ("to-file-slash", Err(Error::NotDirectory)),
        ("to-itself", Err(Error::Loop)),
        ("to-itself/x", Err(Error::Loop)),
        ("/file", Err(Error::NotPermitted)),
        ("..", Err(Error::NotPermitted)),
        ("dir/../../file", Err(Error::NotPermitted)),
        ("to-outside", Err(Error::NotPermitted)),
        ("dir/out", Err(Error::NotPermitted)),
        ("fi\0le", Err(Error::Invalid)),
    ];
    check(&cases, |vfs, path| vfs.find(ROOT, path, true).map(|node| vfs.stat(node).unwrap().kind));
    // A link is not followed, unless a slash comes after it.
    let cases = [
        ("to-file", Ok(NodeKind::Link)),
        ("to-itself", Ok(NodeKind::Link)),
        ("to-outside", Ok(NodeKind::Link)),
        ("to-dir/", Ok(NodeKind::Directory)),
        ("to-dir/.", Ok(NodeKind::Directory)),
        ("to-file/", Err(Error::NotDirectory)),
    ];
    check(&cases, |vfs, path| vfs.find(ROOT, path, false).map(|node| vfs.stat(node).unwrap().kind));

    let long = "x".repeat(256);
    assert_eq!(sample().find(ROOT, &long, true), Err(Error::NameTooLong));
    assert_eq!(sample().find(ROOT, &"x/".repeat(2_048), true), Err(Error::NameTooLong));
    assert_eq!(sample().find(ROOT, &long[1..], true), Err(Error::NoEntry));
}

#[test]
fn paths_cannot_leave_the_directory_that_they_start_from() {
    let vfs = sample();
    let dir = vfs.find(ROOT, "dir", true).unwrap();
    assert_eq!(vfs.find(dir, "..", true), Err(Error::NotPermitted));
    assert_eq!(vfs.find(dir, "up", true), Err(Error::NotPermitted));
    assert_eq!(vfs.find(dir, "inner/..", true), Ok(dir));
    let file = vfs.find(ROOT, "file", true).unwrap();
    assert_eq!(vfs.find(file, "x", true), Err(Error::NotDirectory));
}

#[test]
fn links_are_followed_forty_times() {
    let mut vfs = empty();
    put(&mut vfs, "l0", b"");
    for number in 1..=41 {
        vfs.symlink(&format!("l{}", number - 1), ROOT, &format!("l{number}"), NOW).unwrap();
    }
    assert!(vfs.find(ROOT, "l40", true).is_ok());
    assert_eq!(vfs.find(ROOT, "l41", true), Err(Error::Loop));
}

#[test]
fn opening() {
    let open = |how: OpenOptions| {
        move |vfs: &mut Vfs, path: &str| vfs.open(ROOT, path, how, LATER).map(|opened| opened.kind)
    };
    let follow = OpenOptions { follow: true, ..OpenOptions::default() };
    check(
        &[
            ("file", Ok(NodeKind::File)),
            ("dir", Ok(NodeKind::Directory)),
            (".", Ok(NodeKind::Directory)),
            ("to-dir", Ok(NodeKind::Directory)),
            ("to-nothing", Err(Error::NoEntry)),
            ("file/", Err(Error::NotDirectory)),
        ],
        open(follow),
    );
    check(
        &[("to-file", Err(Error::Loop)), ("to-dir/", Ok(NodeKind::Directory))],
        open(OpenOptions::default()),
    );
    check(
        &[
            ("file", Err(Error::NotDirectory)),
            ("dir", Ok(NodeKind::Directory)),
            ("nothing", Err(Error::NoEntry)),
        ],
        open(OpenOptions { directory: true, ..follow }),
    );
    check(
        &[("file", Ok(NodeKind::File)), ("dir", Err(Error::IsDirectory)), (".", Err(Error::IsDirectory))],
        open(OpenOptions { write: true, ..follow }),
    );
    check(
        &[
            ("new", Ok(NodeKind::File)),
            ("file", Ok(NodeKind::File)),
            ("to-nothing", Ok(NodeKind::File)),
            ("dir", Err(Error::IsDirectory)),
            ("new/", Err(Error::IsDirectory)),
            ("nothing/new", Err(Error::NoEntry)),
            ("file/new", Err(Error::NotDirectory)),
            ("../new", Err(Error::NotPermitted)),
        ],
        open(OpenOptions { create: true, ..follow }),
    );
    check(
        &[
            ("new", Ok(NodeKind::File)),
            ("file", Err(Error::Exist)),
            ("dir", Err(Error::Exist)),
            (".", Err(Error::Exist)),
            ("to-nothing", Err(Error::Exist)),
        ],
        open(OpenOptions { create: true, exclusive: true, ..follow }),
    );
    check(&[("dir", Err(Error::Invalid))], open(OpenOptions { create: true, directory: true, ..follow }));

    let mut vfs = sample();
    vfs.open(ROOT, "to-nothing", OpenOptions { create: true, ..follow }, NOW).unwrap();
    assert!(
        names(&mut vfs, ".").contains(&"nothing".to_owned()),
        "the file is created at the target of the link"
    );
    vfs.open(ROOT, "file", OpenOptions { truncate: true, ..follow }, LATER).unwrap();
    let node = vfs.find(ROOT, "file", true).unwrap();
    let stat = vfs.stat(node).unwrap();
    assert_eq!((stat.size, stat.modified), (0, LATER));
}

#[test]
fn making_and_removing() {
    check(
        &[
            ("new", Ok(())),
            ("new/", Ok(())),
            ("dir/new", Ok(())),
            ("dir", Err(Error::Exist)),
            ("file", Err(Error::Exist)),
            ("to-nothing", Err(Error::Exist)),
            (".", Err(Error::Exist)),
            ("nothing/new", Err(Error::NoEntry)),
            ("file/new", Err(Error::NotDirectory)),
            ("/new", Err(Error::NotPermitted)),
        ],
        |vfs, path| vfs.create_directory(ROOT, path, NOW),
    );
    check(
        &[
            ("dir/inner", Ok(())),
            ("dir/inner/", Ok(())),
            ("dir", Err(Error::NotEmpty)),
            ("file", Err(Error::NotDirectory)),
            ("to-dir", Err(Error::NotDirectory)),
            (".", Err(Error::Invalid)),
            ("nothing", Err(Error::NoEntry)),
        ],
        |vfs, path| vfs.remove_directory(ROOT, path, NOW),
    );
    check(
        &[
            ("file", Ok(())),
            ("to-dir", Ok(())),
            ("to-itself", Ok(())),
            ("dir", Err(Error::IsDirectory)),
            ("dir/", Err(Error::IsDirectory)),
            (".", Err(Error::IsDirectory)),
            ("file/", Err(Error::NotDirectory)),
            ("nothing", Err(Error::NoEntry)),
        ],
        |vfs, path| vfs.unlink(ROOT, path, NOW),
    );
}

#[test]
fn linking() {
    check(
        &[
            ("new", Ok(())),
            ("file", Err(Error::Exist)),
            ("dir", Err(Error::Exist)),
            ("dir/", Err(Error::Exist)),
            ("file/", Err(Error::NotDirectory)),
            ("new/", Err(Error::NoEntry)),
            ("nothing/new", Err(Error::NoEntry)),
        ],
        |vfs, path| vfs.symlink("anything", ROOT, path, NOW),
    );
    check(
        &[
            ("a", Ok(())),
            ("/a", Err(Error::NotPermitted)),
            ("", Err(Error::NoEntry)),
            ("a\0", Err(Error::Invalid)),
            (&"a".repeat(4_096), Err(Error::NameTooLong)),
        ],
        |vfs, target| vfs.symlink(target, ROOT, "new", NOW),
    );
    check(
        &[
            ("to-file", Ok("file".to_owned())),
            ("dir/up", Ok("../file".to_owned())),
            ("file", Err(Error::Invalid)),
            ("dir", Err(Error::Invalid)),
            ("to-dir/", Err(Error::Invalid)),
            ("nothing", Err(Error::NoEntry)),
        ],
        |vfs, path| vfs.read_link(ROOT, path),
    );
    check(
        &[
            ("file", Ok(())),
            ("to-nothing", Ok(())),
            ("dir", Err(Error::NotPermitted)),
            ("nothing", Err(Error::NoEntry)),
            ("file/", Err(Error::NotDirectory)),
        ],
        |vfs, old| vfs.link(ROOT, old, ROOT, "new", NOW),
    );
    check(&[("file", Err(Error::Exist)), ("new/", Err(Error::NoEntry))], |vfs, new| {
        vfs.link(ROOT, "file", ROOT, new, NOW)
    });

    let mut vfs = sample();
    vfs.link(ROOT, "file", ROOT, "dir/same", LATER).unwrap();
    put(&mut vfs, "dir/same", b"changed");
    assert_eq!(text(&mut vfs, "file"), "changed");
    let node = vfs.find(ROOT, "file", true).unwrap();
    assert_eq!(vfs.stat(node).unwrap().links, 2);
    vfs.unlink(ROOT, "file", NOW).unwrap();
    assert_eq!(vfs.stat(node).unwrap().links, 1);
    assert_eq!(text(&mut vfs, "dir/same"), "changed");
}

#[test]
fn renaming() {
    let cases: &[(&str, Result<(), Error>)] = &[
        ("file new", Ok(())),
        ("file file", Ok(())),
        ("file full/sub/file", Ok(())),
        ("file to-nothing", Ok(())),
        ("to-file file", Ok(())),
        ("dir new", Ok(())),
        ("dir/ new/", Ok(())),
        ("dir dir", Ok(())),
        ("full/sub dir/inner", Ok(())),
        ("file new/", Err(Error::NotDirectory)),
        ("file/ new", Err(Error::NotDirectory)),
        ("to-dir/ new", Err(Error::NotDirectory)),
        ("file dir", Err(Error::IsDirectory)),
        ("dir file", Err(Error::NotDirectory)),
        ("dir full", Err(Error::NotEmpty)),
        ("full/sub full", Err(Error::NotEmpty)),
        ("full/sub/file full", Err(Error::NotEmpty)),
        ("full full/sub/new", Err(Error::Invalid)),
        ("dir dir/inner", Err(Error::Invalid)),
        (". new", Err(Error::Busy)),
        ("dir/.. new", Err(Error::Busy)),
        ("file .", Err(Error::Busy)),
        ("nothing new", Err(Error::NoEntry)),
        ("file nothing/new", Err(Error::NoEntry)),
        ("file file/new", Err(Error::NotDirectory)),
        ("file ../new", Err(Error::NotPermitted)),
    ];
    check(cases, |vfs, paths| {
        let (old, new) = paths.split_once(' ').unwrap();
        vfs.rename(ROOT, old, ROOT, new, LATER)
    });

    let mut vfs = sample();
    vfs.rename(ROOT, "full", ROOT, "dir/moved", LATER).unwrap();
    assert_eq!(text(&mut vfs, "dir/moved/sub/file"), "text");
    assert_eq!(
        vfs.rename(ROOT, "dir", ROOT, "dir/moved/sub/x", NOW),
        Err(Error::Invalid),
        "a directory cannot be moved into itself"
    );
    vfs.link(ROOT, "file", ROOT, "same", NOW).unwrap();
    vfs.rename(ROOT, "file", ROOT, "same", NOW).unwrap();
    assert!(vfs.find(ROOT, "file", false).is_ok(), "two names of one file both stay, as POSIX requires");
}

#[test]
fn open_nodes_stay_usable_after_their_names_are_removed() {
    let mut vfs = sample();
    let before = vfs.bytes();
    let file =
        vfs.open(ROOT, "file", OpenOptions { write: true, ..OpenOptions::default() }, NOW).unwrap().node;
    let dir = vfs.open(ROOT, "dir/inner", OpenOptions::default(), NOW).unwrap().node;
    vfs.unlink(ROOT, "file", LATER).unwrap();
    vfs.remove_directory(ROOT, "dir/inner", LATER).unwrap();
    vfs.write(file, 4, b" and more", LATER).unwrap();
    assert_eq!(vfs.read(file, 0, 100, LATER).unwrap(), b"text and more");
    assert_eq!(vfs.stat(file).unwrap().links, 0);
    assert_eq!(vfs.list(dir, LATER).unwrap(), []);
    assert_eq!(vfs.create_directory(dir, "new", LATER), Err(Error::NoEntry));
    assert_eq!(vfs.rename(ROOT, "to-file", dir, "new", LATER), Err(Error::NoEntry));
    assert_eq!(Vfs::decode(&vfs.encode()).unwrap(), Vfs { bytes_max: u64::MAX, ..vfs.clone() });
    vfs.release(file).unwrap();
    vfs.release(dir).unwrap();
    assert_eq!(vfs.read(file, 0, 1, LATER), Err(Error::BadDescriptor));
    put(&mut vfs, "file", b"text");
    vfs.create_directory(ROOT, "dir/inner", NOW).unwrap();
    assert_ne!(vfs.find(ROOT, "file", true).unwrap(), file, "a node number is not reused");
    assert_eq!(vfs.bytes(), before);
}

#[test]
fn reading_and_writing_at_offsets() {
    let mut vfs = sample();
    let node = vfs.find(ROOT, "file", true).unwrap();
    vfs.write(node, 8, b"far", NOW).unwrap();
    assert_eq!(vfs.read(node, 0, 100, NOW).unwrap(), b"text\0\0\0\0far");
    assert_eq!(vfs.read(node, 9, 1, NOW).unwrap(), b"a");
    assert_eq!(vfs.read(node, 11, 1, NOW).unwrap(), b"");
    assert_eq!(vfs.read(node, i64::MAX as u64, 1, NOW).unwrap(), b"");
    assert_eq!(vfs.read(node, u64::MAX, 1, NOW), Err(Error::Invalid));
    assert_eq!(vfs.write(node, u64::MAX, b"x", NOW), Err(Error::Invalid));
    assert_eq!(vfs.write(node, 1 << 40, b"", NOW), Ok(()), "an empty write does not extend the file");
    vfs.append(node, b"!", NOW).unwrap();
    vfs.set_size(node, 2, NOW).unwrap();
    vfs.set_size(node, 4, NOW).unwrap();
    assert_eq!(vfs.read(node, 0, 100, NOW).unwrap(), b"te\0\0");
    assert_eq!(vfs.set_size(node, u64::MAX, NOW), Err(Error::Invalid));
    let dir = vfs.find(ROOT, "dir", true).unwrap();
    assert_eq!(vfs.read(dir, 0, 1, NOW), Err(Error::IsDirectory));
}

#[test]
fn times() {
    let at = |seconds| FileTime { seconds, nanos: 0 };
    let mut vfs = sample();
    let file = vfs.find(ROOT, "file", true).unwrap();
    let all = |vfs: &Vfs, node| {
        let stat = vfs.stat(node).unwrap();
        [stat.accessed, stat.modified, stat.changed].map(|time| time.seconds)
    };
    vfs.write(file, 0, b"x", at(5)).unwrap();
    assert_eq!(all(&vfs, file), [1, 5, 5]);
    vfs.read(file, 0, 1, at(6)).unwrap();
    assert_eq!(all(&vfs, file), [6, 5, 5]);
    vfs.set_times(file, Some(at(100)), None, at(7)).unwrap();
    assert_eq!(all(&vfs, file), [100, 5, 7]);
    vfs.set_times(file, None, None, at(8)).unwrap();
    assert_eq!(all(&vfs, file), [100, 5, 7]);
    vfs.link(ROOT, "file", ROOT, "dir/link", at(9)).unwrap();
    assert_eq!(all(&vfs, file), [100, 5, 9], "a new name changes the file's metadata");
    let dir = vfs.find(ROOT, "dir", true).unwrap();
    assert_eq!(all(&vfs, dir), [1, 9, 9]);
    vfs.list(dir, at(10)).unwrap();
    assert_eq!(all(&vfs, dir), [10, 9, 9]);
    vfs.rename(ROOT, "dir/link", ROOT, "moved", at(11)).unwrap();
    assert_eq!(all(&vfs, dir), [10, 11, 11]);
    assert_eq!(all(&vfs, ROOT), [1, 11, 11]);
    assert_eq!(all(&vfs, file), [100, 5, 11]);
}

#[test]
fn listings_are_in_the_order_of_bytes() {
    let mut vfs = empty();
    for name in ["b", "a", "Z", "é", "a b", "10", "9"] {
        put(&mut vfs, name, b"");
    }
    assert_eq!(names(&mut vfs, "."), ["10", "9", "Z", "a", "a b", "b", "é"]);
}

/// Regression test: the worker's limit allowed the size, and the failing allocation aborted the server.
#[test]
fn growing_a_file_beyond_the_hosts_memory_fails_and_changes_nothing() {
    let mut vfs = sample();
    let node = vfs.find(ROOT, "file", true).unwrap();
    vfs.set_bytes_max(u64::MAX);
    let before = vfs.clone();
    // Larger than any address space, and larger than a `Vec` may be.
    for length in [1_u64 << 60, (1 << 63) - 1] {
        assert_eq!(vfs.set_size(node, length, LATER), Err(Error::HostMemory));
        assert_eq!(vfs.write(node, length - 1, b"x", LATER), Err(Error::HostMemory));
        assert_eq!(vfs, before);
    }
    vfs.append(node, b"x", LATER).unwrap();
}

#[test]
fn operations_on_a_full_filesystem_fail_and_change_nothing() {
    let mut vfs = sample();
    let node = vfs.find(ROOT, "file", true).unwrap();
    vfs.set_bytes_max(vfs.bytes() + 100);
    let before = vfs.clone();
    let create = OpenOptions { create: true, ..OpenOptions::default() };
    assert_eq!(vfs.open(ROOT, "new", create, LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.create_directory(ROOT, "new", LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.symlink("x", ROOT, "new", LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.link(ROOT, "file", ROOT, &"x".repeat(99), LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.rename(ROOT, "file", ROOT, &"x".repeat(205), LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.write(node, 0, &[1; 105], LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.write(node, 1 << 40, b"x", LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs.set_size(node, 1 << 40, LATER), Err(Error::InsufficientSpace));
    assert_eq!(vfs, before);
    vfs.rename(ROOT, "file", ROOT, "full/sub/file", LATER).unwrap();
    vfs.write(node, 0, &[1; 104], LATER).unwrap();
    vfs.set_size(node, 0, LATER).unwrap();
    vfs.set_bytes_max(0);
    assert_eq!(
        vfs.append(node, b"x", LATER),
        Err(Error::InsufficientSpace),
        "existing content stays, but nothing can be added"
    );
    vfs.unlink(ROOT, "to-file", LATER).unwrap();
}

#[test]
fn nodes_are_limited() {
    let mut vfs = Vfs::new(NOW);
    for number in 1..NODES_MAX {
        vfs.symlink("x", ROOT, &number.to_string(), NOW).unwrap();
    }
    assert_eq!(vfs.symlink("x", ROOT, "more", NOW), Err(Error::InsufficientSpace));
    vfs.unlink(ROOT, "1", NOW).unwrap();
    vfs.create_directory(ROOT, "more", NOW).unwrap();
}
