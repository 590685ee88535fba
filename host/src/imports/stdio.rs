//! Standard input, output and error, and the terminals, of which there are none.
//!
//! What a guest prints goes to the log while it is live; in a replay it was printed before. A crash may repeat
//! what was printed after the last entry that survived. A function that is called as a program has an input, and its
//! standard output is its result and no print (`crate::program`).

use crate::StopReason;
use crate::objects::{Input, Object, Output, StdStream};
use crate::ports::{LogEvent, LogLevel, LogSink};
use crate::program::OutputError;
use crate::snapshot::Phase;
use crate::state::WorkerState;
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::bindings::cli::{
    stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

/// Bytes of standard error that are kept to be shown with a trap: a panic message and some context.
const STDERR_TAIL_BYTES: usize = 2_048;

/// What a worker prints.
pub(crate) struct Stdio {
    log: Arc<dyn LogSink>,
    stdout: Utf8Decoder,
    stderr: Utf8Decoder,
    stderr_tail: String,
}

impl Stdio {
    pub(crate) fn new(log: Arc<dyn LogSink>) -> Self {
        Self {
            log,
            stdout: Utf8Decoder::default(),
            stderr: Utf8Decoder::default(),
            stderr_tail: String::new(),
        }
    }

    /// Forgets what earlier invocations printed.
    pub(crate) fn begin(&mut self) {
        self.stderr_tail.clear();
    }

    /// The end of what the invocation has printed to standard error.
    pub(crate) fn stderr_tail(&self) -> &str {
        &self.stderr_tail
    }

    fn write(&mut self, output: StdStream, bytes: &[u8], live: bool) {
        let text = match output {
            StdStream::Stdout => self.stdout.push(bytes),
            StdStream::Stderr => self.stderr.push(bytes),
        };
        if text.is_empty() {
            return;
        }
        if output == StdStream::Stderr {
            self.stderr_tail.push_str(&text);
            let cut = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..self.stderr_tail.ceil_char_boundary(cut));
        }
        if live {
            let text = Arc::from(text);
            self.log.emit(match output {
                StdStream::Stdout => LogEvent::Stdout(text),
                StdStream::Stderr => LogEvent::Stderr(text),
            });
        }
    }
}

impl std::fmt::Debug for Stdio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdio")
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

/// A stream of bytes that is read as text: keeps a character that a write has cut.
#[derive(Debug, Default)]
struct Utf8Decoder {
    incomplete: Vec<u8>,
}

impl Utf8Decoder {
    /// All text that is whole now. Bytes that are no UTF-8 become replacement characters.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.incomplete.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.incomplete.len());
        let mut consumed = 0;
        for chunk in self.incomplete.utf8_chunks() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let end = consumed + chunk.valid().len() + invalid.len();
            // An incomplete character at the very end may be completed by the next write.
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
    /// Takes what the guest writes to one of its outputs.
    pub(crate) fn write_output(&mut self, output: StdStream, bytes: &[u8]) -> StreamResult<()> {
        if output == StdStream::Stderr || !self.console.convention().is_program() {
            self.print(output, bytes);
            return Ok(());
        }
        self.console.write(bytes).map_err(|unwritten| match unwritten {
            OutputError::Disabled(text) => StreamError::LastOperationFailed(format_err!("{text}")),
            OutputError::TooLong(details) => {
                StreamError::Trap(self.stop(StopReason::Trapped { details, retry: false, policy: None }))
            }
        })
    }

    /// Prints `bytes`.
    fn print(&mut self, output: StdStream, bytes: &[u8]) {
        // What `save` and `load` print is shown nowhere: they run again whenever the worker is loaded.
        let is_visible = self.phase == Phase::Normal && self.journal.is_output_new();
        self.stdio.write(output, bytes, is_visible);
    }

    /// Writes a line to the log.
    pub(crate) fn log(&mut self, level: LogLevel, context: &str, message: &str) {
        if self.phase == Phase::Normal && self.journal.is_output_new() {
            let (context, message) = (Arc::from(context), Arc::from(message));
            self.stdio.log.emit(LogEvent::Log { level, context, message });
        }
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
    fn characters_cut_by_writes_are_joined() {
        let mut text = Utf8Decoder::default();
        assert_eq!(text.push(b"gr\xc3"), "gr");
        assert_eq!(text.push(b"\xbc\xc3\x9f"), "üß");
        assert_eq!(text.push(b"\xff!"), "\u{fffd}!");
        assert_eq!(text.push(b"\xf0\x9f"), "");
        assert_eq!(text.push(b"x"), "\u{fffd}x");
        assert!(text.incomplete.is_empty());
    }
}
