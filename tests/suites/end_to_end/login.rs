//! Login through GitHub, against a fake on loopback.

use crate::TestNode;
use golem_tests::github::{Answer, FakeGitHub};
use golem_tests::http::{Connection, Request, Response};
use golem_tests::rest::Api;
use golem_tests::wait;
use serde_json::{Value, json};

const POLL: &str = "/login/oauth/access_token";

async fn start_node(github: &FakeGitHub) -> TestNode {
    let url = github.url();
    TestNode::with(|options| {
        options
            .set("login.github_client_id=Iv1.8a61f9b3a7aba766")
            .set(format!("login.github_url={url}"))
            .set(format!("login.github_api_url={url}"))
    })
    .await
}

/// Sends a request without a token.
async fn call_without_token(node: &TestNode, request: Request) -> Response {
    let mut connection = Connection::open(node.server.address).await.unwrap();
    wait::bounded("an answer", connection.call(&request)).await.unwrap()
}

async fn start_login(node: &TestNode, path: &str) -> Value {
    let response = call_without_token(node, Request::post(path)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

async fn complete_login(node: &TestNode, session: &Value) -> Response {
    call_without_token(node, Request::post("/login/oauth2/device/complete").json(session)).await
}

/// The error text, which must be the same in both fields that published clients read.
#[track_caller]
fn error_text(response: &Response, status: u16) -> String {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    assert_eq!(body["error"], body["message"], "published clients read either field");
    body["error"].as_str().unwrap_or_default().to_owned()
}

fn verified(email: &str) -> Value {
    json!([{ "email": email, "primary": true, "verified": true, "visibility": "private" }])
}

async fn disable_whitelist(node: &TestNode) {
    let on = Request::new("PUT", "/v1/whitelist/enabled").json(&json!(false));
    node.api().ok(on).await;
}

#[tokio::test]
async fn a_login_without_configuration_is_refused() {
    let node = TestNode::new().await;
    for (request, body) in [
        (Request::post("/v1/oauth2?provider=github&access_token=x"), None),
        (Request::post("/login/oauth2/device/start"), None),
        (Request::post("/oauth2/device/start"), None),
        (Request::post("/login/oauth2/device/complete"), Some(json!("x"))),
        (Request::post("/oauth2/device/complete"), Some(json!("x"))),
    ] {
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let line = request.line();
        let response = call_without_token(&node, request).await;
        assert_eq!(response.status, 400, "{line}");
        let said = response.json()["errors"][0].as_str().unwrap_or_default().to_owned();
        assert!(said.contains("login.github_client_id"), "{line}: {said}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_device_login_waits_for_the_confirmation() {
    let github = FakeGitHub::start().await;
    let node = start_node(&github).await;
    disable_whitelist(&node).await;
    let started = start_login(&node, "/login/oauth2/device/start").await;
    assert_eq!(
        (&started["url"], &started["userCode"]),
        (&json!("https://github.com/login/device"), &json!("WDJB-MJHT"))
    );
    assert!(started["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{started}");
    let session = &started["encodedSession"];

    // GitHub answers: pending, slow down, rate limit, then the token. The server polls until the token.
    github.set_user(7, "ada", None, &verified("Ada@Example.com"));
    let token = json!({ "access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "token_type": "bearer" });
    let slow = json!({ "error": "slow_down", "interval": 1 });
    let limited = Answer::status(403, &json!({ "message": "API rate limit exceeded" }))
        .header("x-ratelimit-remaining", "0")
        .header("retry-after", "1");
    let pending = Answer::error("authorization_pending");
    github.set_answers(POLL, [pending, Answer::ok(&slow), limited, Answer::ok(&token)]);
    let response = complete_login(&node, session).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let made = response.json();
    let mut ada = Api::new(node.server.address, made["secret"]["value"].as_str().unwrap());
    assert_eq!(ada.ok(Request::get("/v1/login/token")).await.json(), made["data"]);
    let path = format!("/v1/accounts/{}", made["data"]["accountId"].as_str().unwrap());
    let account = ada.ok(Request::get(&path)).await.json();
    assert_eq!((&account["name"], &account["email"]), (&json!("ada"), &json!("Ada@Example.com")));
    assert_eq!(ada.ok(Request::get("/v1/projects")).await.json()[0]["projectData"]["projectType"], "Default");
    assert_eq!(ada.ok(Request::get(format!("{path}/grants"))).await.json(), json!([]));

    // The requests to GitHub are those that its documentation requires.
    let requests = github.requests();
    assert!(requests[0].contains("client_id=Iv1.8a61f9b3a7aba766&scope=user%3Aemail"), "{}", requests[0]);
    let polls: Vec<_> = requests.iter().filter(|request| request.contains(POLL)).collect();
    assert_eq!(polls.len(), 4);
    let grant = "device_code=3584d83530557fdd1f46af8289938c8ef79f9dc5&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    assert!(polls[0].contains(grant), "{}", polls[0]);
    assert!(requests.iter().all(|request| request.to_lowercase().contains("user-agent: golem")));

    // A second login of the same GitHub user leads to the same account: after a restart, on the other paths, with
    // another name and address.
    let started = start_login(&node, "/oauth2/device/start").await;
    let node = node.restart().await;
    github.set_user(7, "ada-l", Some("other@example.com"), &verified("other@example.com"));
    let again =
        call_without_token(&node, Request::post("/oauth2/device/complete").json(&started["encodedSession"]))
            .await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.json()["data"]["accountId"], made["data"]["accountId"]);
    assert_ne!(again.json()["secret"], made["secret"]);
    node.stop().await;
}

#[tokio::test]
async fn a_device_login_that_is_not_confirmed_fails() {
    let github = FakeGitHub::start().await;
    let node = start_node(&github).await;
    disable_whitelist(&node).await;
    let session = start_login(&node, "/login/oauth2/device/start").await["encodedSession"].clone();
    for (answer, status, part) in [
        (Answer::error("access_denied"), 401, "refused it at GitHub"),
        (Answer::error("expired_token"), 401, "the code has expired"),
        (Answer::error("incorrect_device_code"), 401, "does not know the code"),
        (Answer::error("device_flow_disabled"), 500, "device_flow_disabled"),
        (Answer::status(502, &json!("bad gateway")), 500, "status 502"),
    ] {
        github.set_answers(POLL, [answer]);
        let said = error_text(&complete_login(&node, &session).await, status);
        assert!(said.contains(part), "{said}");
    }
    // A session that this server did not issue, and a body that is no session.
    for bad in [json!("x"), json!(format!("x{}", session.as_str().unwrap()))] {
        let response = complete_login(&node, &bad).await;
        assert_eq!(response.status, 400, "{}", response.text());
        assert!(response.text().contains("Invalid encodedSession"), "{}", response.text());
    }
    assert_eq!(complete_login(&node, &json!({ "session": 1 })).await.status, 400);
    // The code expires at its time, even if GitHub still answers pending.
    github.set_answers(
        "/login/device/code",
        [Answer::ok(&json!({
            "device_code": "d", "user_code": "u", "verification_uri": "v", "expires_in": 1, "interval": 1,
        }))],
    );
    github.set_answers(POLL, [Answer::error("authorization_pending")]);
    let session = start_login(&node, "/login/oauth2/device/start").await["encodedSession"].clone();
    assert!(error_text(&complete_login(&node, &session).await, 401).contains("the code has expired"));
    github.set_answers("/login/device/code", [Answer::status(404, &json!({ "error": "Not Found" }))]);
    let refused = call_without_token(&node, Request::post("/login/oauth2/device/start")).await;
    assert!(error_text(&refused, 500).contains("Not Found"));
    node.stop().await;
}

#[tokio::test]
async fn an_access_token_is_exchanged_for_one_of_ours() {
    let github = FakeGitHub::start().await;
    let node = start_node(&github).await;
    let mut root = node.api();
    let exchange = |query: &str| Request::post(format!("/v1/oauth2?{query}"));
    github.set_user(8, "bob", None, &verified("Bob@Example.com"));

    // Without an invitation there is no account; an address on the whitelist is an invitation.
    let refused =
        error_text(&call_without_token(&node, exchange("provider=github&access_token=gho_x")).await, 403);
    assert!(refused.contains("Bob@Example.com") && refused.contains("whitelist"), "{refused}");
    assert_eq!(root.ok(Request::get("/admin/accounts/count")).await.json(), json!(1));
    root.ok(Request::post("/v1/whitelist").json(&json!(["bob@example.com"]))).await;
    let mut accounts = Vec::new();
    for query in ["provider=github&access_token=gho_x", "provider=github&access-token=gho_x"] {
        let response = call_without_token(&node, exchange(query)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        accounts.push(response.json()["data"]["accountId"].clone());
    }
    assert_eq!(accounts[0], accounts[1], "the same GitHub user has one account");
    assert!(github.requests().iter().any(|request| request.to_lowercase().contains("bearer gho_x")));
    // An existing account needs no invitation.
    root.ok(Request::post("/v1/whitelist/remove").json(&json!(["bob@example.com"]))).await;
    assert_eq!(call_without_token(&node, exchange("provider=github&access_token=gho_x")).await.status, 200);

    // An unverified address does not count as invited.
    root.ok(Request::post("/v1/whitelist").json(&json!(["eve@example.com", "public@example.com"]))).await;
    let unconfirmed = json!([{ "email": "eve@example.com", "primary": true, "verified": false }]);
    github.set_user(9, "eve", None, &unconfirmed);
    error_text(&call_without_token(&node, exchange("provider=github&access_token=gho_y")).await, 403);
    // Tokens without access to the addresses: of a user without a public address, and of a user with one.
    for (id, public, status) in [(10, None, 403), (11, Some("public@example.com"), 200)] {
        github.set_user(id, "carl", public, &json!([]));
        github.set_answers("/user/emails", [Answer::status(404, &json!({ "message": "Not Found" }))]);
        let response = call_without_token(&node, exchange("provider=github&access_token=gho_z")).await;
        assert_eq!(response.status, status, "{}", response.text());
    }

    github.set_answers("/user", [Answer::status(401, &json!({ "message": "Bad credentials" }))]);
    let unknown =
        error_text(&call_without_token(&node, exchange("provider=github&access_token=gho_z")).await, 401);
    assert!(unknown.contains("does not know the access token"), "{unknown}");
    let limited = Answer::status(403, &json!({ "message": "API rate limit exceeded" }))
        .header("x-ratelimit-remaining", "0");
    github.set_answers("/user", [limited]);
    let limited =
        error_text(&call_without_token(&node, exchange("provider=github&access_token=gho_z")).await, 500);
    assert!(limited.contains("API rate limit exceeded; it limits this server"), "{limited}");
    for query in ["provider=gitlab&access_token=x", "provider=github", "access_token=x", ""] {
        assert_eq!(call_without_token(&node, exchange(query)).await.status, 400, "{query}");
    }
    drop(github);
    let gone =
        error_text(&call_without_token(&node, exchange("provider=github&access_token=gho_z")).await, 500);
    assert!(gone.contains("cannot be reached"), "{gone}");
    node.stop().await;
}

#[tokio::test]
async fn tokens_of_other_apps_are_refused_if_a_client_secret_is_set() {
    let github = FakeGitHub::start().await;
    let url = github.url();
    let node = TestNode::with(|options| {
        options
            .set("login.github_client_id=app")
            .set("login.github_client_secret=hush")
            .set(format!("login.github_url={url}"))
            .set(format!("login.github_api_url={url}"))
    })
    .await;
    disable_whitelist(&node).await;
    github.set_user(7, "ada", None, &verified("ada@example.com"));
    let exchange = || Request::post("/v1/oauth2?provider=github&access_token=gho_x");
    let refused = error_text(&call_without_token(&node, exchange()).await, 401);
    assert!(refused.contains("was not made for the app"), "{refused}");
    github.set_answers("/applications/app/token", [Answer::ok(&json!({ "id": 1 }))]);
    assert_eq!(call_without_token(&node, exchange()).await.status, 200);
    // `YXBwOmh1c2g=` is base64 of `app:hush`.
    assert!(github.requests().iter().any(|request| request.contains("Basic YXBwOmh1c2g=")));
    node.stop().await;
}
