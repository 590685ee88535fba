//! The output of generators: paths and bytes. The caller writes them to a disk.

use std::collections::BTreeMap;

/// Files by path, in the order of paths. A path is relative to the target folder, with `/` between folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Adds a file, and replaces a file of the same path.
    pub fn push(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// Adds `others` below `folder`.
    pub fn push_below(&mut self, folder: &str, others: Self) {
        for (path, bytes) in others.files {
            self.push(format!("{folder}/{path}"), bytes);
        }
    }

    /// All files.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The file of this path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The output of one of wit-bindgen's generators, without the trailing spaces that some of them write.
    pub(crate) fn of_generator(generated: &wit_bindgen_core::Files) -> Self {
        Self::without_trailing_spaces(generated.iter())
    }

    /// The output of any generator. In text files, spaces at the ends of lines are removed.
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
