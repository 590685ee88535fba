//! Load from several clients on a server that is killed with SIGKILL repeatedly.
//!
//! | module | contains |
//! |---|---|
//! | `caller` | one client, which retries through restarts of the server |
//! | `clients` | kinds of clients: counters, carts, sleepers, promises, shared counters, requests without a result |
//!
//! [`ChaosTest::run`] owns the server. It waits until the clients have received a random number of answers, kills the
//! server at a random moment after that, and starts it again on the same data folder. In the end the clients finish
//! their open requests, and the checker compares. All random numbers are determined by a printed seed. The
//! interleaving of processes is not, so a seed does not repeat a run exactly.

mod caller;
mod clients;

use crate::checker::{CounterHistory, Verdict};
use crate::report::report;
use crate::rest::Api;
use crate::rng::Rng;
use crate::server::{Server, ServerOptions};
use crate::{guests, wait};
use caller::{Caller, Endpoint, Progress};
use clients::Client;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// `workers.suspend_after_ms` of the servers: a worker that waits longer is evicted from memory.
pub const SUSPEND_AFTER_MS: u64 = 100;

/// Longest wait for the chosen number of answers. After it the server is killed anyway.
const ANSWERS_LATE: Duration = Duration::from_secs(10);

/// The parameters of a chaos test.
#[derive(Debug, Clone)]
pub struct ChaosTest {
    /// Seed of all random numbers.
    pub seed: u64,
    /// How often the server is killed.
    pub kills: u64,
    /// Smallest and largest number of answers between a start and the next kill.
    pub answers: (u64, u64),
    /// Arguments of `golem-test-server`; empty for the real server.
    pub faults: Vec<String>,
    /// The clients that take part.
    pub workload: Workload,
}

/// Number of clients of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Counter workers, with two clients each.
    pub counters: u64,
    /// Cart workers, with one client each.
    pub carts: u64,
    /// Clients whose workers sleep.
    pub sleepers: u64,
    /// Clients whose workers wait for promises.
    pub waiters: u64,
    /// Clients that use `invoke`, which returns no result.
    pub senders: u64,
    /// Clients whose workers add to one number in a shared bucket.
    pub shared_counters: u64,
}

impl Workload {
    /// All kinds of clients.
    pub const ALL: Self =
        Self { counters: 3, carts: 2, sleepers: 2, waiters: 2, senders: 2, shared_counters: 3 };
    /// Only clients whose answers are numbers that the checker compares with each other.
    pub const COUNTERS: Self =
        Self { counters: 4, carts: 2, sleepers: 0, waiters: 0, senders: 2, shared_counters: 0 };
}

/// The result of a chaos test.
#[derive(Debug)]
pub struct Summary {
    /// The seed of the run.
    pub seed: u64,
    /// How often the server was killed.
    pub kills: u64,
    /// Answers that the clients received.
    pub answers: u64,
    /// Retries of requests that got no answer, or the status 429 or 503.
    pub repeated: u64,
    /// The findings of the checker.
    pub verdict: Verdict,
    /// Time from the start of the process to its ready line, for each restart, ascending.
    pub ready: Vec<Duration>,
    /// Time from the kill to the first answer, for each restart, ascending.
    pub first_answer: Vec<Duration>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kills, answers, repeated, verdict, ready, first_answer } = self;
        writeln!(f, "seed {seed}: kills {kills}, acknowledged {answers}, sent again {repeated}")?;
        writeln!(f, "start to ready: {}", Spread(ready))?;
        writeln!(f, "kill to first answer: {}", Spread(first_answer))?;
        write!(f, "{verdict}")
    }
}

/// Displays the median and the maximum of sorted durations.
struct Spread<'a>(&'a [Duration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.get(self.0.len() / 2), self.0.last()) {
            (Some(middle), Some(last)) => {
                write!(f, "p50 {:.0} ms, max {:.0} ms", middle.as_secs_f64() * 1e3, last.as_secs_f64() * 1e3)
            }
            _ => write!(f, "none"),
        }
    }
}

/// The ids of the uploaded templates.
#[derive(Debug, Clone)]
struct Templates {
    counter: String,
    cart: String,
    sleeps: String,
    promises: String,
    keyvalue: String,
}

impl Templates {
    async fn upload(api: &mut Api) -> Self {
        Self {
            counter: api.upload("counter", &guests::bytes(guests::COUNTER)).await,
            cart: api.upload("cart", &guests::bytes(guests::CART)).await,
            sleeps: api.upload("sleeps", &guests::bytes(guests::SLEEPS)).await,
            promises: api.upload("promises", &guests::bytes(guests::PROMISES)).await,
            keyvalue: api.upload("keyvalue", &guests::bytes(guests::KEY_VALUE)).await,
        }
    }
}

