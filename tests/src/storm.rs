//! Traffic from several clients, and a server that is killed under it again and again.
//!
//! | module | is |
//! |---|---|
//! | `caller` | one client: asks until it is answered, through restarts |
//! | `clients` | what the clients do: counters, carts, sleepers, promises, shared values, requests without an answer |
//!
//! The storm owns the server. It lets the clients collect a random number of answers, kills the server with SIGKILL at
//! a random moment after that, and starts it on the same folder; in the end the clients finish what they began and the
//! checker compares. Every random number follows from a printed seed; the interleaving of processes does not, so a
//! seed repeats the kind of run, not the run.

mod caller;
mod clients;

use crate::chance::Chance;
use crate::checker::{CounterHistory, Verdict};
use crate::rest::Api;
use crate::say::say;
use crate::server::{Plan, Server};
use crate::{guests, wait};
use caller::{Caller, Place, Progress};
use clients::Client;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Waits longer than this make a worker leave memory, in the servers of a storm.
pub const SUSPEND_AFTER_MS: u64 = 100;

/// Answers that the clients should have got long before; then it is killed all the same.
const ANSWERS_LATE: Duration = Duration::from_secs(10);

/// How hard it blows.
#[derive(Debug, Clone)]
pub struct Storm {
    /// All randomness follows from it.
    pub seed: u64,
    /// How often the server is killed.
    pub kills: u64,
    /// Fewest and most answers between a start and the next kill.
    pub answers: (u64, u64),
    /// Faults of the server that is killed, for `golem-test-server`; none for the real server.
    pub faults: Vec<String>,
    /// Which clients take part.
    pub crowd: Crowd,
}

/// How many clients of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Counters, with two clients each.
    pub counters: u64,
    /// Carts, with one client each.
    pub carts: u64,
    /// Clients whose workers sleep.
    pub sleepers: u64,
    /// Clients whose workers wait for promises.
    pub waiters: u64,
    /// Clients that do not wait for results.
    pub senders: u64,
    /// Clients whose workers add to one number in a bucket that all of them share.
    pub sharers: u64,
}

impl Crowd {
    /// Some of everything.
    pub const ALL: Self = Self { counters: 3, carts: 2, sleepers: 2, waiters: 2, senders: 2, sharers: 3 };
    /// Those whose every answer is checked against every other.
    pub const COUNTING: Self =
        Self { counters: 4, carts: 2, sleepers: 0, waiters: 0, senders: 2, sharers: 0 };
}

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// To repeat it.
    pub seed: u64,
    /// How often the server was killed.
    pub kills: u64,
    /// Answers that clients got.
    pub answers: u64,
    /// Requests that had to be sent again because the server died over them.
    pub repeated: u64,
    /// What the checker says.
    pub verdict: Verdict,
    /// From the start of the process to ready, for each restart, ascending.
    pub ready: Vec<Duration>,
    /// From the kill to the first answer, for each restart, ascending.
    pub first_answer: Vec<Duration>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kills, answers, repeated, verdict, ready, first_answer } = self;
        writeln!(f, "seed {seed}: kills {kills}, acknowledged {answers}, sent again {repeated}")?;
        writeln!(f, "start to ready: {}", Spread(ready))?;
        writeln!(f, "kill to first answer: {}", Spread(first_answer))?;
        write!(f, "{verdict}")
    }
}

/// Middle and maximum of sorted durations.
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

/// The templates of a storm.
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

