//! Unusable data folders and failing disks: clear errors, no loss of acknowledged work, and recovery without a
//! restart.

use crate::{TestNode, call, upload};
use golem_tests::guests::{COUNTER, GET, INCREMENT};
use golem_tests::http::{Request, Response};
use golem_tests::report::skip;
use golem_tests::rest::{Api, result_of, worker_path};
use golem_tests::server::{ServerOptions, StartError};
use golem_tests::wait;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Starts a server that must fail, and returns its one line of error text.
async fn start_error(options: &ServerOptions) -> String {
    let Err(StartError { status, stderr }) = options.try_start().await else {
        panic!("the server started although it should refuse to");
    };
    assert!(!status.success(), "{status}: {stderr}");
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "the error should be one line: {stderr}");
    lines[0].to_owned()
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} should contain {part:?}");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    let error = start_error(&node.options).await;
    assert_contains(
        &error,
        &[&node.data().display().to_string(), "in use by another process", "use another folder"],
    );
    // The first server continues to work.
    assert_eq!(api.invoke(&template, "w", INCREMENT, &json!([])).await, json!(1));
    let node = node.crash().await;
    assert_eq!(node.api().invoke(&template, "w", INCREMENT, &json!([])).await, json!(2));
    node.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let node = TestNode::new().await;
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data"))
        .listen(node.server.address.to_string())
        .set("log=warn");
    let error = start_error(&options).await;
    assert_contains(
        &error,
        &[&format!("cannot listen on {}", node.server.address), "another program listens there", "--listen"],
    );
    node.stop().await;
}

#[tokio::test]
async fn an_unknown_setting_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data")).set("http.body_byte_max=1");
    assert_contains(
        &start_error(&options).await,
        &["unknown setting `http.body_byte_max`", "did you mean `http.body_bytes_max`?"],
    );
}

#[tokio::test]
async fn a_newer_folder_is_refused_and_left_alone() {
    let node = TestNode::new().await;
    let (options, data) = (node.options.clone(), node.data());
    assert!(node.server.stop().await.success());
    let store = data.join("golem.db");
    let connection = rusqlite::Connection::open(&store).unwrap();
    connection.pragma_update(None, "user_version", 4_000_000).unwrap();
    connection.close().unwrap();
    let before = std::fs::read(&store).unwrap();
    let error = start_error(&options).await;
    assert_contains(&error, &[&data.display().to_string(), "4000000", "newer version of golem"]);
    assert!(
        std::fs::read(&store).unwrap() == before,
        "the server should not write to a folder that it refuses"
    );
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("golem.db"), vec![b'x'; 100_000]).unwrap();
    let error = start_error(&ServerOptions::new(&data).set("log=warn")).await;
    assert_contains(&error, &["golem.db"]);
    assert_eq!(std::fs::read(data.join("golem.db")).unwrap(), vec![b'x'; 100_000]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o500)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_ok() {
        skip("a folder that cannot be written is refused", "this user may write everywhere");
    } else {
        // The log of the process must be outside the read-only folder.
        let data = closed.join("data");
        let error =
            start_error(&ServerOptions::new(&data).log(folder.path().join("log")).set("log=warn")).await;
        assert_contains(&error, &[&data.display().to_string(), "ermission denied"]);
    }
    // A file instead of the folder is an error for every user.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = start_error(&ServerOptions::new(&file).set("log=warn")).await;
    assert_contains(&error, &[&file.display().to_string()]);
}

/// The one file below `folder`.
fn only_file(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "{} contains more than one file", folder.display());
    file
}

