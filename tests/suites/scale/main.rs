//! Ten thousand workers on one server: created and called, with bounded memory, and called again after a restart.

use golem_tests::http::{Connection, Request};
use golem_tests::process::resident_bytes;
use golem_tests::report::report;
use golem_tests::rest::{Api, Key, invocation, result_of};
use golem_tests::rng::Rng;
use golem_tests::server::{Server, ServerOptions};
use golem_tests::{guests, wait};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// Number of workers.
const WORKERS: u64 = 10_000;
/// Largest number of workers in memory at the same time.
const RESIDENTS_MAX: u64 = 200;
/// Number of clients that create and call the workers.
const CLIENTS: u64 = 16;
/// Largest resident memory of the server with all workers, in bytes. It is enough for 200 instances and the projections
/// of the other workers, and far below ten thousand instances.
const RESIDENT_BYTES_MAX: u64 = 1 << 30;
/// Largest memory of each worker beyond the first thousand, in bytes. A projection has a few hundred bytes, an instance
/// hundreds of thousands.
const BYTES_PER_WORKER_MAX: u64 = 30_000;

/// Calls `function` on the workers `from` to `to` (excluded) from several clients; each answer must be `expected`.
async fn call_each(
    server: &Server,
    template: &str,
    function: &'static str,
    from: u64,
    to: u64,
    expected: u64,
) {
    let next = Arc::new(AtomicU64::new(from));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, template) = (next.clone(), template.to_owned());
        let api = server.api();
        clients.spawn(async move {
            let mut connection =
                Connection::open(api.address()).await.expect("the server accepts connections");
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= to {
                    return;
                }
                let request = request(&api, &template, number, function);
                let response = connection.call(&request).await.expect("the server answers");
                assert_eq!(response.status, 200, "worker {number}: {}", response.text());
                assert_eq!(result_of(&response), json!(expected), "worker {number}");
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("every call is answered");
    }
}

fn request(api: &Api, template: &str, number: u64, function: &str) -> Request {
    let worker = format!("w{number}");
    api.with_token(invocation("invoke-and-await", template, &worker, function, &json!([]), &Key::None))
}

#[tokio::test]
async fn idle_workers_cost_a_head_and_no_instance() {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::new(folder.path().join("data"))
        .set(format!("workers.residents_max={RESIDENTS_MAX}"))
        .set("log=warn");
    let server = options.start().await;
    let template = server.api().upload("counter", &guests::bytes(guests::COUNTER)).await;
    let begin = wait::now();
    call_each(&server, &template, guests::INCREMENT, 0, 1_000, 1).await;
    let few = resident_bytes(server.pid());
    call_each(&server, &template, guests::INCREMENT, 1_000, WORKERS, 1).await;
    let many = resident_bytes(server.pid());
    let made_in = begin.elapsed();
    assert!(server.stop().await.success());

    let server = options.start().await;
    let ready_in = server.startup_time;
    let begin = wait::now();
    call_each(&server, &template, guests::GET, 0, WORKERS, 1).await;
    let answered_in = begin.elapsed();
    let again = resident_bytes(server.pid());
    // A kill keeps all workers, like a clean stop.
    server.kill().await;
    let server = options.start().await;
    let mut rng = Rng::new(Rng::seed_from_env());
    for _ in 0..100 {
        let number = rng.below(WORKERS);
        let value =
            server.api().invoke(&template, &format!("w{number}"), guests::INCREMENT, &json!([])).await;
        assert!(value == json!(2) || value == json!(3), "worker {number}: {value}");
    }
    assert!(server.stop().await.success());

    let each = many.saturating_sub(few) / (WORKERS - 1_000);
    report(format_args!(
        "{WORKERS} workers: created and called in {made_in:.1?}, resident {} MiB with 1,000 and {} MiB with all \
         ({each} bytes each); restart in {ready_in:.0?}, all answered in {answered_in:.1?}, resident {} MiB",
        few >> 20,
        many >> 20,
        again >> 20
    ));
    for resident in [many, again] {
        assert!(resident <= RESIDENT_BYTES_MAX, "{resident} bytes resident");
    }
    assert!(each <= BYTES_PER_WORKER_MAX, "{each} bytes for each worker");
}
