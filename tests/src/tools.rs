//! The compilers of other languages, which `cargo xtask tools` installs.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of the installed tools: `tools` in the target folder of this test.
fn folder() -> PathBuf {
    crate::server::target_folder().join("tools")
}

/// The search path, with the folders of the installed tools first.
///
/// # Panics
/// When the tools are not installed.
pub fn search_path() -> OsString {
    let installed = [folder().join("python/bin"), folder().join("node/node_modules/.bin")];
    for path in &installed {
        assert!(path.is_dir(), "there is no {}; run `cargo xtask tools`", path.display());
    }
    let before = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(installed.into_iter().chain(std::env::split_paths(&before)))
        .expect("no name of a folder contains a colon")
}