/// The component's file cannot be used: each request that needs it gets the error of 2023 with the template's id and
/// version, and no worker is created.
async fn assert_template_fault(api: &mut Api, template: &str, variant: &str, reason: &str) {
    let creation = json!({ "name": "new", "args": [], "env": [] });
    let requests = [
        call(template, "w", GET, &json!([]), &format!("get-{variant}")),
        call(template, "new", GET, &json!([]), &format!("get-{variant}")),
        Request::post(format!("/v1/templates/{template}/workers")).json(&creation),
        Request::get(format!("/v1/templates/{template}/download")),
    ];
    for request in requests {
        let line = request.line();
        let answer = api.call(request).await;
        assert_eq!(answer.status, 500, "{line}: {}", answer.text());
        let error = &answer.json()["golemError"][variant];
        assert_eq!(error["componentId"], json!({ "rawTemplateId": template, "version": 0 }), "{line}");
        assert_contains(error["reason"].as_str().unwrap(), &[reason, "from a backup"]);
    }
    let created = api.call(Request::get(worker_path(template, "new", ""))).await;
    assert_eq!(created.status, 404, "a worker was created although its template cannot be used");
}

#[tokio::test]
async fn a_damaged_component_is_reported_and_other_components_work() {
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, COUNTER).await;
    assert_eq!(api.invoke(&template, "w", INCREMENT, &json!([])).await, json!(1));
    let (options, data) = (node.options.clone(), node.data());
    assert!(node.server.stop().await.success());
    let blob = only_file(&data.join("blobs"));
    let good = std::fs::read(&blob).unwrap();
    let mut bad = good.clone();
    bad[1_000] ^= 1;
    std::fs::write(&blob, &bad).unwrap();
    std::fs::remove_dir_all(data.join("compiled")).unwrap();

    let server = options.start().await;
    let mut api = server.api();
    assert_template_fault(&mut api, &template, "TemplateParseFailed", "damaged").await;
    let sleeps = upload(&mut api, "sleeps").await;
    assert_eq!(api.invoke(&sleeps, "w", "golem:sleeps/api/finished", &json!([])).await, json!(0));

    assert!(server.stop().await.success());
    std::fs::remove_file(&blob).unwrap();
    let server = options.start().await;
    assert_template_fault(&mut server.api(), &template, "TemplateDownloadFailed", "missing").await;

    // After the file is restored, the worker continues with its state.
    assert!(server.stop().await.success());
    std::fs::write(&blob, &good).unwrap();
    let server = options.start().await;
    assert_eq!(server.api().invoke(&template, "w", INCREMENT, &json!([])).await, json!(2));
    assert!(server.stop().await.success());
}

/// Changes a byte in the middle of `needle`, wherever the store's file has it.
fn damage(database: &Path, needle: &[u8]) {
    let mut bytes = std::fs::read(database).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!places.is_empty(), "{} does not contain the text", database.display());
    for at in places {
        bytes[at + needle.len() / 2] ^= 1;
    }
    std::fs::write(database, bytes).unwrap();
}

/// A worker with a damaged row is refused with an error that a retry does not cure; other workers are not affected.
#[tokio::test]
async fn a_damaged_row_stops_its_worker_and_no_other_one() {
    const TEXT: &str = "a text that is in one row of the log and nowhere else";
    let add = "golem:saves/api/add";
    let node = TestNode::new().await;
    let mut api = node.api();
    let template = upload(&mut api, "saves").await;
    for worker in ["damaged", "good"] {
        for text in ["first", if worker == "good" { "second" } else { TEXT }, "third"] {
            api.invoke(&template, worker, add, &json!([text])).await;
        }
    }
    let (options, data) = (node.options.clone(), node.data());
    assert!(node.server.stop().await.success());
    damage(&data.join("golem.db"), TEXT.as_bytes());

    let server = options.start().await;
    let mut api = server.api();
    for attempt in ["1", "2"] {
        let answer = api.call(call(&template, "damaged", add, &json!(["fourth"]), attempt)).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert_contains(&answer.text(), &["damaged at row", "backup"]);
    }
    assert_eq!(api.invoke(&template, "good", add, &json!(["fourth"])).await, json!(4));
    assert_eq!(api.call(Request::get("/healthcheck")).await.status, 200);
    assert_eq!(api.call(Request::get(worker_path(&template, "damaged", ""))).await.status, 200);
    let oplog = api.call(Request::get(worker_path(&template, "damaged", "oplog"))).await;
    assert_eq!(oplog.status, 500, "{}", oplog.text());
    assert_contains(&oplog.text(), &["damaged at row"]);
    assert!(server.stop().await.success());
}

