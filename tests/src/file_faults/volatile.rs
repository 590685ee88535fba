//! The changes of files that no sync has made durable yet, with what is needed to undo them.
//!
//! A change of a file's contents may be lost unless the file was synced afterwards, and a change of a name unless its
//! folder was. The real files always have the newest state, and a power cut writes the durable state back: all of it, or
//! any part, page by page and name by name. After a failed sync the changes stay lost, also if a later sync succeeds, as
//! on Linux. A process that is killed leaves its unsynced changes to the next one ([`VolatileDisk::save`]).
//!
//! Invariant: files that were opened here are never closed. Closing a file releases the locks that the process has on it,
//! and SQLite relies on those.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Bytes that are compared with the disk as a unit.
const PAGE: u64 = 4096;

/// The file of SQLite whose contents are shared memory. A power cut does not matter to it: SQLite writes it anew.
const SHARED_MEMORY_END: &str = "-shm";

/// The file in the folder `kept` with the changes of a killed process.
const SAVED_CHANGES: &str = "unsynced.json";

/// The unsynced changes of one file.
#[derive(Debug)]
struct VolatileFile {
    file: ManuallyDrop<File>,
    /// The length that a power cut leaves.
    durable_length: u64,
    /// The durable contents of changed pages, up to the end of the file at that time.
    pages: BTreeMap<u64, DurablePage>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DurablePage {
    contents: Vec<u8>,
    /// A sync has failed to write the page, and the page was not written again.
    is_lost: bool,
}

/// A change of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameChange {
    /// A file is created.
    Create(PathBuf),
    /// A file is removed.
    Remove(PathBuf),
    /// A file is renamed, and replaces a file that has the new name.
    Rename(PathBuf, PathBuf),
}

/// A change of a name that is not durable. `kept` is a link to the file that lost its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct VolatileName {
    change: NameChange,
    kept: Option<PathBuf>,
}

/// The unsynced changes of all files.
#[derive(Debug)]
pub struct VolatileDisk {
    kept: PathBuf,
    kept_count: u64,
    /// By device and inode.
    files: BTreeMap<(u64, u64), VolatileFile>,
    names: Vec<VolatileName>,
}

/// The unsynced changes that a killed process leaves.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SavedChanges {
    files: Vec<SavedFile>,
    names: Vec<VolatileName>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedFile {
    path: PathBuf,
    durable_length: u64,
    pages: Vec<(u64, DurablePage)>,
}

impl VolatileDisk {
    /// With the changes that an earlier process saved. Links to files that lose their names are made in the folder
    /// `kept`.
    pub fn open(kept: PathBuf) -> io::Result<Self> {
        let saved: SavedChanges = match fs::read(kept.join(SAVED_CHANGES)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => SavedChanges::default(),
            Err(error) => return Err(error),
        };
        let mut files = BTreeMap::new();
        for SavedFile { path, durable_length, pages } in saved.files {
            let file = ManuallyDrop::new(OpenOptions::new().read(true).write(true).open(path)?);
            let metadata = file.metadata()?;
            let pages = pages.into_iter().collect();
            files.insert((metadata.dev(), metadata.ino()), VolatileFile { file, durable_length, pages });
        }
        Ok(Self { kept, kept_count: 0, files, names: saved.names })
    }

    /// Saves the changes for the next process.
    pub fn save(&self) -> io::Result<()> {
        let mut saved = SavedChanges { files: Vec::new(), names: self.names.clone() };
        for volatile in self.files.values() {
            let path = fs::read_link(format!("/proc/self/fd/{}", volatile.file.as_raw_fd()))?;
            // A file without a name is gone in any case, or it has a link in `kept`, whose contents are right.
            if path.is_file() {
                let pages = volatile.pages.iter().map(|(page, durable)| (*page, durable.clone())).collect();
                saved.files.push(SavedFile { path, durable_length: volatile.durable_length, pages });
            }
        }
        fs::create_dir_all(&self.kept)?;
        fs::write(self.kept.join(SAVED_CHANGES), serde_json::to_vec(&saved)?)
    }

