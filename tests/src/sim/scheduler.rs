//! Runs tasks and blocking jobs on one thread, one at a time, in an order that the seed decides.

use super::locked;
use crate::rng::Rng;
use golem_host::ports::{Task, TaskSpawner};
use golem_runtime::spawner::{BlockingJob, Spawner};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// Number of times that a task that blocks its thread yields before and after, at most. Other tasks run meanwhile, as on
/// other threads.
const BLOCK_YIELDS_MAX: u64 = 4;

/// A scheduler. Clones are one scheduler.
#[derive(Debug, Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

struct State {
    random: Rng,
    ready: Vec<Ready>,
    tasks: BTreeMap<u64, Arc<SimulatedTask>>,
    next_task: u64,
    /// Whether the process has crashed: nothing runs any more.
    crashed: bool,
    steps: u64,
    /// A digest of all decisions so far.
    digest: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("steps", &self.steps).finish_non_exhaustive()
    }
}

enum Ready {
    Task(Arc<SimulatedTask>),
    Job(BlockingJob),
}

struct SimulatedTask {
    number: u64,
    future: Mutex<Option<Task>>,
    is_ready: AtomicBool,
    scheduler: Weak<Shared>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Wake for SimulatedTask {
    fn wake(self: Arc<Self>) {
        if self.is_ready.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(shared) = self.scheduler.upgrade() {
            let mut state = shared.lock();
            if !state.crashed {
                state.ready.push(Ready::Task(self));
            }
        }
    }
}

impl Scheduler {
    /// A scheduler whose order `random` decides.
    pub fn new(random: Rng) -> Self {
        let state = State {
            random,
            ready: Vec::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            crashed: false,
            steps: 0,
            digest: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Runs one of the ready tasks and jobs until it waits or ends. Returns false if none is ready.
    pub fn step(&self) -> bool {
        let ready = {
            let mut state = self.shared.lock();
            let count = state.ready.len();
            if count == 0 {
                return false;
            }
            let chosen = usize::try_from(state.random.below(count as u64)).expect("an index fits");
            let ready = state.ready.swap_remove(chosen);
            let number = match &ready {
                Ready::Task(task) => task.number,
                Ready::Job(_) => u64::MAX,
            };
            state.steps += 1;
            state.digest = Rng::new(state.digest ^ number).next_u64();
            ready
        };
        match ready {
            // On a thread of its own, a panic ends the job alone. `run` reports panics that are not part of the plan.
            Ready::Job(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Ready::Task(task) => self.poll(&task),
        }
        true
    }

    fn poll(&self, task: &Arc<SimulatedTask>) {
        task.is_ready.store(false, Ordering::Relaxed);
        let future = locked(&task.future).take();
        let Some(mut future) = future else { return };
        let waker = Waker::from(task.clone());
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *locked(&task.future) = Some(future);
        } else {
            drop(future);
            self.shared.lock().tasks.remove(&task.number);
        }
    }

    /// Drops all tasks and jobs, each where it is, like the end of a process.
    pub fn crash(&self) {
        let (tasks, ready) = {
            let mut state = self.shared.lock();
            state.crashed = true;
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.ready))
        };
        drop(ready);
        for task in tasks.into_values() {
            let future = locked(&task.future).take();
            drop(future);
        }
    }

    /// Number of steps so far.
    pub fn steps(&self) -> u64 {
        self.shared.lock().steps
    }

    /// A digest of all decisions so far. Two runs of one seed have the same.
    pub fn digest(&self) -> u64 {
        self.shared.lock().digest
    }

    /// A random number below `bound`.
    fn below(&self, bound: u64) -> u64 {
        self.shared.lock().random.below(bound)
    }
}

/// Lets other tasks run `times` times.
pub async fn yield_times(times: u64) {
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl TaskSpawner for Scheduler {
    fn spawn(&self, task: Task) {
        let task = {
            let mut state = self.shared.lock();
            if state.crashed {
                return;
            }
            state.next_task += 1;
            let task = Arc::new(SimulatedTask {
                number: state.next_task,
                future: Mutex::new(Some(task)),
                is_ready: AtomicBool::new(false),
                scheduler: Arc::downgrade(&self.shared),
            });
            state.tasks.insert(task.number, task.clone());
            task
        };
        task.wake();
    }
}

impl Spawner for Scheduler {
    fn spawn_blocking(&self, job: BlockingJob) {
        let mut state = self.shared.lock();
        if !state.crashed {
            state.ready.push(Ready::Job(job));
        }
    }

    fn spawn_thread(&self, _: &str, task: Task) -> io::Result<()> {
        self.spawn(task);
        Ok(())
    }

    fn block<'a>(
        &'a self,
        job: &'a mut (dyn FnMut() + Send),
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let (before, after) = (self.below(BLOCK_YIELDS_MAX + 1), self.below(BLOCK_YIELDS_MAX + 1));
        Box::pin(async move {
            yield_times(before).await;
            job();
            yield_times(after).await;
        })
    }
}
