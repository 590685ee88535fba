//! Reads the files of the tree, except generated folders.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that are not written by hand. `deps` is the WASI text that tools copy below `wit/`.
const GENERATED: [&str; 5] = ["target", ".git", "deps", "node_modules", "dist"];

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the root")
}

/// A file of the tree.
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

/// All files with this extension, sorted by path.
pub(crate) fn with_extension(extension: &str) -> Vec<File> {
    let mut paths = Vec::new();
    walk(root(), &mut |path| {
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    });
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            let path = path.strip_prefix(root()).expect("it was found below the root");
            File { path: path.to_string_lossy().replace('\\', "/"), text }
        })
        .collect()
}

/// All text files, sorted by path: those that git tracks, or outside of a git checkout all files. Files that are not
/// UTF-8 are skipped.
pub(crate) fn texts() -> Vec<File> {
    let mut paths = tracked();
    if paths.is_empty() {
        walk(root(), &mut |path| paths.push(path));
    }
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(std::fs::read(&path).ok()?).ok()?;
            let path = path.strip_prefix(root()).expect("it was found below the root");
            Some(File { path: path.to_string_lossy().replace('\\', "/"), text })
        })
        .collect()
}

/// The files that git tracks; empty outside of a git checkout.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let names = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let names = String::from_utf8(names.unwrap_or_default()).expect("names of our files are UTF-8");
    names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect()
}

/// Reads a file by its path from the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

fn walk(folder: &Path, found: &mut impl FnMut(PathBuf)) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder that could be opened can be read");
        let name = entry.file_name();
        if entry.path().is_dir() {
            if !GENERATED.iter().any(|generated| name == *generated) {
                walk(&entry.path(), found);
            }
        } else {
            found(entry.path());
        }
    }
}
