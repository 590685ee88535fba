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
use golem_tests::server::{Server, ServerOptions, is_kill};
use golem_tests::wait;
use script::Client;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// In a short run, every operation whose number is a multiple of this is tested.
const STEP: u64 = 20;

/// A run takes about two seconds on a quiet machine.
const RUN_MAX: Duration = Duration::from_mins(2);

/// After this number of failed runs, the test ends.
const FAILURES_MAX: usize = 3;

/// A run ends the server with a power cut if it has a simulated disk.
fn options(data: &Path, fault: &str) -> ServerOptions {
    ServerOptions::new(data)
        .with_faults(&["--files", fault])
        .set("log=warn")
        .set("workers.snapshot_invocations=3")
        .set("workers.suspend_after_ms=50")
}

/// The result of a run.
struct Outcome {
    /// Operations on files, of the last server.
    operations: u64,
    /// Whether the fault has happened.
    happened: bool,
}

/// Runs the script on a server with this fault, and checks the result after a power cut.
async fn run(fault: Option<FaultPoint>) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let without_fault = options(&data, "none");
    let (server, failed_start) = match fault {
        None => (without_fault.start().await, false),
        Some(fault) => match options(&data, &fault.to_string()).try_start().await {
            Ok(server) => (server, false),
            Err(error) => {
                let killed = is_kill(error.status);
                assert!(killed == fault.action.ends_process(), "{fault}: {error}");
                (without_fault.start().await, true)
            }
        },
    };
    let mut client = Client::new(without_fault.clone(), server);
    let created = client.run().await;
    let may_end = fault.is_some_and(|fault| fault.action.ends_process());
    let Client { mut server, restarts, .. } = client;
    assert!(may_end || restarts == 0, "the server ended: {}", server.log());
    let answer = server.ask_about_files("count").await;
    let mut words = answer.iter().flat_map(|answer| answer.rsplit(' '));
    let happened = words.next().is_none_or(|happened| happened == "true") || failed_start || restarts > 0;
    let operations = words.next().map_or(0, |operations| operations.parse().unwrap());
    // All unsynced changes are lost, or a part of them.
    let seed = fault.filter(|fault| fault.operation % (2 * STEP) == 0).map(|fault| fault.operation);
    server.cut_power(seed).await;

    let mut client = Client::new(without_fault.clone(), without_fault.start().await);
    client.check(&created).await;
    assert_eq!(client.restarts, 0, "{}", client.server.log());
    stop(client.server).await;
    let findings = EmbeddedStore::open(OpenOptions::new(&data)).unwrap().check().unwrap().findings;
    assert_eq!(findings, [] as [String; 0]);
    Outcome { operations, happened }
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
    let Outcome { operations, .. } = run(None).await;
    assert!((200..800).contains(&operations), "the script changes files {operations} times");
    let faults = faults(operations);
    let count = faults.len();
    report(format!("{operations} operations on files, {count} runs"));
    let waiting = Arc::new(Mutex::new(faults.into_iter()));
    let failed = Arc::new(Mutex::new(Vec::new()));
    let happened = Arc::new(AtomicUsize::new(0));
    // A server that waits for its disk leaves its processor to another run.
    let processors = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let mut lanes = JoinSet::new();
    for _ in 0..3 * processors {
        let (waiting, failed, happened) = (waiting.clone(), failed.clone(), happened.clone());
        lanes.spawn(async move {
            while failed.lock().unwrap().len() < FAILURES_MAX {
                let next = waiting.lock().unwrap().next();
                let Some(fault) = next else { return };
                match tokio::spawn(wait::within(RUN_MAX, run(Some(fault)))).await {
                    Ok(Some(outcome)) => {
                        happened.fetch_add(usize::from(outcome.happened), Ordering::Relaxed);
                    }
                    Ok(None) => {
                        failed.lock().unwrap().push(format!("{fault}: it takes longer than {RUN_MAX:?}"));
                    }
                    Err(panicked) => failed.lock().unwrap().push(format!("{fault}: {panicked}")),
                }
            }
        });
    }
    lanes.join_all().await;
    let failed = failed.lock().unwrap();
    assert_eq!(*failed, [] as [String; 0], "each can be repeated with GOLEM_TEST_FAULT");
    // The last operations of a run may be fewer in another one.
    let happened = happened.load(Ordering::Relaxed);
    assert!(happened * 10 >= count * 9, "only {happened} of {count} faults have happened");
}

/// The control of the test above: it fails if the server loses what it acknowledged in the second half of the script.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_ignores_syncs_is_noticed() {
    let Outcome { operations, .. } = run(None).await;
    let fault = FaultPoint { action: FaultAction::IgnoreSyncs, operation: operations / 2 };
    let panic = tokio::spawn(run(Some(fault))).await.err().expect("the loss was not noticed").into_panic();
    let text = panic.downcast_ref::<String>().expect("an assertion with a text");
    assert!(text.contains("invoke-and-await"), "another check failed: {text}");
}
