//! The status and body of REST errors.
//!
//! `golem_api::error` has the JSON types. This file maps the errors of the services to a status, except those of a
//! login (`login`).

use crate::catalog::UploadError;
use crate::executor::{AdmissionError, ComponentFault, ExecutorError, with_causes};
use crate::http::BodyError;
use crate::identity::{AuthenticationError, AuthorizationError, IdentityError};
use crate::storage::ports::StoreError;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use golem_api::template::VersionedTemplateId;
use golem_api::{ErrorBody, GolemError};
use golem_model::TemplateId;
use http::{HeaderValue, StatusCode, header};
use std::fmt;

/// An error response.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// `None` where the server of 2023 sent no body.
    body: Option<Box<ErrorBody>>,
    retry_after_seconds: Option<u32>,
}

impl ApiError {
    fn with_body(status: StatusCode, body: ErrorBody) -> Self {
        Self { status, body: Some(Box::new(body)), retry_after_seconds: None }
    }

    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self::with_body(status, ErrorBody::from_text(text))
    }

    /// 400: the request is invalid.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::with_body(StatusCode::BAD_REQUEST, ErrorBody::invalid([text]))
    }

    /// 404: an object does not exist, or the caller may not know of it.
    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 429: the account exceeds its limit of requests.
    pub(super) fn too_many_requests(seconds: u32) -> Self {
        let text = "too many requests from this account; retry after the seconds in the header Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds)
    }

    /// 504, without a body: the invocation continues, and a request with the same key gets its result later.
    pub(super) fn timeout() -> Self {
        Self { status: StatusCode::GATEWAY_TIMEOUT, body: None, retry_after_seconds: None }
    }

    /// 500: a defect of the server, or damaged data.
    pub(super) fn internal(text: impl Into<String>) -> Self {
        let text = text.into();
        tracing::error!("{text}");
        let error = GolemError::Unknown { details: text.clone() };
        Self::with_golem_error(StatusCode::INTERNAL_SERVER_ERROR, text, error)
    }

    /// An error of a worker, with 2023's description in `golemError`.
    fn with_golem_error(status: StatusCode, text: String, error: GolemError) -> Self {
        Self::with_body(status, ErrorBody { golem_error: Some(error), ..ErrorBody::from_text(text) })
    }

    /// 503: the server is shutting down.
    pub(super) fn shutting_down() -> Self {
        let text = "the server is shutting down; retry when it runs again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(1)
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Some(body) => body.fmt(f),
            None => self.status.fmt(f),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => (self.status, axum::Json(body)).into_response(),
            None => self.status.into_response(),
        };
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

