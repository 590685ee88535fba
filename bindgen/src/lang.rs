//! The languages. Each has a folder and a line in [`all`].
//!
//! A language implements [`Language`]. No code outside its folder names a language: commands, tests and the table in
//! `docs/languages.md` iterate over the list.

mod c;
mod cpp;
mod csharp;
mod go;
mod javascript;
mod python;
mod rust;
mod skeleton;
mod zig;

use crate::{Error, Files, World};
use std::fmt::{Debug, Display, Formatter, Write as _};

/// Generates code, projects and build recipes for one language.
pub trait Language: Debug + Sync {
    /// Its name on the command line, in lower case.
    fn name(&self) -> &'static str;

    /// Its name in sentences.
    fn title(&self) -> &'static str;

    /// Other accepted spellings.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The tier of 2023: 2 for languages that had bindings from the beginning, 3 for languages that had none.
    fn tier(&self) -> u8;

    /// Whether our tests compile programs in this language. The code that is generated for other languages has never
    /// been compiled.
    fn is_tested(&self) -> bool {
        true
    }

    /// Generates the bindings for a world. The paths are relative to the folder of generated files.
    fn bindings(&self, world: &World) -> Result<Files, Error>;

    /// The files of a new project, which its author will edit. `None` if there is no project template.
    fn project(&self, project: &ProjectNames) -> Option<Files>;

    /// The build recipe of a project. `None` if the language has none.
    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe>;

    /// The extensions of source files, with the dot, for a recipe that lists the source files.
    fn source_extensions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a project has a folder of WIT. A Rust project has none, because the guest library generates the WIT from
    /// the code.
    fn wit_first(&self) -> bool {
        true
    }

    /// Whether a project depends on the guest library.
    fn uses_sdk(&self) -> bool {
        false
    }
}

/// All languages, in the order in which they are listed.
pub fn all() -> &'static [&'static dyn Language] {
    &[
        &rust::Rust,
        &c::C,
        &cpp::Cpp,
        &go::Go,
        &python::Python,
        &javascript::JavaScript,
        &zig::Zig,
        &csharp::CSharp,
    ]
}

/// The language of this name.
pub fn find(name: &str) -> Result<&'static dyn Language, Error> {
    let wanted = name.to_lowercase();
    let found = all().iter().copied().find(|language| {
        language.name() == wanted
            || language.title().to_lowercase() == wanted
            || language.aliases().contains(&wanted.as_str())
    });
    found.ok_or_else(|| Error::NoSuchLanguage {
        name: name.to_owned(),
        known: all().iter().map(|language| language.name()).collect(),
    })
}

/// The names of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectNames {
    /// Its name, in kebab-case.
    name: String,
    namespace: String,
    package: String,
    /// The guest library, for languages that use it. `None` stands for the package of the same version in the
    /// registry, which is not published yet.
    pub sdk: Option<SdkDependency>,
}

/// Where a Rust project finds the guest library. Its text is the value of a dependency in `Cargo.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdkDependency {
    /// The folder of the package: an absolute path.
    pub path: String,
    /// The version that the package in that folder must have. `None` accepts every version.
    pub version: Option<String>,
}

impl Display for SdkDependency {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{ path = {}", toml_string(&self.path))?;
        if let Some(version) = &self.version {
            write!(f, ", version = {}", toml_string(version))?;
        }
        f.write_str(" }")
    }
}

/// `text` as a string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for each in text.chars() {
        match each {
            '"' | '\\' => quoted.extend(['\\', each]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(control)).expect("writing to a String cannot fail");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl ProjectNames {
    /// A project `name` whose WIT package is `package`.
    pub fn new(name: &str, package: &str) -> Result<Self, Error> {
        let kebab = name.replace('_', "-").to_lowercase();
        if !is_kebab(&kebab) {
            return Err(Error::ProjectName { name: name.to_owned() });
        }
        let parts = package.split_once(':').filter(|(namespace, name)| is_kebab(namespace) && is_kebab(name));
        let (namespace, package) = parts.ok_or_else(|| Error::PackageName { name: package.to_owned() })?;
        Ok(Self { name: kebab, namespace: namespace.to_owned(), package: package.to_owned(), sdk: None })
    }

    /// Its name, in kebab-case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `namespace:name` of its WIT package.
    pub fn package(&self) -> String {
        format!("{}:{}", self.namespace, self.package)
    }
}

/// Whether `text` is a name in kebab-case, as in WIT: words of letters and digits that begin with a letter, separated
/// by single hyphens.
fn is_kebab(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit())
    };
    text.len() <= 64 && text.split('-').all(word)
}

