//! The beginning of a long text, for messages.

use std::fmt::{self, Write};

/// The text, or its beginning of at most `bytes_max` bytes and `…`. The rest of a long text is never produced.
///
/// ```
/// assert_eq!(golem_model::excerpt(5, format_args!("{:?}", [1, 2, 3])), "[1, 2…");
/// ```
pub fn excerpt(bytes_max: usize, text: fmt::Arguments<'_>) -> String {
    struct Beginning {
        text: String,
        bytes_max: usize,
    }
    impl Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = self.bytes_max - self.text.len();
            if text.len() <= room {
                self.text.push_str(text);
                return Ok(());
            }
            self.text.push_str(&text[..text.floor_char_boundary(room)]);
            self.text.push('…');
            Err(fmt::Error)
        }
    }
    let mut beginning = Beginning { text: String::new(), bytes_max };
    // The only error is that the text was cut.
    let _cut = beginning.write_fmt(text);
    beginning.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character() {
        for (bytes_max, expected) in
            [(100, "ab-größe"), (10, "ab-größe"), (9, "ab-größ…"), (6, "ab-gr…"), (3, "ab-…"), (0, "…")]
        {
            assert_eq!(excerpt(bytes_max, format_args!("ab-{}", "größe")), expected, "{bytes_max}");
        }
    }
}
