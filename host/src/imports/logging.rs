//! `wasi:logging`: lines that a program writes to its worker's log, with a level and a context.
//!
//! As with text on standard output, a line is emitted while the guest is live and is not emitted again during a replay
//! (`durable::door`). WASI never released the interface, so no crate contains its bindings. It has one
//! function, which is defined here by its types.

use super::stdio::log_line;
use crate::imports::views::Views;
use crate::ports::LogLevel;
use types::Level;
use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Result, StoreContextMut};

/// The interface names that programs import: the name of 2023 and the name of the first draft. The function is the
/// same.
const INTERFACES: [&str; 2] = ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"];

pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    for interface in INTERFACES {
        linker.instance(interface)?.func_wrap(
            "log",
            |mut store: StoreContextMut<'_, T>, (level, context, message): Line| {
                let line = log_line(level.into(), &context.to_str(&store)?, &message.to_str(&store)?);
                store.data_mut().logging().door.print(line)
            },
        )?;
    }
    Ok(())
}

/// Level, context and message. The texts are read from the guest's memory, so that the host copies
/// only the part that the log keeps.
type Line = (Level, WasmStr, WasmStr);

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

    /// The severity of a line.
    #[derive(Debug, Clone, Copy, ComponentType, Lift)]
    #[component(enum)]
    #[allow(dead_code, reason = "lifting constructs the cases from their index")]
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
