//! Projects, policies and grants: the actions of other accounts, and objects that are hidden from them.

use crate::{TestNode, upload};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Api, Key, Part, invocation, multipart, worker_path};
use serde_json::json;

async fn status(api: &mut Api, request: Request) -> u16 {
    api.call(request).await.status
}

#[tokio::test]
async fn projects_are_made_listed_and_deleted() {
    let node = TestNode::new().await;
    let mut root = node.api();
    let account = root.account().await;
    let new = |name: &str| json!({ "name": name, "ownerAccountId": account, "description": "d" });
    let mut ids = Vec::new();
    for name in ["same", "same", "other"] {
        let project = root.ok(Request::post("/v1/projects").json(&new(name))).await.json();
        assert_eq!(
            project["projectData"],
            json!({
                "name": name, "ownerAccountId": account, "description": "d", "defaultEnvironmentId": "default",
                "projectType": "NonDefault",
            })
        );
        ids.push(project["projectId"].as_str().unwrap().to_owned());
    }
    let node = node.crash().await;
    let mut root = node.api();
    let list = root.ok(Request::get("/v1/projects")).await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    assert_eq!(list[0]["projectData"]["projectType"], "Default");
    let named = root.ok(Request::get("/v1/projects?project-name=same")).await.json();
    assert_eq!(named.as_array().map(Vec::len), Some(2), "several projects may have the same name");

    // A template name is unique in its project only.
    let wasm = guests::bytes(guests::COUNTER);
    for project in &ids[..2] {
        let query = json!({ "projectId": project, "componentName": "counter" }).to_string();
        let part = |name, content| Part { name, content_type: None, content };
        root.ok(multipart(&[part("field0", query.as_bytes()), part("template", &wasm)])).await;
    }
    let listed = root.ok(Request::get(format!("/v1/templates?project-id={}", ids[0]))).await.json();
    assert_eq!(listed[0]["projectId"], json!(ids[0]));
    let template = listed[0]["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();

    let path = |id: &str| format!("/v1/projects/{id}");
    let delete = |id: &str| Request::new("DELETE", path(id));
    assert_eq!(status(&mut root, delete(&ids[0])).await, 400, "it has a template");
    let default = root.default_project().await;
    assert_eq!(status(&mut root, delete(&default)).await, 400, "it is the default project");
    root.ok(delete(&ids[2])).await;
    assert_eq!(status(&mut root, Request::get(path(&ids[2]))).await, 404);

    // A template can be deleted after its last worker, and the project after its last template.
    let template_path = format!("/v1/templates/{template}");
    let gone = || Request::new("DELETE", &template_path);
    root.create(&template, "w").await;
    let refused = root.call(gone()).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("it has 1 workers"), "{}", refused.text());
    root.ok(Request::new("DELETE", worker_path(&template, "w", ""))).await;
    root.ok(gone()).await;
    assert_eq!(status(&mut root, Request::get(&template_path)).await, 404);
    root.ok(delete(&ids[0])).await;
    let node = node.crash().await;
    let mut root = node.api();
    assert_eq!(root.ok(Request::get("/v1/projects")).await.json().as_array().map(Vec::len), Some(2));
    assert_eq!(status(&mut root, Request::get(&template_path)).await, 404);
    node.stop().await;
}

