//! The benchmark: measures the disk, HTTP without workers, durable calls, memory and recovery in one run, and
//! compares the results with targets.
//!
//! | module | contains |
//! |---|---|
//! | `disk` | raw write and fdatasync on the disk that the server uses |
//! | `load` | the load generator: many connections on one thread, requests encoded in advance |
//! | `long_calls` | commits of calls that run for seconds |
//! | `recovery` | time to the first answer of a worker with a history, with and without snapshots |
//! | `targets` | target values, and whether they are met |
//!
//! `cargo xtask bench` builds and runs it. `--quick` shortens every phase, `--recovery` measures recovery only,
//! `--dir DIR` selects the disk.

#![expect(clippy::print_stdout, reason = "printing is the purpose of this program")]
#![expect(clippy::cast_precision_loss, reason = "counts and bytes are displayed rounded")]

mod disk;
mod load;
mod long_calls;
mod recovery;
mod targets;

use golem_tests::process::{cpu_time, resident_bytes};
use golem_tests::rest::{Api, Key, invocation};
use golem_tests::server::{Server, ServerOptions, target_folder};
use golem_tests::{guests, http::Request};
use load::{Load, PhaseLimit};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use targets::{CallRates, Targets};

const USAGE: &str = "usage: golem-bench [--quick] [--recovery] [--dir DIR]";

/// Numbers of clients in the load phases.
const CLIENTS: [usize; 3] = [1, 32, 256];

/// Numbers of workers in the memory phases.
const WORKERS: [u64; 2] = [1_000, 10_000];

struct Args {
    quick: bool,
    /// Measure recovery only.
    recovery: bool,
    dir: PathBuf,
}

