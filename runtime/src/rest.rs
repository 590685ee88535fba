//! The REST endpoints: those of 2023, ours, and health.
//!
//! A handler extracts, authorizes, calls one service and converts the result. If `golem-api` has JSON types for a
//! file here, they are in a file of the same name. `error` has the status and body of errors, `extract` the extractors
//! of handlers.
//!
//! Architecture invariant: handlers use the store and the workers only through the services.

mod account;
mod admin;
mod connect;
mod endpoints;
mod error;
mod extract;
mod function;
mod grant;
mod health;
mod incoming;
mod key;
mod limits;
mod login;
mod openapi;
mod oplog;
mod permits;
mod project;
mod stream;
mod template;
mod token;
mod update;
mod worker;
mod workers;

pub use endpoints::{ENDPOINTS, Endpoint, RequiredAccess};
pub use key::{InvocationKeys, KeyError};
pub use openapi::document as openapi_document;

use crate::catalog::{Template, Templates, WorkerQuotas};
use crate::config::HttpSettings;
use crate::entropy::Entropy;
use crate::executor::Executor;
use crate::http::BodyLimits;
use crate::identity::{
    AccountAction, AccountScope, Action, Directory, Principal, RequestRates, Scope, SystemAction, SystemScope,
};
use crate::login::Login;
use crate::metrics::Metrics;
use crate::storage::ports::Store;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, delete, get, post, put};
use error::{ApiError, authorization_error};
use golem_host::ports::Clock;
use golem_model::{AccountId, Project, ProjectId, TemplateId};
use permits::AccountPermits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The services that handlers call.
pub struct Services {
    /// Authenticates and authorizes callers.
    pub directory: Directory,
    /// Compares the usage of accounts with their plan.
    pub quotas: Arc<WorkerQuotas>,
    /// Logs people in through GitHub.
    pub login: Login,
    /// Limits the requests of each account.
    pub rates: RequestRates,
    /// Templates.
    pub templates: Arc<Templates>,
    /// Runs the workers.
    pub executor: Executor,
    /// Issues and checks invocation keys.
    pub keys: InvocationKeys,
    /// Only for its number of syncs.
    pub store: Arc<dyn Store>,
    /// Wall time and elapsed time.
    pub clock: Arc<dyn Clock>,
    /// Random names for invocations without a key.
    pub entropy: Arc<dyn Entropy>,
    /// The server's counters.
    pub metrics: Arc<Metrics>,
    /// Limits of requests.
    pub limits: RequestLimits,
    /// Cancelled when the server begins to drain.
    pub stopping: CancellationToken,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Reads of oplogs that an account makes at the same time; more wait for their turn. A read looks through the whole log
/// in the worst case, and decodes rows of many megabytes.
const OPLOG_READS_PER_ACCOUNT: usize = 2;

/// Limits of requests.
#[derive(Debug)]
pub struct RequestLimits {
    body: BodyLimits,
    upload: BodyLimits,
    uploads: Semaphore,
    oplog_reads: AccountPermits,
    await_max: Duration,
    /// Linear memory of one worker, as `/v1/resource-limits` shows it.
    memory_bytes_max: u64,
}

impl RequestLimits {
    /// The limits from the settings.
    pub fn new(settings: &HttpSettings, memory_bytes_max: u64) -> Self {
        let time_max = Duration::from_millis(settings.body_ms_max);
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            body: BodyLimits { bytes_max: size(settings.body_bytes_max), time_max },
            upload: BodyLimits { bytes_max: size(settings.upload_bytes_max), time_max },
            uploads: Semaphore::new(size(settings.uploads_max).min(Semaphore::MAX_PERMITS)),
            oplog_reads: AccountPermits::new(OPLOG_READS_PER_ACCOUNT),
            await_max: Duration::from_millis(settings.await_ms_max),
            memory_bytes_max,
        }
    }
}

impl Services {
    /// Authorizes `principal` to do `action` with a template. If the caller may not know of the template, the error
    /// says that it does not exist.
    fn authorize_template(
        &self,
        principal: Principal,
        action: Action,
        id: TemplateId,
    ) -> Result<(Arc<Template>, Scope), ApiError> {
        let missing = || ApiError::not_found(format!("Template not found: {id}"));
        let template = self.templates.get(id).ok_or_else(missing)?;
        let project = self.directory.project(template.project).ok_or_else(missing)?;
        let scope = self.directory.authorize(principal, action, &project);
        Ok((template, scope.map_err(|error| authorization_error(error, missing))?))
    }

    /// Authorizes `principal` to do `action` in a project. If the caller may not know of the project, the error says
    /// that it does not exist.
    fn authorize_project(
        &self,
        principal: Principal,
        action: Action,
        id: ProjectId,
    ) -> Result<(Arc<Project>, Scope), ApiError> {
        let missing = || ApiError::not_found(format!("Project not found: {id}"));
        let project = self.directory.project(id).ok_or_else(missing)?;
        let scope = self.directory.authorize(principal, action, &project);
        Ok((project, scope.map_err(|error| authorization_error(error, missing))?))
    }

    /// Authorizes `principal` to do `operation` on an account. If the caller may not know of the account, the error says that
    /// it does not exist.
    fn authorize_account(
        &self,
        principal: Principal,
        operation: AccountAction,
        id: AccountId,
    ) -> Result<AccountScope, ApiError> {
        let missing = || ApiError::not_found(format!("Account not found: {id}"));
        self.directory
            .authorize_account(principal, operation, id)
            .map_err(|error| authorization_error(error, missing))
    }

