//! `wasi:logging`: lines that a program writes to its worker's log, with a level and a context.
//!
//! They are printed like text is: while the guest is live, and not again in a replay. WASI has never released the
//! interface, so no crate carries its bindings; it is one function, defined here by its types.

use crate::ports::LogLevel;
use crate::state::WorkerState;
use types::Level;
use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};

/// The names under which programs import it: that of 2023, and that of its first draft. The function is the same.
const INTERFACES: [&str; 2] = ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"];

pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    for interface in INTERFACES {
        linker.instance(interface)?.func_wrap(
            "log",
            |mut store: StoreContextMut<'_, WorkerState>, line: Line| {
                let (level, context, message) = line;
                store.data_mut().log(level.into(), &context, &message);
                Ok(())
            },
        )?;
    }
    Ok(())
}

/// Level, context and message.
type Line = (Level, String, String);

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

#[allow(unsafe_code, reason = "wasmtime's derive implements its unsafe trait for the type")]
mod types {
    use wasmtime::component::{ComponentType, Lift};

    /// How grave a line is.
    #[derive(Debug, Clone, Copy, ComponentType, Lift)]
    #[component(enum)]
    #[allow(dead_code, reason = "made by lifting, from the index of the case")]
    #[repr(u8)]
    pub(super) enum Level {
        #[component(name = "trace")]
        Trace,
        #[component(name = "debug")]
        Debug,
        #[component(name = "info")]
        Info,
        #[component(name = "warn")]
        Warn,
        #[component(name = "error")]
        Error,
        #[component(name = "critical")]
        Critical,
    }
}