fn args() -> Result<Args, String> {
    // The target folder: a folder for temporary files may be in memory, where a sync costs nothing.
    let mut args = Args { quick: false, recovery: false, dir: target_folder() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => args.quick = true,
            "--recovery" => args.recovery = true,
            "--dir" => args.dir = words.next().ok_or("--dir needs a folder")?.into(),
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(args)
}

fn main() -> anyhow::Result<()> {
    let args = match args() {
        Ok(args) => args,
        Err(error) => anyhow::bail!("{error}\n{USAGE}"),
    };
    // One thread: a generator with a second core would take that core from the server and distort the result.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(&args.dir)?;
    if args.recovery {
        return recovery::measure(args.quick, folder.path()).await;
    }
    let limit = if args.quick {
        PhaseLimit { time: Duration::from_secs(2), calls: 50_000 }
    } else {
        PhaseLimit { time: Duration::from_secs(8), calls: 400_000 }
    };
    let mut targets = Targets::default();

    println!("disk, in {}", folder.path().display());
    let writes = if args.quick { 500 } else { 3_000 };
    let prepared = disk::measure(&folder.path().join("prepared"), writes, true)?;
    println!("  4 KiB write + fdatasync, file written before: {prepared}");
    let growing = disk::measure(&folder.path().join("growing"), writes, false)?;
    println!("  4 KiB append + fdatasync, file that grows:    {growing}");
    targets.disk = Some(prepared.p50);

    let options = ServerOptions::new(folder.path().join("data")).set("log=warn");
    let server = options.start().await;
    let (mut api, caller) = (server.api(), server.api());
    println!("\nhttp, no worker: GET /healthcheck");
    for clients in CLIENTS {
        let request = Request::get("/healthcheck").bytes();
        let load = measure(&server, clients, limit, |_| request.clone()).await?;
        println!("  {load}");
        targets.empty.push((clients, load.rate()));
    }

    let template = api.upload("counter", &guests::bytes(guests::COUNTER)).await;
    println!("\ndurable calls: counter.increment, one worker per client");
    for clients in CLIENTS {
        let increment =
            |client: usize| call(&caller, &template, &format!("load-{clients}-{client}"), guests::INCREMENT);
        // The first call creates the worker, which is not measured.
        load::run(server.address, clients, PhaseLimit::one_call_each(clients), increment).await?;
        let before = StoreCounters::read(&mut api).await?;
        let load = measure(&server, clients, limit, increment).await?;
        let after = StoreCounters::read(&mut api).await?;
        println!("  {load}");
        println!(
            "              {:.0} syncs/s, {:.1} calls per commit, longest pauses {}",
            (after.syncs - before.syncs) / load.load.elapsed.as_secs_f64(),
            load.load.calls as f64 / (after.commits - before.commits).max(1.0),
            load.load.slowest_summary(),
        );
        targets.calls.push(CallRates::of(clients, &load.load));
    }
    targets.long_call_commits = Some(long_calls::measure(&server, &mut api, args.quick).await?);
    anyhow::ensure!(server.stop().await.success(), "the server did not stop successfully");

    memory(args, &folder.path().join("many"), &mut targets).await?;
    recovery::measure(args.quick, folder.path()).await?;
    println!("\ntargets\n{targets}");
    Ok(())
}

/// Measures the memory of many workers, and the time of a start with them.
async fn memory(args: &Args, data: &std::path::Path, targets: &mut Targets) -> anyhow::Result<()> {
    println!("\nmany workers, each called once");
    let options = ServerOptions::new(data).set("log=warn");
    let server = options.start().await;
    let mut api = server.api();
    let template = api.upload("counter", &guests::bytes(guests::COUNTER)).await;
    println!("  {:>6} workers: {:>6.1} MiB resident", 0, mib(resident_bytes(server.pid())));
    let mut made = 0;
    for workers in WORKERS {
        let workers = if args.quick { workers.min(2_000) } else { workers };
        let clients = 32;
        let count = usize::try_from(workers - made)?;
        let next = std::cell::Cell::new(made);
        let load = load::run_once_each(server.address, clients, count, || {
            let number = next.replace(next.get() + 1);
            call(&api, &template, &format!("many-{number}"), guests::INCREMENT)
        })
        .await?;
        made = workers;
        let resident = resident_bytes(server.pid());
        println!(
            "  {made:>6} workers: {:>6.1} MiB resident, created and called at {:.0}/s",
            mib(resident),
            load.rate()
        );
        targets.resident.push((made, resident));
    }
    anyhow::ensure!(server.stop().await.success(), "the server did not stop successfully");
    let server = options.start().await;
    println!("  start with {made} workers: {:.0} ms until ready", server.startup_time.as_secs_f64() * 1e3);
    let mut api = server.api();
    let last = api.invoke(&template, &format!("many-{}", made - 1), guests::GET, &json!([])).await;
    anyhow::ensure!(last == json!(1), "the last worker counted to {last} instead of 1");
    anyhow::ensure!(server.stop().await.success(), "the server did not stop successfully");
    Ok(())
}

fn call(api: &Api, template: &str, worker: &str, function: &str) -> Vec<u8> {
    let request = invocation("invoke-and-await", template, worker, function, &json!([]), &Key::None);
    api.with_token(request).bytes()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A load, and the processor time of the server and the generator.
struct MeasuredLoad {
    load: Load,
    server: Duration,
    generator: Duration,
}

impl MeasuredLoad {
    fn rate(&self) -> f64 {
        self.load.rate()
    }
}

impl std::fmt::Display for MeasuredLoad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { load, server, generator } = self;
        let calls = load.calls.max(1) as f64;
        write!(
            f,
            "{load}, cpu per call: server {:.1} us, generator {:.1} us ({:.0} % of a core)",
            server.as_secs_f64() * 1e6 / calls,
            generator.as_secs_f64() * 1e6 / calls,
            generator.as_secs_f64() * 100.0 / load.elapsed.as_secs_f64(),
        )
    }
}

async fn measure(
    server: &Server,
    clients: usize,
    limit: PhaseLimit,
    request: impl Fn(usize) -> Vec<u8>,
) -> anyhow::Result<MeasuredLoad> {
    let spent = || (cpu_time(server.pid()), cpu_time(std::process::id()));
    let before = spent();
    let load = load::run(server.address, clients, limit, request).await?;
    let after = spent();
    Ok(MeasuredLoad {
        load,
        server: after.0.saturating_sub(before.0),
        generator: after.1.saturating_sub(before.1),
    })
}

/// Counters of the server's store, from `/metrics`.
struct StoreCounters {
    syncs: f64,
    commits: f64,
}

impl StoreCounters {
    async fn read(api: &mut Api) -> anyhow::Result<Self> {
        let page = api.ok(Request::get("/metrics")).await.text();
        let read = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            line.ok_or_else(|| anyhow::anyhow!("/metrics does not have {name}"))
        };
        Ok(Self { syncs: read("golem_store_syncs_total ")?, commits: read("golem_store_commits_total ")? })
    }
}
