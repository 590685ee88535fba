//! What clients ask for.

use crate::rng::Rng;
use crate::sim::platform::Template;
use golem_model::oplog::UpdateMode;
use golem_model::{PromiseId, WorkerId, WorkerName};

/// Number of workers of each kind that clients share.
const SHARED_WORKERS: u64 = 3;

/// The beginning of the names of workers that one client creates and deletes.
const OWN: &str = "own";
/// The beginning of the names of workers that fail.
const FAILING: &str = "f";
/// Seconds of the wall clock at the begin of every run.
const FIRST_SECOND: u64 = 1_800_000_000;

/// A worker's name in its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) template: Template,
    pub(super) name: String,
}

impl Worker {
    pub(super) fn new(template: Template, name: impl Into<String>) -> Self {
        Self { template, name: name.into() }
    }

    pub(super) fn id(&self) -> WorkerId {
        WorkerId::new(self.template.id(), WorkerName::new(&self.name).expect("the name is valid"))
    }

    /// Whether operators may recover it, so that one of its invocations may be discarded.
    pub(super) fn may_be_recovered(&self) -> bool {
        match self.template {
            Template::Counter => !self.name.starts_with(OWN),
            Template::Saves | Template::Failures | Template::Regions => true,
            Template::Calls => self.may_fail(),
            Template::Sleeps | Template::KeyValue | Template::Promises | Template::Fetches => false,
        }
    }

    /// Whether it may be found failed or exited.
    pub(super) fn may_fail(&self) -> bool {
        match self.template {
            Template::Failures => true,
            Template::Calls => self.name.starts_with(FAILING),
            _ => false,
        }
    }

    /// Whether it is rolled back instead of failing.
    pub(super) fn rolls_back(&self) -> bool {
        self.template == Template::Failures && self.name == format!("{FAILING}1")
    }
}

/// A failing function of the guest `failures`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailingFunction {
    /// Panics after it has changed the state.
    Panic,
    /// Executes an instruction that traps.
    Trap,
    /// Calls `exit`.
    Exit,
    /// Panics before this second.
    Until(u64),
    /// Panics unless a random number is 0.
    Mostly(u64),
    /// Returns an error.
    Refuse,
}

/// A function with an atomic region or a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionFunction {
    /// Traps in a region at the first attempt.
    Flaky,
    /// Waits in two regions, for this many milliseconds each.
    Nested(u64),
    /// Jumps back once.
    GoBack,
}

/// The kind of an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpRequestKind {
    Get,
    Post,
    /// It must not be repeated.
    Once,
    /// Three requests at the same time.
    Together,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// Creates a worker that does not exist.
    Create(Worker),
    /// Deletes a worker that exists.
    Delete(Worker),
    /// Adds one to a worker's count, and waits for the new count.
    Increment(Worker),
    /// Adds one to a worker's count, or lets it sleep for so long, and waits for the acceptance.
    Enqueue { worker: Worker, ms: u64, cancels: bool },
    /// Cancels an invocation, unless it has begun.
    Cancel { worker: Worker, key: String },
    /// Makes the functions that save and load a worker fail in this way.
    Spoil { worker: Worker, what: &'static str },
    /// Calls a function that fails.
    Fail { worker: Worker, how: FailingFunction },
    /// Lets a worker call a function of another one that fails.
    AskFail { worker: Worker, target: Worker },
    /// Discards the invocation that makes a worker unusable.
    Recover(Worker),
    /// Calls a function with an atomic region or a jump.
    Region { worker: Worker, how: RegionFunction },
    /// Lets a worker send an HTTP request.
    Fetch { worker: Worker, how: HttpRequestKind },
    /// Adds one to a number in a bucket, through this worker.
    Add { worker: Worker, key: String },
    /// Sleeps.
    Sleep { worker: Worker, ms: u64 },
    /// Lets a worker increment the count of another one.
    Ask { worker: Worker, target: Worker },
    /// Lets a worker send a call to another one, without waiting for its answer, to begin after a delay.
    Send { worker: Worker, target: Worker, ms: u64 },
    /// Lets a worker call several others at the same time.
    Gather { worker: Worker, targets: Vec<Worker> },
    /// Updates a worker to a later version of its template. `versions` is the difference.
    Update { worker: Worker, mode: UpdateMode, versions: u32 },
    /// Withdraws the pending update of a worker.
    WithdrawUpdate(Worker),
    /// Adds a text to a worker that is saved and loaded.
    Keep(Worker),
    /// Calls a function for which the odd versions of a template ask for more than the even ones.
    Touch(Worker),
    /// Reads the file that each version of a template ships with.
    ReadFile(Worker),
    /// Creates a promise. The requests after it complete and await it.
    CreatePromise(Worker),
    /// Begins to await a promise.
    EnqueueAwait { worker: Worker, promise: PromiseId, key: String },
    /// Completes a promise.
    Complete(PromiseId),
    /// Gets the data of a promise.
    Await { worker: Worker, promise: PromiseId, key: String },
    /// Interrupts a worker, or lets its instance crash.
    Interrupt { worker: Worker, recovers: bool },
    /// Lets an interrupted worker continue.
    Resume(Worker),
    /// Reads the status of a worker that exists, the list of its queue and the state of a key.
    Read(Worker),
    /// Lets time pass.
    Pause { ms: u64 },
}

