//! A field of an entry that is shown: written as JSON, whole or cut, or searched, without being in memory as JSON.

use serde::Serialize;
use serde_json::Value as AnyJson;
use std::io::{self, Write};

/// Bytes of a field up to which it is shown in a page. Of a longer one only the length is shown.
pub(super) const FIELD_BYTES_SHOWN: usize = 4 << 10;
/// Bytes of a field in the text about an entry, at most.
const EXCERPT_BYTES_MAX: usize = 200;

/// Writes a value as JSON.
type WriteJson<'a> = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + 'a>;

/// A field of the details of an entry.
pub(super) struct EntryField<'a> {
    pub(super) name: &'static str,
    /// Its size in the oplog, about. Its JSON may be larger, because it has the names of record fields.
    bytes: usize,
    write: WriteJson<'a>,
}

impl<'a> EntryField<'a> {
    /// A field that is small in every entry.
    pub(super) fn small(name: &'static str, value: impl Serialize + 'a) -> Self {
        Self::sized(name, 0, value)
    }

    /// A field of this size.
    pub(super) fn sized(name: &'static str, bytes: usize, value: impl Serialize + 'a) -> Self {
        Self::from_writer(name, bytes, move |out| serde_json::to_writer(out, &value).map_err(io::Error::from))
    }

    /// A field of this size, which `write` writes as JSON.
    pub(super) fn from_writer(
        name: &'static str,
        bytes: usize,
        write: impl Fn(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> Self {
        Self { name, bytes, write: Box::new(write) }
    }

    /// Writes the whole field as JSON.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        (self.write)(out)
    }

    /// The field as JSON, or its length as text if it is long.
    pub(super) fn in_page(&self) -> ShownField {
        if self.bytes <= FIELD_BYTES_SHOWN
            && let (json, true) = self.beginning(FIELD_BYTES_SHOWN)
            && let Ok(value) = serde_json::from_slice(&json)
        {
            ShownField { value, bytes: json.len(), is_cut: false }
        } else {
            let text = self.length_text();
            ShownField { bytes: text.len(), value: AnyJson::String(text), is_cut: true }
        }
    }

    /// The beginning of its JSON for a text, or its length if it is long.
    pub(super) fn excerpt(&self) -> String {
        if self.bytes > FIELD_BYTES_SHOWN {
            return self.length_text();
        }
        let (json, is_whole) = self.beginning(EXCERPT_BYTES_MAX);
        let mut text = String::from_utf8_lossy(&json).into_owned();
        if !is_whole {
            // The last character may be cut.
            text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
            text.push('…');
        }
        text
    }

    /// At most this many bytes of its JSON, and whether that is all of it.
    fn beginning(&self, bytes_max: usize) -> (Vec<u8>, bool) {
        let mut out = Beginning { json: Vec::new(), bytes_max };
        let written = self.write(&mut out);
        (out.json, written.is_ok())
    }

    fn length_text(&self) -> String {
        if self.bytes > FIELD_BYTES_SHOWN {
            format!("{} bytes", self.bytes)
        } else {
            format!("more than {FIELD_BYTES_SHOWN} bytes")
        }
    }
}

/// A field in a page.
pub(super) struct ShownField {
    pub(super) value: AnyJson,
    /// Bytes of its JSON.
    pub(super) bytes: usize,
    pub(super) is_cut: bool,
}

/// Keeps the beginning of what is written, and refuses the rest.
struct Beginning {
    json: Vec<u8>,
    bytes_max: usize,
}

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.bytes_max - self.json.len());
        self.json.extend_from_slice(&bytes[..taken]);
        // 0 ends the writing with an error.
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that a search looks through at a time.
const SEARCHED_BYTES: usize = 64 << 10;

/// Searches what is written for words, regardless of case, and keeps none of it.
pub(super) struct WordSearch<'a> {
    /// Words in lower case that have not been found.
    missing: Vec<&'a str>,
    /// Bytes that have not been searched, after the last bytes of the previous search, in which a word may begin.
    buffer: Vec<u8>,
    /// Bytes of the longest text that may contain a word.
    overlap: usize,
}

impl<'a> WordSearch<'a> {
    /// A search for words in lower case.
    pub(super) fn new(words: &'a [String]) -> Self {
        let missing: Vec<&str> = words.iter().map(String::as_str).collect();
        // A character has at most four bytes, and each character of a word stems from one character of the text.
        let overlap = missing.iter().map(|word| 4 * word.chars().count()).max().unwrap_or(0);
        Self { missing, buffer: Vec::new(), overlap }
    }

    /// Whether all words were found.
    pub(super) fn finish(mut self) -> bool {
        self.search();
        self.missing.is_empty()
    }

    fn search(&mut self) {
        let text = String::from_utf8_lossy(&self.buffer).to_lowercase();
        self.missing.retain(|word| !text.contains(word));
    }
}

impl Write for WordSearch<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.missing.is_empty() {
            return Ok(0);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= SEARCHED_BYTES + self.overlap {
            self.search();
            self.buffer.drain(..self.buffer.len() - self.overlap);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_field_is_shown_by_its_length() {
        for (field, shown, is_cut, excerpt) in [
            (EntryField::small("f", [1, 2]), AnyJson::from(vec![1, 2]), false, "[1,2]".to_owned()),
            (
                EntryField::sized("f", 5_000, "x".repeat(5_000)),
                "5000 bytes".into(),
                true,
                "5000 bytes".to_owned(),
            ),
            // Its JSON is longer than it is in the oplog.
            (
                EntryField::sized("f", 10, vec!["a long name"; 1_000]),
                "more than 4096 bytes".into(),
                true,
                format!("[{}…", r#""a long name","#.repeat(15).split_at(199).0),
            ),
            (
                EntryField::small("f", "ä".repeat(150)),
                "ä".repeat(150).into(),
                false,
                format!("\"{}…", "ä".repeat(99)),
            ),
        ] {
            let found = field.in_page();
            assert_eq!((found.value, found.is_cut), (shown, is_cut));
            assert_eq!(field.excerpt(), excerpt);
        }
    }

    #[test]
    fn words_are_found_across_writes_and_regardless_of_case() {
        let words = ["größe".to_owned(), "b".to_owned()];
        let filler = &*"x".repeat(SEARCHED_BYTES - 3);
        for (parts, found) in [
            (vec!["GRÖSSE b"], false),
            (vec!["die Größe", " B"], true),
            (vec!["GR", "ÖßE", "b"], true),
            (vec![filler, "gr", "ö", "ß", "e", filler, filler, "B"], true),
            (vec![filler, "b", filler], false),
            (vec![], false),
        ] {
            let mut search = WordSearch::new(&words);
            for part in &parts {
                // A write is refused when everything was found.
                if search.write_all(part.as_bytes()).is_err() {
                    break;
                }
            }
            assert_eq!(search.finish(), found, "{} parts", parts.len());
        }
    }
}
