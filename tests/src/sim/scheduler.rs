//! Runs tasks and blocking jobs on one thread, one at a time, in an order that the seed decides.

use super::clock::SimulationClock;
use super::locked;
use crate::rng::Rng;
use golem_host::ports::{Clock, Task, TaskSpawner};
use golem_runtime::spawner::{BlockingJob, Spawner};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Number of times that a task that blocks its thread yields before and after, at most. Other tasks run meanwhile, as on
/// other threads.
const BLOCK_YIELDS_MAX: u64 = 4;
/// Simulated milliseconds that a slow job blocks its thread, at most.
const SLOW_MS_MAX: u64 = 3_000;

/// A scheduler. Clones are one scheduler.
#[derive(Debug, Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
    /// What this handle loses.
    losses: Losses,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    clock: SimulationClock,
    /// One in how many jobs that block a thread takes long, like a commit on a busy disk; 0 for none.
    slow_once_in: u64,
}

/// What a wrong scheduler loses: one in how many, and 0 for none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    /// Tasks that do not begin.
    pub task_once_in: u64,
    /// Wake-ups without an effect.
    pub wake_once_in: u64,
}

struct State {
    random: Rng,
    ready: Vec<Runnable>,
    tasks: BTreeMap<u64, Arc<SimulatedTask>>,
    next_task: u64,
    /// Whether the process has crashed: nothing runs any more.
    crashed: bool,
    steps: u64,
    /// Number of jobs that took long.
    slow_job_count: u64,
    /// A digest of all decisions so far.
    digest: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("steps", &self.steps).finish_non_exhaustive()
    }
}

enum Runnable {
    Task(Arc<SimulatedTask>),
    Job(BlockingJob),
}

struct SimulatedTask {
    number: u64,
    future: Mutex<Option<Task>>,
    is_ready: AtomicBool,
    losses: Losses,
    scheduler: Weak<Shared>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn loses(&self, once_in: u64) -> bool {
        once_in > 0 && self.lock().random.once_in(once_in)
    }
}

impl Wake for SimulatedTask {
    fn wake(self: Arc<Self>) {
        if self.is_ready.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(shared) = self.scheduler.upgrade() {
            if shared.loses(self.losses.wake_once_in) {
                self.is_ready.store(false, Ordering::Relaxed);
                return;
            }
            let mut state = shared.lock();
            if !state.crashed {
                state.ready.push(Runnable::Task(self));
            }
        }
    }
}

impl Scheduler {
    /// A scheduler whose order `random` decides. One in `slow_once_in` jobs that block a thread takes long.
    pub fn new(random: Rng, clock: SimulationClock, slow_once_in: u64) -> Self {
        let state = State {
            random,
            ready: Vec::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            crashed: false,
            steps: 0,
            slow_job_count: 0,
            digest: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), clock, slow_once_in });
        Self { shared, losses: Losses::default() }
    }

    /// Another handle, which loses something: a mutant.
    #[must_use]
    pub fn losing(&self, losses: Losses) -> Self {
        Self { losses, ..self.clone() }
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
                Runnable::Task(task) => task.number,
                Runnable::Job(_) => u64::MAX,
            };
            state.steps += 1;
            state.digest = Rng::new(state.digest ^ number).next_u64();
            ready
        };
        match ready {
            // A panic ends the job or the task alone. `run` reports panics that are not part of the plan.
            Runnable::Job(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Runnable::Task(task) => self.poll(&task),
        }
        true
    }

    fn poll(&self, task: &Arc<SimulatedTask>) {
        task.is_ready.store(false, Ordering::Relaxed);
        let future = locked(&task.future).take();
        let Some(mut future) = future else { return };
        let waker = Waker::from(task.clone());
        let polled =
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        if matches!(polled, Ok(Poll::Pending)) {
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

    /// Number of jobs so far that took long.
    pub fn slow_job_count(&self) -> u64 {
        self.shared.lock().slow_job_count
    }

    /// A digest of all decisions so far. Two runs of one seed have the same.
    pub fn digest(&self) -> u64 {
        self.shared.lock().digest
    }

    /// How often a job that blocks its thread yields, and how long it takes: before its effect, and after it.
    fn draw_delays(&self) -> [(u64, Duration); 2] {
        let mut state = self.shared.lock();
        let is_slow = self.shared.slow_once_in > 0 && state.random.once_in(self.shared.slow_once_in);
        state.slow_job_count += u64::from(is_slow);
        [(); 2].map(|()| {
            let yields = state.random.below(BLOCK_YIELDS_MAX + 1);
            let ms = if is_slow { state.random.below(SLOW_MS_MAX) } else { 0 };
            (yields, Duration::from_millis(ms))
        })
    }

    async fn delay(&self, (yields, wait): (u64, Duration)) {
        yield_times(yields).await;
        if !wait.is_zero() {
            let clock = &self.shared.clock;
            clock.sleep_until(clock.elapsed() + wait).await;
        }
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
        if self.shared.loses(self.losses.task_once_in) {
            return;
        }
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
                losses: self.losses,
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
            state.ready.push(Runnable::Job(job));
        }
    }

    fn spawn_thread(&self, _: &str, task: Task) -> io::Result<()> {
        self.spawn(task);
        Ok(())
    }

    fn block_in_place<'a>(
        &'a self,
        job: &'a mut (dyn FnMut() + Send),
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let [before, after] = self.draw_delays();
        Box::pin(async move {
            self.delay(before).await;
            job();
            self.delay(after).await;
        })
    }
}
