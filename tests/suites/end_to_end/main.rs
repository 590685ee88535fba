//! The whole system from outside: a real server process, REST and WebSocket as clients use them, restarts and kills.
//!
//! | module | tests |
//! |---|---|
//! | `first_start` | the first start on an empty folder, and what later starts keep |
//! | `templates` | upload in every accepted form, versions, download |
//! | `lifecycle` | oplog and queue, cancelled invocations |
//! | `state` | workers in Rust whose state is saved with serde |
//! | `updates` | snapshots, and updates to another version |
//! | `workers` | create, delete, interrupt, resume, sleep, fail |
//! | `files` | files of workers survive crashes |
//! | `listing` | lists of workers, over REST and from within workers |
//! | `failing` | retries, recover, rollback; every request in every status |
//! | `regions` | atomic regions and jumps over crashes |
//! | `values` | every WIT type as JSON, in both directions |
//! | `calls` | calls between workers |
//! | `promises` | promises that are completed from outside, with the requests of 2023 |
//! | `http`, `incoming` | HTTP requests that workers send, over crashes; HTTP requests that they answer |
//! | `keyvalue` | buckets that workers, templates and interfaces share |
//! | `streams` | output of workers over WebSocket |
//! | `programs` | programs that use only standard input and output |
//! | `accounts` | accounts, roles, tokens, the whitelist, resource usage |
//! | `login` | login through GitHub |
//! | `other_projects` | what workers may do with the objects of other projects |
//! | `sharing` | projects, policies, grants; limits of plans |
//! | `faults` | unusable data folders and failing disks |

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod accounts;
mod calls;
mod failing;
mod faults;
mod files;
mod first_start;
mod http;
mod incoming;
mod keyvalue;
mod lifecycle;
mod listing;
mod login;
mod other_projects;
mod programs;
mod promises;
mod regions;
mod sharing;
mod state;
mod streams;
mod templates;
mod updated_files;
mod updates;
mod values;
mod workers;

use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Api, Key, invocation};
use golem_tests::server::{Server, ServerOptions};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// A data folder and the server that runs on it.
struct TestNode {
    folder: TempDir,
    options: ServerOptions,
    server: Server,
}

impl TestNode {
    async fn new() -> Self {
        Self::with(|options| options).await
    }

    /// Starts a server with changed options.
    async fn with(change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = change(ServerOptions::new(folder.path().join("data")).set("log=warn"));
        let server = options.start().await;
        Self { folder, options, server }
    }

    fn api(&self) -> Api {
        self.server.api()
    }

    /// The data folder.
    fn data(&self) -> PathBuf {
        self.options.data().to_owned()
    }

    /// Stops the server with SIGTERM and starts it again.
    async fn restart(self) -> Self {
        let Self { folder, options, server } = self;
        assert!(server.stop().await.success(), "SIGTERM ends the server with success");
        let server = options.start().await;
        Self { folder, options, server }
    }

    /// Kills the server with SIGKILL and starts it again.
    async fn crash(self) -> Self {
        let Self { folder, options, server } = self;
        server.kill().await;
        let server = options.start().await;
        Self { folder, options, server }
    }

    async fn stop(self) {
        assert!(self.server.stop().await.success(), "SIGTERM ends the server with success");
        drop(self.folder);
    }
}

/// Uploads the test guest with this name; returns the id of the template.
async fn upload(api: &mut Api, guest: &str) -> String {
    api.upload(guest, &guests::bytes(guest)).await
}

/// A request that calls a function and waits for its result, with an idempotency key.
fn call(template: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
    let key = Key::Idempotency(key.to_owned());
    invocation("invoke-and-await", template, worker, function, params, &key)
}

/// A request that calls a function without waiting for its result.
fn send(template: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
    let key = Key::Idempotency(key.to_owned());
    invocation("invoke", template, worker, function, params, &key)
}
