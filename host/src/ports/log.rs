//! The output of workers.

use std::sync::Arc;

/// Takes the output of a live worker. Delivery is at least once: a crash may repeat lines.
pub trait LogSink: Send + Sync {
    /// Takes one event. Never waits: a slow reader loses old events and does not block the worker.
    fn emit(&self, event: LogEvent);
}

/// One piece of a worker's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// Text on standard output, as written: not necessarily a whole line.
    Stdout(Arc<str>),
    /// Text on standard error.
    Stderr(Arc<str>),
    /// A line through `wasi:logging`.
    Log {
        /// The severity.
        level: LogLevel,
        /// The context, as the guest names it.
        context: Arc<str>,
        /// The text.
        message: Arc<str>,
    },
}

/// The levels of `wasi:logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words of wasi:logging")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}