impl Request {
    pub(super) fn kind(&self) -> Option<&'static str> {
        Some(match self {
            // [`Client::attempt`] counts what they did.
            Self::Cancel { .. }
            | Self::Fetch { .. }
            | Self::Recover(_)
            | Self::Update { .. }
            | Self::WithdrawUpdate(_) => return None,
            Self::Create(_) => "create",
            Self::Delete(_) => "delete",
            Self::Increment(_) => "increment",
            Self::Enqueue { .. } => "enqueue",
            Self::Spoil { .. } => "state that cannot be saved",
            Self::Fail { .. } => "failing invocation",
            Self::AskFail { .. } => "call of a worker that fails",
            Self::Region { how: RegionFunction::GoBack, .. } => "jump",
            Self::Region { .. } => "atomic region",
            Self::Add { .. } => "add to a shared value",
            Self::Sleep { .. } => "sleep",
            Self::Ask { .. } => "call of another worker",
            Self::Send { .. } => "call without answer",
            Self::Gather { .. } => "calls at the same time",
            Self::Keep(_) => "change of a saved state",
            Self::Touch(_) => "call that versions replay differently",
            Self::ReadFile(_) => "read of a file of the version",
            Self::CreatePromise(_) => "create promise",
            Self::EnqueueAwait { .. } => "begin to await a promise",
            Self::Complete(_) => "complete promise",
            Self::Await { .. } => "await promise",
            Self::Interrupt { recovers: false, .. } => "interrupt",
            Self::Interrupt { recovers: true, .. } => "crash of an instance",
            Self::Resume(_) => "resume",
            Self::Read(_) => "read",
            Self::Pause { .. } => "pause",
        })
    }
}

/// What a client does first: it uses as many workers as every run must have.
pub(super) fn plan_first(client: u64) -> Vec<Request> {
    let caller = Worker::new(Template::Calls, format!("caller-{client}"));
    vec![gather(caller)]
}

/// Lets a worker call all shared workers of its template at the same time.
fn gather(worker: Worker) -> Request {
    let targets = (0..SHARED_WORKERS).map(|number| Worker::new(Template::Calls, format!("s{number}")));
    Request::Gather { worker, targets: targets.collect() }
}

