//! `golem.toml`: what a guest project is.

use super::GuestError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in a project's folder.
pub const FILE_NAME: &str = "golem.toml";

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The project's name, which its component is named after.
    pub name: String,
    /// The language, by any of its names.
    pub language: String,
    /// The world to build, if the WIT has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// The folder of the WIT.
    #[serde(default = "default_wit")]
    pub wit: String,
}

fn default_wit() -> String {
    "wit".to_owned()
}

impl Manifest {
    /// The one of the project in `folder`.
    pub fn read(folder: &Path) -> Result<Self, GuestError> {
        let path = folder.join(FILE_NAME);
        if !path.is_file() {
            return Err(GuestError::NoManifest { path });
        }
        let text = super::read_text(path.clone())?;
        toml::from_str(&text).map_err(|source| GuestError::Manifest { path, source })
    }

    /// The text for a new project.
    pub fn text(name: &str, language: &str) -> String {
        format!(
            "# What `golem build` makes of this folder.\nname = {name:?}\nlanguage = {language:?}\nwit = \"wit\"\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), Manifest::text("cart", "go")).unwrap();
        let manifest = Manifest::read(folder.path()).unwrap();
        let expected =
            Manifest { name: "cart".to_owned(), language: "go".to_owned(), world: None, wit: default_wit() };
        assert_eq!(manifest, expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("golem.toml is not there: this is no guest project; begin one with `golem new`")
        );
        std::fs::write(folder.path().join(FILE_NAME), "name = \"cart\"\nlang = \"go\"\n").unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("unknown field `lang`"), "{cause}");
    }
}
