//! Packs the initial files of a template's workers into one tar archive.

use super::read_input;
use crate::error::CliError;
use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;
use tar::{Builder, EntryType, Header, HeaderMode};

/// Packs the contents of a folder into an archive. If `path` is a file, it must be an archive and is read as it is.
pub(super) fn from_path(path: &Path) -> Result<Vec<u8>, CliError> {
    if !path.is_dir() {
        return read_input(path);
    }
    let mut archive = Builder::new(Vec::new());
    add_folder(&mut archive, path, "")?;
    archive.into_inner().map_err(|source| CliError::Read { path: path.to_owned(), source })
}

/// Adds the contents of `folder` below `name`. Entries are sorted by name, so that the same folder gives the same
/// archive.
fn add_folder(archive: &mut Builder<Vec<u8>>, folder: &Path, name: &str) -> Result<(), CliError> {
    let failed = |source| CliError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let failed = |source| CliError::Read { path: path.clone(), source };
        let not_utf8 = || failed(io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"));
        let own_name = entry.file_name().into_string().map_err(|_| not_utf8())?;
        let name = format!("{name}{own_name}");
        let metadata = entry.metadata().map_err(failed)?;
        let mut header = header(&metadata);
        let kind = metadata.file_type();
        if kind.is_dir() {
            let name = format!("{name}/");
            archive.append_data(&mut header, &name, io::empty()).map_err(failed)?;
            add_folder(archive, &path, &name)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failed)?;
            archive.append_link(&mut header, &name, target).map_err(failed)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).map_err(failed)?;
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, &name, bytes.as_slice()).map_err(failed)?;
        } else {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "it is not a file, folder or symbolic link");
            return Err(failed(source));
        }
    }
    Ok(())
}

/// The header of an entry: kind, deterministic permissions and modification time. Owners are left out.
fn header(metadata: &fs::Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(metadata, HeaderMode::Deterministic);
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    header.set_mtime(modified.map_or(0, |time| time.as_secs()));
    if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
    }
    if !metadata.is_file() {
        header.set_size(0);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_folder_becomes_an_archive_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/empty")).unwrap();
        fs::write(at("b/text"), "text").unwrap();
        fs::write(at("a"), "").unwrap();
        std::os::unix::fs::symlink("b/text", at("link")).unwrap();
        let bytes = from_path(folder.path()).unwrap();
        assert_eq!(from_path(folder.path()).unwrap(), bytes);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut listed = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let link = entry.link_name().unwrap().map(|target| target.display().to_string());
            let path = entry.path().unwrap().display().to_string();
            listed.push((path, entry.header().entry_type(), content, link));
        }
        let entry = |path: &str, kind, content: &str, link: Option<&str>| {
            (path.to_owned(), kind, content.to_owned(), link.map(str::to_owned))
        };
        assert_eq!(
            listed,
            [
                entry("a", EntryType::Regular, "", None),
                entry("b/", EntryType::Directory, "", None),
                entry("b/empty/", EntryType::Directory, "", None),
                entry("b/text", EntryType::Regular, "text", None),
                entry("link", EntryType::Symlink, "", Some("b/text")),
            ]
        );
        let file = at("files.tar");
        fs::write(&file, &bytes).unwrap();
        assert_eq!(from_path(&file).unwrap(), bytes, "an archive is read as it is");
    }
}