/// Draws what a client does next: one request, or several that belong together.
pub(super) fn plan(random: &mut Rng, client: u64, promises: &[PromiseId]) -> Vec<Request> {
    let own = Worker::new(Template::Counter, format!("{OWN}-{client}"));
    let caller = Worker::new(Template::Calls, format!("caller-{client}"));
    let shared =
        |random: &mut Rng, template| Worker::new(template, format!("s{}", random.below(SHARED_WORKERS)));
    let failing = |random: &mut Rng, template| {
        Worker::new(template, format!("{FAILING}{}", random.below(SHARED_WORKERS)))
    };
    match random.below(32) {
        0 | 1 => vec![Request::Increment(shared(random, Template::Counter))],
        2 | 3 => {
            let template = *random.pick(&[Template::Counter, Template::Sleeps]);
            let ms = *random.pick(&[0, 15, 900, 8_000]);
            vec![Request::Enqueue { worker: shared(random, template), ms, cancels: random.once_in(2) }]
        }
        4 | 5 => vec![Request::Add {
            worker: shared(random, Template::KeyValue),
            key: format!("k{}", random.below(2)),
        }],
        6 => vec![Request::Sleep {
            worker: shared(random, Template::Sleeps),
            ms: *random.pick(&[0, 1, 15, 60, 900, 30_000]),
        }],
        7 | 8 => {
            let target = match random.below(3) {
                0 => failing(random, Template::Calls),
                1 => shared(random, Template::Calls),
                _ => shared(random, Template::Counter),
            };
            vec![Request::Ask { worker: caller, target }]
        }
        9 | 10 if random.once_in(4) => {
            let worker = failing(random, Template::Saves);
            let what = *random.pick(&["refuse-save", "trap-save", "call-save", "jump-save"]);
            vec![
                Request::Spoil { worker: worker.clone(), what },
                Request::Keep(worker.clone()),
                Request::Keep(worker),
            ]
        }
        9 | 10 => {
            let worker = shared(random, Template::Saves);
            vec![match random.below(6) {
                0 => Request::Touch(worker),
                1 => Request::ReadFile(worker),
                _ => Request::Keep(worker),
            }]
        }
        11 => plan_promise_creation(random, client),
        12 if !promises.is_empty() => vec![Request::Complete(random.pick(promises).clone())],
        12 | 13 => plan_interrupt(random, shared),
        14 | 15 => {
            let count = random.between(1, 3);
            let increments = (0..count).map(|_| Request::Increment(own.clone()));
            let mut script = vec![Request::Create(own.clone())];
            script.extend(increments);
            script.push(Request::Delete(own));
            script
        }
        16 => {
            let target = shared(random, Template::Calls);
            let ms = *random.pick(&[0, 1, 700]);
            // The number of the target is checked after the delay.
            vec![Request::Send { worker: caller, target, ms }, Request::Pause { ms: ms + 1 }]
        }
        17 => vec![gather(caller)],
        18 | 19 => {
            let template = *random.pick(&[Template::Counter, Template::Saves, Template::KeyValue]);
            let modes = [UpdateMode::Automatic, UpdateMode::Manual];
            // Only this guest can be saved and loaded.
            let mode = if template == Template::Saves { *random.pick(&modes) } else { modes[0] };
            let worker = shared(random, template);
            let mut script =
                vec![Request::Update { worker: worker.clone(), mode, versions: *random.pick(&[1, 1, 2]) }];
            if random.once_in(3) {
                // An attempt of the update may be under way.
                script.push(Request::Pause { ms: random.below(20) });
                script.push(match random.below(2) {
                    0 => Request::WithdrawUpdate(worker),
                    _ => Request::Update { worker, mode: UpdateMode::Automatic, versions: 3 },
                });
            }
            script
        }
        20..23 => {
            let worker = failing(random, Template::Failures);
            plan_failure(random, worker)
        }
        23 => {
            let target = failing(random, Template::Calls);
            vec![Request::AskFail { worker: caller, target: target.clone() }, Request::Recover(target)]
        }
        24 => vec![Request::Increment(failing(random, Template::Failures))],
        25 | 26 => {
            let how = match random.below(3) {
                0 => RegionFunction::Flaky,
                1 => RegionFunction::Nested(*random.pick(&[0, 5, 1_500, 20_000])),
                _ => RegionFunction::GoBack,
            };
            vec![Request::Region { worker: shared(random, Template::Regions), how }]
        }
        27..30 => {
            let how = *random.pick(&[
                HttpRequestKind::Get,
                HttpRequestKind::Post,
                HttpRequestKind::Post,
                HttpRequestKind::Once,
                HttpRequestKind::Together,
            ]);
            vec![Request::Fetch { worker: shared(random, Template::Fetches), how }]
        }
        _ => {
            let template = *random.pick(&[Template::Counter, Template::Saves, Template::Sleeps]);
            vec![Request::Read(shared(random, template))]
        }
    }
}

/// The worker that owns a client's promises is sometimes deleted before.
fn plan_promise_creation(random: &mut Rng, client: u64) -> Vec<Request> {
    let owner = Worker::new(Template::Promises, format!("promises-{client}"));
    let mut script = vec![Request::CreatePromise(owner.clone())];
    if random.once_in(2) {
        // The end of its oplog is stored when the node is idle.
        let pause = Request::Pause { ms: *random.pick(&[0, 500, 3_000]) };
        script.splice(0..0, [Request::Delete(owner), pause]);
    }
    script
}

fn plan_interrupt(random: &mut Rng, shared: impl Fn(&mut Rng, Template) -> Worker) -> Vec<Request> {
    let template = *random.pick(&[
        Template::Counter,
        Template::KeyValue,
        Template::Sleeps,
        Template::Calls,
        Template::Saves,
        Template::Regions,
        Template::Fetches,
    ]);
    let worker = shared(random, template);
    let recovers = random.once_in(2);
    let interrupt = Request::Interrupt { worker: worker.clone(), recovers };
    let pause = Request::Pause { ms: random.below(500) };
    let mut script = vec![interrupt];
    if !recovers {
        script.push(pause);
        if worker.may_be_recovered() && random.once_in(2) {
            script.push(Request::Recover(worker.clone()));
        }
        script.push(Request::Resume(worker));
    }
    script
}

fn plan_failure(random: &mut Rng, worker: Worker) -> Vec<Request> {
    let how = match random.below(7) {
        0 => FailingFunction::Panic,
        1 => FailingFunction::Trap,
        2 => FailingFunction::Exit,
        3 | 4 => FailingFunction::Until(FIRST_SECOND + random.below(100)),
        5 => FailingFunction::Mostly(random.between(1, 4)),
        _ => FailingFunction::Refuse,
    };
    let mut script = vec![Request::Fail { worker: worker.clone(), how }];
    if random.once_in(2) {
        script.push(Request::Recover(worker));
    }
    script
}

/// The name of the number that a worker's state is.
pub(super) fn number_name(worker: &Worker) -> String {
    format!("{:?} {}", worker.template, worker.name)
}
