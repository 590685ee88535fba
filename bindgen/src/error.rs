//! What can be wrong with the text that bindings are made of.

/// Why no bindings could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not WIT.
    #[error("the WIT of {package} cannot be read")]
    Parse {
        /// The folder or file that the package was given as.
        package: String,
        /// Where and what.
        #[source]
        source: anyhow::Error,
    },
    /// Each package can be read, but they do not fit together.
    #[error("the WIT packages {packages} do not fit together")]
    Resolve {
        /// The packages, as given.
        packages: String,
        /// Which name is missing or wrong.
        #[source]
        source: anyhow::Error,
    },
    /// The text of `wasi:io` names no version.
    #[error("the text given as wasi:io does not begin with `package wasi:io@<version>;`")]
    WasiIoVersion,
    /// Not a component.
    #[error("the component cannot be read")]
    Component {
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// Functions whose client functions would have the same name.
    #[error(
        "no client can be written for {interface}: {name} would be a client function of both {first} and {second}; \
         rename one of them"
    )]
    ClientNames {
        /// The interface.
        interface: String,
        /// The name.
        name: String,
        /// A function.
        first: String,
        /// Another one.
        second: String,
    },
    /// The generator refused.
    #[error("no {language} bindings could be generated for the world {world}")]
    Generate {
        /// The language asked for.
        language: &'static str,
        /// The world.
        world: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// The world's text could not be printed.
    #[error("the package {package} cannot be printed as WIT")]
    Print {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
}
