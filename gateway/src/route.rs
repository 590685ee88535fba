//! Routes: patterns of paths, and the search for the first one that matches a request.
//!
//! | module | contains |
//! |---|---|
//! | `pattern` | the text of a path: literals, captures, query parameters |
//! | `target` | path and query of a request |
//! | `tree` | the search |

mod pattern;
mod target;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use pattern::encoded;
pub use pattern::{Pattern, PatternError, PatternProblem, QueryParameter, Scalar, Segment};
pub(crate) use target::percent_decoded;
pub use target::{Target, TargetError};
pub use tree::{Lookup, MethodSet, Overlap, RouteTree};

use serde::{Deserialize, Serialize};
use std::fmt;

/// An HTTP method, with the names of 2023 in JSON. Reading ignores case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[allow(missing_docs, reason = "the names are those of HTTP")]
pub enum Method {
    Get,
    Connect,
    Post,
    Delete,
    Put,
    Patch,
    Options,
    Trace,
    Head,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::Connect,
        Self::Post,
        Self::Delete,
        Self::Put,
        Self::Patch,
        Self::Options,
        Self::Trace,
        Self::Head,
    ];

    /// The name in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Connect => "CONNECT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Head => "HEAD",
        }
    }

    /// The method with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
    }
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| {
            let name = golem_model::excerpt(40, format_args!("{name}"));
            format!("unknown method \"{name}\"; known are Get, Connect, Post, Delete, Put, Patch, Options, Trace and Head")
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
