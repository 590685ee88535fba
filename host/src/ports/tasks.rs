//! Tasks, as a port, so that a simulator can run them in an order of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A task.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks beside the worker.
pub trait TaskSpawner: Send + Sync + fmt::Debug {
    /// Starts `task`. It ends when it returns, or when the process ends.
    fn spawn(&self, task: Task);
}

/// Runs tasks on the tokio runtime of the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioTasks;

impl TaskSpawner for TokioTasks {
    fn spawn(&self, task: Task) {
        drop(tokio::spawn(task));
    }
}
