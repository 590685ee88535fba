//! Errors of the gateway for the caller of an API.

use super::Response;
use crate::expr::{EvalProblem, ExprError};
use crate::route::{MethodSet, TargetError};
use golem_model::invocation::IdempotencyKeyError;
use golem_model::value::json::JsonError;
use serde_json::json;

/// A request has no invocation, or a result has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[must_use]
pub enum GatewayError {
    /// The path or the query is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The method is unknown.
    #[error("the method `{method}` is not supported")]
    UnknownMethod {
        /// The method.
        method: String,
    },
    /// No route has the path.
    #[error("there is no route for this path")]
    NoRoute,
    /// Routes have the path, with other methods.
    #[error("the path does not accept the method; it accepts {allowed}")]
    MethodNotAllowed {
        /// The methods that it accepts.
        allowed: MethodSet,
    },
    /// Required query parameters are missing.
    #[error("the query lacks: {}", names.join(", "))]
    MissingQuery {
        /// Their names.
        names: Vec<String>,
    },
    /// A declared query parameter occurs several times.
    #[error("the query parameter `{name}` occurs more than once")]
    RepeatedQuery {
        /// The parameter.
        name: String,
    },
    /// A variable of path or query does not have its type.
    #[error("the variable {0}")]
    Variable(JsonError),
    /// A rest capture contains an encoded slash, so its value would be ambiguous.
    #[error("the path has an encoded `/` inside `{name}`")]
    EncodedSlash {
        /// The capture.
        name: String,
    },
    /// The content type of the body is not supported.
    #[error(
        "the content type `{found}` is not supported; use application/json, application/x-www-form-urlencoded, \
         application/octet-stream or text/plain"
    )]
    MediaType {
        /// The content type.
        found: String,
    },
    /// The body is malformed.
    #[error("the body is not valid {expected}: {detail}")]
    Body {
        /// `JSON`, `UTF-8` or `form data`.
        expected: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// An expression of the binding has no value for this request.
    #[error("{field}{}: {error}", error.path)]
    Binding {
        /// The field of the definition.
        field: String,
        /// The error.
        error: ExprError<EvalProblem>,
    },
    /// The name of the worker is invalid.
    #[error("{0}")]
    WorkerName(String),
    /// A parameter does not have its type.
    #[error("{0}")]
    Param(JsonError),
    /// The idempotency key is invalid.
    #[error(transparent)]
    Key(#[from] IdempotencyKeyError),
    /// The response mapping failed: an error of the definition, not of the caller.
    #[error("{field}{detail}")]
    Mapping {
        /// The field of the definition.
        field: String,
        /// What is wrong.
        detail: String,
    },
}

impl GatewayError {
    /// The status of the response.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Target(TargetError::TooLong { .. }) => 414,
            Self::UnknownMethod { .. } => 501,
            Self::NoRoute => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::MediaType { .. } => 415,
            Self::Mapping { .. } => 500,
            Self::Target(_)
            | Self::MissingQuery { .. }
            | Self::RepeatedQuery { .. }
            | Self::Variable(_)
            | Self::EncodedSlash { .. }
            | Self::Body { .. }
            | Self::Binding { .. }
            | Self::WorkerName(_)
            | Self::Param(_)
            | Self::Key(_) => 400,
        }
    }

    /// The response. Errors of the definition are not shown to the caller; the access log has their text.
    pub fn to_response(&self) -> Response {
        let text = match self {
            Self::Mapping { .. } => {
                "the response could not be made; the owner of the API finds the reason in its log".to_owned()
            }
            _ => self.to_string(),
        };
        let body = if self.status() == 400 {
            json!({"error": text, "errors": [text]})
        } else {
            json!({"error": text})
        };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Self::MethodNotAllowed { allowed } = self {
            headers.push(("allow".to_owned(), allowed.to_string()));
        }
        Response { status: self.status(), headers, body: body.to_string().into_bytes() }
    }
}
