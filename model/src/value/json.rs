//! The JSON form of typed values: one converter for REST, gateway, command line and stdio.
//!
//! [`from_json`] and [`params_from_json`] read the values of a caller. [`to_json`], [`result_to_json`] and the
//! serializable [`TypedJson`] and [`ResultJson`] write the values that a guest returned. docs/rest.md has the table of
//! types.
//!
//! Invariant: a value that is written and read again is unchanged. Payloads of NaN are the exception; the engine makes
//! them canonical.
//!
//! Invariant: no input causes a panic or a recursion deeper than [`VALUE_DEPTH_MAX`](crate::limits::VALUE_DEPTH_MAX).
//!
//! The path of an invalid value is built only after an error, so reading a valid value allocates
//! only the value.

mod read;
#[cfg(test)]
mod tests;
mod write;

use super::Type;
use std::fmt;

pub use read::{from_json, params_from_json};
pub use write::{BytesFormat, ResultJson, TypedJson, result_to_json, to_json};

/// The JSON value does not match the expected type, or the typed value has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The path of the invalid value, such as `params[0].items[2].price`.
    pub path: String,
    /// What is wrong with the value.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The kind of JSON value does not match the type.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// The type, with its JSON form if the name does not tell it.
        expected: String,
        /// The kind of the JSON value, or the value itself if that is more precise.
        found: String,
    },
    /// The number is out of the type's range.
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
    /// A record lacks a field whose type is not an option.
    #[error("missing field \"{field}\" ({ty})")]
    MissingField {
        /// The field.
        field: String,
        /// Its type.
        ty: String,
    },
    /// The tuple has another number of elements.
    #[error("expected {expected} elements, found {found}")]
    Length {
        /// Elements of the type.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// The enum, variant or flags type does not have this name.
    #[error("unknown {what} \"{name}\"; the type has {known}")]
    UnknownName {
        /// `case` or `flag`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names that the type has.
        known: String,
    },
    /// The payload of the case is missing.
    #[error("case \"{case}\" needs a payload; write {{\"{case}\": …}} with a value of type {ty}")]
    MissingPayload {
        /// The case.
        case: String,
        /// The type of its payload.
        ty: String,
    },
    /// The text is not valid base64.
    #[error("invalid base64: {0}; use the standard alphabet with padding")]
    Base64(String),
    /// The value is nested deeper than [`VALUE_DEPTH_MAX`](crate::limits::VALUE_DEPTH_MAX).
    #[error("nested deeper than {} levels", crate::limits::VALUE_DEPTH_MAX)]
    TooDeep,
    /// The values of record fields that the JSON omits need more than
    /// [`JSON_OMITTED_BYTES_MAX`](crate::limits::JSON_OMITTED_BYTES_MAX).
    #[error(
        "more record fields are left out than can be filled in: they need more than {} MiB; send fewer values at once",
        crate::limits::JSON_OMITTED_BYTES_MAX >> 20
    )]
    TooManyOmitted,
    /// The type contains a resource handle, which has no meaning outside its component.
    #[error(
        "a resource handle ({0}) cannot leave its component, so this function cannot be called from outside"
    )]
    Handle(String),
    /// The number of parameters differs from that of the function.
    #[error("Unexpected number of parameters (got {got}, expected: {expected})")]
    ParamCount {
        /// Parameters given.
        got: usize,
        /// Parameters of the function.
        expected: usize,
    },
    /// A typed value does not match its type: a bug in the code that made the value, not an error of the caller.
    #[error("the value does not fit its type: {0}")]
    TypeMismatch(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A wrong number of parameters concerns the whole list, so it has no path. Clients know its text.
        if self.path.is_empty() || matches!(self.problem, Problem::ParamCount { .. }) {
            self.problem.fmt(f)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

impl std::error::Error for JsonError {}

/// Whether an option of `inner` is written as `{"some": …}`. Without that, `none` and `some(none)` would look alike.
fn option_is_wrapped(inner: &Type) -> bool {
    matches!(inner, Type::Option(_))
}

/// Describes `ty` and its JSON form in an error message.
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
        // The remaining types are primitive and print as in WIT.
        primitive => primitive.to_string(),
    }
}

/// Maximum number of names that an error message lists.
const NAMES_SHOWN_MAX: usize = 20;

fn join_names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let quoted = names.take(NAMES_SHOWN_MAX).map(|name| format!("\"{}\"", read::escaped_excerpt(name)));
    let mut text = quoted.collect::<Vec<_>>().join(", ");
    if count > NAMES_SHOWN_MAX {
        text.push_str(", …");
    }
    text
}
