//! One seed, from the first start to the last check.

use super::clients::{
    Client, ask_outcomes, count_workers, note_busy_workers, read_number, until_idle, until_nothing_is_held,
};
use super::clock::SimulationClock;
use super::disk::Disk;
use super::history::History;
use super::locked;
use super::mutants::{Mutant, MutantStore};
use super::outside::OutsideService;
use super::plan::{Incarnation, Part, Plan, generator};
use super::platform::{Components, Images, SeededEntropy};
use super::scheduler::{Losses, Scheduler};
use crate::rng::Rng;
use futures_util::FutureExt;
use golem_host::ports::{Clock, TaskSpawner};
use golem_model::Timestamp;
use golem_runtime::executor::{Deduplication, Executor, ExecutorMetrics, ExecutorParts};
use golem_runtime::storage::memory::MemoryStore;
use golem_runtime::storage::ports::Store;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

/// Steps of an incarnation after which something must be wrong.
const STEPS_MAX: u64 = 400_000;
/// Simulated time after the last fault within which everything must be answered.
const ANSWERED_WITHIN: Duration = Duration::from_mins(30);
/// Steps in which the state of the workers is noted.
const STEPS_TO_NOTE: u64 = 1_000;
/// Time after which no delayed call is left.
const LATEST_CALL: Duration = Duration::from_secs(3);
/// Workers, steps and crashes that every run has at least. A run with fewer would prove little.
const WORKERS_MIN: u64 = 5;
const RUN_STEPS_MIN: u64 = 200;
const CRASHES_MIN: u64 = 1;
/// Events that a failure shows.
const EVENTS_SHOWN: usize = 60;

/// A run without a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Number of steps.
    pub steps: u64,
    /// Number of crashes of the process.
    pub crashes: u64,
    /// Number of workers at the end.
    pub workers: u64,
    /// Number of failed commits.
    pub failed_commits: u64,
    /// How often each operation was reached.
    pub reached: BTreeMap<&'static str, u64>,
    /// A digest of all decisions. Two runs of one seed have the same.
    pub digest: u64,
}

/// A contradiction, and what led to it.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The contradiction.
    pub text: String,
    /// All events.
    pub events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events[self.events.len().saturating_sub(EVENTS_SHOWN)..] {
            writeln!(f, "    {event}")?;
        }
        write!(f, "seed {}: {}", self.seed, self.text)
    }
}

thread_local! {
    /// The panics of the present run that are not part of its plan.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Makes panics part of the outcome of a run, also those that the executor contains. Panics that a plan injects are not
/// printed.
fn watch_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        golem_runtime::executor::forbid_work_under_lock();
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or("a value that is not text");
            if !text.starts_with("an injected panic") {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                PANICS.with_borrow_mut(|panics| panics.push(format!("a panic at {place}: {text}")));
                print(info);
            }
        }));
    });
}

/// How an incarnation has begun, and how it ends by itself.
#[derive(Debug, Default)]
struct Progress {
    executor: Option<Executor>,
    /// Number of workers at the end.
    workers: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The store failed at the start. The process ends, and is started again.
    NotStarted,
    /// All requests were answered, and all numbers checked.
    Checked,
}

/// The node: what outlives a crash of the process, and what clients know.
struct World {
    seed: u64,
    plan: Plan,
    components: Components,
    mutant: Option<Mutant>,
    clock: SimulationClock,
    images: Arc<Images>,
    history: Arc<Mutex<History>>,
    clients: Vec<Client>,
    outside: OutsideService,
    driver: Rng,
    clock_changes: u64,
    steps: u64,
    /// Number of crashes of the process.
    crashes: u64,
    /// Number of workers at the end.
    workers: u64,
    failed_commits: u64,
    digest: u64,
}

/// Runs a seed, with a wrong part if there is a mutant.
pub fn run(seed: u64, components: &Components, mutant: Option<Mutant>) -> Result<Report, Box<Failure>> {
    let plan = Plan::of(seed);
    let history = Arc::new(Mutex::new(History::default()));
    let clock = SimulationClock::new(Timestamp::from_nanos(1_800_000_000_000_000_000));
    let outside =
        OutsideService::new(generator(seed, Part::Outside, 0), clock.clone(), history.clone(), mutant);
    let client = |number| {
        let random = generator(seed, Part::Client, number);
        Client::new(number, random, plan.requests, history.clone(), outside.clone())
    };
    let mut world = World {
        seed,
        components: components.clone(),
        mutant,
        clock,
        images: Arc::new(Images::default()),
        clients: (0..plan.clients).map(client).collect(),
        history: history.clone(),
        outside: outside.clone(),
        driver: generator(seed, Part::Driver, 0),
        clock_changes: plan.clock_changes,
        plan,
        steps: 0,
        crashes: 0,
        workers: 0,
        failed_commits: 0,
        digest: 0,
    };
    watch_panics();
    PANICS.with_borrow_mut(Vec::clear);
    // The text of a panic is in `PANICS`.
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run_all())).unwrap_or(Ok(()));
    let panic = PANICS.with_borrow_mut(|panics| panics.first().cloned());
    let text = panic.or(outcome.err()).or_else(|| locked(&history).failure().map(str::to_owned));
    let history = locked(&history);
    if let Some(text) = text {
        let events = history.events().to_vec();
        return Err(Box::new(Failure { seed, text, events }));
    }
    Ok(Report {
        steps: world.steps,
        crashes: world.crashes,
        workers: world.workers,
        failed_commits: world.failed_commits,
        reached: history.reached().clone(),
        digest: world.digest,
    })
}

