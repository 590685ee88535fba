//! Prints results.
//!
//! A result is any serializable value. It is printed in the requested format. REST responses are printed unchanged,
//! except for templates, which have their own view.

pub mod template;

use crate::args::Format;
use crate::error::CliError;
use serde::Serialize;
use std::io::Write;

/// Writes `result` and a newline.
pub fn print(out: &mut impl Write, format: Format, result: &impl Serialize) -> Result<(), CliError> {
    let text = match format {
        Format::Json => serde_json::to_string_pretty(result).map_err(std::io::Error::other),
        Format::Yaml => serde_norway::to_string(result).map_err(std::io::Error::other),
    };
    let text = text.map_err(CliError::WriteResult)?;
    write(out, text.trim_end_matches('\n'))?;
    write(out, "\n")
}

/// Writes `text` unchanged and flushes.
pub fn write(out: &mut impl Write, text: &str) -> Result<(), CliError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::WriteResult)
}
