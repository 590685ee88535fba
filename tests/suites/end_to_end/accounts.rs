//! Accounts, roles, tokens and the whitelist.

use crate::TestNode;
use golem_tests::http::Request;
use golem_tests::rest::Api;
use serde_json::{Value, json};

fn delete(path: impl Into<String>) -> Request {
    Request::new("DELETE", path)
}

fn put(path: impl Into<String>) -> Request {
    Request::new("PUT", path)
}

async fn status(api: &mut Api, request: Request) -> u16 {
    api.call(request).await.status
}

#[tokio::test]
async fn an_account_is_made_changed_and_deleted() {
    let mut node = TestNode::new().await;
    let mut root = node.api();
    let body = json!({ "name": "Ada", "email": "ada@example.com" });
    let account = root.ok(Request::post("/v1/accounts").json(&body)).await.json();
    let id = account["id"].as_str().unwrap().to_owned();
    let plan = account["planId"].clone();
    assert_eq!(account, json!({ "id": id, "name": "Ada", "email": "ada@example.com", "planId": plan }));
    let path = format!("/v1/accounts/{id}");

    // A PUT accepts the body of the published client, and the body that the documentation shows.
    for body in [
        json!({ "name": "Ada L.", "email": "ada@example.org" }),
        json!({ "id": id, "name": "Ada L.", "email": "ada@example.org", "planId": plan, "more": 1 }),
    ] {
        let changed = root.ok(put(&path).json(&body)).await.json();
        assert_eq!((&changed["name"], &changed["email"]), (&json!("Ada L."), &json!("ada@example.org")));
    }
    let other = json!({ "name": "x", "email": "", "planId": "00000000-0000-4000-8000-000000000001" });
    assert_eq!(status(&mut root, put(&path).json(&other)).await, 400);

    let limits = root.ok(Request::get(format!("{path}/plan"))).await.json();
    assert_eq!(limits["planId"], plan);
    assert_eq!(limits["planData"]["projectLimit"], json!(2_147_483_647));
    assert_eq!(limits["planData"]["monthlyGasLimit"], json!(1_000_000_000_000_i64));
    for name in ["componentLimit", "instanceLimit", "storageLimit", "monthlyUploadLimit"] {
        assert!(limits["planData"][name].is_i64(), "{name}: {limits}");
    }

    node = node.crash().await;
    let mut root = node.api();
    assert_eq!(root.ok(Request::get(&path)).await.json()["name"], "Ada L.");
    let accounts = root.ok(Request::get("/admin/accounts")).await.json();
    assert_eq!(accounts[1]["id"], json!(id), "oldest first");
    assert_eq!((&accounts[1]["templatesCount"], &accounts[1]["workersCount"]), (&json!(0), &json!(0)));
    let page = root.ok(Request::get("/admin/accounts?skip=1&limit=5")).await.json();
    assert_eq!(page.as_array().map(Vec::len), Some(1));
    assert_eq!(root.ok(Request::get("/admin/accounts/count")).await.json(), json!(2));

    root.ok(delete(&path)).await;
    assert_eq!(status(&mut root, Request::get(&path)).await, 404);
    assert_eq!(status(&mut root, delete(&path)).await, 404);
    node.stop().await;
}

