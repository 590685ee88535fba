//! The languages: a folder for each, and a line in [`all`].
//!
//! A language is what [`Language`] asks of it. Nothing outside its folder knows it by name: commands, tests and the
//! table in `docs/languages.md` go through the list.

mod c;
mod cpp;
mod csharp;
mod go;
mod javascript;
mod python;
mod rust;
mod template;
mod zig;

use crate::{Error, Files, World};
use std::fmt::Debug;

/// What can be made for one language.
pub trait Language: Debug + Sync {
    /// Its name on the command line, in small letters.
    fn name(&self) -> &'static str;

    /// Its name in sentences.
    fn title(&self) -> &'static str;

    /// Other spellings that are understood.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The tier of 2023: 2 for languages with bindings from the beginning, 3 for those that had none.
    fn tier(&self) -> u8;

    /// Whether a compiler for it takes part in our tests. What is generated for others was compiled by nobody yet.
    fn proven(&self) -> bool {
        true
    }

    /// Bindings for a world, below the folder of generated files.
    fn bindings(&self, world: &World) -> Result<Files, Error>;

    /// The files of a new project, which belong to its author. `None` if there is nothing to begin with.
    fn project(&self, project: &Project) -> Option<Files>;

    /// How a project becomes a component. `None` if nobody has found out.
    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe>;

    /// The ends of the names of source files, with the dot, for a recipe that lists them.
    fn source_extensions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a project has a folder of WIT. In Rust, the guest library makes the WIT of the code.
    fn wit_first(&self) -> bool {
        true
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

/// A project that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name, in kebab-case.
    name: String,
    namespace: String,
    package: String,
    /// Where the guest library is, if it is not that of the registry. Rust only.
    pub sdk: Option<String>,
}

impl Project {
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

/// Whether it is a word of letters, digits and single hyphens that begins with a letter, as names in WIT are.
fn is_kebab(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit())
    };
    text.len() <= 64 && text.split('-').all(word)
}

/// The folder of generated bindings in a project.
pub const GENERATED: &str = "gen";
/// The folder for what is built.
pub const BUILD: &str = "build";

/// What a recipe must know of a project.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The project's name, in kebab-case.
    pub name: &'a str,
    /// The world that it is built for; `None` if the project has no WIT.
    pub world: Option<&'a World>,
    /// Its source files, relative to its folder, in order.
    pub sources: &'a [String],
}

/// How a project becomes a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What is run, in this order, in the project's folder.
    pub steps: Vec<Step>,
    /// What is there then.
    pub made: Made,
}

/// A program that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub tool: &'static Tool,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables of its environment.
    pub env: Vec<(&'static str, String)>,
    /// The folder that it runs in, below the project's; empty for that itself.
    pub folder: &'static str,
    /// The file that takes what it prints, below the project's folder. Otherwise it is shown.
    pub stdout: Option<String>,
}

/// A program of a toolchain.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// What it is, in sentences.
    pub title: &'static str,
    /// The names that it goes by; the first one found is taken. A name with a space is a program and its first argument.
    pub programs: &'static [&'static str],
    /// What makes it say its version.
    pub version_args: &'static [&'static str],
    /// What that must contain: the version that is known to work, as far as it matters.
    pub version: &'static str,
    /// How to get it.
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

/// What a recipe's last step leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A component in this file.
    Component(String),
    /// A core module in this file.
    Core {
        /// The file.
        path: String,
        /// Whether its bindings have left the types of the world in it.
        described: bool,
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
            error.starts_with("\"cobol\" is no language that bindings are made for; there are rust, c,"),
            "{error}"
        );
    }

    #[test]
    fn names_of_projects_are_checked() {
        for good in ["cart", "my-cart", "My_Cart", "a1-b2"] {
            assert!(Project::new(good, "acme:cart").is_ok(), "{good}");
        }
        for bad in ["", "1cart", "my--cart", "-cart", "cart-", "my cart", "karte-ü", "../up", "a/b"] {
            assert!(Project::new(bad, "acme:cart").is_err(), "{bad}");
        }
        for bad in ["acme", "acme:", "Acme:cart", "a:b:c", ":cart"] {
            assert!(Project::new("cart", bad).is_err(), "{bad}");
        }
    }
}
