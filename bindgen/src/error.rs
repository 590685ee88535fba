//! Errors of generating bindings, projects and components.

/// An error of generating bindings, projects or components.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not WIT.
    #[error("the WIT of {package} cannot be read")]
    Parse {
        /// The folder or file of the package, as the caller named it.
        package: String,
        /// The position and the syntax error.
        #[source]
        source: anyhow::Error,
    },
    /// Each package can be parsed, but a name in one of them cannot be resolved.
    #[error("the WIT packages {packages} cannot be resolved together")]
    Resolve {
        /// The packages, as the caller named them.
        packages: String,
        /// The name that is missing or wrong.
        #[source]
        source: anyhow::Error,
    },
    /// The text of `wasi:io` does not declare a version.
    #[error("the text given as wasi:io does not begin with `package wasi:io@<version>;`")]
    WasiIoVersion,
    /// The file is not a component.
    #[error("the component cannot be read")]
    Component {
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
    /// Client functions of two functions would have the same name.
    #[error(
        "no client can be written for {interface}: {name} would be a client function of both {first} and {second}; \
         rename one of them"
    )]
    ClientNames {
        /// The interface.
        interface: String,
        /// The name of both client functions.
        name: String,
        /// The first function.
        first: String,
        /// The second function.
        second: String,
    },
    /// The package has no such world.
    #[error(
        "the package {package} has no world named {world}; {}",
        if worlds.is_empty() { "it has none".to_owned() } else { format!("it has {}", worlds.join(", ")) }
    )]
    NoSuchWorld {
        /// The package.
        package: String,
        /// The name that was not found.
        world: String,
        /// The names of the package's worlds.
        worlds: Vec<String>,
    },
    /// The package has no world, or it has several and none was chosen.
    #[error(
        "the package {package} has {}",
        if worlds.is_empty() {
            "no world: add one, for example `world worker { export api; }`".to_owned()
        } else {
            format!("several worlds: choose one of {} with --world", worlds.join(", "))
        }
    )]
    WhichWorld {
        /// The package.
        package: String,
        /// The names of the package's worlds.
        worlds: Vec<String>,
    },
    /// The compiler's output cannot be encoded as a component.
    #[error("the compiler's output for the world {world} cannot be encoded as a component")]
    Encode {
        /// The world.
        world: String,
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
    /// The language is not supported.
    #[error("there are no bindings for the language {name:?}; supported are {}", known.join(", "))]
    NoSuchLanguage {
        /// The name.
        name: String,
        /// The names of the supported languages.
        known: Vec<&'static str>,
    },
    /// The name of a new project is not valid in all places where it is used.
    #[error(
        "{name:?} cannot be the name of a project: use letters, digits and single hyphens, beginning with a letter, \
         for example my-cart"
    )]
    ProjectName {
        /// The name.
        name: String,
    },
    /// A package's name does not have the form that WIT requires.
    #[error(
        "{name:?} cannot be the name of a package: write it as namespace:name, in lower case, for example acme:cart"
    )]
    PackageName {
        /// The name.
        name: String,
    },
    /// The generator failed.
    #[error("cannot generate {language} bindings for the world {world}")]
    Generate {
        /// The language.
        language: &'static str,
        /// The world.
        world: String,
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
    /// The package could not be printed as WIT.
    #[error("the package {package} cannot be printed as WIT")]
    Print {
        /// The package.
        package: String,
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
}
