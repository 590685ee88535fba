//! The guest library for Rust: its source is part of this program, so that a Rust project needs no checkout of Golem
//! and no published package.
//!
//! The source is unpacked into `<data>/golem/sdk/<version>-<hash>`, where `<data>` is the user data folder. A project
//! refers to it by a path dependency. The hash of the content is in the name: programs with different sources use
//! different folders, and an existing project does not change when `golem` is upgraded.
//!
//! Invariant: each file is replaced by a rename, so it has its old or its new content at any time. Processes that
//! unpack at the same time write the same bytes. After a crash, files may be missing or empty, which the next [`ensure`]
//! repairs, and a file `*.tmp-*` may be left, which no build reads.
//!
//! Folders of other versions are never deleted, because projects refer to them.

mod files;

pub use files::{FILES, VERSION};

use super::GuestError;
use golem_bindgen::lang::SdkDependency;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of the guest library's package.
const PACKAGE: &str = "golem-sdk";
/// The folder of that package in the unpacked source.
const PACKAGE_FOLDER: &str = "sdk";
/// How many digits of the hash are in the folder's name: enough for the few sources that one machine sees.
const HASH_DIGITS: usize = 16;

/// The user data folder: `XDG_DATA_HOME`, otherwise `.local/share` in the home folder. Relative paths are ignored, as
/// the XDG Base Directory Specification requires.
pub fn data_folder() -> Result<PathBuf, GuestError> {
    let configured = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = std::env::home_dir().map(|home| home.join(".local/share"));
    configured
        .filter(|path| path.is_absolute())
        .or_else(|| home.filter(|path| path.is_absolute()))
        .ok_or(GuestError::NoDataFolder)
}

/// The folder of the carried source below the user data folder `data`. It may not exist yet.
pub fn folder(data: &Path) -> PathBuf {
    data.join("golem/sdk").join(format!("{VERSION}-{}", hash()))
}

/// Unpacks the carried source below `data` and returns its folder.
///
/// On `Ok`, every file has the carried content. Files that already have it are not written. On an error, some files
/// may be missing, and the call can be repeated.
pub fn ensure(data: &Path) -> Result<PathBuf, GuestError> {
    let folder = folder(data);
    for (path, text) in FILES {
        let path = folder.join(path);
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            replace(&path, text)?;
        }
    }
    Ok(folder)
}

/// The dependency on the carried source, which is unpacked below `data` if necessary.
pub fn carried(data: &Path) -> Result<SdkDependency, GuestError> {
    let path = utf8(ensure(data)?.join(PACKAGE_FOLDER))?;
    Ok(SdkDependency { path, version: Some(VERSION.to_owned()) })
}

/// The dependency on the source in `folder`, a folder `sdk` of a checkout. It has no version, so that a checkout of
/// another version can be used.
pub fn in_checkout(folder: &Path) -> Result<SdkDependency, GuestError> {
    let absolute =
        std::path::absolute(folder).map_err(|source| GuestError::Read { path: folder.to_owned(), source })?;
    let manifest = std::fs::read_to_string(absolute.join("Cargo.toml")).ok();
    let manifest: Option<toml::Table> = manifest.and_then(|text| text.parse().ok());
    let name = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
    if name != Some(PACKAGE) {
        return Err(GuestError::NotSdk { path: folder.to_owned() });
    }
    Ok(SdkDependency { path: utf8(absolute)?, version: None })
}

/// Checks that the guest library of the Rust project in `project` exists. The carried source is repaired if the project
/// uses it. `data` is called only for a project that needs the user data folder.
///
/// A dependency of another form is left to cargo, which reports mistakes in it.
pub fn check_project(
    project: &Path,
    data: impl FnOnce() -> Result<PathBuf, GuestError>,
) -> Result<(), GuestError> {
    let manifest = project.join("Cargo.toml");
    let text = super::read_text(manifest.clone())?;
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(()) };
    let path = table
        .get("dependencies")
        .and_then(|dependencies| dependencies.get(PACKAGE)?.get("path")?.as_str())
        .map(|path| project.join(path));
    let Some(path) = path else { return Ok(()) };
    // Any folder of this form may be a copy that this program has unpacked, also one that is incomplete now.
    let is_copy = path.parent().and_then(Path::parent).is_some_and(|parent| parent.ends_with("golem/sdk"));
    if !is_copy && path.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let data = data()?;
    if path == folder(&data).join(PACKAGE_FOLDER) {
        return ensure(&data).map(drop);
    }
    if path.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let dependency = format!("{PACKAGE} = {}", carried(&data)?);
    Err(GuestError::SdkMissing { path, manifest, dependency })
}

/// Hexadecimal digits of the SHA-256 of all paths and texts.
fn hash() -> String {
    let mut hasher = Sha256::new();
    for (path, text) in FILES {
        for part in [path, text] {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part);
        }
    }
    let mut digits = hasher.finalize().iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("writing to a String cannot fail");
        digits
    });
    digits.truncate(HASH_DIGITS);
    digits
}

/// Gives the file its content by a rename. It is read-only, so that an editor warns.
fn replace(path: &Path, text: &str) -> Result<(), GuestError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp-{}-{number}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let failed = |source| GuestError::Write { path: path.to_owned(), source };
    // A process with the same number may have crashed here. Its file is read-only.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    super::generated::write_file(&temporary, text.as_bytes())?;
    let mut permissions = std::fs::metadata(&temporary).map_err(failed)?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&temporary, permissions).map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)
}

