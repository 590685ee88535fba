//! What generators give: paths and bytes. Who writes them to a disk is another's concern.

use std::collections::BTreeMap;

/// Files by their path, relative to where they go, with `/` between folders. In order of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Adds a file, in place of one of the same path.
    pub fn push(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// Adds `others` below `folder`.
    pub fn push_below(&mut self, folder: &str, others: Self) {
        for (path, bytes) in others.files {
            self.push(format!("{folder}/{path}"), bytes);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The one of this path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// What wit-bindgen's generators give. Trailing spaces are taken away, which some of them leave.
    pub(crate) fn of_generator(generated: &wit_bindgen_core::Files) -> Self {
        Self::without_trailing_spaces(generated.iter())
    }

    /// Files of any generator, without spaces at the ends of lines of text.
    pub(crate) fn without_trailing_spaces<'a>(generated: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut files = Self::default();
        for (path, bytes) in generated {
            match std::str::from_utf8(bytes) {
                Ok(text) if !bytes.contains(&0) => {
                    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
                    files.push(path, format!("{}\n", lines.join("\n").trim_end()));
                }
                _ => files.push(path, bytes),
            }
        }
        files
    }
}
