//! The JSON form of typed values: one converter for REST, gateway, command line and stdio.
//!
//! [`from_json`] and [`params_from_json`] read what a caller sent; [`to_json`], [`result_to_json`] and the
//! serialisable [`TypedJson`] and [`ResultJson`] write what a guest returned. docs/rest.md has the table of types.
//!
//! Invariant: writing a value and reading it back gives the same value (NaN payloads excepted, which the engine
//! makes canonical). Invariant: no input panics or recurses deeper than
//! [`VALUE_DEPTH_MAX`](crate::limits::VALUE_DEPTH_MAX). The path of a bad value is put together only when there
//! is one: a good value costs no allocation but its own.

mod read;
#[cfg(test)]
mod tests;
mod write;

use super::Type;
use std::fmt;

pub use read::{from_json, params_from_json};
pub use write::{BytesAs, ResultJson, TypedJson, result_to_json, to_json};

/// A JSON value that is none of the expected type, or a typed value that has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Where the bad value stands, such as `params[0].items[2].price`.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Another kind of JSON value than the type is written as.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// The type, and how it is written if its name does not say so.
        expected: String,
        /// The kind of JSON value, or the value itself where that tells more.
        found: String,
    },
    /// A number that the type cannot hold.
    #[error("value {value} is not within the range of {min} to {max} of {ty}")]
    Range {
        /// The number.
        value: String,
        /// The type's least value.
        min: String,
        /// The type's greatest value.
        max: String,
        /// The type.
        ty: &'static str,
    },
    /// A record lacks a field that is no option.
    #[error("missing field \"{field}\" ({ty})")]
    MissingField {
        /// The field.
        field: String,
        /// Its type.
        ty: String,
    },
    /// A tuple of another length.
    #[error("expected {expected} elements, found {found}")]
    Length {
        /// Elements of the type.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// A name that the enum, variant or flags type does not have.
    #[error("unknown {what} \"{name}\"; the type has {known}")]
    UnknownName {
        /// `case` or `flag`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names that the type has.
        known: String,
    },
    /// A case without its payload.
    #[error("case \"{case}\" needs a payload; write {{\"{case}\": …}} with a value of type {ty}")]
    MissingPayload {
        /// The case.
        case: String,
        /// The type of its payload.
        ty: String,
    },
    /// Characters that are no base64.
    #[error("invalid base64: {0}; use the standard alphabet with padding")]
    Base64(String),
    /// Values nested deeper than [`VALUE_DEPTH_MAX`](crate::limits::VALUE_DEPTH_MAX).
    #[error("nested deeper than {} levels", crate::limits::VALUE_DEPTH_MAX)]
    TooDeep,
    /// A resource handle, which has no meaning outside of its component.
    #[error(
        "a resource handle ({0}) cannot leave its component, so this function cannot be called from outside"
    )]
    Handle(String),
    /// Another number of parameters than the function has.
    #[error("Unexpected number of parameters (got {got}, expected: {expected})")]
    ParamCount {
        /// Parameters given.
        got: usize,
        /// Parameters of the function.
        expected: usize,
    },
    /// A typed value that is none of its type: a fault in the code that made it, not in what a caller sent.
    #[error("the value does not fit its type: {0}")]
    TypeMismatch(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The count is about the list of parameters as a whole, and its text is one that clients know.
        if self.path.is_empty() || matches!(self.problem, Problem::ParamCount { .. }) {
            self.problem.fmt(f)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

impl std::error::Error for JsonError {}

/// Whether an option of `inner` is written as `{"some": …}`: only so are `none` and `some(none)` told apart.
fn option_is_wrapped(inner: &Type) -> bool {
    matches!(inner, Type::Option(_))
}

/// What the JSON of a value of `ty` must look like, in an error message.
fn describe(ty: &Type) -> String {
    match ty {
        Type::String => "string".to_owned(),
        Type::Char => "char (a code point or a string of one character)".to_owned(),
        Type::List(inner) if **inner == Type::U8 => {
            "list<u8> (an array of numbers or {\"base64\": …})".to_owned()
        }
        Type::List(_) => "list (an array)".to_owned(),
        Type::Option(inner) if option_is_wrapped(inner) => "option (null or {\"some\": …})".to_owned(),
        Type::Option(inner) => format!("option of {}", describe(inner)),
        Type::Result { .. } => "result ({\"ok\": …} or {\"err\": …})".to_owned(),
        Type::Tuple(items) => format!("tuple (an array of {} elements)", items.len()),
        Type::Record(_) => "record (an object)".to_owned(),
        Type::Variant(_) => "variant (an object with one case as its key)".to_owned(),
        Type::Enum(names) => format!("enum (one of {})", join_names(names.iter())),
        Type::Flags(names) => format!("flags (an array of {})", join_names(names.iter())),
        // Primitive types print as WIT calls them.
        primitive => primitive.to_string(),
    }
}

/// Names shown in an error message before it stops listing them.
const NAMES_SHOWN_MAX: usize = 20;

fn join_names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let mut text =
        names.take(NAMES_SHOWN_MAX).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if count > NAMES_SHOWN_MAX {
        text.push_str(", …");
    }
    text
}
