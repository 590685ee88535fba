//! Files that contain a secret: mode 0600, written atomically.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Bytes that are read of such a file, at most. Real ones are much smaller; a wrong file must not use much memory.
const BYTES_MAX: u64 = 4096;

/// Writes `secret` to `path`. On `Ok`, the file is durable. After a crash, it is either complete or absent.
pub(super) fn write(path: &Path, secret: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(secret)?;
    file.sync_all()?;
    rename(&temporary, path)
}

/// Renames a file durably.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    File::open(to.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Reads a file, if it exists. If other users of the machine could access it, sets its mode to 0600.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{mode:o}"), "other users could read this secret; the mode is 600 now");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
