//! Guest projects: folders with a `golem.toml` that become components. No server takes part.
//!
//! | module | is |
//! |---|---|
//! | [`manifest`] | the file `golem.toml` |
//! | [`wit`] | WIT from a folder or a component |
//! | [`generated`] | writing generated files, and never over anything that a person wrote |
//! | [`toolchain`] | finding compilers, asking for their version, running them |

pub mod generated;
pub mod manifest;
pub mod toolchain;
pub mod wit;

use std::path::PathBuf;

/// Why something about a guest project did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The folder is no project.
    #[error("{} is not there: this is no guest project; begin one with `golem new`", .path.display())]
    NoManifest {
        /// The file that is missing.
        path: PathBuf,
    },
    /// The manifest is not TOML, or says something unknown.
    #[error("{} is wrong", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: toml::de::Error,
    },
    /// No WIT.
    #[error("{} has no WIT: put a file with the worker's world there", .path.display())]
    NoWit {
        /// The folder.
        path: PathBuf,
    },
    /// Something cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A project would begin where something is.
    #[error("{} exists already; choose another name, or remove it", .path.display())]
    FolderExists {
        /// The folder.
        path: PathBuf,
    },
    /// A generated file was changed, or one that was not generated is in its place.
    #[error(
        "{} would be overwritten, but was not written by golem or has been changed since: move it elsewhere. Nothing was \
         written", .path.display()
    )]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// There is no such example.
    #[error("there is no example named \"{name}\"; `golem list-examples` lists them")]
    ExampleNotFound {
        /// The name.
        name: String,
    },
    /// Nothing can be begun or built in this language.
    #[error(
        "{language} has bindings, but no {what}: nobody has built a worker in it yet (docs/languages.md)"
    )]
    UnsupportedLanguage {
        /// The language.
        language: &'static str,
        /// What there is not.
        what: &'static str,
    },
    /// A program of the toolchain is missing.
    #[error("{title} is needed and not there (looked for {}): {install}", .programs.join(", "))]
    ToolMissing {
        /// What it is.
        title: &'static str,
        /// Its names.
        programs: &'static [&'static str],
        /// How to get it.
        install: &'static str,
    },
    /// A program of the toolchain is of another version.
    #[error("{} is not the {title} that is needed ({wanted}); it says: {found}. {install}", .path.display())]
    ToolVersion {
        /// What it is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What its answer should contain.
        wanted: &'static str,
        /// What it answered.
        found: String,
        /// How to get the right one.
        install: &'static str,
    },
    /// A program cannot be run.
    #[error("cannot run {command}")]
    Run {
        /// As typed.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program failed; it has said why.
    #[error("the build failed: {command} ended with {status}")]
    BuildFailed {
        /// As typed.
        command: String,
        /// How.
        status: std::process::ExitStatus,
    },
}

/// Reads a file as text.
fn read_text(path: PathBuf) -> Result<String, GuestError> {
    std::fs::read_to_string(&path).map_err(|source| GuestError::Read { path, source })
}