/// Sends increments, each with its own key, until `stop` accepts an answer; returns the number of the key of that
/// answer.
async fn increment_until(api: &mut Api, template: &str, from: u64, stop: impl Fn(&Response) -> bool) -> u64 {
    for number in from..from + 1_000 {
        let response = api.call(call(template, "w", INCREMENT, &json!([]), &format!("key-{number}"))).await;
        if stop(&response) {
            return number;
        }
        assert_eq!(result_of(&response), json!(number + 1), "key {number}");
    }
    panic!("a thousand calls succeeded although the disk has a fault");
}

/// A disk fault: requests fail with a clear error, no acknowledged work is lost, and the server recovers without a
/// restart when the fault ends.
async fn check_disk_fault(state: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data")).with_faults(&["--disk"]).set("log=warn");
    let mut server = options.start().await;
    let mut api = server.api();
    let template = upload(&mut api, COUNTER).await;
    for number in 0..50 {
        let well = api.ok(call(&template, "w", INCREMENT, &json!([]), &format!("key-{number}"))).await;
        assert_eq!(result_of(&well), json!(number + 1));
    }
    server.set_disk(state).await;
    let failed = increment_until(&mut api, &template, 50, |response| response.status == 503).await;
    let refused = api.call(call(&template, "w", INCREMENT, &json!([]), &format!("key-{failed}"))).await;
    if refused.status == 503 {
        assert_contains(&refused.text(), expected);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // The server still answers requests that write nothing.
    assert_eq!(api.call(Request::get("/v1/version")).await.status, 200);

    server.set_disk("well").await;
    let again = call(&template, "w", INCREMENT, &json!([]), &format!("key-{failed}"));
    let response = wait::until("the server has recovered", || {
        let (mut api, again) = (Api::new(api.address(), api.token()), again.clone());
        async move { Some(api.call(again).await).filter(|response| response.status == 200) }
    })
    .await;
    assert_eq!(api.call(Request::get("/healthcheck")).await.status, 200);
    // The failed key has run exactly once, either before or now.
    assert_eq!(result_of(&response), json!(failed + 1));
    assert_eq!(api.invoke(&template, "w", GET, &json!([])).await, json!(failed + 1));
    server.kill().await;
    let server = options.start().await;
    assert_eq!(server.api().invoke(&template, "w", GET, &json!([])).await, json!(failed + 1));
    for number in [0, 49, failed] {
        let again = call(&template, "w", INCREMENT, &json!([]), &format!("key-{number}"));
        assert_eq!(result_of(&server.api().ok(again).await), json!(number + 1), "key {number}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_writes_resume_with_space() {
    check_disk_fault("full", &["Nothing that was acknowledged is lost", "space"]).await;
}

#[tokio::test]
async fn a_failed_sync_loses_nothing_that_was_acknowledged() {
    check_disk_fault("failing", &["Nothing that was acknowledged is lost"]).await;
}

/// Another process takes the shards: this server can write nothing any more, so it ends and says why.
#[tokio::test]
async fn a_fenced_server_ends_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data")).set("log=warn");
    let mut server = options.start().await;
    let mut api = server.api();
    let template = upload(&mut api, COUNTER).await;
    assert_eq!(api.invoke(&template, "w", INCREMENT, &json!([])).await, json!(1));
    let other = rusqlite::Connection::open(options.data().join("golem.db")).unwrap();
    other.execute_batch("UPDATE lease SET epoch = epoch + 1").unwrap();
    drop(other);
    let refused = api.try_call(call(&template, "w", INCREMENT, &json!([]), "fenced")).await;
    assert!(refused.is_err() || refused.is_ok_and(|response| response.status == 503));
    let status = wait::until("the server ends", || {
        let status = server.exit_status();
        async move { status }
    })
    .await;
    assert!(!status.success());
    assert_contains(
        &server.log(),
        &["another process has taken the data folder", "nothing that it acknowledged is lost"],
    );
    let server = options.start().await;
    assert_eq!(server.api().invoke(&template, "w", GET, &json!([])).await, json!(1));
    assert!(server.stop().await.success());
}
