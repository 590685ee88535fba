//! The requests of a run: what a user does in an hour, in forty requests. Each is repeated until it is answered.

use golem_tests::guests::{self, COUNTER, CREATE_PROMISE, GET, INCREMENT, PROMISES};
use golem_tests::http::{Request, Response};
use golem_tests::rest::{Api, Key, invocation, result_of, upload, worker_path};
use golem_tests::server::{Server, ServerOptions, is_kill};
use golem_tests::wait;
use serde_json::{Value, json};
use std::time::Duration;

const SAVES: &str = "saves";
const INCREMENTS: u64 = 8;
const TEXTS: u64 = 7;
/// Bytes of a state whose image does not fit into the log, so it becomes a file.
const STATE_BYTES: u64 = 100_000;
/// Time before a request is repeated.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// A client that starts the server again when it has ended.
pub(crate) struct Client {
    /// Options of a server without a fault.
    options: ServerOptions,
    /// The running server.
    pub(crate) server: Server,
    api: Api,
    /// How often the server was started again.
    pub(crate) restarts: u32,
}

/// What the script has created.
pub(crate) struct Created {
    counter: String,
    promises: String,
    saves: String,
    version: u64,
}

fn call(template: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
    invocation("invoke-and-await", template, worker, function, params, &Key::Idempotency(key.to_owned()))
}

fn saves(function: &str) -> String {
    format!("golem:saves/api/{function}")
}

impl Client {
    /// A client of `server`. `options` are those of the next server, if that one ends.
    pub(crate) fn new(options: ServerOptions, server: Server) -> Self {
        let api = server.api();
        Self { options, server, api, restarts: 0 }
    }

    /// Sends a request until the answer is not 429 or 503.
    async fn ask(&mut self, request: &Request) -> Response {
        let line = request.line();
        let asking = async {
            loop {
                match self.api.try_call(request.clone()).await {
                    Ok(response) if !matches!(response.status, 429 | 503) => return response,
                    Ok(_) => {}
                    Err(_) => {
                        if let Some(status) = self.server.exit_status() {
                            assert!(is_kill(status), "the server ended, {status}: {}", self.server.log());
                            self.server = self.options.start().await;
                            self.restarts += 1;
                        }
                        self.api = self.server.api();
                    }
                }
                wait::pause(RETRY_DELAY).await;
            }
        };
        wait::bounded(&format!("an answer to {line}"), asking).await
    }

    /// Sends a request whose answer has one of these statuses.
    async fn expect(&mut self, request: &Request, statuses: &[u16]) -> Response {
        let response = self.ask(request).await;
        assert!(
            statuses.contains(&response.status),
            "{}: {} {}",
            request.line(),
            response.status,
            response.text()
        );
        response
    }

    async fn call(&mut self, request: &Request, expected: &Value) {
        let response = self.expect(request, &[200]).await;
        assert_eq!(result_of(&response), *expected, "{}", request.line());
    }

    /// Uploads a guest. A repeated upload finds the template of the first one.
    async fn upload(&mut self, guest: &str) -> String {
        let response = self.expect(&upload(guest, &guests::bytes(guest)), &[200, 409]).await.json();
        let id = match &response["versionedTemplateId"]["rawTemplateId"] {
            Value::Null => &response["componentId"],
            id => id,
        };
        id.as_str().unwrap_or_else(|| panic!("{response} contains no template id")).to_owned()
    }

