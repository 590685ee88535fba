//! Workers: create, invoke, view, interrupt, resume, delete.

use super::Services;
use super::error::ApiError;
use super::extract::{
    Caller, IdPath, JsonBody, QueryParams, TextPath, WorkerPath, parse_id, parse_worker_name,
};
use super::function::{PreparedCall, output_json, prepare_call};
use super::key::{InvocationKeys, KeyError};
use crate::catalog::{Template, Version};
use crate::executor::{ExecutorError, KeyState, WorkerSpec, WorkerView};
use crate::identity::{Action, Scope};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use golem_api::worker as api;
use golem_model::value::json::{BytesFormat, ResultJson};
use golem_model::{
    Convention, FailureOptions, IdempotencyKey, Invocation, OplogIndex, ProjectAction, PromiseId, TemplateId,
    WorkerId,
};
use http::{HeaderMap, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Header: milliseconds to wait for a result, if less than the server's limit.
const AWAIT_MS: &str = "golem-await-ms";
/// Header: `base64` requests `list<u8>` results as `{"base64": "…"}`.
const BYTES: &str = "golem-bytes";

/// `GET /v1/templates/workers/{templateId.workerName}`.
pub(super) async fn view_version(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    TextPath(text): TextPath,
) -> Result<Json<api::VersionedWorkerId>, ApiError> {
    let (template, name) = text.split_once(['.', ':']).ok_or_else(|| {
        ApiError::invalid(format!(
            "Invalid worker id {:?}: it must be templateId.workerName",
            text.chars().take(200).collect::<String>()
        ))
    })?;
    let worker = WorkerId::new(parse_id("template", template)?, parse_worker_name(name)?);
    services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let view = services.executor.view(&worker).await?;
    Ok(Json(versioned_id(&worker, view.template_version)))
}

/// `POST /v1/templates/{template_id}/workers`.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(template): IdPath<TemplateId>,
    JsonBody(request): JsonBody<api::WorkerCreationRequest>,
) -> Result<Json<api::VersionedWorkerId>, ApiError> {
    let (template, scope) = services.authorize_template(principal, Action::CreateWorker, template)?;
    let worker = WorkerId::new(template.id, parse_worker_name(&request.name)?);
    check_environment(&request.args, &request.env)?;
    let api::WorkerCreationRequest { name: _, args, env, retry_policy, on_failure } = request;
    let spec = worker_spec(&worker, &scope, template.latest());
    let options = FailureOptions { retry_policy, on_failure }.or(spec.options);
    let version = spec.template_version;
    let spec = WorkerSpec { args, env, options, ..spec };
    services.executor.create(spec).await?;
    Ok(Json(versioned_id(&worker, version)))
}

/// Refuses arguments and variables that no program could receive: C programs end a text at NUL and a variable's name at
/// `=`.
fn check_environment(args: &[String], env: &[(String, String)]) -> Result<(), ApiError> {
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(ApiError::invalid("Invalid args: an argument holds a NUL character"));
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(ApiError::invalid(format!(
                "Invalid env: {name:?} is not a valid name of a variable; it must not be empty or contain `=` or NUL"
            )));
        }
        if value.contains('\0') {
            return Err(ApiError::invalid(format!("Invalid env: the value of {name} holds a NUL character")));
        }
    }
    Ok(())
}