#[tokio::test]
async fn a_shared_project_is_accessible_as_granted() {
    let node = TestNode::new().await;
    let mut owner = node.api();
    let mut ada = owner.new_account("ada").await;
    let ada_id = ada.account().await;
    let template = upload(&mut owner, guests::COUNTER).await;
    let project = owner.default_project().await;
    owner.invoke(&template, "w", guests::INCREMENT, &json!([])).await;
    let view = || Request::get(format!("/v1/templates/{template}"));
    let list = || Request::get(format!("/v1/templates?project-id={project}"));
    let worker = || Request::get(worker_path(&template, "w", ""));
    let call = |worker: &str| {
        invocation("invoke-and-await", &template, worker, guests::INCREMENT, &json!([]), &Key::None)
    };
    let grants = format!("/v1/projects/{project}/grants");

    // For an account without a grant, all objects of the project are answered with 404.
    for (request, what) in [
        (view(), "Template not found"),
        (list(), "Project not found"),
        (worker(), "Template not found"),
        (call("w"), "Template not found"),
        (Request::get(format!("/v1/projects/{project}")), "Project not found"),
        (Request::get(&grants), "Project not found"),
    ] {
        let line = request.line();
        let response = ada.call(request).await;
        assert_eq!(response.status, 404, "{line}");
        assert!(response.text().contains(what), "{line}: {}", response.text());
    }
    assert_eq!(ada.ok(Request::get("/v1/projects")).await.json().as_array().map(Vec::len), Some(1));

    // A grant with an existing policy; the policy's actions are accepted in both forms.
    let mut policies = Vec::new();
    for actions in [json!(["ViewComponent"]), json!({ "actions": ["ViewComponent"] })] {
        let body = json!({ "name": "look", "projectActions": actions });
        let policy = owner.ok(Request::post("/v1/project-policies").json(&body)).await.json();
        let id = policy["id"].as_str().unwrap().to_owned();
        assert_eq!(
            policy,
            json!({ "id": id, "name": "look", "projectActions": { "actions": ["ViewComponent"] } })
        );
        let read = Request::get(format!("/v1/project-policies/{id}"));
        assert_eq!(owner.ok(read.clone()).await.json(), policy);
        assert_eq!(status(&mut ada, read).await, 404);
        policies.push(id);
    }
    let body = json!({ "granteeAccountId": ada_id, "projectPolicyId": policies[0] });
    let grant = owner.ok(Request::post(&grants).json(&body)).await.json();
    let first = grant["id"].as_str().unwrap().to_owned();
    let data =
        json!({ "granteeAccountId": ada_id, "grantorProjectId": project, "projectPolicyId": policies[0] });
    assert_eq!(grant, json!({ "id": first, "data": data }));
    assert_eq!(owner.ok(Request::get(format!("{grants}/{first}"))).await.json(), grant);
    ada.ok(Request::get(format!("/v1/project-policies/{}", policies[0]))).await;
    assert_eq!(ada.ok(view()).await.json()[0]["projectId"], json!(project));
    ada.ok(list()).await;
    let shared = ada.ok(Request::get("/v1/projects")).await.json();
    assert_eq!(shared[1]["projectId"], json!(project));
    let refused = ada.call(worker()).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("ViewInstance"), "{}", refused.text());

    // A grant with actions, which creates a policy.
    let second = owner.grant(&project, &ada_id, &["UpdateInstance"]).await;
    assert_eq!(ada.ok(call("w")).await.json()["result"], json!([2]));
    let missing = ada.call(call("new")).await;
    assert_eq!(missing.status, 404, "without the action CreateInstance only existing workers can be called");
    assert_eq!(status(&mut owner, Request::get(worker_path(&template, "new", ""))).await, 404);
    owner.grant(&project, &ada_id, &["CreateInstance"]).await;
    assert_eq!(ada.ok(call("new")).await.json()["result"], json!([1]));
    let metadata = owner.metadata(&template, "new").await;
    assert_eq!(
        metadata["accountId"],
        json!(owner.account().await),
        "the worker belongs to the owner of the project"
    );
    let actions = ada.ok(Request::get(format!("/v1/projects/{project}/actions"))).await.json();
    assert_eq!(actions, json!(["ViewComponent", "CreateInstance", "UpdateInstance"]));

    // An account cannot grant actions that it does not have.
    owner.grant(&project, &ada_id, &["CreateProjectGrants", "ViewProjectGrants"]).await;
    let mut bob = owner.new_account("bob").await;
    let bob_id = bob.account().await;
    let beyond =
        json!({ "granteeAccountId": bob_id, "projectActions": ["UpdateInstance", "DeleteInstance"] });
    let refused = ada.call(Request::post(&grants).json(&beyond)).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("DeleteInstance"), "{}", refused.text());
    ada.grant(&project, &bob_id, &["UpdateInstance"]).await;
    assert_eq!(bob.ok(call("w")).await.json()["result"], json!([3]));
    assert_eq!(ada.ok(Request::get(&grants)).await.json().as_array().map(Vec::len), Some(5));

    // Grants are revoked with DELETE, and with the POST that the published client sends.
    let node = node.crash().await;
    let mut owner = node.api();
    let mut ada = Api::new(owner.address(), ada.token());
    assert_eq!(ada.ok(call("w")).await.json()["result"], json!([4]), "grants survive a crash");
    owner.ok(Request::new("DELETE", format!("{grants}/{second}"))).await;
    let refused = ada.call(call("w")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("UpdateInstance"), "{}", refused.text());
    owner.ok(Request::post(format!("{grants}/{first}"))).await;
    assert_eq!(status(&mut ada, view()).await, 403);
    assert_eq!(status(&mut owner, Request::get(format!("{grants}/{first}"))).await, 404);
    node.stop().await;
}

