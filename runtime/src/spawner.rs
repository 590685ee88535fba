//! Where the executor's tasks run, as a port: on the threads of tokio in a server, on one thread and in a seeded order in
//! the simulator.

use golem_host::ports::{Task, TaskSpawner};
use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A job that may block its thread.
pub type BlockingJob = Box<dyn FnOnce() + Send>;

/// Runs tasks and blocking jobs.
pub trait Spawner: TaskSpawner {
    /// Runs `job` on a thread that may block. The job is dropped if the process is ending.
    fn spawn_blocking(&self, job: BlockingJob);

    /// Starts `task` on a thread of its own, which it may block ([`Spawner::block_in_place`]). Fails if the system
    /// has no thread.
    fn spawn_thread(&self, name: &str, task: Task) -> io::Result<()>;

    /// Runs `job`, which may block, on the thread of the calling task. The task has a thread of its own.
    fn block_in_place<'a>(
        &'a self,
        job: &'a mut (dyn FnMut() + Send),
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum JobLost {
    /// The job panicked.
    #[error("a job of the server panicked: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
    /// The job was dropped, because the process is ending.
    #[error("a job did not end, because the server is shutting down")]
    Dropped,
}

/// Runs `job` on a thread that may block, and returns its result.
pub async fn run_blocking<T: Send + 'static>(
    spawner: &dyn Spawner,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobLost> {
    let (sender, receiver) = oneshot::channel();
    let job = move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        // If the caller is gone, nothing needs the result.
        drop(sender.send(result));
    };
    spawner.spawn_blocking(Box::new(job));
    match receiver.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(panic)) => Err(JobLost::Panicked { message: panic_text(panic.as_ref()) }),
        Err(_) => Err(JobLost::Dropped),
    }
}

/// The message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned())
}

/// Runs everything on a tokio runtime, except tasks with a thread of their own.
#[derive(Debug)]
pub struct TokioSpawner {
    runtime: tokio::runtime::Handle,
}

impl TokioSpawner {
    /// A spawner on the runtime of the calling task.
    pub fn current() -> Arc<Self> {
        Arc::new(Self { runtime: tokio::runtime::Handle::current() })
    }
}

impl TaskSpawner for TokioSpawner {
    fn spawn(&self, task: Task) {
        drop(self.runtime.spawn(task));
    }
}

impl Spawner for TokioSpawner {
    fn spawn_blocking(&self, job: BlockingJob) {
        drop(self.runtime.spawn_blocking(job));
    }

    fn spawn_thread(&self, name: &str, task: Task) -> io::Result<()> {
        // A runtime of its own, so that the thread's timers do not depend on how busy the other threads are.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        // The thread is not joined: the task itself notifies its owner when it ends.
        thread.spawn(move || runtime.block_on(task)).map(drop)
    }

    fn block_in_place<'a>(
        &'a self,
        job: &'a mut (dyn FnMut() + Send),
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        job();
        Box::pin(std::future::ready(()))
    }
}