/// The folder of generated bindings in a project.
pub const GENERATED: &str = "gen";
/// The folder of build output in a project.
pub const BUILD: &str = "build";

/// The properties of a project that a recipe depends on.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The project's name, in kebab-case.
    pub name: &'a str,
    /// The world that it is built for; `None` if the project has no WIT.
    pub world: Option<&'a World>,
    /// Its source files, relative to its folder, in order.
    pub sources: &'a [String],
}

/// A build recipe: turns a project into a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The programs to run in this order, in the project's folder.
    pub steps: Vec<Step>,
    /// The output of the last step.
    pub artifact: Artifact,
}

/// One step of a recipe: a program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The program.
    pub tool: &'static Tool,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment variables.
    pub env: Vec<(&'static str, String)>,
    /// The folder that it runs in, relative to the project's folder; empty for the project's folder itself.
    pub folder: &'static str,
    /// The file that its standard output is written to, relative to the project's folder. `None` shows the output.
    pub stdout: Option<String>,
}

/// A program of a toolchain.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name in sentences.
    pub title: &'static str,
    /// The names of the program; the first one found is used. A name with a space is a program and its first argument.
    pub programs: &'static [&'static str],
    /// The arguments that make it print its version.
    pub version_args: &'static [&'static str],
    /// The text that the printed version must contain: the part of the tested version that matters.
    pub version: &'static str,
    /// How to install it.
    pub install: &'static str,
}

/// Runs a generator of wit-bindgen.
fn generate(
    language: &'static str,
    generator: &mut dyn wit_bindgen_core::WorldGenerator,
    world: &World,
) -> Result<Files, Error> {
    let (resolve, id) = world.resolved();
    let mut files = wit_bindgen_core::Files::default();
    generator.generate(&mut resolve.clone(), id, &mut files).map_err(|source| Error::Generate {
        language,
        world: world.name().to_owned(),
        source,
    })?;
    Ok(Files::of_generator(&files))
}

/// The output of a recipe's last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artifact {
    /// A component in this file.
    Component(String),
    /// A component of the cargo package in the project's folder. This file has cargo's messages, which contain its path.
    CargoMessages(String),
    /// A core module in this file.
    Core {
        /// The file.
        path: String,
        /// Whether the bindings have put the types of the world into the module.
        has_world_type: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_any_of_their_names() {
        for (name, expected) in [("go", "go"), ("Go", "go"), ("C++", "cpp"), ("js", "javascript"), ("C", "c")]
        {
            assert_eq!(find(name).unwrap().name(), expected, "{name}");
        }
        let error = find("cobol").unwrap_err().to_string();
        assert!(
            error.starts_with("there are no bindings for the language \"cobol\"; supported are rust, c,"),
            "{error}"
        );
    }

    #[test]
    fn the_guest_library_is_written_as_toml() {
        let check = |path: &str, version: Option<&str>, expected: &str| {
            let sdk = SdkDependency { path: path.to_owned(), version: version.map(str::to_owned) };
            assert_eq!(sdk.to_string(), expected);
        };
        check("/a/sdk", None, r#"{ path = "/a/sdk" }"#);
        check("/a/sdk", Some("0.1.0"), r#"{ path = "/a/sdk", version = "0.1.0" }"#);
        check("/a \"b\"\\c\u{7f}é/sdk", None, r#"{ path = "/a \"b\"\\c\u007Fé/sdk" }"#);
    }

    #[test]
    fn names_of_projects_are_checked() {
        for good in ["cart", "my-cart", "My_Cart", "a1-b2"] {
            assert!(ProjectNames::new(good, "acme:cart").is_ok(), "{good}");
        }
        for bad in ["", "1cart", "my--cart", "-cart", "cart-", "my cart", "karte-ü", "../up", "a/b"] {
            assert!(ProjectNames::new(bad, "acme:cart").is_err(), "{bad}");
        }
        for bad in ["acme", "acme:", "Acme:cart", "a:b:c", ":cart"] {
            assert!(ProjectNames::new("cart", bad).is_err(), "{bad}");
        }
    }
}
