//! Templates: upload, list, download, delete.

use super::Services;
use super::account::audit;
use super::error::{ApiError, version_not_found};
use super::extract::{Caller, IdPath, QueryParams, parse_json};
use super::stream::json_array;
use crate::catalog::{self, Upload, Version};
use crate::executor::ExecutorError;
use crate::http::read_body;
use crate::identity::{Action, Principal, Scope};
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use golem_api::template::{
    Links, Template, TemplateDownloadQuery, TemplateListQuery, TemplateQuery, TemplateUpdateQuery,
};
use golem_model::{FailureOptions, ProjectId, TemplateId};
use http::{HeaderValue, header};
use std::sync::Arc;

/// `GET /v1/templates`: all versions of a project's templates.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    QueryParams(params): QueryParams<TemplateListQuery>,
) -> Result<Response, ApiError> {
    let scope = project_scope(&services, principal, Action::ViewTemplate, params.project_id)?;
    let templates = services.templates.list(&scope, params.template_name.as_deref());
    Ok(versions_body(templates))
}

/// `GET /v1/templates/{template_id}`: all versions of a template.
pub(super) async fn versions(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<TemplateId>,
) -> Result<Response, ApiError> {
    let (template, _) = services.authorize_template(principal, Action::ViewTemplate, id)?;
    Ok(versions_body(vec![template]))
}

/// All versions of these templates. The metadata of one version has up to six megabytes
/// ([`golem_model::limits::COMPONENT_TYPES_MAX`]), and their number has no limit, so they are made one after another.
fn versions_body(templates: Vec<Arc<catalog::Template>>) -> Response {
    json_array(templates.into_iter().flat_map(|template| {
        let count = template.versions().len();
        (0..count).map(move |number| to_api(&template.versions()[number]))
    }))
}

/// `GET /v1/templates/{template_id}/latest`: the number of the newest version.
pub(super) async fn latest(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<TemplateId>,
) -> Result<Json<u32>, ApiError> {
    let (template, _) = services.authorize_template(principal, Action::ViewTemplate, id)?;
    Ok(Json(template.latest().row.version))
}

/// `GET /v1/templates/{template_id}/download`: the bytes of a version; without a number, of the newest one.
pub(super) async fn download(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<TemplateId>,
    QueryParams(params): QueryParams<TemplateDownloadQuery>,
) -> Result<Response, ApiError> {
    let (template, _) = services.authorize_template(principal, Action::ViewTemplate, id)?;
    let version = match params.version {
        None => template.latest(),
        Some(number) => template.version(number).ok_or_else(|| version_not_found(id, number))?,
    };
    let version_number = version.row.version;
    let downloaded = services.templates.download(version).await;
    let wasm = downloaded.map_err(|fault| ExecutorError::Template {
        template: id,
        version: version_number,
        fault,
    })?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], wasm).into_response())
}

/// `POST /v1/templates`: creates a template from a multipart form.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    request: Request,
) -> Result<Json<Template>, ApiError> {
    let _permit =
        services.limits.uploads.acquire().await.map_err(|closed| ApiError::internal(closed.to_string()))?;
    let form = UploadForm::read(&services, request).await?;
    let query: TemplateQuery = parse_json(&form.query.ok_or_else(|| UploadForm::missing("field0"))?)?;
    let scope = project_scope(&services, principal, Action::CreateTemplate, query.project_id)?;
    let TemplateQuery { component_name, links, retry_policy, on_failure, .. } = query;
    let options = FailureOptions { retry_policy, on_failure };
    let upload = Upload { wasm: form.wasm, files: form.files, links, options };
    let version = services.templates.create(&scope, component_name, upload).await?;
    Ok(Json(to_api(&version)))
}

