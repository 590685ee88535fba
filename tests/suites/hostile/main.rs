//! One tenant attacks the server with a valid token. Each attack must cost the attacker an error and the server little,
//! and another tenant must be served.
//!
//! | module | attacks |
//! |---|---|
//! | `histories` | workers whose recovery reads a long log, or large answers |
//! | `logs` | output that is larger than the server's memory |
//! | `oplogs` | oplogs with large values |
//! | `uploads` | components that are small on disk and large when they are described |
//!
//! `histories` uses internal crates to write a log as earlier versions recorded it.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod histories;
mod logs;
mod oplogs;
mod uploads;

use golem_tests::guests;
use golem_tests::process::{peak_resident_bytes, reset_peak_resident_bytes, resident_bytes};
use golem_tests::rest::Api;
use golem_tests::server::{Server, ServerOptions};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

/// A server, an attacker, and a victim with a worker.
struct Attack {
    _folder: TempDir,
    options: ServerOptions,
    server: Server,
    attacker: Api,
    victim: Api,
    /// The victim's template.
    counter: String,
    /// Calls that the victim has made.
    calls: u64,
    /// The server's resident memory before the attack, in bytes.
    resident_before: u64,
}

impl Attack {
    async fn begin(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = ServerOptions::new(folder.path().join("data")).set("log=warn");
        let options = settings.iter().fold(options, |options, setting| options.set(*setting));
        let server = options.start().await;
        let mut root = server.api();
        let attacker = root.new_account("mallory").await;
        let mut victim = root.new_account("victor").await;
        let counter = victim.upload("counter", &guests::bytes(guests::COUNTER)).await;
        let resident_before = 0;
        let mut attack =
            Self { _folder: folder, options, server, attacker, victim, counter, calls: 0, resident_before };
        attack.assert_victim_is_served().await;
        attack.resident_before = resident_bytes(attack.server.pid());
        attack
    }

    async fn assert_victim_is_served(&mut self) {
        self.calls += 1;
        let value = self.victim.invoke(&self.counter, "w", guests::INCREMENT, &json!([])).await;
        assert_eq!(value, json!(self.calls));
    }

    /// Forgets the memory that the server has had so far.
    fn begin_measurement(&mut self) {
        reset_peak_resident_bytes(self.server.pid());
        self.resident_before = resident_bytes(self.server.pid());
    }

    /// Checks that the server never had more than this much memory beyond its memory before the attack.
    fn assert_grown_at_most(&self, bytes: u64) {
        let grown = peak_resident_bytes(self.server.pid()).saturating_sub(self.resident_before);
        assert!(
            grown <= bytes,
            "the server grew by {} MiB; at most {} are allowed",
            grown >> 20,
            bytes >> 20
        );
    }

    /// Restarts the server on the same data.
    async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// Restarts the server on the same data, which `change` changes in between.
    async fn restart_after(mut self, change: impl FnOnce(&Path)) -> Self {
        assert!(self.server.stop().await.success());
        change(self.options.data());
        self.server = self.options.start().await;
        let address = self.server.api().address();
        self.attacker = Api::new(address, self.attacker.token());
        self.victim = Api::new(address, self.victim.token());
        self
    }
}
