//! Reads WIT from a folder with a package and its `deps`, from a file, or from a built component.

use super::{GuestError, read_text};
use crate::error::CliError;
use golem_bindgen::Source;
use golem_bindgen::wit::Package;
use std::path::{Path, PathBuf};

/// Reads the WIT at `path`.
pub fn read(path: &Path) -> Result<Source, CliError> {
    if path.is_dir() {
        return Ok(read_folder(path)?);
    }
    let bytes = std::fs::read(path).map_err(|source| GuestError::Read { path: path.to_owned(), source })?;
    if bytes.starts_with(b"\0asm") {
        return Ok(Source::component(&bytes)?);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Source { main: Package::file(file_name(path), text), dependencies: Vec::new() })
}

fn read_folder(path: &Path) -> Result<Source, GuestError> {
    let main = read_package(path)?;
    if main.files.is_empty() {
        return Err(GuestError::NoWit { path: path.to_owned() });
    }
    let mut dependencies = Vec::new();
    let deps = path.join("deps");
    for entry in if deps.is_dir() { sorted_entries(&deps)? } else { Vec::new() } {
        if entry.is_dir() {
            dependencies.push(read_package(&entry)?);
        } else if is_wit(&entry) {
            let name = file_name(&entry);
            dependencies.push(Package::file(name, read_text(entry)?));
        }
    }
    dependencies.retain(|package| !package.files.is_empty());
    Ok(Source { main, dependencies })
}

/// Reads the package whose files are in `folder`.
fn read_package(folder: &Path) -> Result<Package, GuestError> {
    let mut files = Vec::new();
    for path in sorted_entries(folder)?.into_iter().filter(|path| is_wit(path)) {
        files.push((file_name(&path), read_text(path)?));
    }
    Ok(Package { name: file_name(folder), files })
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, GuestError> {
    let failed = |source| GuestError::Read { path: folder.to_owned(), source };
    let found = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths =
        found.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn is_wit(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "wit")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
