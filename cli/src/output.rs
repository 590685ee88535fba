//! How results look.
//!
//! A result is anything that can be serialised, printed in the format that was asked for. What REST sends is printed as
//! it is; templates have a view of their own.

pub mod template;

use crate::args::Format;
use crate::error::CliError;
use serde::Serialize;
use std::io::Write;

/// Writes `result` and a line end.
pub fn print(out: &mut impl Write, format: Format, result: &impl Serialize) -> Result<(), CliError> {
    let text = match format {
        Format::Json => serde_json::to_string_pretty(result).map_err(std::io::Error::other),
        Format::Yaml => serde_norway::to_string(result).map_err(std::io::Error::other),
    };
    let text = text.map_err(CliError::WriteResult)?;
    write(out, text.trim_end_matches('\n'))?;
    write(out, "\n")
}

/// Writes `text` as it is, at once.
pub fn write(out: &mut impl Write, text: &str) -> Result<(), CliError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::WriteResult)
}
