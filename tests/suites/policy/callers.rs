//! Every endpoint, as every kind of caller.
//!
//! Each request has exactly one mistake that the server finds after authorization: for example a worker, grant or
//! token that does not exist, an invalid component, or a project that is not empty. So an authorized request changes
//! nothing and gets the error of its mistake. The expected answer is that of `golem_runtime::identity::decide`.

use golem_model::{ActionSet, ProjectAction, Role};
use golem_runtime::identity::{Decision, Operation, Relationship, decide};
use golem_runtime::rest::{ENDPOINTS, Endpoint, RequiredAccess};
use golem_tests::guests;
use golem_tests::http::{Request, Response};
use golem_tests::rest::{Api, Part, multipart};
use golem_tests::server::ServerOptions;
use serde_json::json;
use std::collections::BTreeSet;

/// A UUID that is not the id of any object.
const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Ids of the owner's objects.
struct TestData {
    account: String,
    project: String,
    template: String,
}

impl TestData {
    /// A request to the endpoint that addresses the owner's objects.
    fn request(&self, endpoint: &Endpoint) -> Request {
        let Self { account, project, template } = self;
        let path = endpoint
            .path
            .replace("{template_id}", template)
            .replace("{worker_name}", "missing")
            .replace("{index}", "1")
            .replace("{worker_id}", &format!("{template}.missing"))
            .replace("{account_id}", account)
            .replace("{project_id}", project)
            .replace("{grant_id}", UNKNOWN_ID)
            .replace("{token_id}", UNKNOWN_ID)
            .replace("{key}", "none")
            .replace("{project_policy_id}", UNKNOWN_ID)
            // An authorized caller grants or revokes this role, which has no effect on the other endpoints.
            .replace("{role}", "CreateProject");
        let request = |query: &str| Request::new(endpoint.method, format!("{path}{query}"));
        let plain = request("");
        let last = endpoint.path.rsplit('/').next().unwrap_or_default();
        match (endpoint.method, last) {
            ("GET", "templates") => request(&format!("?project-id={project}")),
            ("POST", "templates") => {
                let query = json!({ "projectId": project, "componentName": "none" }).to_string();
                let part = |name, content| Part { name, content_type: None, content };
                multipart(&[part("field0", query.as_bytes()), part("template", b"none")])
            }
            ("PUT", "upload") => plain.body("application/octet-stream", b"none".to_vec()),
            // The name of the worker is invalid.
            ("POST", "workers") => plain.json(&json!({ "name": "-", "args": [], "env": [] })),
            ("POST", "invoke" | "invoke-and-await") => {
                request("?function=none").json(&json!({ "params": [] }))
            }
            ("POST", "update") => plain.json(&json!({ "mode": "automatic", "targetVersion": 0 })),
            ("POST", "complete") => plain.json(&json!({ "oplogIdx": 1, "data": [] })),
            ("POST", "accounts") | ("PUT", "{account_id}") => plain.json(&json!({ "name": "", "email": "" })),
            ("POST", "tokens") => plain.json(&json!({ "expiresAt": "2001-01-01T00:00:00Z" })),
            ("POST", "projects") => {
                plain.json(&json!({ "name": "", "ownerAccountId": account, "description": "" }))
            }
            ("POST", "project-policies") => plain.json(&json!({ "name": "", "projectActions": [] })),
            ("POST", "grants") => {
                plain.json(&json!({ "granteeAccountId": account, "projectActions": ["ViewComponent"] }))
            }
            ("GET", "resource-limits") => request(&format!("?account-id={account}")),
            ("POST", "resource-limits") => plain.json(&json!({ "updates": {} })),
            ("POST", "whitelist" | "remove") => plain.json(&json!([])),
            ("PUT", "enabled") => plain.json(&json!(true)),
            _ => plain,
        }
    }
}

/// The decision that a response shows.
fn observed_decision(response: &Response) -> Decision {
    let hidden = ["Template not found", "Project not found", "Account not found"];
    match response.status {
        401 => panic!("the token is valid"),
        403 => Decision::Forbidden,
        404 if hidden.iter().any(|text| response.text().contains(text)) => Decision::Hidden,
        _ => Decision::Allowed,
    }
}

#[tokio::test]
async fn every_endpoint_answers_as_decided() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerOptions::new(folder.path().join("data")).set("log=error").start().await;
    let mut root = server.api();
    let mut owner = root.new_account("owner").await;
    let template = owner.upload("counter", &guests::bytes(guests::COUNTER)).await;
    owner.create(&template, "w").await;
    let data = TestData { account: owner.account().await, project: owner.default_project().await, template };

    let none = BTreeSet::new();
    let mut callers: Vec<(String, Api, Relationship, BTreeSet<Role>)> = Vec::new();
    for action in ProjectAction::ALL {
        let mut api = root.new_account(&format!("{action:?}")).await;
        let name = golem_api::policy::ProjectAction::from(action).to_string();
        owner.grant(&data.project, &api.account().await, &[&name]).await;
        let granted: ActionSet = [action].into_iter().collect();
        callers.push((format!("grantee of {name}"), api, Relationship::Grantee(granted), none.clone()));
    }
    for role in Role::ALL {
        let mut api = root.new_account(&format!("{role}")).await;
        let path = format!("/v1/accounts/{}/grants/{role}", api.account().await);
        root.ok(Request::new("PUT", path)).await;
        callers.push((format!("{role}"), api, Relationship::Stranger, [role].into()));
    }
    callers.push((
        "stranger".to_owned(),
        root.new_account("stranger").await,
        Relationship::Stranger,
        none.clone(),
    ));
    callers.push(("owner".to_owned(), owner, Relationship::Owner, none));

    let mut wrong = Vec::new();
    for endpoint in ENDPOINTS {
        let request = data.request(endpoint);
        let line = request.line();
        let unsigned =
            golem_tests::http::Connection::open(server.address).await.unwrap().call(&request).await;
        let unsigned = unsigned.unwrap().status;
        if (unsigned == 401) != (endpoint.access != RequiredAccess::Public) {
            wrong.push(format!("{line}: a request without a token got {unsigned}"));
        }
        let RequiredAccess::Operation(act) = endpoint.access else { continue };
        for (caller, api, relationship, roles) in &mut callers {
            // Accounts cannot be shared, and the server has no owner, so only roles count.
            let relationship = match (act, *relationship) {
                (Operation::Account(_), Relationship::Grantee(_)) | (Operation::System(_), _) => {
                    Relationship::Stranger
                }
                (_, relationship) => relationship,
            };
            let expected = decide(act, relationship, roles);
            let response = api.call(request.clone()).await;
            let found = observed_decision(&response);
            if found != expected {
                let text = response.text();
                wrong.push(format!(
                    "{line}: {caller} should be {expected:?}, got {}: {text}",
                    response.status
                ));
            }
            assert!(response.status < 500, "{line}: {caller} got {}: {}", response.status, response.text());
        }
    }
    assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // The requests have changed nothing.
    let owner = &mut callers.last_mut().unwrap().1;
    assert_eq!(owner.status(&data.template, "w").await, "Idle");
    assert_eq!(root.ok(Request::get("/v1/whitelist/count")).await.json(), json!(0));
    assert!(server.stop().await.success());
}
