//! What a worker prints.

use std::sync::Arc;

/// Takes what a worker prints while it is live. Lines are given at least once: a crash may repeat some.
pub trait LogSink: Send + Sync {
    /// Takes one event. Never waits; a slow reader loses old events, it does not hold the worker.
    fn emit(&self, event: LogEvent);
}

/// Something that a worker printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// Text on standard output, as written: not necessarily a whole line.
    Stdout(Arc<str>),
    /// Text on standard error.
    Stderr(Arc<str>),
    /// A line through `wasi:logging`.
    Log {
        /// How grave.
        level: LogLevel,
        /// Where in the program, as it says.
        context: Arc<str>,
        /// What.
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