    /// Authorizes `principal` to do `operation` on the server.
    fn authorize_system(
        &self,
        principal: Principal,
        operation: SystemAction,
    ) -> Result<SystemScope, ApiError> {
        let missing = || ApiError::not_found("there is nothing here");
        self.directory
            .authorize_system(principal, operation)
            .map_err(|error| authorization_error(error, missing))
    }
}

/// All routes.
pub fn router(services: Arc<Services>) -> Router {
    let worker = "/v1/templates/{template_id}/workers/{worker_name}";
    let of_worker = |last: &str| format!("{worker}/{last}");
    Router::new()
        .route("/v1/templates", get(template::list).post(template::create))
        .route("/v1/templates/{template_id}", get(template::versions).delete(template::delete))
        .route("/v1/templates/{template_id}/upload", put(template::update))
        .route("/v1/templates/{template_id}/download", get(template::download))
        .route("/v1/templates/{template_id}/latest", get(template::latest))
        .route("/v1/templates/workers/{worker_id}", get(worker::view_version))
        .route("/v1/templates/{template_id}/workers", get(workers::list).post(worker::create))
        .route(worker, get(worker::view).delete(worker::delete))
        .route(&of_worker("key"), post(worker::key))
        .route(&of_worker("invoke-and-await"), post(worker::invoke_and_await))
        .route(&of_worker("invoke"), post(worker::invoke))
        .route(&of_worker("complete"), post(worker::complete))
        // The 2023 documentation of promises shows this path without its version.
        .route("/templates/{template_id}/workers/{worker_name}/complete", post(worker::complete))
        .route(&of_worker("interrupt"), post(worker::interrupt))
        .route(&of_worker("resume"), post(worker::resume))
        .route(&of_worker("oplog"), get(oplog::read))
        .route(&of_worker("oplog/{index}"), get(oplog::read_entry))
        .route(&of_worker("queue"), get(oplog::queue))
        .route(&of_worker("update"), get(update::view).post(update::request).delete(update::withdraw))
        .route(&of_worker("invocations/{key}"), delete(oplog::cancel))
        .route(&of_worker("recover"), post(worker::recover))
        .route(&of_worker("connect"), get(connect::connect))
        .route(&of_worker("http"), any(incoming::handle))
        .route(&of_worker("http/"), any(incoming::handle))
        .route(&of_worker("http/{*path}"), any(incoming::handle))
        .route("/v1/login/token", get(token::current))
        .merge(identity_routes())
        .route("/healthcheck", get(health::healthcheck))
        .route("/v1/version", get(health::version))
        .route("/version", get(health::version))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::wrong_method)
        // `extract` reads bodies, with its own limits.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(services.clone(), count_response))
        .with_state(services)
}

/// Routes of accounts, projects, grants, tokens and limits.
fn identity_routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/v1/oauth2", post(login::login_with_access_token))
        .route("/login/oauth2/device/start", post(login::device_start))
        .route("/login/oauth2/device/complete", post(login::device_complete))
        // The 2023 documentation shows these paths.
        .route("/oauth2/device/start", post(login::device_start))
        .route("/oauth2/device/complete", post(login::device_complete))
        .route("/v1/accounts", post(account::create))
        .route("/v1/accounts/{account_id}", get(account::view).put(account::update).delete(account::delete))
        .route("/v1/accounts/{account_id}/plan", get(account::plan))
        .route("/v1/accounts/{account_id}/grants", get(account::roles))
        .route(
            "/v1/accounts/{account_id}/grants/{role}",
            get(account::role).put(account::role_add).delete(account::role_remove),
        )
        .route("/v1/accounts/{account_id}/tokens", get(token::list).post(token::create))
        .route("/v1/accounts/{account_id}/tokens/{token_id}", get(token::view).delete(token::delete))
        .route("/v1/projects", get(project::list).post(project::create))
        .route("/v1/projects/default", get(project::default))
        .route("/v1/projects/{project_id}", get(project::view).delete(project::delete))
        .route("/v1/projects/{project_id}/actions", get(project::actions))
        .route("/v2/projects/{project_id}/actions", get(project::actions))
        .route("/v1/projects/{project_id}/grants", get(grant::list).post(grant::create))
        .route(
            "/v1/projects/{project_id}/grants/{grant_id}",
            // The published client deletes with POST.
            get(grant::view).delete(grant::delete).post(grant::delete),
        )
        .route("/v1/project-policies", post(grant::policy_create))
        .route("/v1/project-policies/{project_policy_id}", get(grant::policy_view))
        .route("/v1/resource-limits", get(limits::view).post(limits::report))
        .route("/admin/accounts", get(admin::accounts))
        .route("/admin/accounts/count", get(admin::account_count))
        .route("/v1/whitelist", get(admin::whitelist).post(admin::whitelist_add))
        .route("/v1/whitelist/remove", post(admin::whitelist_remove))
        .route("/v1/whitelist/count", get(admin::whitelist_count))
        .route("/v1/whitelist/enabled", get(admin::whitelist_enabled).put(admin::whitelist_enable))
        .route("/v1/{account_id}/golem-cli", get(health::cli_download))
}

/// Middleware that counts responses by status class.
async fn count_response(State(services): State<Arc<Services>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    services.metrics.count_response(response.status());
    response
}
