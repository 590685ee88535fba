//! Ids. Each kind has its own type, so that the compiler finds swapped arguments.
//!
//! `Display` prints the form of the REST API, a plain UUID. `Debug` prints the id with its kind as a prefix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, "-{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map($name)
            }
        }
    };
}

uuid_id!(
    /// The owner of projects and tokens.
    AccountId, "account");
uuid_id!(
    /// A namespace of templates, buckets and grants, owned by one account.
    ProjectId, "project");
uuid_id!(
    /// An uploaded component with all its versions.
    TemplateId, "template");
uuid_id!(
    /// Identifies an API token. It is not the token's secret.
    TokenId, "token");
uuid_id!(
    /// A named set of actions.
    PolicyId, "policy");
uuid_id!(
    /// The permission of an account to perform a policy's actions in a project.
    GrantId, "grant");

/// A worker's name, unique within its template.
///
/// 1 to 100 characters, each a letter or digit of any script, `_` or `-`, and not starting with `-`
/// (docs/rest.md).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerName(String);

/// Why a text is not a worker name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerNameError {
    /// The text is empty.
    #[error("Invalid worker name: it is empty; a name has 1 to {WORKER_NAME_CHARS_MAX} characters")]
    Empty,
    /// The text has more than [`WORKER_NAME_CHARS_MAX`] characters.
    #[error("Invalid worker name: it has {0} characters; at most {WORKER_NAME_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// The text begins with `-`, which command lines would read as an option.
    #[error("Invalid worker name \"{0}\": it must not start with `-`")]
    LeadingDash(String),
    /// The text contains a character that is not allowed.
    #[error(
        "Invalid worker name \"{name}\": the character {found:?} is not allowed; use letters, digits, `_` and `-`"
    )]
    Character {
        /// The whole name.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

/// Maximum length of a worker name in characters.
pub const WORKER_NAME_CHARS_MAX: usize = 100;

impl WorkerName {
    /// Checks `name`.
    pub fn new(name: impl Into<String>) -> Result<Self, WorkerNameError> {
        let name = name.into();
        let count = name.chars().count();
        if count == 0 {
            return Err(WorkerNameError::Empty);
        }
        if count > WORKER_NAME_CHARS_MAX {
            return Err(WorkerNameError::TooLong(count));
        }
        if name.starts_with('-') {
            return Err(WorkerNameError::LeadingDash(name));
        }
        if let Some(found) = name.chars().find(|c| !(c.is_alphanumeric() || *c == '_' || *c == '-')) {
            return Err(WorkerNameError::Character { name, found });
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerName {
    type Error = WorkerNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl FromStr for WorkerName {
    type Err = WorkerNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl From<WorkerName> for String {
    fn from(name: WorkerName) -> Self {
        name.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Identifies a worker by template and name. Printed as `template/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId {
    /// The template whose component the worker runs.
    pub template: TemplateId,
    /// The name, unique in the template.
    pub name: WorkerName,
}

impl WorkerId {
    /// The id of the worker `name` of `template`.
    pub fn new(template: TemplateId, name: WorkerName) -> Self {
        Self { template, name }
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.template, self.name)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker-{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_names_are_checked() {
        for good in ["a", "cart-1", "_x", "Ünal", "0", &"x".repeat(100)] {
            assert!(WorkerName::new(good).is_ok(), "{good} should be a name");
        }
        for (bad, part) in [
            ("", "empty"),
            ("-x", "must not start"),
            ("a b", "' '"),
            ("a/b", "'/'"),
            ("a.b", "'.'"),
            ("../x", "'.'"),
            (&"x".repeat(101), "101 characters"),
        ] {
            let error = WorkerName::new(bad).unwrap_err().to_string();
            assert!(error.starts_with("Invalid worker name"), "{error}");
            assert!(error.contains(part), "{error} should contain {part}");
        }
    }
}
