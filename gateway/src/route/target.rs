//! The target of a request: path and query, decoded.
//!
//! The path is split at `/` before it is decoded, so `%2F` is a character of a segment and not a separator. One `/` at
//! the end is ignored. Everything that servers and proxies interpret differently is refused instead of repaired: `.` and
//! `..` in each spelling, empty segments, control characters, and percent-encoding that is malformed or not UTF-8.

use crate::limits::PATH_BYTES_MAX;

/// Path and query of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The decoded segments of the path.
    pub segments: Vec<String>,
    /// The decoded names and values of the query, in order.
    pub query: Vec<(String, String)>,
}

/// The target of a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Path and query are too long.
    #[error("the path and the query have {bytes} bytes; at most {PATH_BYTES_MAX} are accepted")]
    TooLong {
        /// Their length.
        bytes: usize,
    },
    /// The path is not absolute.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A segment is empty.
    #[error("the path has an empty segment (`//`)")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the path has the segment `.` or `..`")]
    DotSegment,
    /// Percent-encoding is malformed, or the bytes are not UTF-8.
    #[error("the {part} is not percent-encoded UTF-8")]
    Encoding {
        /// `path` or `query`.
        part: &'static str,
    },
    /// The decoded path has a control character.
    #[error("the path has a control character")]
    Control,
}

impl Target {
    /// Splits and decodes the target of a request, such as `/users/1?active=true`.
    pub fn parse(target: &str) -> Result<Self, TargetError> {
        if target.len() > PATH_BYTES_MAX {
            return Err(TargetError::TooLong { bytes: target.len() });
        }
        let target = target.split_once('#').map_or(target, |(before, _)| before);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or(TargetError::NotAbsolute)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = Vec::new();
        if !path.is_empty() || target.starts_with("//") {
            for part in path.split('/') {
                let segment = percent_decoded(part).ok_or(TargetError::Encoding { part: "path" })?;
                match segment.as_str() {
                    "" => return Err(TargetError::EmptySegment),
                    "." | ".." => return Err(TargetError::DotSegment),
                    text if text.chars().any(char::is_control) => return Err(TargetError::Control),
                    _ => segments.push(segment),
                }
            }
        }
        let mut pairs = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decoded = |text: &str| {
                percent_decoded(&text.replace('+', " ")).ok_or(TargetError::Encoding { part: "query" })
            };
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self { segments, query: pairs })
    }
}

/// The text without percent-encoding, if it is well-formed UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}