fn utf8(path: PathBuf) -> Result<String, GuestError> {
    path.into_os_string().into_string().map_err(|path| GuestError::NotUtf8 { path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    fn unpacked() -> (tempfile::TempDir, PathBuf) {
        let data = tempfile::tempdir().unwrap();
        let folder = ensure(data.path()).unwrap();
        (data, folder)
    }

    fn modified(folder: &Path) -> BTreeMap<&'static str, SystemTime> {
        let time = |path: &str| std::fs::metadata(folder.join(path)).unwrap().modified().unwrap();
        FILES.iter().map(|(path, _)| (*path, time(path))).collect()
    }

    /// The paths of all files below the folder, relative to it and sorted.
    fn files_below(folder: &Path) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(folder).unwrap().to_owned());
                }
            }
        }
        found.sort_unstable();
        found
    }

    fn check_complete(folder: &Path) {
        for (path, text) in FILES {
            assert_eq!(std::fs::read_to_string(folder.join(path)).unwrap(), *text, "{path}");
        }
    }

    fn write_project(folder: &Path, dependency: &str) {
        let text = format!("[package]\nname = \"cart\"\n\n[dependencies]\n{dependency}\n");
        std::fs::write(folder.join("Cargo.toml"), text).unwrap();
    }

    #[test]
    fn the_source_is_unpacked_once() {
        let (data, folder) = unpacked();
        assert!(folder.starts_with(data.path().join("golem/sdk")));
        check_complete(&folder);
        let before = modified(&folder);
        assert_eq!(ensure(data.path()).unwrap(), folder);
        assert_eq!(modified(&folder), before);
    }

    #[test]
    fn a_damaged_copy_is_repaired() {
        let (data, folder) = unpacked();
        let lib = folder.join("sdk/src/lib.rs");
        for damage in [&b"changed"[..], b"", b"\xff"] {
            std::fs::remove_file(&lib).unwrap();
            std::fs::write(&lib, damage).unwrap();
            std::fs::remove_file(folder.join("macros/Cargo.toml")).unwrap();
            ensure(data.path()).unwrap();
            check_complete(&folder);
        }
        std::fs::remove_dir_all(folder.join("wit")).unwrap();
        ensure(data.path()).unwrap();
        check_complete(&folder);
        assert!(std::fs::metadata(&lib).unwrap().permissions().readonly());
    }

    #[test]
    fn several_processes_may_unpack_at_the_same_time() {
        let data = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| check_complete(&ensure(data.path()).unwrap()));
            }
        });
        let mut expected: Vec<PathBuf> = FILES.iter().map(|(path, _)| PathBuf::from(path)).collect();
        expected.sort_unstable();
        assert_eq!(files_below(&folder(data.path())), expected, "no temporary file should be left");
    }

    #[test]
    fn a_folder_of_a_checkout_becomes_an_absolute_path() {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let found = in_checkout(Path::new("../sdk")).unwrap();
        assert!(Path::new(&found.path).is_absolute(), "{found:?}");
        assert_eq!(Path::new(&found.path).canonicalize().unwrap(), tree.join("sdk").canonicalize().unwrap());
        assert_eq!(found.version, None);
        for other in ["..", "../macros", "nowhere"] {
            let error = in_checkout(Path::new(other)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{other} is not the guest library")), "{error}");
        }
    }

    #[test]
    fn a_build_repairs_the_copy_that_its_project_uses() {
        let data = tempfile::tempdir().unwrap();
        let project = tempfile::tempdir().unwrap();
        write_project(project.path(), &format!("golem-sdk = {}", carried(data.path()).unwrap()));
        std::fs::remove_dir_all(data.path().join("golem")).unwrap();
        check_project(project.path(), || Ok(data.path().to_owned())).unwrap();
        check_complete(&folder(data.path()));
    }

    #[test]
    fn a_missing_guest_library_is_reported_with_the_line_to_write() {
        let data = tempfile::tempdir().unwrap();
        let project = tempfile::tempdir().unwrap();
        write_project(project.path(), "golem-sdk = { path = \"/home/ada/golem/sdk/0.0.9-12/sdk\" }");
        let error = check_project(project.path(), || Ok(data.path().to_owned())).unwrap_err().to_string();
        let (manifest, copy) = (project.path().join("Cargo.toml"), folder(data.path()).join("sdk"));
        let expected = format!(
            "the guest library /home/ada/golem/sdk/0.0.9-12/sdk does not exist: write golem-sdk = {{ path = {copy:?}, version = \"{VERSION}\" }} in {}",
            manifest.display()
        );
        assert_eq!(error, expected);
        check_complete(&folder(data.path()));
    }

    #[test]
    fn other_dependencies_need_no_data_folder() {
        let project = tempfile::tempdir().unwrap();
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk");
        for dependency in [
            format!("golem-sdk = {{ path = {sdk:?} }}"),
            "golem-sdk = \"0.1.0\"".to_owned(),
            "golem-sdk.workspace = true".to_owned(),
            "serde = \"1\"".to_owned(),
            "this is not TOML".to_owned(),
        ] {
            write_project(project.path(), &dependency);
            check_project(project.path(), || Err(GuestError::NoDataFolder)).expect(&dependency);
        }
    }
}