/// The response to a caller that is not authorized. For an object that the caller may not know of, it is the same as if
/// the object did not exist.
pub(super) fn authorization_error(error: AuthorizationError, missing: impl FnOnce() -> ApiError) -> ApiError {
    match error {
        AuthorizationError::Hidden => missing(),
        AuthorizationError::Forbidden(_) => ApiError::new(StatusCode::FORBIDDEN, error.to_string()),
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        match error {
            IdentityError::NotFound { .. } | IdentityError::NoPolicy(_) => Self::not_found(text),
            IdentityError::Forbidden(_) | IdentityError::Escalation(_) | IdentityError::Limit(_) => {
                Self::new(StatusCode::FORBIDDEN, text)
            }
            IdentityError::Invalid(_) => Self::invalid(text),
            IdentityError::Store(error) => error.into(),
            IdentityError::Panicked(_) => Self::internal(text),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let text = error.to_string();
        match error {
            BodyError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, text),
            BodyError::TooSlow { .. } => Self::new(StatusCode::REQUEST_TIMEOUT, text),
            BodyError::Broken(_) => Self::invalid(text),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        match error {
            UploadError::NotFound(_) => Self::not_found(text),
            UploadError::Name(_)
            | UploadError::Component(_)
            | UploadError::Link(_)
            | UploadError::Files(_) => Self::invalid(text),
            UploadError::HasWorkers { .. } | UploadError::HasCallers { .. } => {
                Self::new(StatusCode::CONFLICT, text)
            }
            UploadError::NameTaken { id, .. } => {
                Self::with_body(StatusCode::CONFLICT, ErrorBody::template_exists(id, text))
            }
            UploadError::Limit(_) => Self::new(StatusCode::FORBIDDEN, text),
            UploadError::Identity(error) => error.into(),
            UploadError::Executor(error) => error.into(),
            UploadError::Store(error) => error.into(),
            UploadError::Panicked(_) => Self::internal(text),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Corrupt { .. } = error {
            tracing::error!(error = %with_causes(&error), "stored data is damaged");
            return Self::internal(error.for_callers());
        }
        tracing::error!(error = %with_causes(&error), "the store failed");
        let text = format!(
            "the server cannot use its data now: {}. Nothing that was acknowledged is lost; try again later",
            error.for_callers()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(1)
    }
}

impl From<ExecutorError> for ApiError {
    fn from(error: ExecutorError) -> Self {
        let text = error.to_string();
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        match error {
            ExecutorError::WorkerNotFound { worker } => Self::with_golem_error(
                StatusCode::NOT_FOUND,
                text,
                GolemError::WorkerNotFound { instance_id: (&worker).into() },
            ),
            ExecutorError::WorkerExists { worker } => Self::with_golem_error(
                StatusCode::CONFLICT,
                text,
                GolemError::WorkerAlreadyExists { instance_id: (&worker).into() },
            ),
            ExecutorError::KeyReused { .. }
            | ExecutorError::NotStopped { .. }
            | ExecutorError::EventLoopRuns { .. }
            | ExecutorError::NoUpdatePending { .. }
            | ExecutorError::InvocationCancelled { .. }
            | ExecutorError::InvocationBegun { .. } => Self::new(StatusCode::CONFLICT, text),
            ExecutorError::InvocationNotFound { .. }
            | ExecutorError::NotAdmitted(AdmissionError::NoTemplate(_)) => Self::not_found(text),
            ExecutorError::NotAdmitted(AdmissionError::Limit(_)) => Self::new(StatusCode::FORBIDDEN, text),
            ExecutorError::QueueFull { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(1),
            ExecutorError::PreviousInvocationFailed => {
                Self::with_golem_error(failed, text, GolemError::PreviousInvocationFailed {})
            }
            ExecutorError::PreviousInvocationExited => {
                Self::with_golem_error(failed, text, GolemError::PreviousInvocationExited {})
            }
            ExecutorError::Interrupted { recover_immediately } => {
                Self::with_golem_error(failed, text, GolemError::Interrupted { recover_immediately })
            }
            ExecutorError::InvocationFailed { .. } => {
                let details = text.strip_prefix("Runtime error: ").unwrap_or(&text).to_owned();
                Self::with_golem_error(failed, text, GolemError::RuntimeError { details })
            }
            ExecutorError::PromiseNotFound { promise } => Self::with_golem_error(
                StatusCode::NOT_FOUND,
                text,
                GolemError::PromiseNotFound { promise_id: (&promise).into() },
            ),
            ExecutorError::PromiseTooLarge { .. } | ExecutorError::UpdateToSame { .. } => Self::invalid(text),
            ExecutorError::Template { template, version, fault: ComponentFault::NoVersion } => {
                version_not_found(template, version)
            }
            ExecutorError::Template { template, version, fault } => {
                let component_id = VersionedTemplateId { raw_template_id: template, version };
                let error = match fault {
                    ComponentFault::NoVersion => GolemError::TemplateDownloadFailed {
                        component_id,
                        reason: ComponentFault::NoVersion.to_string(),
                    },
                    ComponentFault::Unreadable(reason) => {
                        GolemError::TemplateDownloadFailed { component_id, reason }
                    }
                    ComponentFault::Invalid(reason) => {
                        GolemError::TemplateParseFailed { component_id, reason }
                    }
                };
                Self::with_golem_error(failed, text, error)
            }
            ExecutorError::Component { .. } | ExecutorError::Damaged { .. } => {
                let details = text.clone();
                Self::with_golem_error(failed, text, GolemError::Unknown { details })
            }
            ExecutorError::Unavailable { .. } | ExecutorError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(1)
            }
        }
    }
}

/// 404: the template does not have this version.
pub(super) fn version_not_found(id: TemplateId, version: u32) -> ApiError {
    ApiError::not_found(format!("Template not found: {id} has no version {version}"))
}

/// 404: there is no endpoint at this path.
pub(super) async fn unknown_path(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::not_found(format!("there is nothing at {method} {path}; docs/rest.md lists the endpoints"))
}

/// 405: the path has endpoints, but none with this method.
pub(super) async fn wrong_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    let text = format!("{path} does not answer {method}; the header Allow lists the methods that it does");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text)
}