#[tokio::test]
async fn plan_limits_are_enforced() {
    let size = guests::bytes(guests::COUNTER).len();
    let node = TestNode::with(|options| {
        options
            .set("plan.projects_max=2")
            .set("plan.templates_max=2")
            .set("plan.workers_max=2")
            .set(format!("plan.storage_bytes_max={}", size * 3 + 511))
            .set(format!("plan.monthly_upload_bytes_max={}", size * 4))
    })
    .await;
    let mut root = node.api();
    let account = root.account().await;
    let refused = async |api: &mut Api, request: Request, text: &str| {
        let line = request.line();
        let response = api.call(request).await;
        assert_eq!(response.status, 403, "{line}: {}", response.text());
        assert!(response.text().contains(text), "{line}: {}", response.text());
    };
    let project = || {
        let body = json!({ "name": "p", "ownerAccountId": account, "description": "" });
        Request::post("/v1/projects").json(&body)
    };
    root.ok(project()).await;
    let text = "the plan allows 2 projects (projectLimit), the account has used 2";
    refused(&mut root, project(), text).await;

    let wasm = guests::bytes(guests::COUNTER);
    let first = root.upload("a", &wasm).await;
    root.upload("b", &wasm).await;
    let text = "the plan allows 2 templates (componentLimit), the account has used 2";
    refused(&mut root, golem_tests::rest::upload("c", &wasm), text).await;
    let version = |id: &str| {
        Request::new("PUT", format!("/v1/templates/{id}/upload"))
            .body("application/octet-stream", wasm.clone())
    };
    root.ok(version(&first)).await;
    let stored =
        "bytes of stored templates and names of deleted workers (storageLimit), the account has used";
    let text = format!("{stored} {}", size * 3);
    refused(&mut root, version(&first), &text).await;

    // The limit of workers counts explicit and implicit creation. The count survives a crash and follows deletions.
    root.create(&first, "w1").await;
    root.invoke(&first, "w2", guests::INCREMENT, &json!([])).await;
    let text = "the plan allows 2 workers (instanceLimit), the account has used 2";
    let create = |name: &str| {
        let body = json!({ "name": name, "args": [], "env": [] });
        Request::post(format!("/v1/templates/{first}/workers")).json(&body)
    };
    let call =
        |name: &str| invocation("invoke-and-await", &first, name, guests::INCREMENT, &json!([]), &Key::None);
    refused(&mut root, create("w3"), text).await;
    refused(&mut root, call("w3"), text).await;
    root.ok(call("w1")).await;
    let mut node = node.crash().await;
    let mut root = node.api();
    refused(&mut root, create("w3"), text).await;
    root.ok(Request::new("DELETE", worker_path(&first, "w1", ""))).await;
    root.ok(call("w3")).await;
    refused(&mut root, call("w4"), text).await;
    // The name of a deleted worker counts as stored, until its template is removed.
    root.ok(Request::new("DELETE", worker_path(&first, "w3", ""))).await;
    for _ in 0..2 {
        refused(&mut root, call("w4"), &format!("{stored} {}", size * 3 + 512)).await;
        node = node.crash().await;
        root = node.api();
    }
    // Other accounts have their own limits.
    let mut ada = root.new_account("ada").await;
    let hers = ada.upload("a", &wasm).await;
    ada.create(&hers, "w1").await;

    // Deleted templates free storage, but their uploads still count for the month.
    root.ok(Request::new("DELETE", worker_path(&first, "w2", ""))).await;
    root.ok(Request::new("DELETE", format!("/v1/templates/{first}"))).await;
    root.upload("c", &wasm).await;
    let second = root.ok(Request::get("/v1/templates?template-name=b")).await.json();
    let second = second[0]["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();
    let text = format!("(monthlyUploadLimit), the account has used {}", size * 4);
    refused(&mut root, version(&second), &text).await;
    node.stop().await;
}

#[tokio::test]
async fn requests_per_account_are_rate_limited() {
    let node = TestNode::with(|options| options.set("plan.requests_per_second_max=3")).await;
    let mut root = node.api();
    let mut answers = Vec::new();
    for _ in 0..200 {
        let response = root.call(Request::get("/v1/login/token")).await;
        answers.push(response.status);
        if response.status == 429 {
            assert_eq!(response.header("retry-after"), Some("1"));
            break;
        }
    }
    assert!(answers.starts_with(&[200, 200, 200]) && answers.ends_with(&[429]), "{answers:?}");
    assert_eq!(
        root.call(Request::get("/healthcheck")).await.status,
        200,
        "requests without authentication are not counted"
    );
    node.stop().await;
}
