//! What clients ask for.

use crate::rng::Rng;
use crate::sim::platform::Template;
use golem_model::oplog::UpdateMode;
use golem_model::{PromiseId, WorkerId, WorkerName};

/// Number of workers of each kind that clients share.
const SHARED_WORKERS: u64 = 3;

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
    /// Adds one to a worker's count, and waits for the acceptance.
    Enqueue(Worker),
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
    /// Updates a worker to the next version of its template.
    Update { worker: Worker, mode: UpdateMode },
    /// Adds a text to a worker that is saved and loaded.
    Keep(Worker),
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
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Delete(_) => "delete",
            Self::Increment(_) => "increment",
            Self::Enqueue(_) => "enqueue",
            Self::Add { .. } => "add to a shared value",
            Self::Sleep { .. } => "sleep",
            Self::Ask { .. } => "call of another worker",
            Self::Send { .. } => "call without answer",
            Self::Gather { .. } => "calls at the same time",
            Self::Update { .. } => "update",
            Self::Keep(_) => "change of a saved state",
            Self::CreatePromise(_) => "create promise",
            Self::EnqueueAwait { .. } => "begin to await a promise",
            Self::Complete(_) => "complete promise",
            Self::Await { .. } => "await promise",
            Self::Interrupt { recovers: false, .. } => "interrupt",
            Self::Interrupt { recovers: true, .. } => "crash of an instance",
            Self::Resume(_) => "resume",
            Self::Read(_) => "read",
            Self::Pause { .. } => "pause",
        }
    }
}

/// Draws what a client does next: one request, or several that belong together.
pub(super) fn plan(random: &mut Rng, client: u64, promises: &[PromiseId]) -> Vec<Request> {
    let own = Worker::new(Template::Counter, format!("own-{client}"));
    let caller = Worker::new(Template::Calls, format!("caller-{client}"));
    let shared =
        |random: &mut Rng, template| Worker::new(template, format!("s{}", random.below(SHARED_WORKERS)));
    match random.below(20) {
        0 | 1 => vec![Request::Increment(shared(random, Template::Counter))],
        2 => vec![Request::Enqueue(shared(random, Template::Counter))],
        3 | 4 => vec![Request::Add {
            worker: shared(random, Template::KeyValue),
            key: format!("k{}", random.below(2)),
        }],
        5 => vec![Request::Sleep {
            worker: shared(random, Template::Sleeps),
            ms: *random.pick(&[0, 1, 15, 60, 900, 30_000]),
        }],
        6 | 7 => {
            let target = *random.pick(&[Template::Counter, Template::Calls]);
            vec![Request::Ask { worker: caller, target: shared(random, target) }]
        }
        8 | 9 => vec![Request::Keep(shared(random, Template::Saves))],
        10 => vec![Request::CreatePromise(Worker::new(Template::Promises, format!("promises-{client}")))],
        11 if !promises.is_empty() => vec![Request::Complete(random.pick(promises).clone())],
        11 | 12 => {
            let template = *random.pick(&[
                Template::Counter,
                Template::KeyValue,
                Template::Sleeps,
                Template::Calls,
                Template::Saves,
            ]);
            let worker = shared(random, template);
            let recovers = random.once_in(2);
            let interrupt = Request::Interrupt { worker: worker.clone(), recovers };
            let pause = Request::Pause { ms: random.below(500) };
            if recovers { vec![interrupt] } else { vec![interrupt, pause, Request::Resume(worker)] }
        }
        13 | 14 => {
            let count = random.between(1, 3);
            let increments = (0..count).map(|_| Request::Increment(own.clone()));
            let mut script = vec![Request::Create(own.clone())];
            script.extend(increments);
            script.push(Request::Delete(own));
            script
        }
        15 => {
            let target = shared(random, Template::Calls);
            let ms = *random.pick(&[0, 1, 700]);
            // The number of the target is checked after the delay.
            vec![Request::Send { worker: caller, target, ms }, Request::Pause { ms: ms + 1 }]
        }
        16 => {
            let targets =
                (0..SHARED_WORKERS).map(|number| Worker::new(Template::Calls, format!("s{number}")));
            vec![Request::Gather { worker: caller, targets: targets.collect() }]
        }
        17 | 18 => {
            let template = *random.pick(&[Template::Counter, Template::Saves, Template::KeyValue]);
            let modes = [UpdateMode::Automatic, UpdateMode::Manual];
            // Only this guest can be saved and loaded.
            let mode = if template == Template::Saves { *random.pick(&modes) } else { modes[0] };
            vec![Request::Update { worker: shared(random, template), mode }]
        }
        _ => {
            let template = *random.pick(&[Template::Counter, Template::Saves, Template::Sleeps]);
            vec![Request::Read(shared(random, template))]
        }
    }
}

/// The number that a worker's state is.
pub(super) fn number_of(worker: &Worker) -> String {
    format!("{:?} {}", worker.template, worker.name)
}
