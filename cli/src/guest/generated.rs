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
const LIST: &str = ".golem-generated";
const LIST_HEAD: &str =
    "# Written by golem, with everything that is named here. Do not change; it is made anew.\n";

/// Makes `folder` hold `files`, and none of those that were generated into it before and are not among them.
pub fn write(folder: &Path, files: &Files) -> Result<(), GuestError> {
    let known = list(folder)?;
    for (path, bytes) in files.iter() {
        let there = folder.join(path);
        match std::fs::read(&there) {
            Ok(found) if found == bytes => {}
            Ok(found) if known.get(path) == Some(&digest(&found)) => {}
            Ok(_) => return Err(GuestError::Changed { path: there }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(GuestError::Read { path: there, source }),
        }
    }
    for (path, written) in known.iter().filter(|(path, _)| files.get(path).is_none()) {
        let there = folder.join(path);
        match std::fs::read(&there) {
            Ok(found) if digest(&found) == *written => {
                std::fs::remove_file(&there).map_err(|source| GuestError::Write { path: there, source })?;
            }
            Ok(_) => return Err(GuestError::Changed { path: there }),
            // Somebody removed it already.
            Err(_) => {}
        }
    }
    let mut text = String::from(LIST_HEAD);
    for (path, bytes) in files.iter() {
        writeln!(text, "{} {path}", digest(bytes)).expect("a String takes all");
    }
    // The list first: files that a crash leaves unwritten are missing, not in the way.
    put(&folder.join(LIST), text.as_bytes())?;
    for (path, bytes) in files.iter() {
        let there = folder.join(path);
        // Compilers look at times: what is the same stays untouched.
        if std::fs::read(&there).ok().as_deref() != Some(bytes) {
            put(&there, bytes)?;
        }
    }
    Ok(())
}

/// Writes one file, and the folders that it lies in.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    let failed = |source| GuestError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

fn list(folder: &Path) -> Result<BTreeMap<String, String>, GuestError> {
    let path = folder.join(LIST);
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
        write(folder.path(), &files(&[("a/one", "1"), ("two", "2")])).unwrap();
        write(folder.path(), &files(&[("a/one", "changed"), ("three", "3")])).unwrap();
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
                write(folder.path(), &files(&[(path, "1")])).unwrap();
                std::fs::write(folder.path().join(path), text).unwrap();
            }
            let error = write(folder.path(), &files(&[("another", "1"), (path, "2")])).unwrap_err();
            assert!(
                matches!(&error, GuestError::Changed { path: found } if found.ends_with(path)),
                "{error}"
            );
            assert_eq!(read("another"), None);
        }
        assert_eq!(read("mine").as_deref(), Some("mine"));
        assert_eq!(read("generated").as_deref(), Some("touched"));
    }
}
