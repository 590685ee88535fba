//! Writing generated files.
//!
//! A folder of generated files has a list of them with their digests. Invariant: a file is written over, or removed, only
//! if it is in the list and has the digest there: what a person wrote or changed stays, and then nothing at all is
//! written.

use super::GuestError;
use golem_bindgen::Files;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The list's name in the folder.
const LIST_FILE: &str = ".golem-generated";
const LIST_HEADER: &str =
    "# Written by golem, with everything that is named here. Do not change; it is made anew.\n";

/// Makes `folder` hold `files`, and none of those that were generated into it before and are not among them.
pub fn write_files(folder: &Path, files: &Files) -> Result<(), GuestError> {
    let listed = read_list(folder)?;
    for (path, bytes) in files.iter() {
        let target = folder.join(path);
        match std::fs::read(&target) {
            Ok(found) if found == bytes => {}
            Ok(found) if listed.get(path) == Some(&digest(&found)) => {}
            Ok(_) => return Err(GuestError::FileChanged { path: target }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(GuestError::Read { path: target, source }),
        }
    }
    for (path, written) in listed.iter().filter(|(path, _)| files.get(path).is_none()) {
        let target = folder.join(path);
        match std::fs::read(&target) {
            Ok(found) if digest(&found) == *written => {
                std::fs::remove_file(&target).map_err(|source| GuestError::Write { path: target, source })?;
            }
            Ok(_) => return Err(GuestError::FileChanged { path: target }),
            // Somebody removed it already.
            Err(_) => {}
        }
    }
    let mut text = String::from(LIST_HEADER);
    for (path, bytes) in files.iter() {
        writeln!(text, "{} {path}", digest(bytes)).expect("a String takes all");
    }
    // The list first: files that a crash leaves unwritten are missing, not in the way.
    write_file(&folder.join(LIST_FILE), text.as_bytes())?;
    for (path, bytes) in files.iter() {
        let target = folder.join(path);
        // Compilers look at times: what is the same stays untouched.
        if std::fs::read(&target).ok().as_deref() != Some(bytes) {
            write_file(&target, bytes)?;
        }
    }
    Ok(())
}

/// Writes one file, and the folders that it lies in.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    let failed = |source| GuestError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

fn read_list(folder: &Path) -> Result<BTreeMap<String, String>, GuestError> {
    let path = folder.join(LIST_FILE);
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = super::read_text(path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    Ok(lines.map(|(digest, path)| (path.to_owned(), digest.to_owned())).collect())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        let mut files = Files::default();
        for (path, text) in texts {
            files.push(*path, *text);
        }
        files
    }

    #[test]
    fn generated_files_come_change_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).ok();
        write_files(folder.path(), &files(&[("a/one", "1"), ("two", "2")])).unwrap();
        write_files(folder.path(), &files(&[("a/one", "changed"), ("three", "3")])).unwrap();
        assert_eq!(read("a/one").as_deref(), Some("changed"));
        assert_eq!(read("three").as_deref(), Some("3"));
        assert_eq!(read("two"), None);
    }

    #[test]
    fn what_a_person_wrote_stays_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).ok();
        std::fs::write(folder.path().join("mine"), "mine").unwrap();
        for (path, text) in [("mine", "theirs"), ("generated", "touched")] {
            if path == "generated" {
                write_files(folder.path(), &files(&[(path, "1")])).unwrap();
                std::fs::write(folder.path().join(path), text).unwrap();
            }
            let error = write_files(folder.path(), &files(&[("another", "1"), (path, "2")])).unwrap_err();
            assert!(
                matches!(&error, GuestError::FileChanged { path: found } if found.ends_with(path)),
                "{error}"
            );
            assert_eq!(read("another"), None);
        }
        assert_eq!(read("mine").as_deref(), Some("mine"));
        assert_eq!(read("generated").as_deref(), Some("touched"));
    }
}
