//! Standard input, output and error. Terminals do not exist: the functions that return one return `none`.
//!
//! Text that a guest prints while it is live goes to the log sink with the entries that were recorded before it
//! (`durable::output`). During a replay the text is dropped, because it was emitted before. After a crash, text that was
//! printed after the last surviving entry may be emitted a second time.
//! A function that is called as a program has standard input, and its standard output is its result, not printed text
//! (`crate::program`).
//!
//! Printing is one of the few host calls that ask whether the guest is live (`Journal::print`).

use crate::StopReason;
use crate::objects::{Input, Object, Output, StdStream};
use crate::ports::{LogEvent, LogLevel};
use crate::program::OutputError;
use crate::snapshot::InstancePhase;
use crate::state::WorkerState;
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::bindings::cli::{
    stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

/// Bytes of standard error that are kept for the details of a trap: enough for a panic message and some context.
const STDERR_TAIL_BYTES: usize = 2_048;

/// The standard output and standard error of a worker.
#[derive(Debug, Default)]
pub(crate) struct Stdio {
    stdout: Utf8Decoder,
    stderr: Utf8Decoder,
    stderr_tail: String,
}

impl Stdio {
    /// Clears the kept end of standard error when an invocation begins.
    pub(crate) fn clear_stderr_tail(&mut self) {
        self.stderr_tail.clear();
    }

    /// The last bytes that the current invocation printed to standard error.
    pub(crate) fn stderr_tail(&self) -> &str {
        &self.stderr_tail
    }

    /// Decodes `bytes`. Returns the event for the text that is complete, if any is.
    fn write(&mut self, output: StdStream, bytes: &[u8]) -> Option<LogEvent> {
        let text = match output {
            StdStream::Stdout => self.stdout.push(bytes),
            StdStream::Stderr => self.stderr.push(bytes),
        };
        if text.is_empty() {
            return None;
        }
        if output == StdStream::Stderr {
            self.stderr_tail.push_str(&text);
            let cut = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..self.stderr_tail.ceil_char_boundary(cut));
        }
        let text = Arc::from(text);
        Some(match output {
            StdStream::Stdout => LogEvent::Stdout(text),
            StdStream::Stderr => LogEvent::Stderr(text),
        })
    }
}

/// Decodes a stream of bytes as UTF-8 text. A character that is split between two writes is kept until it is complete.
#[derive(Debug, Default)]
struct Utf8Decoder {
    incomplete: Vec<u8>,
}

impl Utf8Decoder {
    /// Adds `bytes` and returns all complete characters. Bytes that are not UTF-8 become replacement characters.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.incomplete.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.incomplete.len());
        let mut consumed = 0;
        for chunk in self.incomplete.utf8_chunks() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let end = consumed + chunk.valid().len() + invalid.len();
            // The next write may complete a character that is incomplete at the end.
            if end == self.incomplete.len()
                && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none())
            {
                consumed = end - invalid.len();
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            consumed = end;
        }
        self.incomplete.drain(..consumed);
        text
    }
}

impl WorkerState {
    /// Handles bytes that the guest writes to standard output or standard error.
    pub(crate) fn write_output(&mut self, output: StdStream, bytes: &[u8]) -> StreamResult<()> {
        if output == StdStream::Stderr || !self.console.convention().is_program() {
            let printed = self.stdio.write(output, bytes);
            let printed = printed.map_or(Ok(()), |event| self.print(event));
            return printed.map_err(|stop| StreamError::Trap(self.stop(stop)));
        }
        self.console.write(bytes).map_err(|unwritten| match unwritten {
            OutputError::Disabled(text) => StreamError::LastOperationFailed(format_err!("{text}")),
            OutputError::TooLong(details) => {
                StreamError::Trap(self.stop(StopReason::Trapped { details, retry: false, policy: None }))
            }
        })
    }

    fn print(&mut self, event: LogEvent) -> Result<(), StopReason> {
        // Text that `save` and `load` print is dropped: these functions run again whenever the worker is loaded.
        if self.phase == InstancePhase::Normal { self.journal.print(event) } else { Ok(()) }
    }

    /// Writes a line to the log.
    pub(crate) fn log(&mut self, level: LogLevel, context: &str, message: &str) -> Result<()> {
        let (context, message) = (Arc::from(context), Arc::from(message));
        self.print(LogEvent::Log { level, context, message }).map_err(|stop| self.stop(stop))
    }
}

impl stdin::Host for WorkerState {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        self.objects.insert(Object::Input(Input::Stdin))
    }
}

impl stdout::Host for WorkerState {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        self.objects.insert(Object::Output(Output::Print(StdStream::Stdout)))
    }
}

impl stderr::Host for WorkerState {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        self.objects.insert(Object::Output(Output::Print(StdStream::Stderr)))
    }
}

impl terminal_input::Host for WorkerState {}

impl terminal_input::HostTerminalInput for WorkerState {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> Result<()> {
        self.objects.remove(terminal.rep()).map(drop)
    }
}

impl terminal_output::Host for WorkerState {}

impl terminal_output::HostTerminalOutput for WorkerState {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> Result<()> {
        self.objects.remove(terminal.rep()).map(drop)
    }
}

impl terminal_stdin::Host for WorkerState {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for WorkerState {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for WorkerState {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_split_between_writes_are_joined() {
        let mut text = Utf8Decoder::default();
        assert_eq!(text.push(b"gr\xc3"), "gr");
        assert_eq!(text.push(b"\xbc\xc3\x9f"), "üß");
        assert_eq!(text.push(b"\xff!"), "\u{fffd}!");
        assert_eq!(text.push(b"\xf0\x9f"), "");
        assert_eq!(text.push(b"x"), "\u{fffd}x");
        assert!(text.incomplete.is_empty());
    }
}
