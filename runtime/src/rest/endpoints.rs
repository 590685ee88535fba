//! Every endpoint: its purpose, and what the caller must be allowed to do.
//!
//! Invariant: [`ENDPOINTS`] lists exactly the routes of the router, except those below `…/http`, which belong to
//! workers. The suite `policy` checks that, and calls every endpoint as every kind of caller.

use crate::identity::{AccountAction, Action, Operation, SystemAction};

/// An endpoint of the REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The method, in upper case.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What the caller must be allowed to do.
    pub access: RequiredAccess,
    /// The endpoint's purpose, in one line.
    pub about: &'static str,
}

/// What a request must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredAccess {
    /// No token.
    Public,
    /// A valid token of any account.
    AnyToken,
    /// A valid token of an account that may do this.
    Operation(Operation),
}

const fn public(method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, access: RequiredAccess::Public, about }
}

const fn token(method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, access: RequiredAccess::AnyToken, about }
}

const fn project(action: Action, method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, access: RequiredAccess::Operation(Operation::Project(action)), about }
}

const fn account(
    operation: AccountAction,
    method: &'static str,
    path: &'static str,
    about: &'static str,
) -> Endpoint {
    Endpoint { method, path, access: RequiredAccess::Operation(Operation::Account(operation)), about }
}

const fn system(
    operation: SystemAction,
    method: &'static str,
    path: &'static str,
    about: &'static str,
) -> Endpoint {
    Endpoint { method, path, access: RequiredAccess::Operation(Operation::System(operation)), about }
}

const TEMPLATES: &str = "/v1/templates";
const TEMPLATE: &str = "/v1/templates/{template_id}";
const WORKERS: &str = "/v1/templates/{template_id}/workers";
const WORKER: &str = "/v1/templates/{template_id}/workers/{worker_name}";
const ACCOUNT: &str = "/v1/accounts/{account_id}";
const ROLE: &str = "/v1/accounts/{account_id}/grants/{role}";
const TOKENS: &str = "/v1/accounts/{account_id}/tokens";
const TOKEN: &str = "/v1/accounts/{account_id}/tokens/{token_id}";
const PROJECT: &str = "/v1/projects/{project_id}";
const GRANTS: &str = "/v1/projects/{project_id}/grants";
const GRANT: &str = "/v1/projects/{project_id}/grants/{grant_id}";