    /// Sends all requests of the script.
    pub(crate) async fn run(&mut self) -> Created {
        let counter = self.upload(COUNTER).await;
        let worker = json!({ "name": "a", "args": [], "env": [] });
        let create = Request::post(format!("/v1/templates/{counter}/workers")).json(&worker);
        self.expect(&create, &[200, 409]).await;
        for number in 0..INCREMENTS {
            self.increment(&counter, "a", number).await;
        }
        // A worker is deleted, and its name is used again.
        for number in 0..2 {
            self.increment(&counter, "b", number).await;
        }
        let delete = Request::new("DELETE", worker_path(&counter, "b", ""));
        self.expect(&delete, &[200, 404]).await;
        self.expect(&Request::get(worker_path(&counter, "b", "")), &[404]).await;
        self.call(&call(&counter, "b", INCREMENT, &json!([]), "again"), &json!(1)).await;

        let promises = self.upload(PROMISES).await;
        let response = self.expect(&call(&promises, "p", CREATE_PROMISE, &json!([]), "create"), &[200]).await;
        let promise = result_of(&response);
        let completion = json!({ "oplogIdx": promise["oplog-idx"], "data": [1, 2] });
        let complete = Request::post(worker_path(&promises, "p", "complete")).json(&completion);
        self.expect(&complete, &[200]).await;
        let wait = call(&promises, "p", guests::AWAIT_PROMISE, &json!([promise]), "await");
        self.call(&wait, &json!([1, 2])).await;

        // Its snapshots are files.
        let saves_id = self.upload(SAVES).await;
        let grow = call(&saves_id, "s", &saves("grow"), &json!([STATE_BYTES]), "grow");
        self.expect(&grow, &[200]).await;
        for number in 0..TEXTS {
            let add =
                call(&saves_id, "s", &saves("add"), &json!([format!("text {number}")]), &number.to_string());
            self.call(&add, &json!(number + 1)).await;
        }

        // A second version, and an update to it.
        let new_version = Request::new("PUT", format!("/v1/templates/{counter}/upload"))
            .body("application/octet-stream", guests::bytes(COUNTER));
        let uploaded = self.expect(&new_version, &[200]).await.json();
        let version = uploaded["versionedTemplateId"]["version"].as_u64().unwrap();
        let body = json!({ "mode": "automatic", "targetVersion": version });
        let update = Request::post(worker_path(&counter, "a", "update")).json(&body);
        self.expect(&update, &[200, 400, 409]).await;
        self.until_version(&counter, version).await;

        // A template is deleted with its worker.
        self.expect(&Request::new("DELETE", worker_path(&promises, "p", "")), &[200, 404]).await;
        self.expect(&Request::new("DELETE", format!("/v1/templates/{promises}")), &[200, 404]).await;
        Created { counter, promises, saves: saves_id, version }
    }

    async fn increment(&mut self, counter: &str, worker: &str, number: u64) {
        let increment = call(counter, worker, INCREMENT, &json!([]), &number.to_string());
        self.call(&increment, &json!(number + 1)).await;
    }

    async fn until_version(&mut self, template: &str, version: u64) {
        let path = worker_path(template, "a", "");
        let waiting = async {
            while self.expect(&Request::get(path.clone()), &[200]).await.json()["templateVersion"]
                != json!(version)
            {
                wait::pause(RETRY_DELAY).await;
            }
        };
        wait::bounded("the update", waiting).await;
    }

    /// Checks that everything is there that the script's answers acknowledged.
    pub(crate) async fn check(&mut self, created: &Created) {
        let Created { counter, promises, saves: saves_id, version } = created;
        let texts = call(saves_id, "s", &saves("add"), &json!(["last"]), "last");
        self.call(&texts, &json!(TEXTS + 1)).await;
        self.call(&call(counter, "a", GET, &json!([]), "get"), &json!(INCREMENTS)).await;
        for number in 0..INCREMENTS {
            self.increment(counter, "a", number).await;
        }
        self.call(&call(counter, "a", INCREMENT, &json!([]), "last"), &json!(INCREMENTS + 1)).await;
        self.until_version(counter, *version).await;
        self.call(&call(counter, "b", INCREMENT, &json!([]), "last"), &json!(2)).await;
        self.expect(&Request::get(worker_path(promises, "p", "")), &[404]).await;
        self.expect(&Request::get(format!("/v1/templates/{promises}/latest")), &[404]).await;
        self.expect(&Request::get(format!("/v1/templates/{counter}/latest")), &[200]).await;
        let download = Request::get(format!("/v1/templates/{counter}/download"));
        let bytes = self.expect(&download, &[200]).await.body;
        assert_eq!(bytes, guests::bytes(COUNTER));
    }
}
