//! Lines of the worker's log with a level, by the macros of the crate [`log`].
//!
//! ```no_run
//! golem::logging::init(log::LevelFilter::Info);
//! log::info!("a cart for {}", "Ada");
//! ```
//!
//! What is logged goes to `wasi:logging` and from there to whoever listens to the worker, once, also when code is
//! repeated after a crash. The target of a line (its module, unless it says another) is the context.

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

/// Sends what the macros of the crate `log` write to the worker's log, from this level on. Calling it again only changes
/// the level.
pub fn init(level: LevelFilter) {
    // It fails if there is a logger: ours, or one that the program chose, which stays.
    drop(log::set_logger(&WorkerLogger));
    log::set_max_level(level);
}