impl World {
    fn run_all(&mut self) -> Result<(), String> {
        let mut store = Arc::new(MemoryStore::new());
        let mut incarnations = VecDeque::from(self.plan.incarnations.clone());
        let mut number = 0;
        while let Some(incarnation) = incarnations.pop_front() {
            locked(&self.history).note(&format!("incarnation {number} begins: {incarnation:?}"));
            let end = self.run_incarnation(&store, &incarnation, number, incarnations.is_empty())?;
            if locked(&self.history).failure().is_some() {
                return Ok(());
            }
            match end {
                Some(End::Checked) => {}
                Some(End::NotStarted) if !incarnation.can_fail_to_start() => {
                    return Err("the executor does not start, without a fault of the store".to_owned());
                }
                Some(End::NotStarted) => incarnations.push_front(incarnation.without_faults()),
                None => self.crashes += 1,
            }
            store = Arc::new(store.snapshot());
            number += 1;
        }
        locked(&self.history).count_times("crash of the process", self.crashes);
        self.check_size()
    }

    /// Checks that the run was large enough to prove something.
    fn check_size(&self) -> Result<(), String> {
        let least = [
            ("workers", self.workers, WORKERS_MIN),
            ("steps", self.steps, RUN_STEPS_MIN),
            ("crashes", self.crashes, CRASHES_MIN),
        ];
        match least.iter().find(|(_, count, min)| count < min) {
            Some((what, count, min)) => Err(format!("the run had {count} {what}; {min} are needed")),
            None => Ok(()),
        }
    }

    /// One incarnation of the process: until its crash, or until all requests were answered and checked.
    fn run_incarnation(
        &mut self,
        store: &Arc<MemoryStore>,
        incarnation: &Incarnation,
        number: u64,
        is_last: bool,
    ) -> Result<Option<End>, String> {
        let order = generator(self.seed, Part::Order, number);
        let scheduler = Scheduler::new(order, self.clock.clone(), incarnation.slow_once_in);
        for fault in &incarnation.commits {
            store.fail(*fault);
        }
        let metrics = Arc::new(ExecutorMetrics::default());
        let progress = Arc::new(Mutex::new(Progress::default()));
        scheduler.spawn(Box::pin(boot(
            self.executor_parts(store, incarnation, &scheduler, number, metrics.clone()),
            scheduler.clone(),
            self.clock.clone(),
            self.clients.clone(),
            self.history.clone(),
            progress.clone(),
            is_last,
        )));
        let outcome = self.step_until_end(incarnation, &scheduler, &progress, is_last);
        scheduler.crash();
        let executor = locked(&progress).executor.take();
        if let Some(executor) = executor {
            // Its tasks are gone, so this drops the idle instances and nothing else. A process would free their memory.
            let freed = executor.shutdown().now_or_never();
            assert!(freed.is_some(), "there is nothing to wait for");
        }
        self.steps += scheduler.steps();
        let failed_commits = metrics.commits_failed.load(Ordering::Relaxed);
        self.failed_commits += failed_commits;
        locked(&self.history).count_times("failed commit", failed_commits);
        locked(&self.history).count_times("slow commit", scheduler.slow_job_count());
        self.digest = Rng::new(self.digest ^ scheduler.digest()).next_u64();
        outcome?;
        let progress = locked(&progress);
        self.workers = progress.workers;
        Ok(progress.end)
    }

