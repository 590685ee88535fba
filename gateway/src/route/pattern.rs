//! The pattern of a route: `users/{user-id}/files/{+path}?{active}&{limit?: u32}`.

use super::target::percent_decoded;
use crate::limits::{PATH_BYTES_MAX, QUERY_PARAMETERS_MAX, SEGMENTS_MAX};
use golem_model::Type;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// The pattern of a path and its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The segments of the path, in order.
    pub segments: Vec<Segment>,
    /// The declared query parameters, in order.
    pub query: Vec<QueryParameter>,
}

/// A segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Matches exactly this text, which is percent-decoded.
    Literal(String),
    /// `{name}` or `{name: type}`: matches any one segment.
    Capture {
        /// The variable.
        name: String,
        /// Its type; without one, it is text that is converted where it is used.
        ty: Option<Scalar>,
    },
    /// `{+name}`: matches one or more segments at the end of the path.
    Rest {
        /// The variable.
        name: String,
    },
}

impl Segment {
    /// The name of the variable.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Capture { name, .. } | Self::Rest { name } => Some(name),
        }
    }
}

/// A declared query parameter: `{name}`, `{name?}`, `{name: type}` or `{name?: type}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryParameter {
    /// The name.
    pub name: String,
    /// Whether the route matches only requests that have the parameter.
    pub required: bool,
    /// Its type; without one, it is text that is converted where it is used.
    pub ty: Option<Scalar>,
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of WIT")]
pub enum Scalar {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
}

impl Scalar {
    /// All types with their names.
    pub const ALL: [(&'static str, Self); 13] = [
        ("bool", Self::Bool),
        ("s8", Self::S8),
        ("u8", Self::U8),
        ("s16", Self::S16),
        ("u16", Self::U16),
        ("s32", Self::S32),
        ("u32", Self::U32),
        ("s64", Self::S64),
        ("u64", Self::U64),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("char", Self::Char),
        ("string", Self::String),
    ];

    /// The name in WIT.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scalar)| *scalar == self).map_or("string", |(name, _)| name)
    }

    /// The type of a template.
    pub const fn to_type(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::S8 => Type::S8,
            Self::U8 => Type::U8,
            Self::S16 => Type::S16,
            Self::U16 => Type::U16,
            Self::S32 => Type::S32,
            Self::U32 => Type::U32,
            Self::S64 => Type::S64,
            Self::U64 => Type::U64,
            Self::F32 => Type::F32,
            Self::F64 => Type::F64,
            Self::Char => Type::Char,
            Self::String => Type::String,
        }
    }
}

/// A pattern is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct PatternError {
    /// The column, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub problem: PatternProblem,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternProblem {
    /// The pattern is too long.
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// The pattern has too many parts.
    #[error("the path has more than {max} {what}")]
    TooMany {
        /// `segments` or `query parameters`.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A segment is empty.
    #[error("empty segment; write one `/` between two segments")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the segment `{segment}` is never matched: requests with it are refused")]
    DotSegment {
        /// The segment.
        segment: String,
    },
    /// A brace stands inside a segment.
    #[error(
        "`{segment}` is not a literal and not a capture; a capture takes a whole segment: {{name}}, {{name: u32}} or {{+name}}"
    )]
    Braces {
        /// The segment.
        segment: String,
    },
    /// The text of a literal is not a valid path.
    #[error(
        "`{segment}` cannot be part of a path; percent-encode characters other than letters, digits and -._~!$&'()*+,;=:@"
    )]
    Literal {
        /// The segment.
        segment: String,
    },
    /// The name of a variable is invalid.
    #[error("`{name}` is not a name; use letters, digits, `-` and `_`, beginning with a letter")]
    Name {
        /// The name.
        name: String,
    },
    /// Two variables have one name.
    #[error("the variable `{name}` is declared twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// The type of a variable is unknown.
    #[error("unknown type `{ty}`; known are bool, s8 to u64, f32, f64, char and string")]
    Type {
        /// The type.
        ty: String,
    },
    /// A rest capture is not at the end.
    #[error("`{{+{name}}}` takes all remaining segments, so it must be the last one")]
    RestNotLast {
        /// The name.
        name: String,
    },
    /// Part of the query is not a parameter.
    #[error(
        "`{part}` is not a query parameter; write {{name}}, {{name?}}, {{name: u32}} or {{name?: u32}}, with `&` between two"
    )]
    Query {
        /// The part.
        part: String,
    },
}

