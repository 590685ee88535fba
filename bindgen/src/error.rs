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
    /// The package has no such world.
    #[error(
        "the package {package} has no world named {world}; {}",
        if worlds.is_empty() { "it has none".to_owned() } else { format!("it has {}", worlds.join(", ")) }
    )]
    NoSuchWorld {
        /// The package.
        package: String,
        /// The name.
        world: String,
        /// What there is.
        worlds: Vec<String>,
    },
    /// The package has no world, or several and none was chosen.
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
        /// What there is.
        worlds: Vec<String>,
    },
    /// What the compiler gave cannot become a component.
    #[error("no component can be made of what the compiler gave for the world {world}")]
    Encode {
        /// The world.
        world: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// Nothing is made for such a language.
    #[error("{name:?} is no language that bindings are made for; there are {}", known.join(", "))]
    NoSuchLanguage {
        /// The name.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The name of a new project cannot be one in all places where it is used.
    #[error(
        "{name:?} cannot be the name of a project: use letters, digits and single hyphens, beginning with a letter, \
         for example my-cart"
    )]
    ProjectName {
        /// The name.
        name: String,
    },
    /// A package's name is not of the form of WIT.
    #[error(
        "{name:?} cannot be the name of a package: write it as namespace:name, in lower case, for example acme:cart"
    )]
    PackageName {
        /// The name.
        name: String,
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
