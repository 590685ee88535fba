//! The output of workers.

use golem_model::OplogIndex;
use std::sync::Arc;

/// Takes the output of a live worker. Delivery is at least once: a crash of the process may repeat events.
pub trait LogSink: Send + Sync {
    /// Takes events in the order in which they were printed. The entries before them are appended already; an event must
    /// not be visible before these entries are durable, because a crash would undo what it says. Never waits: a slow
    /// reader loses old events and does not block the worker.
    fn emit(&self, events: Vec<PrintedEvent>);
}

/// An event and its place in the worker's history. A repetition of the same code has the same places, so a sink can
/// recognise an event that it has shown before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedEvent {
    /// The index of the last entry that was recorded before it.
    pub after: OplogIndex,
    /// Its number among the events after that entry, from 1.
    pub number: u64,
    /// The event.
    pub event: LogEvent,
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

impl LogEvent {
    /// Bytes of its text.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Stdout(text) | Self::Stderr(text) => text.len(),
            Self::Log { level: _, context, message } => context.len() + message.len(),
        }
    }
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