impl Pattern {
    /// Parses the text of a route's path.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fail = |at: usize, problem| {
            let column = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
            Err(PatternError { column: u32::try_from(column).unwrap_or(u32::MAX), problem })
        };
        if text.len() > PATH_BYTES_MAX {
            return fail(0, PatternProblem::TooLong);
        }
        // A `?` inside braces marks an optional parameter, and there are none before the query.
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let mut names = BTreeSet::new();
        let mut segments = Vec::new();
        let begin = usize::from(path.starts_with('/'));
        let trimmed = &path[begin..];
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        let mut at = begin;
        let mut parts = trimmed.split('/').peekable();
        if trimmed.is_empty() {
            parts.next();
        }
        while let Some(part) = parts.next() {
            let segment = match segment(part) {
                Ok(segment) => segment,
                Err(problem) => return fail(at, problem),
            };
            if let (Segment::Rest { name }, true) = (&segment, parts.peek().is_some()) {
                return fail(at, PatternProblem::RestNotLast { name: name.clone() });
            }
            if let Some(name) = segment.name()
                && !names.insert(name.to_owned())
            {
                return fail(at, PatternProblem::Twice { name: name.to_owned() });
            }
            segments.push(segment);
            at += part.len() + 1;
        }
        if segments.len() > SEGMENTS_MAX {
            return fail(0, PatternProblem::TooMany { what: "segments", max: SEGMENTS_MAX });
        }
        let mut parameters = Vec::new();
        let mut at = path.len() + 1;
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            match parameter(part) {
                Ok(parameter) if names.insert(parameter.name.clone()) => parameters.push(parameter),
                Ok(parameter) => return fail(at, PatternProblem::Twice { name: parameter.name }),
                Err(problem) => return fail(at, problem),
            }
            at += part.len() + 1;
        }
        if parameters.len() > QUERY_PARAMETERS_MAX {
            let (what, max) = ("query parameters", QUERY_PARAMETERS_MAX);
            return fail(path.len(), PatternProblem::TooMany { what, max });
        }
        Ok(Self { segments, query: parameters })
    }

    /// The names of the query parameters without which the route does not match, sorted.
    pub(crate) fn required(&self) -> BTreeSet<&str> {
        self.query.iter().filter(|parameter| parameter.required).map(|p| p.name.as_str()).collect()
    }
}

fn segment(part: &str) -> Result<Segment, PatternProblem> {
    if part.is_empty() {
        return Err(PatternProblem::EmptySegment);
    }
    if let Some(inner) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        if let Some(name) = inner.strip_prefix('+') {
            return Ok(Segment::Rest { name: variable(name)? });
        }
        let (name, ty) = typed(inner)?;
        return Ok(Segment::Capture { name: variable(name)?, ty });
    }
    if part.contains(['{', '}']) {
        return Err(PatternProblem::Braces { segment: part.to_owned() });
    }
    let valid = |c: char| c.is_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
    match percent_decoded(part) {
        Some(text) if text == "." || text == ".." => {
            Err(PatternProblem::DotSegment { segment: part.to_owned() })
        }
        Some(text) if part.chars().all(valid) && !text.chars().any(char::is_control) => {
            Ok(Segment::Literal(text))
        }
        _ => Err(PatternProblem::Literal { segment: part.to_owned() }),
    }
}

fn parameter(part: &str) -> Result<QueryParameter, PatternProblem> {
    let Some(inner) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
        return Err(PatternProblem::Query { part: part.to_owned() });
    };
    let (name, ty) = typed(inner)?;
    let (name, required) = name.strip_suffix('?').map_or((name, true), |name| (name, false));
    Ok(QueryParameter { name: variable(name)?, required, ty })
}

fn typed(inner: &str) -> Result<(&str, Option<Scalar>), PatternProblem> {
    let Some((name, ty)) = inner.split_once(':') else { return Ok((inner, None)) };
    let ty = ty.trim();
    let known = match ty {
        "str" => Some(Scalar::String),
        "chr" => Some(Scalar::Char),
        _ => Scalar::ALL.iter().find(|(known, _)| *known == ty).map(|(_, scalar)| *scalar),
    };
    let known = known.ok_or_else(|| PatternProblem::Type { ty: ty.to_owned() })?;
    Ok((name, Some(known)))
}

fn variable(name: &str) -> Result<String, PatternProblem> {
    if crate::expr::is_name(name) {
        Ok(name.to_owned())
    } else {
        Err(PatternProblem::Name { name: name.to_owned() })
    }
}

impl fmt::Display for Pattern {
    /// The canonical text: parsing it gives the same pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{}", encoded(text))?,
                Segment::Capture { name, ty: None } => write!(f, "/{{{name}}}")?,
                Segment::Capture { name, ty: Some(ty) } => write!(f, "/{{{name}: {}}}", ty.name())?,
                Segment::Rest { name } => write!(f, "/{{+{name}}}")?,
            }
        }
        for (i, parameter) in self.query.iter().enumerate() {
            let mark = if parameter.required { "" } else { "?" };
            write!(f, "{}{{{}{mark}", if i > 0 { '&' } else { '?' }, parameter.name)?;
            if let Some(ty) = parameter.ty {
                write!(f, ": {}", ty.name())?;
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

/// The text as a segment of a path.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}
