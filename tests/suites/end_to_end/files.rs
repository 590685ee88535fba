//! A worker's files: private, and as durable as the worker.

use crate::{Home, call, upload};
use golem_tests::rest::{Api, result_of};
use serde_json::{Value, json};

async fn files(api: &mut Api, template: &str, worker: &str, function: &str, params: &Value) -> Value {
    api.invoke(template, worker, &format!("golem:files/api/{function}"), params).await
}

#[tokio::test]
async fn files_survive_a_crash_and_belong_to_one_worker() {
    let home = Home::new().await;
    let mut api = home.api();
    let template = upload(&mut api, "files").await;
    let done = json!({ "ok": null });
    assert_eq!(files(&mut api, &template, "w", "make-folders", &json!(["/a/b"])).await, done);
    assert_eq!(files(&mut api, &template, "w", "write", &json!(["/a/b/note", "written"])).await, done);
    assert_eq!(files(&mut api, &template, "w", "keep", &json!(["open"])).await, done);
    let append = call(&template, "w", "golem:files/api/append", &json!(["/a/b/note", " once"]), "append");
    assert_eq!(result_of(&api.ok(append.clone()).await), done);
    let about = files(&mut api, &template, "w", "about", &json!(["/a/b/note"])).await;
    assert_eq!(about["ok"]["bytes"], json!(12));

    let home = home.crash().await;
    let mut api = home.api();
    assert_eq!(result_of(&api.ok(append).await), done, "the same call, not a second one");
    assert_eq!(
        files(&mut api, &template, "w", "about", &json!(["/a/b/note"])).await,
        about,
        "also its times"
    );
    assert_eq!(
        files(&mut api, &template, "w", "read", &json!(["a/b/note"])).await,
        json!({ "ok": "written once" })
    );
    assert_eq!(files(&mut api, &template, "w", "write-kept", &json!(["still open"])).await, done);
    assert_eq!(
        files(&mut api, &template, "w", "read", &json!(["open"])).await,
        json!({ "ok": "still open" })
    );
    assert_eq!(files(&mut api, &template, "other", "names", &json!(["/"])).await, json!({ "ok": [] }));
    home.end().await;
}