/// All endpoints.
pub const ENDPOINTS: &[Endpoint] = &[
    project(Action::ViewTemplate, "GET", TEMPLATES, "Lists the templates of a project, each in all versions"),
    project(Action::CreateTemplate, "POST", TEMPLATES, "Uploads a component as a new template"),
    project(Action::ViewTemplate, "GET", TEMPLATE, "Shows all versions of a template"),
    project(Action::DeleteTemplate, "DELETE", TEMPLATE, "Deletes a template that has no workers"),
    project(
        Action::UpdateTemplate,
        "PUT",
        "/v1/templates/{template_id}/upload",
        "Uploads a component as a template's next version",
    ),
    project(
        Action::ViewTemplate,
        "GET",
        "/v1/templates/{template_id}/download",
        "Returns the bytes of a version",
    ),
    project(
        Action::ViewTemplate,
        "GET",
        "/v1/templates/{template_id}/latest",
        "Returns the number of the latest version",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/workers/{worker_id}",
        "Finds a worker by its template id and name in one text",
    ),
    project(Action::ViewWorker, "GET", WORKERS, "Lists a template's workers, a page at a time"),
    project(Action::CreateWorker, "POST", WORKERS, "Creates a worker"),
    project(Action::ViewWorker, "GET", WORKER, "Shows a worker's status"),
    project(Action::DeleteWorker, "DELETE", WORKER, "Deletes a worker in any status"),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/key",
        "Issues an invocation key",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/invoke-and-await",
        "Calls a function and waits for its result",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/invoke",
        "Calls a function without waiting",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/complete",
        "Completes a promise",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/templates/{template_id}/workers/{worker_name}/complete",
        "Completes a promise, at the path of the 2023 documentation",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/interrupt",
        "Interrupts a worker, or simulates a crash",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/resume",
        "Resumes an interrupted worker",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/connect",
        "Streams a worker's output over a WebSocket",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/recover",
        "Reverts a failed invocation and makes the worker usable again",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/oplog",
        "Shows a worker's oplog, a page at a time",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/oplog/{index}",
        "Shows one entry of a worker's oplog with all its values",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/queue",
        "Shows the running and the queued invocations",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/update",
        "Shows a worker's version and the result of its last update",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/update",
        "Updates a worker to another version of its template",
    ),
    project(
        Action::UpdateWorker,
        "DELETE",
        "/v1/templates/{template_id}/workers/{worker_name}/update",
        "Withdraws the pending update of a worker",
    ),
    project(
        Action::UpdateWorker,
        "DELETE",
        "/v1/templates/{template_id}/workers/{worker_name}/invocations/{key}",
        "Cancels an invocation that has not started",
    ),
    public("POST", "/v1/oauth2", "Exchanges an access token of GitHub for a token"),
    public(
        "POST",
        "/login/oauth2/device/start",
        "Starts a device login: returns a page and the code to enter there",
    ),
    public("POST", "/login/oauth2/device/complete", "Waits for the confirmation and returns a token"),
    public("POST", "/oauth2/device/start", "Starts a device login, at the path of the 2023 documentation"),
    public(
        "POST",
        "/oauth2/device/complete",
        "Completes a device login, at the path of the 2023 documentation",
    ),
    token("GET", "/v1/login/token", "Shows the token that the request carries"),
    system(SystemAction::CreateAccount, "POST", "/v1/accounts", "Creates an account"),
    account(AccountAction::View, "GET", ACCOUNT, "Shows an account"),
    account(AccountAction::Update, "PUT", ACCOUNT, "Changes an account's name and e-mail address"),
    account(AccountAction::Delete, "DELETE", ACCOUNT, "Deletes an account whose projects have no templates"),
    account(
        AccountAction::View,
        "GET",
        "/v1/accounts/{account_id}/plan",
        "Shows what an account's plan allows",
    ),
    account(AccountAction::View, "GET", "/v1/accounts/{account_id}/grants", "Lists an account's roles"),
    account(AccountAction::View, "GET", ROLE, "Shows whether an account has a role"),
    account(AccountAction::ChangeRoles, "PUT", ROLE, "Adds a role to an account"),
    account(AccountAction::ChangeRoles, "DELETE", ROLE, "Removes a role from an account"),
    account(AccountAction::ViewTokens, "GET", TOKENS, "Lists an account's tokens, without secrets"),
    account(AccountAction::CreateToken, "POST", TOKENS, "Creates a token and shows its secret once"),
    account(AccountAction::ViewTokens, "GET", TOKEN, "Shows a token, without its secret"),
    account(AccountAction::DeleteToken, "DELETE", TOKEN, "Revokes a token"),
    token("GET", "/v1/projects", "Lists the caller's projects and those shared with it"),
    token("POST", "/v1/projects", "Creates a project"),
    token("GET", "/v1/projects/default", "Shows the caller's default project"),
    project(Action::ViewProject, "GET", PROJECT, "Shows a project"),
    project(Action::DeleteProject, "DELETE", PROJECT, "Deletes a project that has no templates"),
    project(
        Action::ViewProject,
        "GET",
        "/v1/projects/{project_id}/actions",
        "Lists the caller's actions in a project",
    ),
    project(
        Action::ViewProject,
        "GET",
        "/v2/projects/{project_id}/actions",
        "Lists the caller's actions in a project, at the later path",
    ),
    project(Action::ViewProjectGrants, "GET", GRANTS, "Lists the grants of a project"),
    project(Action::CreateProjectGrants, "POST", GRANTS, "Grants an account actions in a project"),
    project(Action::ViewProjectGrants, "GET", GRANT, "Shows a grant"),
    project(Action::DeleteProjectGrants, "DELETE", GRANT, "Removes a grant"),
    project(
        Action::DeleteProjectGrants,
        "POST",
        GRANT,
        "Removes a grant, with the method that the published client of 2023 sends",
    ),
    token("POST", "/v1/project-policies", "Creates a policy"),
    token(
        "GET",
        "/v1/project-policies/{project_policy_id}",
        "Shows a policy to its creator and to the accounts that its grants concern",
    ),
    account(
        AccountAction::ViewUsage,
        "GET",
        "/v1/resource-limits",
        "Shows the remaining resources of an account",
    ),
    system(SystemAction::ReportUsage, "POST", "/v1/resource-limits", "Adds to the usage of accounts"),
    system(SystemAction::ListAccounts, "GET", "/admin/accounts", "Lists all accounts, oldest first"),
    system(SystemAction::ListAccounts, "GET", "/admin/accounts/count", "Counts all accounts"),
    system(SystemAction::ViewInvited, "GET", "/v1/whitelist", "Lists the addresses on the whitelist"),
    system(SystemAction::ChangeInvited, "POST", "/v1/whitelist", "Adds addresses to the whitelist"),
    system(
        SystemAction::ChangeInvited,
        "POST",
        "/v1/whitelist/remove",
        "Removes addresses from the whitelist",
    ),
    system(SystemAction::ViewInvited, "GET", "/v1/whitelist/count", "Counts the addresses on the whitelist"),
    system(
        SystemAction::ViewInvited,
        "GET",
        "/v1/whitelist/enabled",
        "Shows whether a first login needs an address on the whitelist",
    ),
    system(
        SystemAction::ChangeInvited,
        "PUT",
        "/v1/whitelist/enabled",
        "Sets whether a first login needs an address on the whitelist",
    ),
    public("GET", "/v1/{account_id}/golem-cli", "Explains where the command line is"),
    public("GET", "/healthcheck", "Returns 200 while the server accepts requests"),
    public("GET", "/v1/version", "Shows the server's version"),
    public("GET", "/version", "Shows the server's version"),
    public("GET", "/openapi.json", "Returns this document, as OpenAPI 3.1"),
    public("GET", "/metrics", "Returns counters and gauges in the OpenMetrics text format"),
];
