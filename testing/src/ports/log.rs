//! A collector of workers' output.

use golem_host::ports::{LogEvent, LogSink, PrintedEvent};
use parking_lot::Mutex;
use std::sync::Arc;

/// Keeps every event. Clones are one collector.
#[derive(Debug, Clone, Default)]
pub struct LogCollector {
    events: Arc<Mutex<Vec<LogEvent>>>,
}

impl LogCollector {
    /// An empty collector.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<LogEvent> {
        self.events.lock().clone()
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> String {
        self.events
            .lock()
            .iter()
            .filter_map(|event| match event {
                LogEvent::Stdout(text) => Some(text.as_ref()),
                LogEvent::Stderr(_) | LogEvent::Log { .. } => None,
            })
            .collect()
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.events
            .lock()
            .iter()
            .filter_map(|event| match event {
                LogEvent::Stderr(text) => Some(text.as_ref()),
                LogEvent::Stdout(_) | LogEvent::Log { .. } => None,
            })
            .collect()
    }

    /// Removes all events.
    pub fn clear(&self) {
        self.events.lock().clear();
    }
}

impl LogSink for LogCollector {
    fn emit(&self, events: Vec<PrintedEvent>) {
        self.events.lock().extend(events.into_iter().map(|printed| printed.event));
    }
}
