//! The first start on an empty folder, and what later starts keep.

use crate::{TestNode, call, upload};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Key, invocation, result_of};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

/// All that REST returns about the account that the first start creates.
async fn account_overview(node: &TestNode) -> Value {
    let mut api = node.api();
    let project = api.ok(Request::get("/v1/projects/default")).await.json();
    let account = project["projectData"]["ownerAccountId"].as_str().unwrap().to_owned();
    json!({
        "project": project,
        "projects": api.ok(Request::get("/v1/projects")).await.json(),
        "same": api.ok(Request::get(format!("/v1/projects/{}", project["projectId"].as_str().unwrap()))).await.json(),
        "account": api.ok(Request::get(format!("/v1/accounts/{account}"))).await.json(),
        "tokens": api.ok(Request::get(format!("/v1/accounts/{account}/tokens"))).await.json(),
        "token": api.ok(Request::get("/v1/login/token")).await.json(),
    })
}

#[tokio::test]
async fn later_starts_find_the_account_of_the_first_start() {
    let node = TestNode::new().await;
    let first = account_overview(&node).await;
    assert_eq!(first["project"]["projectData"]["name"], "default-project");
    assert_eq!(first["project"]["projectData"]["projectType"], "Default");
    assert_eq!(first["projects"], json!([first["project"]]));
    assert_eq!(first["same"], first["project"]);
    assert_eq!(first["account"]["id"], first["project"]["projectData"]["ownerAccountId"]);
    assert_eq!(first["tokens"], json!([first["token"]]));
    assert_eq!(first["token"]["accountId"], first["account"]["id"]);
    let token = node.server.token.clone();
    assert!(!first.to_string().contains(&token), "the secret is only in its file");

    let node = node.restart().await;
    assert_eq!(account_overview(&node).await, first);
    assert_eq!(node.server.token, token);
    let node = node.crash().await;
    assert_eq!(account_overview(&node).await, first);
    node.stop().await;

    let other = TestNode::new().await;
    let second = account_overview(&other).await;
    assert_ne!(second["account"]["id"], first["account"]["id"], "ids are random");
    assert_ne!(second["project"]["projectId"], first["project"]["projectId"], "ids are random");
    assert_ne!(other.server.token, token);
    other.stop().await;
}

#[tokio::test]
async fn secret_files_are_private_and_not_in_the_store() {
    let node = TestNode::new().await;
    for file in ["root-token", "secret-key"] {
        assert_eq!(mode(&node.data().join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&node.data()), 0o700);
    // The folder contains machine code: write access to it would allow running any code as the server.
    assert_eq!(mode(&node.data().join("compiled")), 0o700);
    let token = node.server.token.clone();
    let bytes = uuid::Uuid::parse_str(&token).unwrap().into_bytes();
    let secret_key = std::fs::read(node.data().join("secret-key")).unwrap();
    let log = node.server.log();
    let data = node.data();
    assert!(node.server.stop().await.success());
    assert!(!log.contains(&token), "the log holds the token");
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !["root-token", "secret-key"].contains(&name.as_str()) {
            let content = std::fs::read(&path).unwrap();
            for (what, secret) in
                [("the token", token.as_bytes()), ("its bytes", &bytes), ("the key", &secret_key)]
            {
                assert!(!content.windows(secret.len()).any(|part| part == secret), "{name} holds {what}");
            }
        }
    }
}

#[tokio::test]
async fn a_missing_token_file_is_made_again() {
    let node = TestNode::new().await;
    let template = upload(&mut node.api(), guests::COUNTER).await;
    let (data, options, first) = (node.data(), node.options.clone(), node.server.token.clone());
    assert!(node.server.stop().await.success());
    std::fs::remove_file(data.join("root-token")).unwrap();
    let server = options.start().await;
    assert_ne!(server.token, first, "the secret of the first token is not stored, so the new one differs");
    server.api().ok(Request::get(format!("/v1/templates/{template}"))).await;
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, guests::COUNTER).await;
    let body = json!({ "name": "made", "args": ["a", "b c"], "env": [["K", "v"], ["L", ""]] });
    let made = api.ok(Request::post(format!("/v1/templates/{template}/workers")).json(&body)).await.json();
    assert_eq!(made["templateVersionUsed"], 0);
    assert_eq!(made["workerId"], json!({ "rawTemplateId": template, "workerName": "made" }));
    let issued = api.key(&template, "made").await;
    let unused = api.key(&template, "made").await;
    let by_issued = |key: &str| {
        let key = Key::Invocation(key.to_owned());
        invocation("invoke-and-await", &template, "made", guests::INCREMENT, &json!([]), &key)
    };
    let own = call(&template, "implicit", guests::INCREMENT, &json!([]), "own");
    assert_eq!(result_of(&api.ok(by_issued(&issued)).await), json!(1));
    assert_eq!(result_of(&api.ok(own.clone()).await), json!(1));
    let observe = |api: &mut golem_tests::rest::Api| {
        let mut api = golem_tests::rest::Api::new(api.address(), api.token());
        let template = template.clone();
        async move {
            (
                api.metadata(&template, "made").await,
                api.metadata(&template, "implicit").await,
                api.ok(Request::get("/v1/templates")).await.json(),
            )
        }
    };
    let before = observe(&mut api).await;
    assert_eq!(before.0["args"], json!(["a", "b c"]));
    assert_eq!(before.0["env"], json!({ "K": "v", "L": "" }));
    assert_eq!(before.0["status"], "Idle");
    assert_eq!(before.1["args"], json!([]));
    assert_eq!(before.1["env"], json!({}));

    let mut node = node;
    for (round, crash) in [(1_u64, false), (2, true), (3, true)] {
        node = if crash { node.crash().await } else { node.restart().await };
        let mut api = node.api();
        assert_eq!(observe(&mut api).await, before);
        // A used key gets the first answer, also from a process that did not run the invocation.
        assert_eq!(result_of(&api.ok(by_issued(&issued)).await), json!(1));
        assert_eq!(result_of(&api.ok(own.clone()).await), json!(1));
        // A key that was issued before the restart is still valid.
        assert_eq!(result_of(&api.ok(by_issued(&unused)).await), json!(2));
        let count = call(&template, "implicit", guests::INCREMENT, &json!([]), &format!("round-{round}"));
        assert_eq!(result_of(&api.ok(count).await), json!(round + 1));
    }
    node.stop().await;
}
