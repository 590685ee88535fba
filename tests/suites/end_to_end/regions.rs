//! Atomic regions and ways back, on a server that is killed.

use crate::workers::until_status;
use crate::{Home, call, send, upload};
use golem_tests::rest::{Api, result_of};
use serde_json::json;

const REGIONS: &str = "regions";

fn of(function: &str) -> String {
    format!("golem:regions/api/{function}")
}

#[tokio::test]
async fn a_region_is_repeated_when_its_attempt_fails() {
    let home = Home::new().await;
    let mut api = home.api();
    let template = upload(&mut api, REGIONS).await;
    let flaky = call(&template, "w", &of("flaky"), &json!([]), "flaky");
    let answer = result_of(&api.ok(flaky.clone()).await);
    assert_eq!(answer[0], 1, "memory was what it had been before the first attempt: {answer}");
    let home = home.crash().await;
    let mut api = home.api();
    assert_eq!(result_of(&api.ok(flaky).await), answer);
    assert_eq!(api.invoke(&template, "w", &of("entered"), &json!([])).await, json!(1));
    home.end().await;
}

#[tokio::test]
async fn a_region_is_repeated_when_the_server_is_killed_in_it() {
    let mut home = Home::new().await;
    let mut api = home.api();
    let template = upload(&mut api, REGIONS).await;
    // Sleeps in memory: twice in a region, and once after it.
    api.ok(send(&template, "w", &of("nested"), &json!([1_000]), "nested")).await;
    until_status(&api, &template, "w", "Running").await;
    for _ in 0..2 {
        home = home.crash().await;
        api = home.api();
    }
    let nested = call(&template, "w", &of("nested"), &json!([1_000]), "nested");
    assert_eq!(result_of(&api.ok(nested.clone()).await), json!(1));
    home = home.crash().await;
    let mut api: Api = home.api();
    assert_eq!(result_of(&api.ok(nested).await), json!(1));
    assert_eq!(api.invoke(&template, "w", &of("entered"), &json!([])).await, json!(1));
    home.end().await;
}

#[tokio::test]
async fn a_worker_goes_back_and_stays_there() {
    let home = Home::new().await;
    let mut api = home.api();
    let template = upload(&mut api, REGIONS).await;
    for count in 1..4 {
        assert_eq!(api.invoke(&template, "w", &of("go-back"), &json!([])).await, json!(count));
    }
    let home = home.crash().await;
    let mut api = home.api();
    assert_eq!(api.invoke(&template, "w", &of("entered"), &json!([])).await, json!(3));
    // What cannot be gone back to is refused by name; such an invocation fails for good in the end.
    let refused = api.call(call(&template, "w", &of("go-to"), &json!([1]), "go-to")).await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("cannot jump to position 1: "), "{}", refused.text());
    home.end().await;
}
