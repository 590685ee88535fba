//! The whole house from outside: a real server process, REST and WebSocket as clients speak them, restarts.
//!
//! | module | is about |
//! |---|---|
//! | `first_start` | what a fresh folder becomes, and what of it survives |
//! | `templates` | upload in every spelling, versions, download |
//! | `lifecycle` | oplog and queue, cancelled invocations |
//! | `state` | workers in Rust whose state serde saves |
//! | `updates` | snapshots, and moving to another version |
//! | `workers` | create, delete, interrupt, resume, sleep, fail |
//! | `files` | what a worker wrote to its files survives |
//! | `listing` | lists of workers, over REST and as workers see each other |
//! | `failing` | retries, recover, rollback; every request in every status |
//! | `regions` | atomic regions and jumps over crashes |
//! | `values` | every type of WIT through JSON and back |
//! | `calls` | workers that call each other |
//! | `promises` | completed from outside, as printed in 2023 |
//! | `http`, `incoming` | requests that workers send, over crashes; requests that they answer |
//! | `keyvalue` | buckets, shared by workers, templates and interfaces |
//! | `streams` | what workers print, over WebSocket |
//! | `programs` | that only know standard input and output |
//! | `accounts` | accounts, roles, tokens, the whitelist, what is used |
//! | `login` | logging in through GitHub |
//! | `sharing` | projects, policies, grants; where plans end |
//! | `faults` | folders and disks that are not as they should be |

#![expect(clippy::unwrap_used, reason = "in a test, the place of a panic is the message")]

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
mod programs;
mod promises;
mod regions;
mod sharing;
mod state;
mod streams;
mod templates;
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

/// A folder with a server on it.
struct TestNode {
    folder: TempDir,
    options: ServerOptions,
    server: Server,
}

impl TestNode {
    async fn new() -> Self {
        Self::with(|options| options).await
    }

    /// With other settings than usual.
    async fn with(change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = change(ServerOptions::new(folder.path().join("data")).set("log=warn"));
        let server = options.start().await;
        Self { folder, options, server }
    }

    fn api(&self) -> Api {
        self.server.api()
    }

    /// The server's own folder.
    fn data(&self) -> PathBuf {
        self.options.data().to_owned()
    }

    /// SIGTERM and a new process.
    async fn restart(self) -> Self {
        let Self { folder, options, server } = self;
        assert!(server.stop().await.success(), "a stop that was asked for is no failure");
        let server = options.start().await;
        Self { folder, options, server }
    }

    /// SIGKILL and a new process.
    async fn crash(self) -> Self {
        let Self { folder, options, server } = self;
        server.kill().await;
        let server = options.start().await;
        Self { folder, options, server }
    }

    async fn stop(self) {
        assert!(self.server.stop().await.success(), "a stop that was asked for is no failure");
        drop(self.folder);
    }
}

/// Uploads the test guest of that name.
async fn upload(api: &mut Api, guest: &str) -> String {
    api.upload(guest, &guests::bytes(guest)).await
}

/// A call that is waited for, with a key of our own.
fn call(template: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
    let key = Key::Idempotency(key.to_owned());
    invocation("invoke-and-await", template, worker, function, params, &key)
}

/// A call that is not waited for.
fn send(template: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
    let key = Key::Idempotency(key.to_owned());
    invocation("invoke", template, worker, function, params, &key)
}