    /// Notes that the bytes are about to be written.
    pub fn before_write(&mut self, file: RawFd, offset: u64, count: u64) -> io::Result<()> {
        let Some(volatile) = self.file(file)? else { return Ok(()) };
        for page in offset / PAGE..(offset + count).div_ceil(PAGE) {
            volatile.note_page(page)?.is_lost = false;
        }
        Ok(())
    }

    /// Notes that the file is about to get this length.
    pub fn before_truncate(&mut self, file: RawFd, length: u64) -> io::Result<()> {
        let Some(volatile) = self.file(file)? else { return Ok(()) };
        let end = volatile.file.metadata()?.len().min(volatile.durable_length);
        for page in length / PAGE..end.div_ceil(PAGE) {
            volatile.note_page(page)?;
        }
        Ok(())
    }

    /// Notes the outcome of a sync of a file or a folder.
    pub fn after_sync(&mut self, file: RawFd, path: &Path, succeeded: bool) -> io::Result<()> {
        if path.is_dir() {
            if succeeded {
                self.names.retain(|name| name.folder() != Some(path));
            }
            return Ok(());
        }
        let Some(volatile) = self.file(file)? else { return Ok(()) };
        if succeeded {
            volatile.pages.retain(|_, page| page.is_lost);
            volatile.durable_length = volatile.file.metadata()?.len();
        } else {
            for page in volatile.pages.values_mut() {
                page.is_lost = true;
            }
        }
        Ok(())
    }

    /// Notes that a name is about to change.
    pub fn before_name_change(&mut self, change: NameChange) -> io::Result<()> {
        if let NameChange::Rename(from, _) = &change
            && !from.exists()
        {
            return Ok(());
        }
        let loses_its_name = match &change {
            NameChange::Create(_) => None,
            NameChange::Remove(path) | NameChange::Rename(_, path) => path.is_file().then_some(path),
        };
        let mut kept = None;
        if let Some(path) = loses_its_name {
            fs::create_dir_all(&self.kept)?;
            self.kept_count += 1;
            // An earlier process may have left links of its own.
            let link = self.kept.join(format!("{}-{}", std::process::id(), self.kept_count));
            fs::hard_link(path, &link)?;
            kept = Some(link);
        }
        self.names.push(VolatileName { change, kept });
        Ok(())
    }

