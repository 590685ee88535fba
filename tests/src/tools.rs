//! The compilers of other languages, as `cargo xtask tools` installs them.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where they lie: beside the folder that this test was built into.
fn folder() -> PathBuf {
    crate::server::target_folder().join("tools")
}

/// The search path with them in front.
///
/// # Panics
/// When they have not been installed.
pub fn search_path() -> OsString {
    let installed = [folder().join("python/bin"), folder().join("node/node_modules/.bin")];
    for path in &installed {
        assert!(path.is_dir(), "there is no {}; run `cargo xtask tools`", path.display());
    }
    let before = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(installed.into_iter().chain(std::env::split_paths(&before)))
        .expect("no folder's name has a colon")
}
