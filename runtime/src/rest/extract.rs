//! Extractors of handlers. Their errors say which part of the request is invalid.

use super::Services;
use super::error::ApiError;
use crate::http::read_body;
use crate::identity::Principal;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use golem_model::{
    AccountId, GrantId, IdempotencyKey, OplogIndex, PolicyId, ProjectId, Role, TemplateId, TokenId, WorkerId,
    WorkerName,
};
use http::header;
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::sync::Arc;

/// The authenticated caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<Arc<Services>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        let principal = services.directory.authenticate(parts.headers.get(header::AUTHORIZATION))?;
        services.rates.admit(principal, services.clock.elapsed()).map_err(ApiError::too_many_requests)?;
        Ok(Self(principal))
    }
}

/// The only id in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdPath<T>(pub(super) T);

impl<T: FromStr<Err = uuid::Error> + PathId, S: Send + Sync> FromRequestParts<S> for IdPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        let text = params.iter().next().map_or("", |(_, text)| text);
        parse_id(T::WHAT, text).map(Self)
    }
}

/// The two ids in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct TwoIdsPath<A, B>(pub(super) A, pub(super) B);

impl<A, B, S> FromRequestParts<S> for TwoIdsPath<A, B>
where
    A: FromStr<Err = uuid::Error> + PathId,
    B: FromStr<Err = uuid::Error> + PathId,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        let mut texts = params.iter().map(|(_, text)| text);
        let first = parse_id(A::WHAT, texts.next().unwrap_or_default())?;
        Ok(Self(first, parse_id(B::WHAT, texts.next().unwrap_or_default())?))
    }
}

/// An account and a role in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct RolePath(pub(super) AccountId, pub(super) Role);

impl<S: Send + Sync> FromRequestParts<S> for RolePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        let mut texts = params.iter().map(|(_, text)| text);
        let account = parse_id(AccountId::WHAT, texts.next().unwrap_or_default())?;
        let role = texts.next().unwrap_or_default().parse::<Role>();
        Ok(Self(account, role.map_err(|error| ApiError::invalid(format!("Invalid role: {error}")))?))
    }
}

/// An id that can be a path parameter.
pub(super) trait PathId {
    /// The kind of object that the id belongs to.
    const WHAT: &'static str;
}

impl PathId for TemplateId {
    const WHAT: &'static str = "template";
}

impl PathId for ProjectId {
    const WHAT: &'static str = "project";
}

impl PathId for AccountId {
    const WHAT: &'static str = "account";
}

impl PathId for TokenId {
    const WHAT: &'static str = "token";
}

impl PathId for PolicyId {
    const WHAT: &'static str = "project policy";
}

impl PathId for GrantId {
    const WHAT: &'static str = "project grant";
}

/// Template and worker name in the path.
#[derive(Debug, Clone)]
pub(super) struct WorkerPath(pub(super) WorkerId);

impl<S: Send + Sync> FromRequestParts<S> for WorkerPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        let mut texts = params.iter().map(|(_, text)| text);
        let template = parse_id(TemplateId::WHAT, texts.next().unwrap_or_default())?;
        let name = parse_worker_name(texts.next().unwrap_or_default())?;
        Ok(Self(WorkerId::new(template, name)))
    }
}

/// Template, worker name and invocation key in the path.
#[derive(Debug, Clone)]
pub(super) struct KeyPath(pub(super) WorkerId, pub(super) IdempotencyKey);

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let WorkerPath(worker) = WorkerPath::from_request_parts(parts, state).await?;
        let params = path_params(parts, state).await?;
        let text = params.iter().nth(2).map_or("", |(_, text)| text);
        let key = IdempotencyKey::new(text).map_err(|error| ApiError::invalid(error.to_string()))?;
        Ok(Self(worker, key))
    }
}

/// Template, worker name and oplog index in the path.
#[derive(Debug, Clone)]
pub(super) struct EntryPath(pub(super) WorkerId, pub(super) OplogIndex);

impl<S: Send + Sync> FromRequestParts<S> for EntryPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let WorkerPath(worker) = WorkerPath::from_request_parts(parts, state).await?;
        let params = path_params(parts, state).await?;
        let text = params.iter().nth(2).map_or("", |(_, text)| text);
        let index = text.parse().map_err(|_| {
            ApiError::invalid(format!("Invalid oplog index: {text:?} is not a number from 1 on"))
        })?;
        Ok(Self(worker, OplogIndex(index)))
    }
}

/// The only path parameter, as text.
#[derive(Debug, Clone)]
pub(super) struct TextPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for TextPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        Ok(Self(params.iter().next().map_or_else(String::new, |(_, text)| text.to_owned())))
    }
}

async fn path_params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| ApiError::invalid("the path holds escaped bytes that are not UTF-8"))
}

/// Parses an id, which must be a UUID.
pub(super) fn parse_id<T: FromStr<Err = uuid::Error>>(what: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(100).collect();
        ApiError::invalid(format!("Invalid {what} id {shown:?}: it must be a UUID"))
    })
}

/// Parses a worker's name.
pub(super) fn parse_worker_name(text: &str) -> Result<WorkerName, ApiError> {
    WorkerName::new(text).map_err(|error| ApiError::invalid(error.to_string()))
}

/// The query parameters, as a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|rejection| {
            let text = rejection.body_text();
            let what = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            ApiError::invalid(format!("Invalid query: {what}"))
        })
    }
}

/// The body, as JSON. The content type is ignored, because old clients sent several.
#[derive(Debug, Clone)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Services>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, services: &Arc<Services>) -> Result<Self, ApiError> {
        let body = read_body(request.into_body(), services.limits.body).await?;
        parse_json(&body).map(Self)
    }
}

/// Parses JSON. The error says where it is invalid.
pub(super) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "Invalid request body",
            _ if bytes.is_empty() => {
                return ApiError::invalid("Invalid request body: it is empty, JSON was expected");
            }
            _ => "Malformed JSON in the request body",
        };
        ApiError::invalid(format!("{what}: {error}"))
    })
}