    fn step_until_end(
        &mut self,
        incarnation: &Incarnation,
        scheduler: &Scheduler,
        progress: &Mutex<Progress>,
        is_last: bool,
    ) -> Result<(), String> {
        let begun = self.elapsed();
        loop {
            let ended = locked(progress).end.is_some() || locked(&self.history).failure().is_some();
            if ended || scheduler.steps() >= incarnation.steps {
                return Ok(());
            }
            let taken = self.elapsed().saturating_sub(begun);
            if is_last && (scheduler.steps() > STEPS_MAX || taken > ANSWERED_WITHIN) {
                if let Some(executor) = locked(progress).executor.clone() {
                    scheduler.spawn(Box::pin(note_busy_workers(executor, self.history.clone())));
                    (0..STEPS_TO_NOTE).take_while(|_| scheduler.step()).for_each(drop);
                }
                let waiting: Vec<_> = self
                    .clients
                    .iter()
                    .filter(|client| !client.is_done())
                    .map(Client::pending_request_text)
                    .collect();
                return Err(format!(
                    "after {} steps and {taken:?} something is not answered: {waiting:?}",
                    scheduler.steps()
                ));
            }
            // Sometimes time passes although something is ready to run.
            if self.driver.once_in(100) {
                self.clock.advance(Duration::from_millis(self.driver.below(30)));
            }
            if self.clock_changes > 0 && self.driver.once_in(800) {
                self.clock_changes -= 1;
                self.set_clock();
            }
            if !scheduler.step() && !self.clock.advance_to_next() {
                return Err("nothing is ready to run, and nothing waits for a time".to_owned());
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn set_clock(&mut self) {
        let by = Duration::from_millis(*self.driver.pick(&[1, 400, 7_000, 90_000]));
        let mut history = locked(&self.history);
        if self.driver.once_in(2) {
            self.clock.set_forwards(by);
            history.count_operation("wall clock set forwards");
            history.note(&format!("the wall clock is set forwards by {by:?}"));
        } else {
            self.clock.set_back(by);
            history.count_operation("wall clock set back");
            history.note(&format!("the wall clock is set back by {by:?}"));
        }
    }

    fn executor_parts(
        &self,
        store: &Arc<MemoryStore>,
        plan: &Incarnation,
        scheduler: &Scheduler,
        incarnation: u64,
        metrics: Arc<ExecutorMetrics>,
    ) -> ExecutorParts {
        let random = generator(self.seed, Part::Mutant, incarnation);
        let platform = Arc::new(match self.mutant {
            Some(Mutant::MergesOtherFiles) => self.components.mixing_files(),
            Some(Mutant::LoadsOtherVersions) => self.components.mixing_versions(random.clone()),
            _ => self.components.with_load_faults(
                generator(self.seed, Part::Components, incarnation),
                plan.components,
                self.history.clone(),
            ),
        });
        let store: Arc<dyn Store> = match self.mutant {
            Some(mutant) => Arc::new(MutantStore::wrap(store.clone(), mutant, random.clone())),
            None => store.clone(),
        };
        let disk = generator(self.seed, Part::Disk, incarnation);
        let store = Arc::new(Disk::wrap(store, plan.disk, disk, self.history.clone()));
        let clock = self.clock.of_new_process();
        let clock = match self.mutant {
            Some(Mutant::LosesTimers) => clock.losing_timers(random),
            _ => clock,
        };
        let losses = match self.mutant {
            Some(Mutant::LosesTasks) => Losses { task_once_in: 300, wake_once_in: 0 },
            Some(Mutant::LosesWakeups) => Losses { task_once_in: 0, wake_once_in: 1_000 },
            _ => Losses::default(),
        };
        ExecutorParts {
            store,
            snapshots: self.images.clone(),
            templates: platform.clone(),
            admission: platform.clone(),
            authorization: platform.clone(),
            clock: Arc::new(clock),
            entropy: Arc::new(SeededEntropy::new(generator(self.seed, Part::Entropy, incarnation))),
            outbound: Arc::new(self.outside.clone()),
            spawner: Arc::new(scheduler.losing(losses)),
            settings: self.plan.settings.clone(),
            metrics,
            idempotency: match self.mutant {
                Some(Mutant::IgnoresKeys) => Deduplication::Disabled,
                _ => Deduplication::Enforced,
            },
        }
    }
}

/// Starts the executor and the clients. In the last incarnation, checks all numbers when the clients are done.
async fn boot(
    parts: ExecutorParts,
    scheduler: Scheduler,
    clock: SimulationClock,
    clients: Vec<Client>,
    history: Arc<Mutex<History>>,
    progress: Arc<Mutex<Progress>>,
    is_last: bool,
) {
    let executor = match Executor::start(parts).await {
        Ok(executor) => executor,
        Err(error) => {
            locked(&history).note(&format!("the executor does not start: {error}"));
            locked(&history).count_operation("failed start");
            locked(&progress).end = Some(End::NotStarted);
            return;
        }
    };
    locked(&progress).executor = Some(executor.clone());
    for client in clients.iter().filter(|client| !client.is_done()) {
        scheduler.spawn(Box::pin(client.clone().run(executor.clone(), clock.clone())));
    }
    if !is_last {
        return;
    }
    while !clients.iter().all(Client::is_done) {
        clock.sleep_until(clock.elapsed() + Duration::from_millis(500)).await;
    }
    // Calls that workers have delayed are made at times of the wall clock.
    clock.wait_past_latest(LATEST_CALL).await;
    let numbers = locked(&history).number_names();
    for number in &numbers {
        until_idle(&executor, &clock, &history, number).await;
    }
    for number in numbers {
        ask_outcomes(&executor, &clock, &history, &number).await;
        let Some(value) = read_number(&executor, &clock, &history, &number).await else { return };
        locked(&history).check_number(&number, value);
    }
    locked(&progress).workers = count_workers(&executor).await;
    until_nothing_is_held(&executor, &clock, &history).await;
    executor.shutdown().await;
    locked(&progress).end = Some(End::Checked);
}