/// `PUT /v1/templates/{template_id}/upload`: creates a version. The body is the component, or a multipart form that
/// also has files.
pub(super) async fn update(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<TemplateId>,
    QueryParams(query): QueryParams<TemplateUpdateQuery>,
    request: Request,
) -> Result<Json<Template>, ApiError> {
    let links = match &query.links {
        None => Links::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            ApiError::invalid(format!(
                "Invalid query: links must be JSON, {{\"p:n/i\": \"<template id>\"}}: {error}"
            ))
        })?,
    };
    let (_, scope) = services.authorize_template(principal, Action::UpdateTemplate, id)?;
    let _permit =
        services.limits.uploads.acquire().await.map_err(|closed| ApiError::internal(closed.to_string()))?;
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form = content_type.is_some_and(|value| value.starts_with(b"multipart/"));
    let (wasm, files) = if is_form {
        let form = UploadForm::read(&services, request).await?;
        if form.query.is_some() {
            return Err(ApiError::invalid(
                "a new version's form has no query part: its template has a name already, and links, \
                 retry-policy and on-failure are given in the address",
            ));
        }
        (form.wasm, form.files)
    } else {
        (read_body(request.into_body(), services.limits.upload).await?, None)
    };
    let TemplateUpdateQuery { retry_policy, on_failure, .. } = query;
    let options = FailureOptions { retry_policy, on_failure };
    let version = services.templates.update(&scope, id, Upload { wasm, files, links, options }).await?;
    Ok(Json(to_api(&version)))
}

/// `DELETE /v1/templates/{template_id}`: deletes a template and all its versions, if it has no workers.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(id): IdPath<TemplateId>,
) -> Result<(), ApiError> {
    let (_, scope) = services.authorize_template(principal, Action::DeleteTemplate, id)?;
    let (executor, runtime) = (services.executor.clone(), tokio::runtime::Handle::current());
    let workers = move || {
        // The deletion of the last worker must be durable before the template is removed.
        runtime.block_on(executor.durable_worker_count(&[id]))
    };
    services.templates.delete(&scope, id, workers).await?;
    audit(principal.account(), "template deleted", &id);
    Ok(())
}

fn to_api(version: &Version) -> Template {
    Template::from(&version.row)
}

/// Authorizes the caller in the named project, or in its default project.
fn project_scope(
    services: &Services,
    principal: Principal,
    action: Action,
    project: Option<ProjectId>,
) -> Result<Scope, ApiError> {
    let default = || services.directory.default_project(principal.account()).map(|project| project.id);
    let missing = || ApiError::not_found("Project not found: no default project");
    let id = project.or_else(default).ok_or_else(missing)?;
    Ok(services.authorize_project(principal, action, id)?.1)
}

/// The parts of an upload's form.
struct UploadForm {
    /// Only for a new template.
    query: Option<Bytes>,
    wasm: Bytes,
    files: Option<Bytes>,
}

/// Names of the form's part with the query, in the order in which clients began to use them.
const QUERY_PARTS: [&str; 2] = ["field0", "query"];
/// Names of the form's part with the component. The last one is in the sample command of the 2023 documentation.
const WASM_PARTS: [&str; 3] = ["template", "component", "componentName"];
/// Name of the form's part with the archive of files.
const FILES_PART: &str = "files";
const UPLOAD_FORM: &str = "send multipart/form-data with two parts: `field0`, the JSON {\"componentName\": \"…\"}, \
                    and `template`, the WebAssembly component; a third one, `files`, may be a tar archive of files";

impl UploadForm {
    async fn read(services: &Arc<Services>, request: Request) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        // The whole body is read first, so that our limits apply and a malformed form can be told from a broken
        // connection.
        let body = read_body(body, services.limits.upload).await?;
        let request = Request::from_parts(parts, Body::from(body));
        let mut form = Multipart::from_request(request, services)
            .await
            .map_err(|rejection| ApiError::invalid(format!("{}: {UPLOAD_FORM}", rejection.body_text())))?;
        let (mut query, mut wasm, mut files) = (None, None, None);
        let broken = |error: axum::extract::multipart::MultipartError| {
            ApiError::invalid(format!("the multipart form is broken: {}", error.body_text()))
        };
        while let Some(field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(broken)?;
            let slot = if QUERY_PARTS.contains(&name.as_str()) {
                &mut query
            } else if WASM_PARTS.contains(&name.as_str()) {
                &mut wasm
            } else if name == FILES_PART {
                &mut files
            } else {
                return Err(ApiError::invalid(format!(
                    "the multipart form has an unknown part {name:?}; {UPLOAD_FORM}"
                )));
            };
            if slot.replace(bytes).is_some() {
                return Err(ApiError::invalid(format!(
                    "the multipart form has the part {name:?} twice; {UPLOAD_FORM}"
                )));
            }
        }
        Ok(Self { query, wasm: wasm.ok_or_else(|| Self::missing("template"))?, files })
    }

    fn missing(part: &str) -> ApiError {
        ApiError::invalid(format!("the multipart form has no part `{part}`; {UPLOAD_FORM}"))
    }
}