impl Storm {
    /// Runs it on a fresh folder.
    pub async fn run(&self) -> Report {
        say(format_args!("storm with seed {} (GOLEM_TEST_SEED repeats it)", self.seed));
        let folder = tempfile::tempdir().expect("a folder for the server can be made");
        let calm = Plan::new(folder.path().join("data"))
            .set(format!("workers.suspend_after_ms={SUSPEND_AFTER_MS}"))
            .set("log=warn");
        // The templates are uploaded to a healthy server: what a fault destroys shall be what clients were told.
        let server = calm.start().await;
        let templates = Templates::upload(&mut server.api()).await;
        assert!(server.stop().await.success(), "a healthy server ends well");
        let faults: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        let plan = if faults.is_empty() { calm } else { calm.with_faults(&faults) };

        let (place, places) = watch::channel(None);
        let progress = Progress::new();
        let chance = Chance::new(self.seed);
        let counters: Vec<Arc<Mutex<CounterHistory>>> = (0..self.crowd.counters)
            .map(|index| Arc::new(Mutex::new(CounterHistory::new(format!("counter-{index}")))))
            .collect();
        let shared = Arc::new(Mutex::new(CounterHistory::new("the number in the bucket")));
        let mut tasks = JoinSet::new();
        for (index, client) in Client::of(self.crowd, &counters, &shared).into_iter().enumerate() {
            let caller = Caller::new(places.clone(), progress.clone());
            tasks.spawn(client.run(caller, templates.clone(), chance.branch(index as u64 + 1)));
        }
        let mut report = Report {
            seed: self.seed,
            kills: 0,
            answers: 0,
            repeated: 0,
            verdict: Verdict::default(),
            ready: Vec::new(),
            first_answer: Vec::new(),
        };
        let server = self.blow(&plan, &place, &progress, chance, &mut report).await;
        progress.stop();
        let rest = async {
            while let Some(verdict) = tasks.join_next().await {
                report.verdict.add(verdict.expect("a client does not panic"));
            }
        };
        wait::patiently("the clients to finish what they began", rest).await;
        let mut caller = Caller::new(places, progress.clone());
        for history in &counters {
            let history = history.lock().expect("no client panicked").clone();
            report.verdict.add(clients::conclude_counter(&mut caller, &templates.counter, &history).await);
        }
        if self.crowd.sharers > 0 {
            let history = shared.lock().expect("no client panicked").clone();
            report.verdict.add(clients::conclude_shared(&mut caller, &templates.keyvalue, &history).await);
        }
        report.answers = progress.answers();
        report.repeated = progress.repeated();
        report.ready.sort();
        report.first_answer.sort();
        if !report.verdict.is_clean() && self.faults.is_empty() {
            say(server.log());
        }
        // Of the damage that was done on purpose, a sample is enough.
        let lines = if self.faults.is_empty() { usize::MAX } else { 7 };
        for line in report.to_string().lines().take(lines) {
            say(line);
        }
        report
    }

    async fn blow(
        &self,
        plan: &Plan,
        place: &watch::Sender<Option<Place>>,
        progress: &Progress,
        mut chance: Chance,
        report: &mut Report,
    ) -> Server {
        let mut server = plan.start().await;
        loop {
            let before = progress.answers();
            place.send_replace(Some(Place {
                generation: report.kills,
                address: server.address,
                token: server.token.clone(),
            }));
            if report.kills == self.kills {
                return server;
            }
            let wanted = before + chance.between(self.answers.0, self.answers.1);
            let reached = wait::within(ANSWERS_LATE, progress.reach(wanted)).await.is_some();
            if let Some(status) = server.ended() {
                panic!("the server ended by itself with {status}: {}", server.log());
            }
            // A slow machine gives fewer; none at all means that the server hangs.
            if !reached && progress.answers() == before {
                report
                    .verdict
                    .wrong(format!("no answer came within {ANSWERS_LATE:?} before kill {}", report.kills));
            }
            // Answers come in bursts, one per commit; this spreads the kill over the time between two.
            wait::pause(Duration::from_micros(chance.below(3_000))).await;
            let killed = wait::now();
            place.send_replace(None);
            server.kill().await;
            report.kills += 1;
            let after = progress.answers();
            server = plan.start().await;
            report.ready.push(server.ready_in);
            let first = progress.clone();
            place.send_replace(Some(Place {
                generation: report.kills,
                address: server.address,
                token: server.token.clone(),
            }));
            if wait::within(ANSWERS_LATE, first.reach(after + 1)).await.is_some() {
                report.first_answer.push(killed.elapsed());
            }
        }
    }
}
