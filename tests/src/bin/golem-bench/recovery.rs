//! Recovery: the time to the first answer of a worker with a history, with and without snapshots.

use crate::load;
use golem_tests::rest::{Api, Key, invocation};
use golem_tests::server::ServerOptions;
use golem_tests::{guests, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const ADD: &str = "golem:saves/api/add";
const TOUCH: &str = "golem:saves/api/touch";

/// Numbers of past invocations.
const HISTORIES: [usize; 3] = [10, 1_000, 100_000];
/// Clients that create the history. A worker runs one invocation at a time, but invocations share commits.
const CLIENTS: usize = 32;

/// Measures with and without snapshots, each in a separate folder.
pub(crate) async fn measure(quick: bool, folder: &Path) -> anyhow::Result<()> {
    println!("\nrecovery: first answer after a start, by past invocations (each reads the clock once)");
    for (name, every) in [("without snapshots", 0), ("with a snapshot every 1,000 invocations", 1_000)] {
        println!("  {name}");
        let options = ServerOptions::new(folder.join(format!("recovery-{every}")))
            .set("log=warn")
            .set(format!("workers.snapshot_invocations={every}"))
            .set("workers.snapshot_entries=0");
        for history in HISTORIES {
            let history = if quick { history.min(10_000) } else { history };
            let took = first_answer(&options, history).await?;
            println!("    {history:>7} past invocations: {:>8.1} ms", took.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

async fn first_answer(options: &ServerOptions, history: usize) -> anyhow::Result<Duration> {
    let worker = format!("w{history}");
    let server = options.start().await;
    let mut api = server.api();
    let template = api.upload(&worker, &guests::bytes("saves")).await;
    // The first call creates the worker.
    api.invoke(&template, &worker, TOUCH, &json!([])).await;
    let request = invocation("invoke-and-await", &template, &worker, ADD, &json!(["text"]), &Key::None);
    let request = api.with_token(request).bytes();
    load::run_once_each(server.address, CLIENTS, history, || request.clone()).await?;
    anyhow::ensure!(server.stop().await.success(), "the server did not stop successfully");
    let server = options.start().await;
    let mut api: Api = server.api();
    let before = wait::now();
    let answer = api.invoke(&template, &worker, TOUCH, &json!([])).await;
    let took = before.elapsed();
    anyhow::ensure!(answer == Value::Null, "expected null, the worker answered {answer}");
    anyhow::ensure!(server.stop().await.success(), "the server did not stop successfully");
    Ok(took)
}
