//! Errors of saving and loading, with the path of the value that is concerned.

use std::fmt;

/// Steps of a path that an error shows at its beginning and at its end. Deep values have long paths.
const STEPS_SHOWN: (usize, usize) = (8, 3);
/// Characters of a map's key that a path shows.
const KEY_CHARS_SHOWN: usize = 40;

/// The reason why a value cannot be saved or loaded.
#[derive(Debug)]
pub(super) struct Error(Box<Located>);

#[derive(Debug)]
struct Located {
    message: String,
    /// From the innermost value to the outermost one.
    path: Vec<Step>,
}

/// A step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field, a variant, or an entry of a map whose key is text.
    Name(String),
    /// An entry of a map whose key is not text, with a description of the key.
    Key(String),
    /// An item of a list.
    Index(usize),
}

impl Error {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self(Box::new(Located { message: message.to_string(), path: Vec::new() }))
    }

    /// The same error, seen from the value that contains the concerned one.
    pub(super) fn inside(mut self, step: Step) -> Self {
        self.0.path.push(step);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<&Step> = self.0.path.iter().rev().collect();
        let (first, last) = STEPS_SHOWN;
        if !steps.is_empty() {
            write!(f, "`")?;
            let hidden = if steps.len() > first + last { first..steps.len() - last } else { 0..0 };
            for (at, step) in steps.iter().enumerate() {
                if at == hidden.start && !hidden.is_empty() {
                    write!(f, "…")?;
                }
                if !hidden.contains(&at) {
                    step.write(f, at == 0)?;
                }
            }
            write!(f, "`: ")?;
        }
        write!(f, "{}", self.0.message)
    }
}

impl Step {
    fn write(&self, f: &mut fmt::Formatter<'_>, first: bool) -> fmt::Result {
        match self {
            Self::Name(name) if is_identifier(name) => write!(f, "{}{name}", if first { "" } else { "." }),
            Self::Name(name) if name.chars().count() <= KEY_CHARS_SHOWN => write!(f, "[{name:?}]"),
            Self::Name(name) => {
                let shown: String = name.chars().take(KEY_CHARS_SHOWN).collect();
                write!(f, "[{shown:?}…]")
            }
            Self::Key(key) => write!(f, "[{key}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Whether the text can stand after a dot. Raw text of a key could contain anything.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|char| char.is_alphanumeric() || char == '_')
        && text.chars().count() <= KEY_CHARS_SHOWN
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for Error {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::new(message)
    }
}
