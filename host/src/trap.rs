//! Converts wasmtime's errors to the reason why a worker stopped.

use crate::StopReason;
use crate::ports::PortError;
use crate::state::WorkerState;
use std::fmt::Write as _;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// Why the guest stopped when its call returned `error`. If the worker will continue from here, its buffered entries
/// are appended.
pub(crate) fn flush_and_classify(state: &mut WorkerState, error: &wasmtime::Error) -> StopReason {
    let stop = classify(state, error);
    match &stop {
        StopReason::Exited { .. } | StopReason::Trapped { .. } | StopReason::Interrupted => {
            match state.journal.flush() {
                Ok(()) => stop,
                Err(failed) => failed,
            }
        }
        // Parking and jumping have appended the entries already. A divergence comes before anything is recorded. After
        // an error of a port, the next activation repeats what was not appended.
        StopReason::Suspended(_)
        | StopReason::JumpedBack
        | StopReason::Diverged { .. }
        | StopReason::Port(_) => stop,
    }
}

/// Adds the called function to a trap: a stripped component has no names in its stack.
pub(crate) fn name_function(name: &str, stop: StopReason) -> StopReason {
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

/// Why the guest stopped. Nothing is appended to the store.
pub(crate) fn classify(state: &mut WorkerState, error: &wasmtime::Error) -> StopReason {
    let stop = match state.take_stop() {
        Some(stop) => stop,
        None => match shortage(state, error) {
            Some(reason) => StopReason::Port(PortError::Unavailable { reason: reason.into() }),
            None => StopReason::Trapped {
                details: details(error, state.invocation.stdio.stderr_tail()),
                // The depth of the stack depends on the compiler and the machine, so the guest alone did not cause the
                // overflow. Another attempt here would overflow again.
                retry: error.downcast_ref::<Trap>() != Some(&Trap::StackOverflow),
                policy: state.policy.retry(),
            },
        },
    };
    // During replay, an exit or a trap must occur at the recorded position; anything else is a divergence.
    let end = match &stop {
        // A program that exits with 0 has completed, and the oplog holds its completion next.
        StopReason::Exited { code: 0, .. } if state.invocation.console.convention().is_program() => {
            return stop;
        }
        StopReason::Exited { code, .. } => format!("the program's exit with code {code}"),
        StopReason::Trapped { details, .. } => format!("a trap: {details}"),
        StopReason::Suspended(_)
        | StopReason::JumpedBack
        | StopReason::Interrupted
        | StopReason::Diverged { .. }
        | StopReason::Port(_) => {
            return stop;
        }
    };
    state.journal.replay().unexpected_end(end).unwrap_or(stop)
}

/// The shortage of the host that stopped the guest, if that was the reason.
fn shortage(state: &mut WorkerState, error: &wasmtime::Error) -> Option<String> {
    state.limits.take_host_shortage().or_else(|| {
        error.downcast_ref::<PoolConcurrencyLimitError>().map(|full| {
            format!(
                "the limit of workers in memory is reached ({full}); raise the limit, or wait until a worker \
                 leaves memory"
            )
        })
    })
}

/// The guest's stack, the trap and the end of its standard error; for a trap in the order of 2023 (docs/rest.md).
fn details(error: &wasmtime::Error, stderr_tail: &str) -> String {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = cause.strip_suffix(backtrace.trim_end()).unwrap_or(&cause).trim_end();
        // The backtrace is added below, not listed among the causes.
        if cause.is_empty() || cause.starts_with("error while executing at") {
            continue;
        }
        let separator = if text.is_empty() { "" } else { ": " };
        write!(text, "{separator}{cause}").expect("writing to a String succeeds");
    }
    let (_, frames) = backtrace.split_once('\n').unwrap_or_default();
    if !frames.is_empty() {
        let frames = frames.trim_end();
        // The host's own error text comes first. A wasm trap means little without its place, so there the stack comes
        // first.
        text = if error.downcast_ref::<Trap>().is_some() {
            format!("error while executing at wasm backtrace:\n{frames}\nCaused by: {text}")
        } else {
            format!("{text}\nwasm backtrace:\n{frames}")
        };
    }
    if !stderr_tail.is_empty() {
        write!(text, "\nstandard error:\n{}", stderr_tail.trim_end()).expect("writing to a String succeeds");
    }
    text
}