#[tokio::test]
async fn token_secrets_are_shown_once_and_tokens_can_be_revoked() {
    let node = TestNode::new().await;
    let mut root = node.api();
    let account = root.account().await;
    let tokens = format!("/v1/accounts/{account}/tokens");
    let made = root.ok(Request::post(&tokens).json(&json!({ "expiresAt": "2100-01-01T00:00:00Z" }))).await;
    let made = made.json();
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["data"]["accountId"], json!(account));
    assert_eq!(made["data"]["expiresAt"], "2100-01-01T00:00:00Z");
    let secret = made["secret"]["value"].as_str().unwrap();
    let mut second = Api::new(root.address(), secret);
    assert_eq!(second.ok(Request::get("/v1/login/token")).await.json(), made["data"]);

    let list = root.ok(Request::get(&tokens)).await;
    assert!(!list.text().contains(secret), "a secret is shown once");
    assert_eq!(list.json()[1], made["data"]);
    assert_eq!(root.ok(Request::get(format!("{tokens}/{id}"))).await.json(), made["data"]);

    // A revoked token stays refused, also after a restart.
    second.ok(delete(format!("{tokens}/{id}"))).await;
    assert_eq!(status(&mut second, Request::get("/v1/login/token")).await, 401);
    assert_eq!(status(&mut root, Request::get(format!("{tokens}/{id}"))).await, 404);
    assert_eq!(status(&mut root, delete(format!("{tokens}/{id}"))).await, 404);
    let node = node.crash().await;
    let mut second = Api::new(node.api().address(), secret);
    assert_eq!(status(&mut second, Request::get("/v1/login/token")).await, 401);
    let mut root = node.api();
    let past = json!({ "expiresAt": "2001-01-01T00:00:00Z" });
    assert_eq!(status(&mut root, Request::post(&tokens).json(&past)).await, 400);
    // No file in the data folder contains the secret in clear. `root-token` contains that of another token.
    for file in std::fs::read_dir(node.data()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "root-token") {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(36).any(|text| text == secret.as_bytes()), "{}", path.display());
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn roles_grant_their_endpoints_only() {
    let node = TestNode::new().await;
    let mut root = node.api();
    let mut ada = root.new_account("ada").await;
    let (root_id, ada_id) = (root.account().await, ada.account().await);
    let grants = format!("/v1/accounts/{ada_id}/grants");
    assert_eq!(root.ok(Request::get(&grants)).await.json(), json!([]));
    assert_eq!(ada.ok(Request::get(&grants)).await.json(), json!([]));
    assert_eq!(
        root.ok(Request::get(format!("/v1/accounts/{root_id}/grants"))).await.json(),
        json!(["Admin"])
    );

    assert_eq!(status(&mut ada, Request::get("/v1/whitelist")).await, 403);
    assert_eq!(
        status(&mut ada, put(format!("{grants}/Admin"))).await,
        403,
        "an account cannot grant itself a role"
    );
    let role = root.ok(put(format!("{grants}/WhitelistAdmin"))).await.json();
    assert_eq!(role, "WhitelistAdmin");
    assert_eq!(root.ok(Request::get(format!("{grants}/WhitelistAdmin"))).await.json(), "WhitelistAdmin");
    assert_eq!(status(&mut root, Request::get(format!("{grants}/Admin"))).await, 404);
    assert_eq!(status(&mut root, put(format!("{grants}/Root"))).await, 400);

    ada.ok(Request::post("/v1/whitelist").json(&json!(["B@example.com", "a@example.com"]))).await;
    let list = ada.ok(Request::get("/v1/whitelist")).await.json();
    assert_eq!((&list[0]["email"], &list[1]["email"]), (&json!("a@example.com"), &json!("b@example.com")));
    assert_eq!(list[0]["createdBy"], json!(ada_id));
    assert_eq!(ada.ok(Request::get("/v1/whitelist/count")).await.json(), json!(2));
    ada.ok(Request::post("/v1/whitelist/remove").json(&json!(["a@example.com"]))).await;
    assert_eq!(ada.ok(Request::get("/v1/whitelist/count")).await.json(), json!(1));
    assert_eq!(ada.ok(Request::get("/v1/whitelist/enabled")).await.json(), json!(true));
    ada.ok(put("/v1/whitelist/enabled").json(&json!(false))).await;
    let node = node.restart().await;
    let (mut root, mut ada) = (node.api(), Api::new(node.api().address(), ada.token()));
    assert_eq!(ada.ok(Request::get("/v1/whitelist/enabled")).await.json(), json!(false));

    root.ok(delete(format!("{grants}/WhitelistAdmin"))).await;
    assert_eq!(status(&mut ada, Request::get("/v1/whitelist")).await, 403);
    // The last administrator cannot be removed: a server without one could not be administered.
    let mine = format!("/v1/accounts/{root_id}");
    assert_eq!(status(&mut root, delete(format!("{mine}/grants/Admin"))).await, 400);
    assert_eq!(status(&mut root, delete(&mine)).await, 400);
    root.ok(put(format!("{grants}/Admin"))).await;
    root.ok(delete(format!("{mine}/grants/Admin"))).await;
    assert_eq!(status(&mut root, Request::get("/admin/accounts")).await, 403);
    node.stop().await;
}

#[tokio::test]
async fn reported_usage_of_accounts_is_counted() {
    let node = TestNode::new().await;
    let mut root = node.api();
    let mut ada = root.new_account("ada").await;
    let ada_id = ada.account().await;
    let path = format!("/v1/resource-limits?account-id={ada_id}");
    let before = ada.ok(Request::get(&path)).await.json();
    assert_eq!(before["availableFuel"], json!(1_000_000_000_000_i64));
    assert!(before["maxMemoryPerInstance"].as_i64().is_some_and(|bytes| bytes > 0), "{before}");
    let mut updates = json!({});
    updates[&ada_id] = json!(400);
    let report = || Request::post("/v1/resource-limits").json(&json!({ "updates": updates }));
    assert_eq!(status(&mut ada, report()).await, 403);
    root.ok(report()).await;
    root.ok(report()).await;
    let node = node.crash().await;
    let mut root = node.api();
    let after: Value = root.ok(Request::get(&path)).await.json();
    assert_eq!(after["availableFuel"], json!(1_000_000_000_000_i64 - 800));
    let mut ada = Api::new(node.api().address(), ada.token());
    let of_root = format!("/v1/resource-limits?account-id={}", root.account().await);
    assert_eq!(status(&mut ada, Request::get(of_root)).await, 404, "other accounts are hidden");
    node.stop().await;
}
