//! Files of workers: private to the worker, and as durable as the worker.

use crate::{TestNode, call, upload};
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Api, Part, multipart, result_of, with_form};
use serde_json::{Value, json};

async fn call_files(api: &mut Api, template: &str, worker: &str, function: &str, params: &Value) -> Value {
    api.invoke(template, worker, &format!("golem:files/api/{function}"), params).await
}

#[tokio::test]
async fn files_survive_a_crash_and_belong_to_one_worker() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "files").await;
    let done = json!({ "ok": null });
    assert_eq!(call_files(&mut api, &template, "w", "make-folders", &json!(["/a/b"])).await, done);
    assert_eq!(call_files(&mut api, &template, "w", "write", &json!(["/a/b/note", "written"])).await, done);
    assert_eq!(call_files(&mut api, &template, "w", "keep", &json!(["open"])).await, done);
    let append = call(&template, "w", "golem:files/api/append", &json!(["/a/b/note", " once"]), "append");
    assert_eq!(result_of(&api.ok(append.clone()).await), done);
    let about = call_files(&mut api, &template, "w", "about", &json!(["/a/b/note"])).await;
    assert_eq!(about["ok"]["bytes"], json!(12));

    let node = node.crash().await;
    let mut api = node.api();
    assert_eq!(result_of(&api.ok(append).await), done, "the same key does not run again");
    assert_eq!(
        call_files(&mut api, &template, "w", "about", &json!(["/a/b/note"])).await,
        about,
        "the times of the file are restored too"
    );
    assert_eq!(
        call_files(&mut api, &template, "w", "read", &json!(["a/b/note"])).await,
        json!({ "ok": "written once" })
    );
    assert_eq!(call_files(&mut api, &template, "w", "write-kept", &json!(["still open"])).await, done);
    assert_eq!(
        call_files(&mut api, &template, "w", "read", &json!(["open"])).await,
        json!({ "ok": "still open" })
    );
    assert_eq!(call_files(&mut api, &template, "other", "names", &json!(["/"])).await, json!({ "ok": [] }));
    node.stop().await;
}

/// A tar archive with text files and a link to the first one.
pub(super) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mtime(1_500_000_000);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "link", files[0].0).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn workers_begin_with_the_files_of_their_template() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let wasm = guests::bytes("files");
    let first = archive(&[("etc/settings", "color = blue"), ("data", "1")]);
    let query = json!({ "componentName": "shipped" }).to_string();
    let part = |name, content| Part { name, content_type: None, content };
    let parts = [part("field0", query.as_bytes()), part("files", &first), part("template", &wasm)];
    let shipped = api.ok(multipart(&parts)).await.json();
    assert_eq!(shipped["filesSize"], json!(first.len()));
    let template = shipped["versionedTemplateId"]["rawTemplateId"].as_str().unwrap().to_owned();

    let names = json!({ "ok": ["data", "etc", "link"] });
    assert_eq!(call_files(&mut api, &template, "one", "names", &json!(["/"])).await, names);
    let about = call_files(&mut api, &template, "one", "about", &json!(["etc/settings"])).await;
    assert_eq!(about["ok"]["modified"], json!(1_500_000_000_000_000_000_u64));
    let changed = call_files(&mut api, &template, "one", "append", &json!(["link", ", size = 5"])).await;
    assert_eq!(changed, json!({ "ok": null }));

    // The next version has other files. Workers of the first version keep their files.
    let second = archive(&[("other", "new")]);
    let path = format!("/v1/templates/{template}/upload");
    let parts = [part("template", wasm.as_slice()), part("files", &second)];
    let next = api.ok(with_form(Request::new("PUT", &path), &parts)).await.json();
    assert_eq!(next["versionedTemplateId"]["version"], 1);
    assert_eq!(
        call_files(&mut api, &template, "two", "read", &json!(["link"])).await,
        json!({ "ok": "new" })
    );
    let plain = Request::new("PUT", &path).body("application/octet-stream", wasm.clone());
    assert_eq!(api.ok(plain).await.json()["filesSize"], json!(null));

    let node = node.crash().await;
    let mut api = node.api();
    let read = call_files(&mut api, &template, "one", "read", &json!(["etc/settings"])).await;
    assert_eq!(read, json!({ "ok": "color = blue, size = 5" }));
    assert_eq!(
        call_files(&mut api, &template, "two", "read", &json!(["other"])).await,
        json!({ "ok": "new" })
    );
    assert_eq!(call_files(&mut api, &template, "three", "names", &json!(["/"])).await, json!({ "ok": [] }));
    node.stop().await;
}
