//! API definitions: the JSON and YAML of 2023 with additions, their versions, and what a new upload of one means.
//!
//! `validate` checks a definition against the types of its templates and prepares it for requests.

#[cfg(test)]
mod tests;
mod validate;

pub(crate) use validate::CompiledRoute;
pub use validate::{CompiledApi, DefinitionError, DefinitionProblem, Warning};

use crate::limits::DEFINITION_BYTES_MAX;
use crate::route::Method;
use golem_model::{ProjectId, TemplateId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One version of an API: its routes, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiDefinition {
    /// The id of the API, chosen by its author.
    pub id: String,
    /// The version, chosen by its author.
    pub version: String,
    /// The project; without it, the caller's default project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Whether the version can still be changed. Without it, it can.
    #[serde(default = "yes")]
    pub draft: bool,
    /// The routes. The first one that matches a request is used.
    pub routes: Vec<Route>,
}

const fn yes() -> bool {
    true
}

/// An endpoint and what answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The method of the requests.
    pub method: Method,
    /// The pattern of their path and query, see [`crate::route::Pattern`].
    pub path: String,
    /// The worker that answers.
    pub binding: Binding,
}

/// The invocation that a request becomes.
///
/// Expressions are JSON: a string is a text with placeholders, an array or object is a structure of expressions, a number
/// or boolean is itself. The field `type` of some clients is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The template of the worker.
    pub template: TemplateId,
    /// Expression: the worker's name.
    pub worker_id: Json,
    /// The full name of the function.
    pub function_name: String,
    /// Expressions: one for each parameter.
    #[serde(default)]
    pub function_params: Vec<Json>,
    /// Expression: the idempotency key. Without it, or if its value is `none`, the header `Idempotency-Key` is the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Json>,
    /// Whether the response waits for the result.
    #[serde(default, skip_serializing_if = "Mode::is_await")]
    pub mode: Mode,
    /// The response; without it, it follows from the result, see [`crate::exchange`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseMapping>,
}

/// Whether a response waits for the result of the invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The response is made from the result.
    #[default]
    Await,
    /// The invocation is accepted, and the response is 202.
    Accept,
}

impl Mode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    const fn is_await(&self) -> bool {
        matches!(self, Self::Await)
    }
}

/// The response for a result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ResponseMapping {
    /// Expression: the body. Without it, the body follows from the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
    /// Expression: the status. Without it, the status follows from the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Json>,
    /// Expressions: the headers by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Json>,
}

/// The text form of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

/// The text is not a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is too long.
    #[error(
        "the definition has {bytes} bytes; at most {DEFINITION_BYTES_MAX} are accepted; divide it into several APIs"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text is malformed, or a field is missing or has another type.
    #[error("line {line}, column {column}: {detail}")]
    Malformed {
        /// The line, from 1; 0 if it is unknown.
        line: usize,
        /// The column, from 1; 0 if it is unknown.
        column: usize,
        /// What is wrong.
        detail: String,
    },
}

/// Reads a value from a text of bounded length.
pub(crate) fn from_text<T: serde::de::DeserializeOwned>(text: &str, format: Format) -> Result<T, ParseError> {
    if text.len() > DEFINITION_BYTES_MAX {
        return Err(ParseError::TooLong { bytes: text.len() });
    }
    // Both libraries repeat the place at the end of the message.
    let detail = |text: String| text.split(" at line ").next().unwrap_or_default().to_owned();
    match format {
        Format::Json => serde_json::from_str(text).map_err(|error| ParseError::Malformed {
            line: error.line(),
            column: error.column(),
            detail: detail(error.to_string()),
        }),
        Format::Yaml => serde_norway::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
            ParseError::Malformed { line, column, detail: detail(error.to_string()) }
        }),
    }
}

/// What uploading a definition does to a stored version with the same id and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// There is no such version: it is created.
    Create,
    /// The stored version is a draft: it is replaced.
    Replace,
    /// The stored version has the same content: nothing changes, and the answer is success.
    Unchanged,
    /// The stored version is published and has other content: the answer is 409.
    Conflict,
}

impl ApiDefinition {
    /// Reads a definition.
    pub fn parse(text: &str, format: Format) -> Result<Self, ParseError> {
        from_text(text, format)
    }

    /// Decides what uploading this definition does.
    ///
    /// A published version never changes. Uploading its content again is a success, whatever the upload says about
    /// `draft`, so that a repeated request does not fail.
    pub fn upload_over(&self, stored: Option<&Self>) -> Upload {
        match stored {
            None => Upload::Create,
            Some(stored) if stored == self => Upload::Unchanged,
            Some(stored) if stored.draft => Upload::Replace,
            Some(stored) if (Self { draft: false, ..self.clone() }) == *stored => Upload::Unchanged,
            Some(_) => Upload::Conflict,
        }
    }
}
