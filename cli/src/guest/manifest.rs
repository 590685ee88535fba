//! The manifest `golem.toml` of a guest project.

use super::GuestError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// File name of the manifest in a project's folder.
pub const FILE_NAME: &str = "golem.toml";

/// The contents of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the project and of the built component.
    pub name: String,
    /// Language of the project: any name or alias that [`lang::find`](golem_bindgen::lang::find) accepts.
    pub language: String,
    /// The world to build. Required if the WIT has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Folder of the WIT, relative to the project's folder.
    #[serde(default = "default_wit")]
    pub wit: String,
}

fn default_wit() -> String {
    "wit".to_owned()
}

impl Manifest {
    /// Reads the manifest of the project in `folder`.
    pub fn read(folder: &Path) -> Result<Self, GuestError> {
        let path = folder.join(FILE_NAME);
        if !path.is_file() {
            return Err(GuestError::NoManifest { path });
        }
        let text = super::read_text(path.clone())?;
        toml::from_str(&text).map_err(|source| GuestError::Manifest { path, source })
    }

    /// The text of the manifest of a new project.
    pub fn text(name: &str, language: &str) -> String {
        format!(
            "# The manifest that `golem build` reads.\nname = {name:?}\nlanguage = {language:?}\nwit = \"wit\"\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_manifest_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), Manifest::text("cart", "go")).unwrap();
        let manifest = Manifest::read(folder.path()).unwrap();
        let expected =
            Manifest { name: "cart".to_owned(), language: "go".to_owned(), world: None, wit: default_wit() };
        assert_eq!(manifest, expected);
    }

    #[test]
    fn a_missing_file_and_an_unknown_key_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(
            "golem.toml does not exist: the folder is not a guest project; create one with `golem new`"
        ));
        std::fs::write(folder.path().join(FILE_NAME), "name = \"cart\"\nlang = \"go\"\n").unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("unknown field `lang`"), "{cause}");
    }
}