/// `GET …/workers/{worker_name}`.
pub(super) async fn view(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<api::WorkerMetadata>, ApiError> {
    services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let view = services.executor.view(&worker).await?;
    Ok(Json(metadata(view)))
}

/// A worker in the JSON of 2023.
pub(super) fn metadata(view: WorkerView) -> api::WorkerMetadata {
    api::WorkerMetadata {
        worker_id: (&view.id).into(),
        account_id: view.account,
        args: view.args,
        env: view.env.into_iter().collect(),
        status: view.status,
        template_version: view.template_version,
        retry_count: view.retry_count,
        created_at: None,
    }
}

/// `DELETE …/workers/{worker_name}`.
pub(super) async fn delete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<(), ApiError> {
    services.authorize_template(principal, Action::DeleteWorker, worker.template)?;
    Ok(services.executor.delete(&worker).await?)
}

/// `POST …/key`: issues an invocation key. Writes nothing; the worker need not exist.
pub(super) async fn key(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<api::InvocationKey>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    let key = services.keys.issue(&worker, services.clock.now());
    Ok(Json(api::InvocationKey(key.to_string())))
}

/// `POST …/invoke-and-await`.
pub(super) async fn invoke_and_await(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(params): QueryParams<api::InvokeQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::InvokeParameters>,
) -> Result<Response, ApiError> {
    let started = services.clock.elapsed();
    await_max(&services, &headers)?;
    let bytes = bytes_as(&headers)?;
    let request = InvokeRequest { services: &services, principal, worker: &worker, headers: &headers };
    let (invocation, prepared) = request.prepare_invocation(params, &body.params).await?;
    let result = await_invocation(&services, &worker, &headers, started, invocation).await?;
    let body = if prepared.convention.is_program() {
        format!("{{\"result\":{}}}", output_json(result.as_ref())).into_bytes()
    } else {
        let mut body = Vec::with_capacity(128);
        let result = ResultJson::new(&prepared.function, result.as_ref(), bytes);
        serde_json::to_writer(&mut body, &api::InvokeResult { result })
            .map_err(|error| ApiError::internal(format!("the result cannot be written as JSON: {error}")))?;
        body
    };
    services.metrics.invocation_waits.observe(services.clock.elapsed().saturating_sub(started));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Invokes, and waits for the result within the limits of the caller and the server.
pub(super) async fn await_invocation(
    services: &Services,
    worker: &WorkerId,
    headers: &HeaderMap,
    started: Duration,
    invocation: Invocation,
) -> Result<Option<golem_model::Value>, ApiError> {
    let await_max = await_max(services, headers)?;
    // The executor continues the invocation when no caller waits for it: after the time limit, and after the caller has
    // disconnected, which drops this handler.
    tokio::select! {
        biased;
        result = services.executor.invoke(worker, invocation) => Ok(result?),
        () = services.clock.sleep_until(started + await_max) => {
            services.metrics.invocation_wait_timeouts.fetch_add(1, Ordering::Relaxed);
            Err(ApiError::timeout())
        }
    }
}

/// `POST …/invoke`: returns when the invocation is durable.
pub(super) async fn invoke(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(params): QueryParams<api::InvokeQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::InvokeParameters>,
) -> Result<(), ApiError> {
    let request = InvokeRequest { services: &services, principal, worker: &worker, headers: &headers };
    let (invocation, _) = request.prepare_invocation(params, &body.params).await?;
    Ok(services.executor.enqueue(&worker, invocation).await?)
}

/// A request to invoke a function of a worker.
pub(super) struct InvokeRequest<'a> {
    pub(super) services: &'a Services,
    pub(super) principal: crate::identity::Principal,
    pub(super) worker: &'a WorkerId,
    pub(super) headers: &'a HeaderMap,
}

impl InvokeRequest<'_> {
    /// Checks the whole request and creates the worker if necessary. An invalid request does not create the worker.
    async fn prepare_invocation(
        &self,
        params: api::InvokeQuery,
        json: &serde_json::Value,
    ) -> Result<(Invocation, PreparedCall), ApiError> {
        let (template, scope) =
            self.services.authorize_template(self.principal, Action::UpdateWorker, self.worker.template)?;
        let convention = Convention::from(params.calling_convention.unwrap_or_default());
        let key = self.idempotency_key(params.invocation_key.as_deref()).await?;
        if convention == Convention::StdioEventLoop && key.is_anonymous() {
            return Err(ApiError::invalid(
                "the calling convention stdio-event-loop needs an invocation key: ask for one with POST …/key and send \
                 it as `invocation-key`, or send a key of your own in the header Idempotency-Key",
            ));
        }
        let mut prepared = self.prepare_params(&template, &scope, &params.function, convention, json).await?;
        let params = std::mem::take(&mut prepared.params);
        Ok((Invocation { key, function: prepared.name.clone(), params, convention }, prepared))
    }

    /// Converts the parameters with the types of the worker's version. Creates the worker if it does not exist and the
    /// caller may create it. Most workers run the newest version, so its types are tried first.
    async fn prepare_params(
        &self,
        template: &Template,
        scope: &Scope,
        function: &str,
        convention: Convention,
        json: &serde_json::Value,
    ) -> Result<PreparedCall, ApiError> {
        let executor = &self.services.executor;
        let latest = template.latest();
        let prepared = prepare_call(latest, function, convention, json);
        // A caller that may not create workers can only invoke existing ones.
        let runs = if prepared.is_ok() && scope.allowed_actions().contains(ProjectAction::CreateWorker) {
            executor.ensure(worker_spec(self.worker, scope, latest)).await?
        } else {
            // An invalid request must not create a worker.
            match executor.version_for_invocation(self.worker).await {
                Ok(version) => version,
                Err(ExecutorError::WorkerNotFound { .. }) if prepared.is_err() => latest.row.version,
                Err(error) => return Err(error.into()),
            }
        };
        let prepared = if runs == latest.row.version {
            prepared
        } else {
            let version = template.version(runs).ok_or_else(|| {
                ApiError::internal(format!(
                    "the worker runs version {runs}, which its template does not have"
                ))
            })?;
            prepare_call(version, function, convention, json)
        };
        if prepared.is_err() {
            // The refusal rests on the version that the worker runs, so the row with it must be durable.
            match executor.view(self.worker).await {
                Ok(_) | Err(ExecutorError::WorkerNotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        prepared
    }

    /// The invocation's key: one that this server issued, one that the client chose, or an anonymous one.
    pub(super) async fn idempotency_key(&self, issued: Option<&str>) -> Result<IdempotencyKey, ApiError> {
        let own = match self.headers.get(api::IDEMPOTENCY_KEY_HEADER) {
            None => None,
            Some(value) => {
                let text = value.to_str().unwrap_or("\u{7f}");
                Some(IdempotencyKey::new(text).map_err(|error| ApiError::invalid(error.to_string()))?)
            }
        };
        match (issued, own) {
            (None, Some(own)) => Ok(own),
            (None, None) => {
                let mut unique = [0; 16];
                self.services.entropy.fill(&mut unique);
                Ok(IdempotencyKey::anonymous(u128::from_ne_bytes(unique)))
            }
            (Some(issued), own) => {
                if own.is_some_and(|own| own.as_str() != issued) {
                    return Err(ApiError::invalid(
                        "the query names the invocation by `invocation-key` and the header Idempotency-Key names it \
                         differently; send one of them",
                    ));
                }
                self.issued_key(issued).await
            }
        }
    }

    async fn issued_key(&self, issued: &str) -> Result<IdempotencyKey, ApiError> {
        match self.services.keys.check(self.worker, issued, self.services.clock.now()) {
            Ok(key) => Ok(key),
            Err(error @ KeyError::Unknown { .. }) => Err(ApiError::invalid(error.to_string())),
            // An expired key cannot start an invocation, but the result of its invocation can still be requested.
            Err(error @ KeyError::Expired { .. }) => {
                let key = issued.parse().map(InvocationKeys::canonical_key);
                let key = key.map_err(|_| ApiError::invalid(error.to_string()))?;
                match self.services.executor.key_state(self.worker, &key).await {
                    Ok(KeyState::Pending | KeyState::Done) => Ok(key),
                    Ok(KeyState::Unknown) | Err(ExecutorError::WorkerNotFound { .. }) => {
                        Err(ApiError::invalid(error.to_string()))
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// A worker of this template version, with the version's failure policy.
pub(super) fn worker_spec(worker: &WorkerId, scope: &Scope, version: &Version) -> WorkerSpec {
    WorkerSpec {
        id: worker.clone(),
        project: scope.project(),
        account: scope.owner(),
        template_version: version.row.version,
        args: Vec::new(),
        env: Vec::new(),
        options: version.row.failure_options,
    }
}

fn await_max(services: &Services, headers: &HeaderMap) -> Result<Duration, ApiError> {
    let limit = services.limits.await_max;
    let Some(value) = headers.get(AWAIT_MS) else { return Ok(limit) };
    let requested_ms = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let requested_ms = requested_ms
        .ok_or_else(|| ApiError::invalid("the header Golem-Await-Ms must be a number of milliseconds"))?;
    Ok(Duration::from_millis(requested_ms).min(limit))
}

fn bytes_as(headers: &HeaderMap) -> Result<BytesFormat, ApiError> {
    match headers.get(BYTES).map(http::HeaderValue::as_bytes) {
        None | Some(b"array") => Ok(BytesFormat::Array),
        Some(b"base64") => Ok(BytesFormat::Base64),
        Some(_) => Err(ApiError::invalid("the header Golem-Bytes must be array or base64")),
    }
}

/// `POST …/complete`: returns whether this call completed the promise.
pub(super) async fn complete(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    JsonBody(body): JsonBody<api::CompleteParameters>,
) -> Result<Json<bool>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    let promise = PromiseId { worker, index: OplogIndex(body.oplog_idx) };
    Ok(Json(services.executor.complete_promise(&promise, body.data).await?))
}

/// `POST …/interrupt`.
pub(super) async fn interrupt(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(params): QueryParams<api::InterruptQuery>,
) -> Result<(), ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    Ok(services.executor.interrupt(&worker, params.recover_immediately).await?)
}

/// `POST …/resume`.
pub(super) async fn resume(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<serde_json::Value>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    services.executor.resume(&worker).await?;
    Ok(Json(serde_json::json!({})))
}

/// `POST …/recover`.
pub(super) async fn recover(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
) -> Result<Json<serde_json::Value>, ApiError> {
    services.authorize_template(principal, Action::UpdateWorker, worker.template)?;
    services.executor.recover_worker(&worker).await?;
    Ok(Json(serde_json::json!({})))
}

fn versioned_id(worker: &WorkerId, version: u32) -> api::VersionedWorkerId {
    api::VersionedWorkerId { worker_id: worker.into(), template_version_used: version }
}
