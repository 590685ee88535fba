//! Wrong requests about accounts, tokens, projects, policies, grants and the whitelist.

use super::{Case, TestData, UNKNOWN_ID, case};
use golem_tests::http::Request;
use serde_json::json;

pub(super) fn cases(data: &TestData) -> Vec<Case> {
    [accounts(data), projects(data), sharing(data)].into_iter().flatten().collect()
}

fn accounts(data: &TestData) -> Vec<Case> {
    let mine = format!("/v1/accounts/{}", data.account);
    let tokens = format!("{mine}/tokens");
    let post = |body| Request::post("/v1/accounts").json(&body);
    vec![
        case(
            "an account id that is no UUID",
            Request::get("/v1/accounts/me"),
            400,
            "Invalid account id \"me\": it must be a UUID",
        ),
        case(
            "an account that does not exist",
            Request::get(format!("/v1/accounts/{UNKNOWN_ID}")),
            404,
            format!("Account not found: {UNKNOWN_ID}"),
        ),
        case(
            "an account without a name",
            post(json!({ "name": " ", "email": "" })),
            400,
            "Invalid name: it is empty",
        ),
        case(
            "an account with a control character",
            post(json!({ "name": "a\u{7}", "email": "" })),
            400,
            "Invalid name: it holds a control character",
        ),
        case(
            "an invalid e-mail address",
            post(json!({ "name": "a", "email": "ada" })),
            400,
            "Invalid email: \"ada\" is no e-mail address",
        ),
        case("an account that is a list", post(json!([1])), 400, "Invalid request body: *"),
        case(
            "another plan",
            Request::new("PUT", &mine).json(&json!({ "name": "a", "email": "", "planId": UNKNOWN_ID })),
            400,
            "Invalid planId: an account's plan cannot be changed; it is *",
        ),
        case(
            "the last administrator deletes itself",
            Request::new("DELETE", &mine),
            400,
            "the account cannot be deleted: it is the only one with the role Admin; *",
        ),
        case(
            "a role that does not exist",
            Request::new("PUT", format!("{mine}/grants/Root")),
            400,
            "Invalid role: \"Root\" is not a role; the roles are Admin, WhitelistAdmin, *",
        ),
        case(
            "a role that the account does not have",
            Request::get(format!("{mine}/grants/InstanceServer")),
            404,
            "Account grant not found: *",
        ),
        case(
            "a token that expires in the past",
            Request::post(&tokens).json(&json!({ "expiresAt": "2001-01-01T00:00:00Z" })),
            400,
            "Invalid expiresAt: 2001-01-01T00:00:00Z is in the past; *",
        ),
        case(
            "a token with an invalid time",
            Request::post(&tokens).json(&json!({ "expiresAt": "tomorrow" })),
            400,
            "Invalid request body: \"tomorrow\" is not a time; *",
        ),
        case(
            "a token that does not exist",
            Request::get(format!("{tokens}/{UNKNOWN_ID}")),
            404,
            format!("Token not found: {UNKNOWN_ID}"),
        ),
        case(
            "resource limits without an account",
            Request::get("/v1/resource-limits"),
            400,
            "Invalid query: missing field `account-id`",
        ),
        case(
            "a whitelist entry that is no address",
            Request::post("/v1/whitelist").json(&json!(["a@b", "ada"])),
            400,
            "Invalid email: \"ada\" is no e-mail address",
        ),
        case("a page that is no number", Request::get("/admin/accounts?skip=many"), 400, "Invalid query: *"),
        case(
            "the command line of the hosted service",
            Request::get(format!("/v1/{}/golem-cli", data.account)),
            400,
            "this server does not distribute programs; *",
        ),
    ]
}

fn projects(data: &TestData) -> Vec<Case> {
    let post = |name: &str, owner: &str| {
        let body = json!({ "name": name, "ownerAccountId": owner, "description": "" });
        Request::post("/v1/projects").json(&body)
    };
    vec![
        case(
            "a project that does not exist",
            Request::get(format!("/v1/projects/{UNKNOWN_ID}")),
            404,
            format!("Project not found: {UNKNOWN_ID}"),
        ),
        case("a project without a name", post("", &data.account), 400, "Invalid name: it is empty"),
        case(
            "a project of an account that does not exist",
            post("p", UNKNOWN_ID),
            404,
            format!("Account not found: {UNKNOWN_ID}"),
        ),
        case(
            "the default project is deleted",
            Request::new("DELETE", format!("/v1/projects/{}", data.project)),
            400,
            "the default project cannot be deleted: *",
        ),
        case(
            "templates of a project that does not exist",
            Request::get(format!("/v1/templates?project-id={UNKNOWN_ID}")),
            404,
            format!("Project not found: {UNKNOWN_ID}"),
        ),
        case(
            "a template with workers is deleted",
            Request::new("DELETE", format!("/v1/templates/{}", data.counter)),
            409,
            "Template * cannot be deleted: it has * workers; delete them first",
        ),
    ]
}

fn sharing(data: &TestData) -> Vec<Case> {
    let grants = format!("/v1/projects/{}/grants", data.project);
    let grant = |body| Request::post(&grants).json(&body);
    vec![
        case(
            "a policy of actions that do not exist",
            Request::post("/v1/project-policies").json(&json!({ "name": "p", "projectActions": ["Fly"] })),
            400,
            "Invalid request body: *",
        ),
        case(
            "a policy that does not exist",
            Request::get(format!("/v1/project-policies/{UNKNOWN_ID}")),
            404,
            format!("Project policy not found: {UNKNOWN_ID}"),
        ),
        case(
            "a grant of neither policy nor actions",
            grant(json!({ "granteeAccountId": UNKNOWN_ID })),
            400,
            "Invalid request body: expected granteeAccountId with either projectPolicyId or projectActions*",
        ),
        case(
            "a grant to an account that does not exist",
            grant(json!({ "granteeAccountId": UNKNOWN_ID, "projectActions": ["ViewInstance"] })),
            404,
            format!("Account not found: {UNKNOWN_ID}"),
        ),
        case(
            "a grant of a policy that does not exist",
            grant(json!({ "granteeAccountId": data.account, "projectPolicyId": UNKNOWN_ID })),
            404,
            format!("Project policy not found: {UNKNOWN_ID}"),
        ),
        case(
            "a grant to the owner",
            grant(json!({ "granteeAccountId": data.account, "projectActions": ["ViewInstance"] })),
            400,
            "Invalid granteeAccountId: the account owns the project and may do everything in it",
        ),
        case(
            "a grant that does not exist",
            Request::new("DELETE", format!("{grants}/{UNKNOWN_ID}")),
            404,
            format!("Project grant not found: {UNKNOWN_ID}"),
        ),
    ]
}
