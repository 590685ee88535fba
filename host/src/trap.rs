//! From wasmtime's errors to why a worker stopped.

use crate::StopReason;
use crate::ports::PortError;
use crate::state::WorkerState;
use std::fmt::Write as _;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// Why the guest, whose call gave `error`, stopped. What it had recorded is handed to the store where the
/// worker will go on from it.
pub(crate) fn stop(state: &mut WorkerState, error: &wasmtime::Error) -> StopReason {
    let stop = reason(state, error);
    match &stop {
        StopReason::Exited { .. } | StopReason::Trapped { .. } | StopReason::Interrupted => {
            match state.journal.flush() {
                Ok(()) => stop,
                Err(failed) => failed,
            }
        }
        // A worker was handed over when it parked or went back; a divergence happens before anything is recorded;
        // and what came before our own trouble is done again by the next activation.
        StopReason::Parked(_)
        | StopReason::JumpedBack
        | StopReason::Diverged { .. }
        | StopReason::Port(_) => stop,
    }
}

/// Names the called function in a trap: a component may have been stripped of the names that its stack would show.
pub(crate) fn in_function(name: &str, stop: StopReason) -> StopReason {
    match stop {
        StopReason::Trapped { details, retry, policy } => {
            let name = match name.rsplit_once('/') {
                Some((interface, function)) => format!("{interface}#{function}"),
                None => name.to_owned(),
            };
            StopReason::Trapped { details: format!("{details}\nin {name}"), retry, policy }
        }
        other => other,
    }
}

/// Why the guest stopped. Nothing is handed to the store.
pub(crate) fn reason(state: &mut WorkerState, error: &wasmtime::Error) -> StopReason {
    let stop = match state.take_stop() {
        Some(stop) => stop,
        None => match shortage(state, error) {
            Some(reason) => StopReason::Port(PortError::Unavailable { reason: reason.into() }),
            None => StopReason::Trapped {
                details: details(error, state.stdio.stderr_tail()),
                // How deep a stack may be depends on compiler and machine, so the end was not the guest's
                // alone; but here it would be the same again.
                retry: error.downcast_ref::<Trap>() != Some(&Trap::StackOverflow),
                policy: state.policy.retry(),
            },
        },
    };
    // Whoever leaves by themselves leaves where they left before.
    let left = match &stop {
        // A program that ends well has come to its result, which the oplog then holds.
        StopReason::Exited { code: 0, .. } if state.console.convention().is_program() => return stop,
        StopReason::Exited { code, .. } => format!("the program's exit with code {code}"),
        StopReason::Trapped { details, .. } => format!("a trap: {details}"),
        StopReason::Parked(_)
        | StopReason::JumpedBack
        | StopReason::Interrupted
        | StopReason::Diverged { .. }
        | StopReason::Port(_) => {
            return stop;
        }
    };
    state.journal.replay().unexpected_end(left).unwrap_or(stop)
}

/// What the host lacked, if that is why the guest stopped.
fn shortage(state: &mut WorkerState, error: &wasmtime::Error) -> Option<String> {
    state.limits.take_shortage().or_else(|| {
        error.downcast_ref::<PoolConcurrencyLimitError>().map(|full| {
            format!(
                "all places for workers in memory are taken ({full}); allow more, or wait until some are free"
            )
        })
    })
}

/// The guest's stack, the trap and what it printed last; of a trap in the order of 2023 (docs/rest.md).
fn details(error: &wasmtime::Error, stderr_tail: &str) -> String {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = cause.strip_suffix(backtrace.trim_end()).unwrap_or(&cause).trim_end();
        // The backtrace is shown last, not as the first cause.
        if cause.is_empty() || cause.starts_with("error while executing at") {
            continue;
        }
        let separator = if text.is_empty() { "" } else { ": " };
        write!(text, "{separator}{cause}").expect("strings take everything");
    }
    let (_, frames) = backtrace.split_once('\n').unwrap_or_default();
    if !frames.is_empty() {
        let frames = frames.trim_end();
        // What the host says of a call is what to read first; a trap says little without its place.
        text = if error.downcast_ref::<Trap>().is_some() {
            format!("error while executing at wasm backtrace:\n{frames}\nCaused by: {text}")
        } else {
            format!("{text}\nwasm backtrace:\n{frames}")
        };
    }
    if !stderr_tail.is_empty() {
        write!(text, "\nstandard error:\n{}", stderr_tail.trim_end()).expect("strings take everything");
    }
    text
}
