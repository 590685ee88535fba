//! Every endpoint: what it is for, and what a caller must be allowed to do.
//!
//! Invariant: what the router routes is in [`ENDPOINTS`] and the other way round; the suite `policy` holds both to it,
//! and tries every endpoint as everybody.

use crate::identity::{AccountAct, Act, Action, SystemAct};

/// Something that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path, with names in braces.
    pub path: &'static str,
    /// What the caller must be allowed to do.
    pub needs: Needs,
    /// What it is for, in one line.
    pub about: &'static str,
}

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A token of any account.
    Token,
    /// A token of an account that may do this.
    Act(Act),
}

const fn public(method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, needs: Needs::Nothing, about }
}

const fn token(method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, needs: Needs::Token, about }
}

const fn project(action: Action, method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, needs: Needs::Act(Act::Project(action)), about }
}

const fn account(act: AccountAct, method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, needs: Needs::Act(Act::Account(act)), about }
}

const fn system(act: SystemAct, method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, needs: Needs::Act(Act::System(act)), about }
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

/// All of them.
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
        "Gives the bytes of a version",
    ),
    project(
        Action::ViewTemplate,
        "GET",
        "/v1/templates/{template_id}/latest",
        "Tells the number of the latest version",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/workers/{worker_id}",
        "Finds a worker by template and name in one",
    ),
    project(Action::ViewWorker, "GET", WORKERS, "Lists a template's workers, a page at a time"),
    project(Action::CreateWorker, "POST", WORKERS, "Makes a worker"),
    project(Action::ViewWorker, "GET", WORKER, "Shows what a worker is doing"),
    project(Action::DeleteWorker, "DELETE", WORKER, "Deletes a worker whatever it does"),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/key",
        "Makes an invocation key",
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
        "Completes a promise, as the documentation of promises printed it",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/interrupt",
        "Stops a worker, or has it crash and go on",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/resume",
        "Lets a stopped worker go on",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/connect",
        "Streams what a worker prints, over a WebSocket",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/recover",
        "Sets a failed invocation aside and makes the worker usable again",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/oplog",
        "Shows what a worker did, in pages",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/queue",
        "Shows which invocations run and wait",
    ),
    project(
        Action::ViewWorker,
        "GET",
        "/v1/templates/{template_id}/workers/{worker_name}/update",
        "Shows which version a worker runs and what came of its last update",
    ),
    project(
        Action::UpdateWorker,
        "POST",
        "/v1/templates/{template_id}/workers/{worker_name}/update",
        "Moves a worker to another version of its template",
    ),
    project(
        Action::UpdateWorker,
        "DELETE",
        "/v1/templates/{template_id}/workers/{worker_name}/invocations/{key}",
        "Cancels an invocation that has not begun",
    ),
    public("POST", "/v1/oauth2", "Gives a token to who has an access token of GitHub"),
    public("POST", "/login/oauth2/device/start", "Begins a login: tells what to type where"),
    public("POST", "/login/oauth2/device/complete", "Waits for the confirmation and gives a token"),
    public("POST", "/oauth2/device/start", "Begins a login, at the path that the documentation printed"),
    public("POST", "/oauth2/device/complete", "Ends a login, at the path that the documentation printed"),
    token("GET", "/v1/login/token", "Shows the token that the request carries"),
    system(SystemAct::CreateAccount, "POST", "/v1/accounts", "Makes an account"),
    account(AccountAct::View, "GET", ACCOUNT, "Shows an account"),
    account(AccountAct::Update, "PUT", ACCOUNT, "Changes an account's name and e-mail address"),
    account(AccountAct::Delete, "DELETE", ACCOUNT, "Deletes an account whose projects have no templates"),
    account(AccountAct::View, "GET", "/v1/accounts/{account_id}/plan", "Shows what an account's plan allows"),
    account(AccountAct::View, "GET", "/v1/accounts/{account_id}/grants", "Lists an account's roles"),
    account(AccountAct::View, "GET", ROLE, "Tells whether an account has a role"),
    account(AccountAct::ChangeRoles, "PUT", ROLE, "Gives an account a role"),
    account(AccountAct::ChangeRoles, "DELETE", ROLE, "Takes a role from an account"),
    account(AccountAct::ViewTokens, "GET", TOKENS, "Lists an account's tokens, without secrets"),
    account(AccountAct::CreateToken, "POST", TOKENS, "Makes a token and shows its secret, this one time"),
    account(AccountAct::ViewTokens, "GET", TOKEN, "Shows a token, without its secret"),
    account(AccountAct::DeleteToken, "DELETE", TOKEN, "Revokes a token"),
    token("GET", "/v1/projects", "Lists the caller's projects and those shared with it"),
    token("POST", "/v1/projects", "Makes a project"),
    token("GET", "/v1/projects/default", "Shows the caller's default project"),
    project(Action::ViewProject, "GET", PROJECT, "Shows a project"),
    project(Action::DeleteProject, "DELETE", PROJECT, "Deletes a project that has no templates"),
    project(
        Action::ViewProject,
        "GET",
        "/v1/projects/{project_id}/actions",
        "Lists what the caller may do in a project",
    ),
    project(
        Action::ViewProject,
        "GET",
        "/v2/projects/{project_id}/actions",
        "Lists what the caller may do in a project, at its later path",
    ),
    project(Action::ViewProjectGrants, "GET", GRANTS, "Lists the grants of a project"),
    project(Action::CreateProjectGrants, "POST", GRANTS, "Lets an account do something in a project"),
    project(Action::ViewProjectGrants, "GET", GRANT, "Shows a grant"),
    project(Action::DeleteProjectGrants, "DELETE", GRANT, "Takes a grant back"),
    project(
        Action::DeleteProjectGrants,
        "POST",
        GRANT,
        "Takes a grant back, with the method that the published client of 2023 sends",
    ),
    token("POST", "/v1/project-policies", "Makes a policy"),
    token("GET", "/v1/project-policies/{project_policy_id}", "Shows a policy to who made, gave or got it"),
    account(AccountAct::ViewUsage, "GET", "/v1/resource-limits", "Tells what an account has left"),
    system(SystemAct::ReportUsage, "POST", "/v1/resource-limits", "Counts what accounts have used"),
    system(SystemAct::ListAccounts, "GET", "/admin/accounts", "Lists all accounts, oldest first"),
    system(SystemAct::ListAccounts, "GET", "/admin/accounts/count", "Counts all accounts"),
    system(SystemAct::ViewInvited, "GET", "/v1/whitelist", "Lists the addresses on the whitelist"),
    system(SystemAct::ChangeInvited, "POST", "/v1/whitelist", "Puts addresses on the whitelist"),
    system(SystemAct::ChangeInvited, "POST", "/v1/whitelist/remove", "Takes addresses off the whitelist"),
    system(SystemAct::ViewInvited, "GET", "/v1/whitelist/count", "Counts the addresses on the whitelist"),
    system(
        SystemAct::ViewInvited,
        "GET",
        "/v1/whitelist/enabled",
        "Tells whether a first login needs to be on the whitelist",
    ),
    system(
        SystemAct::ChangeInvited,
        "PUT",
        "/v1/whitelist/enabled",
        "Says whether a first login needs to be on the whitelist",
    ),
    public("GET", "/v1/{account_id}/golem-cli", "Says where the command line is"),
    public("GET", "/healthcheck", "Tells that the server is there"),
    public("GET", "/v1/version", "Tells the server's version"),
    public("GET", "/version", "Tells the server's version"),
    public("GET", "/openapi.json", "Gives this description, as OpenAPI 3.1"),
    public("GET", "/metrics", "Gives counters and gauges in the OpenMetrics text format"),
];
