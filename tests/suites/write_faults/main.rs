//! A fault at every write: the real server on real files fails, waits or ends at the N-th operation that changes a file of
//! its data folder (`golem_tests::file_faults`). What it acknowledged survives, also a power cut at the end of the run.
//!
//! Every 20th operation is tested, and each one with `cargo xtask long`. `GOLEM_TEST_FAULT=kill@17`
//! repeats one run. Operations of background threads make the number of an operation vary a little.
//!
//! The suite uses the crate `golem-runtime` to check the files of the store in the end.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod script;

use golem_runtime::storage::embedded::{EmbeddedStore, OpenOptions};
use golem_tests::file_faults::{FaultAction, FaultPoint};
use golem_tests::report::report;
use golem_tests::server::{Server, ServerOptions};
use script::Client;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// In a short run, every operation whose number is a multiple of this is tested.
const STEP: u64 = 20;

/// A run ends the server with a power cut if it has a simulated disk.
fn options(data: &Path, fault: &str) -> ServerOptions {
    ServerOptions::new(data)
        .with_faults(&["--files", fault])
        .set("log=warn")
        .set("workers.snapshot_invocations=3")
        .set("workers.suspend_after_ms=50")
}

/// Runs the script on a server with this fault, and checks the result after a power cut. Returns the number of
/// operations of a run without a fault.
async fn run(fault: Option<FaultPoint>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let without_fault = options(&data, "none");
    let server = match fault {
        None => without_fault.start().await,
        Some(fault) => match options(&data, &fault.to_string()).try_start().await {
            Ok(server) => server,
            // The fault came before the server was ready.
            Err(_) => without_fault.start().await,
        },
    };
    let mut client = Client::new(without_fault.clone(), server);
    let created = client.run().await;
    let survives = fault.is_none_or(|fault| {
        !matches!(fault.action, FaultAction::Kill | FaultAction::Torn | FaultAction::PowerCut)
    });
    assert!(!survives || client.restarts == 0, "the server ended: {}", client.server.log());
    let Client { mut server, .. } = client;
    let answer = server.ask_about_files("count").await;
    let operations = answer.rsplit(' ').next().unwrap().parse().unwrap();
    server.cut_power().await;

    let mut client = Client::new(without_fault.clone(), without_fault.start().await);
    client.check(&created).await;
    assert_eq!(client.restarts, 0, "{}", client.server.log());
    stop(client.server).await;
    let findings = EmbeddedStore::open(OpenOptions::new(&data)).unwrap().check().unwrap().findings;
    assert_eq!(findings, [] as [String; 0]);
    operations
}

async fn stop(server: Server) {
    assert!(server.stop().await.success(), "SIGTERM ends the server with success");
}

/// The runs, in an order that spreads the actions over the operations if a short run skips some.
fn faults(operations: u64) -> Vec<FaultPoint> {
    let step = if golem_tests::is_long_run() { 1 } else { STEP };
    let points = (1..=operations / step).map(|number| number * step);
    points.flat_map(|operation| FaultAction::ALL.map(|action| FaultPoint { action, operation })).collect()
}

#[expect(clippy::disallowed_methods, reason = "a developer repeats a run with this variable")]
fn chosen_fault() -> Option<FaultPoint> {
    let text = std::env::var("GOLEM_TEST_FAULT").ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("GOLEM_TEST_FAULT: {error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_write_loses_nothing_that_was_acknowledged() {
    if let Some(fault) = chosen_fault() {
        run(Some(fault)).await;
        return;
    }
    let operations = run(None).await;
    assert!(operations >= 200, "the script changes files {operations} times only");
    let faults = faults(operations);
    report(format!("{operations} operations on files, {} runs", faults.len()));
    let waiting = Arc::new(Mutex::new(faults.into_iter()));
    let parallel = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..parallel {
        let waiting = waiting.clone();
        lanes.spawn(async move {
            let mut failed = Vec::new();
            loop {
                let next = waiting.lock().unwrap().next();
                let Some(fault) = next else { return failed };
                if let Err(panicked) = tokio::spawn(run(Some(fault))).await {
                    failed.push(format!("{fault}: {panicked}"));
                }
            }
        });
    }
    let failed: Vec<_> = lanes.join_all().await.into_iter().flatten().collect();
    assert_eq!(failed, [] as [String; 0], "each can be repeated with GOLEM_TEST_FAULT");
}

/// The control of the test above: it fails if the server loses what it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_ignores_syncs_is_noticed() {
    let fault = FaultPoint { action: FaultAction::IgnoreSyncs, operation: 1 };
    tokio::spawn(run(Some(fault))).await.expect_err("the loss was not noticed");
}