impl ChaosTest {
    /// Runs the test on a new data folder.
    pub async fn run(&self) -> Summary {
        report(format_args!("chaos test with seed {} (repeat it with GOLEM_TEST_SEED)", self.seed));
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let calm = ServerOptions::new(folder.path().join("data"))
            .set(format!("workers.suspend_after_ms={SUSPEND_AFTER_MS}"))
            .set("log=warn");
        // The templates are uploaded to a server without faults, so that a fault can affect only the clients'
        // requests.
        let server = calm.start().await;
        let templates = Templates::upload(&mut server.api()).await;
        assert!(server.stop().await.success(), "a server without faults stops successfully");
        let faults: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        let options = if faults.is_empty() { calm } else { calm.with_faults(&faults) };

        let (endpoint_tx, endpoint_rx) = watch::channel(None);
        let progress = Progress::new();
        let rng = Rng::new(self.seed);
        let counters: Vec<Arc<Mutex<CounterHistory>>> = (0..self.workload.counters)
            .map(|index| Arc::new(Mutex::new(CounterHistory::new(format!("counter-{index}")))))
            .collect();
        let shared = Arc::new(Mutex::new(CounterHistory::new("the number in the bucket")));
        let mut tasks = JoinSet::new();
        for (index, client) in Client::all_of(self.workload, &counters, &shared).into_iter().enumerate() {
            let caller = Caller::new(endpoint_rx.clone(), progress.clone());
            tasks.spawn(client.run(caller, templates.clone(), rng.fork(index as u64 + 1)));
        }
        let mut summary = Summary {
            seed: self.seed,
            kills: 0,
            answers: 0,
            repeated: 0,
            verdict: Verdict::default(),
            ready: Vec::new(),
            first_answer: Vec::new(),
        };
        let server = self.kill_repeatedly(&options, &endpoint_tx, &progress, rng, &mut summary).await;
        progress.stop();
        let rest = async {
            while let Some(verdict) = tasks.join_next().await {
                summary.verdict.merge(verdict.expect("a client does not panic"));
            }
        };
        wait::bounded("the clients to finish their open requests", rest).await;
        let mut caller = Caller::new(endpoint_rx, progress.clone());
        for history in &counters {
            let history = history.lock().expect("no client panicked").clone();
            summary.verdict.merge(clients::verify_counter(&mut caller, &templates.counter, &history).await);
        }
        if self.workload.shared_counters > 0 {
            let history = shared.lock().expect("no client panicked").clone();
            summary.verdict.merge(clients::verify_shared(&mut caller, &templates.keyvalue, &history).await);
        }
        summary.answers = progress.answers();
        summary.repeated = progress.repeated();
        summary.ready.sort();
        summary.first_answer.sort();
        if !summary.verdict.is_clean() && self.faults.is_empty() {
            report(server.log());
        }
        // The findings of a server with faults are expected, so a few lines are enough.
        let lines = if self.faults.is_empty() { usize::MAX } else { 7 };
        for line in summary.to_string().lines().take(lines) {
            report(line);
        }
        summary
    }

    async fn kill_repeatedly(
        &self,
        options: &ServerOptions,
        endpoint_tx: &watch::Sender<Option<Endpoint>>,
        progress: &Progress,
        mut rng: Rng,
        summary: &mut Summary,
    ) -> Server {
        let mut server = options.start().await;
        loop {
            let before = progress.answers();
            endpoint_tx.send_replace(Some(Endpoint {
                generation: summary.kills,
                address: server.address,
                token: server.token.clone(),
            }));
            if summary.kills == self.kills {
                return server;
            }
            let wanted = before + rng.between(self.answers.0, self.answers.1);
            let reached = wait::within(ANSWERS_LATE, progress.wait_for_answers(wanted)).await.is_some();
            if let Some(status) = server.exit_status() {
                panic!("the server ended by itself with {status}: {}", server.log());
            }
            // On a slow machine there may be fewer answers. No answer at all means that the server hangs.
            if !reached && progress.answers() == before {
                summary.verdict.add_wrong(format!(
                    "no answer came within {ANSWERS_LATE:?} before kill {}",
                    summary.kills
                ));
            }
            // Answers arrive in bursts, one burst per commit. The pause spreads the kills over the time between two
            // commits.
            wait::pause(Duration::from_micros(rng.below(3_000))).await;
            let killed = wait::now();
            endpoint_tx.send_replace(None);
            server.kill().await;
            summary.kills += 1;
            let after = progress.answers();
            server = options.start().await;
            summary.ready.push(server.startup_time);
            let first = progress.clone();
            endpoint_tx.send_replace(Some(Endpoint {
                generation: summary.kills,
                address: server.address,
                token: server.token.clone(),
            }));
            if wait::within(ANSWERS_LATE, first.wait_for_answers(after + 1)).await.is_some() {
                summary.first_answer.push(killed.elapsed());
            }
        }
    }
}
