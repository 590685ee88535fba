//! Log lines with a level, written with the macros of the crate [`log`].
//!
//! ```no_run
//! golem::logging::init(log::LevelFilter::Info);
//! log::info!("a cart for {}", "Ada");
//! ```
//!
//! A line goes through `wasi:logging` to the log stream of the worker. A replay does not write a line again, but a
//! line that was written just before a crash may appear twice. The target of a line (by default the name of its
//! module) is the context in `wasi:logging`.

use crate::bindings::wasi::logging::logging as host;
use crate::guard;
use log::{Level, LevelFilter, Log, Metadata, Record};

#[derive(Debug)]
struct WorkerLogger;

impl Log for WorkerLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            guard::require_worker("a line of golem::logging");
            let level = match record.level() {
                Level::Error => host::Level::Error,
                Level::Warn => host::Level::Warn,
                Level::Info => host::Level::Info,
                Level::Debug => host::Level::Debug,
                Level::Trace => host::Level::Trace,
            };
            host::log(level, record.target(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Sends the lines of the macros of the crate `log` to the log stream of the worker, if they have this level or a more
/// severe one. A second call only changes the level.
pub fn init(level: LevelFilter) {
    // Fails if a logger is already installed: this one, or one that the program has chosen. That logger is kept.
    drop(log::set_logger(&WorkerLogger));
    log::set_max_level(level);
}