    /// Writes the durable state back, as a power cut leaves it. `is_lost` decides for each change.
    pub fn undo(&mut self, is_lost: &mut dyn FnMut() -> bool) -> io::Result<()> {
        for volatile in self.files.values() {
            let length = volatile.file.metadata()?.len();
            for (page, durable) in &volatile.pages {
                if is_lost() {
                    // What was beyond the end of the file is zero, if the file stays longer.
                    let mut contents = durable.contents.clone();
                    contents.resize(usize::try_from(PAGE).unwrap_or_default(), 0);
                    volatile.file.write_all_at(&contents, page * PAGE)?;
                }
            }
            volatile.file.set_len(if is_lost() { volatile.durable_length } else { length })?;
        }
        while let Some(VolatileName { change, kept }) = self.names.pop() {
            if !is_lost() {
                continue;
            }
            let lost = match change {
                NameChange::Create(path) => {
                    // The file may have been renamed since, and that was undone before.
                    drop(fs::remove_file(path));
                    continue;
                }
                NameChange::Remove(path) => path,
                NameChange::Rename(from, to) => {
                    if to.exists() {
                        fs::rename(&to, from)?;
                    }
                    to
                }
            };
            // Writes reach a file under each of its names, so its contents are undone already.
            if let Some(kept) = kept.filter(|_| !lost.exists()) {
                fs::rename(kept, lost)?;
            }
        }
        match fs::remove_file(self.kept.join(SAVED_CHANGES)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The changes of an open file; `None` for files that a power cut does not affect.
    fn file(&mut self, file: RawFd) -> io::Result<Option<&mut VolatileFile>> {
        // The caller's handle may not be readable.
        let link = PathBuf::from(format!("/proc/self/fd/{file}"));
        let metadata = fs::metadata(&link)?;
        if !metadata.is_file() || fs::read_link(&link)?.to_string_lossy().ends_with(SHARED_MEMORY_END) {
            return Ok(None);
        }
        let id = (metadata.dev(), metadata.ino());
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.files.entry(id) {
            let file = ManuallyDrop::new(OpenOptions::new().read(true).write(true).open(&link)?);
            vacant.insert(VolatileFile { file, durable_length: metadata.len(), pages: BTreeMap::new() });
        }
        Ok(self.files.get_mut(&id))
    }
}

impl VolatileFile {
    /// The durable contents of a page, which are read now if the page has no unsynced change yet.
    fn note_page(&mut self, page: u64) -> io::Result<&mut DurablePage> {
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.pages.entry(page) {
            let mut contents = vec![0; usize::try_from(PAGE).unwrap_or_default()];
            let mut count = 0;
            while count < contents.len() {
                match self.file.read_at(&mut contents[count..], page * PAGE + count as u64)? {
                    0 => break,
                    read => count += read,
                }
            }
            contents.truncate(count);
            vacant.insert(DurablePage { contents, is_lost: false });
        }
        Ok(self.pages.get_mut(&page).unwrap_or_else(|| unreachable!("the page was inserted")))
    }
}

impl VolatileName {
    /// The folder whose sync makes the change durable.
    fn folder(&self) -> Option<&Path> {
        match &self.change {
            NameChange::Create(path) | NameChange::Remove(path) | NameChange::Rename(_, path) => {
                path.parent()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder {
        dir: tempfile::TempDir,
        disk: VolatileDisk,
    }

    impl Folder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("data")).unwrap();
            let disk = VolatileDisk::open(dir.path().join("kept")).unwrap();
            Self { dir, disk }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join("data").join(name)
        }

        /// A durable file.
        fn durable(&self, name: &str, contents: &[u8]) -> File {
            fs::write(self.path(name), contents).unwrap();
            OpenOptions::new().write(true).open(self.path(name)).unwrap()
        }

        fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) {
            self.disk.before_write(file.as_raw_fd(), offset, bytes.len() as u64).unwrap();
            file.write_all_at(bytes, offset).unwrap();
        }

        fn sync(&mut self, file: &File, succeeded: bool) {
            self.disk.after_sync(file.as_raw_fd(), &self.path("-"), succeeded).unwrap();
        }

        fn sync_folder(&mut self) {
            let folder = self.dir.path().join("data");
            self.disk.after_sync(File::open(&folder).unwrap().as_raw_fd(), &folder, true).unwrap();
        }

        /// Names and contents after a power cut.
        fn after_power_cut(mut self) -> Vec<(String, Vec<u8>)> {
            self.disk.undo(&mut || true).unwrap();
            let mut found = Vec::new();
            for entry in fs::read_dir(self.dir.path().join("data")).unwrap() {
                let entry = entry.unwrap();
                found.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    fs::read(entry.path()).unwrap(),
                ));
            }
            found.sort();
            found
        }
    }

    fn expected_files(files: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
        files.iter().map(|(name, contents)| ((*name).to_owned(), contents.to_vec())).collect()
    }

    #[test]
    fn contents_are_lost_unless_the_file_was_synced() {
        let mut folder = Folder::new();
        let (a, b) = (folder.durable("a", b"aaaa"), folder.durable("b", b"bbbb"));
        folder.write(&a, 2, b"new contents");
        folder.write(&b, 2, b"new contents");
        folder.sync(&b, true);
        folder.write(&b, 0, b"??");
        assert_eq!(folder.after_power_cut(), expected_files(&[("a", b"aaaa"), ("b", b"bbnew contents")]));
    }

    #[test]
    fn contents_of_a_failed_sync_are_lost_unless_they_are_written_again() {
        let mut folder = Folder::new();
        let page = usize::try_from(PAGE).unwrap();
        let file = folder.durable("a", &vec![b'0'; 2 * page]);
        folder.write(&file, 0, b"first");
        folder.write(&file, PAGE, b"second");
        folder.sync(&file, false);
        folder.write(&file, PAGE, b"second");
        folder.sync(&file, true);
        let contents = &folder.after_power_cut()[0].1;
        assert_eq!(&contents[..6], b"000000");
        assert_eq!(&contents[page..page + 6], b"second");
    }

    #[test]
    fn appended_contents_of_a_failed_sync_are_lost() {
        let mut folder = Folder::new();
        let file = folder.durable("a", b"1234");
        folder.write(&file, 4, b"appended");
        folder.sync(&file, false);
        folder.sync(&file, true);
        assert_eq!(folder.after_power_cut(), expected_files(&[("a", b"1234\0\0\0\0\0\0\0\0")]));
    }

    #[test]
    fn changes_of_a_killed_process_are_lost_with_those_of_the_next_one() {
        let mut folder = Folder::new();
        let file = folder.durable("a", b"aaaa");
        let created = folder.path("created");
        folder.disk.before_name_change(NameChange::Create(created.clone())).unwrap();
        fs::write(created, b"4").unwrap();
        folder.write(&file, 0, b"bb");
        folder.disk.save().unwrap();
        folder.disk = VolatileDisk::open(folder.dir.path().join("kept")).unwrap();
        folder.write(&file, 1, b"cc");
        assert_eq!(folder.after_power_cut(), expected_files(&[("a", b"aaaa")]));
    }

    #[test]
    fn a_partial_power_cut_leaves_any_part_of_the_changes() {
        let page = usize::try_from(PAGE).unwrap();
        for lost in [[true, false], [false, true]] {
            let mut folder = Folder::new();
            let file = folder.durable("a", &vec![b'0'; 2 * page]);
            folder.write(&file, 0, b"1");
            folder.write(&file, PAGE, b"2");
            let mut decisions = lost.into_iter().chain([false]);
            folder.disk.undo(&mut || decisions.next().unwrap()).unwrap();
            let contents = fs::read(folder.path("a")).unwrap();
            assert_eq!([contents[0] == b'0', contents[page] == b'0'], lost);
        }
    }

    #[test]
    fn a_truncation_is_undone() {
        let mut folder = Folder::new();
        let long = vec![b'x'; 10_000];
        let file = folder.durable("a", &long);
        folder.disk.before_truncate(file.as_raw_fd(), 5_000).unwrap();
        file.set_len(5_000).unwrap();
        folder.write(&file, 5_000, b"y");
        assert_eq!(folder.after_power_cut(), expected_files(&[("a", &long)]));
    }

    #[test]
    fn names_are_lost_unless_the_folder_was_synced() {
        let mut folder = Folder::new();
        folder.durable("removed", b"1");
        folder.durable("renamed", b"2");
        folder.durable("replaced", b"3");
        let (created, removed) = (folder.path("created"), folder.path("removed"));
        let (renamed, replaced) = (folder.path("renamed"), folder.path("replaced"));
        folder.disk.before_name_change(NameChange::Create(created.clone())).unwrap();
        fs::write(created, b"4").unwrap();
        folder.disk.before_name_change(NameChange::Remove(removed.clone())).unwrap();
        fs::remove_file(removed).unwrap();
        folder.disk.before_name_change(NameChange::Rename(renamed.clone(), replaced.clone())).unwrap();
        fs::rename(renamed, replaced).unwrap();
        let before = expected_files(&[("removed", b"1"), ("renamed", b"2"), ("replaced", b"3")]);
        assert_eq!(folder.after_power_cut(), before);

        let mut folder = Folder::new();
        let created = folder.path("created");
        folder.disk.before_name_change(NameChange::Create(created.clone())).unwrap();
        fs::write(created, b"4").unwrap();
        folder.sync_folder();
        assert_eq!(folder.after_power_cut(), expected_files(&[("created", b"4")]));
    }
}
