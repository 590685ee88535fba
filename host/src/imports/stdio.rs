//! Standard input, output and error. Terminals do not exist: the functions that return one return `none`.
//!
//! Text that a guest prints while it is live goes to the log sink with the entries that were recorded before it
//! (`durable::output`). During a replay the text is dropped, because it was emitted before. After a crash, text that was
//! printed after the last surviving entry may be emitted a second time.
//!
//! A function that is called as a program has standard input, and its standard output is its result, not printed text
//! (`crate::program`).

use crate::StopReason;
use crate::imports::views::{IoView, StdioView, Views};
use crate::objects::{Input, Object, Output, StdStream};
use crate::ports::{LogEvent, LogLevel};
use crate::program::OutputError;
use golem_model::limits::LOG_EVENT_BYTES_MAX;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::bindings::cli::{
    stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    stdin::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    stdout::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    stderr::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    terminal_input::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    terminal_output::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    terminal_stdin::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    terminal_stdout::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)?;
    terminal_stderr::add_to_linker::<_, StdioView<'_>>(linker, T::stdio)
}

/// Bytes of standard error that are kept for the details of a trap: enough for a panic message and some context.
const STDERR_TAIL_BYTES: usize = 2_048;

/// Bytes of the context of a log line; a longer one is cut.
const LOG_CONTEXT_BYTES_MAX: usize = 1_024;

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

    /// Decodes `bytes`. Returns the events for the text that is complete.
    fn write(&mut self, output: StdStream, bytes: &[u8]) -> Vec<LogEvent> {
        let text = match output {
            StdStream::Stdout => self.stdout.push(bytes),
            StdStream::Stderr => self.stderr.push(bytes),
        };
        if output == StdStream::Stderr {
            self.stderr_tail.push_str(&text);
            let cut = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..self.stderr_tail.ceil_char_boundary(cut));
        }
        let event = |text: &str| match output {
            StdStream::Stdout => LogEvent::Stdout(text.into()),
            StdStream::Stderr => LogEvent::Stderr(text.into()),
        };
        pieces(&text, LOG_EVENT_BYTES_MAX).map(event).collect()
    }
}

/// Splits `text` into pieces of at most `bytes_max` bytes.
fn pieces(mut text: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(bytes_max));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Copies the beginning of `text`, so that it has at most `bytes_max` bytes, with a note if it is longer.
fn cut(text: &str, bytes_max: usize) -> Arc<str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let note = format!("... (cut: {} bytes)", text.len());
    let beginning = &text[..text.floor_char_boundary(bytes_max.saturating_sub(note.len()))];
    format!("{beginning}{note}").into()
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

impl IoView<'_> {
    /// Handles bytes that the guest writes to standard output or standard error.
    pub(crate) fn write_output(&mut self, output: StdStream, bytes: &[u8]) -> StreamResult<()> {
        if output == StdStream::Stderr || !self.invocation.console.convention().is_program() {
            let events = self.invocation.stdio.write(output, bytes);
            return events
                .into_iter()
                .try_for_each(|event| self.door.print(event))
                .map_err(StreamError::Trap);
        }
        self.invocation.console.write(bytes).map_err(|unwritten| match unwritten {
            OutputError::Disabled(text) => StreamError::LastOperationFailed(format_err!("{text}")),
            OutputError::TooLong(details) => {
                StreamError::Trap(self.door.stop(StopReason::Trapped { details, retry: false, policy: None }))
            }
        })
    }
}

/// A line of the log. A context or message that is too long is cut.
pub(super) fn log_line(level: LogLevel, context: &str, message: &str) -> LogEvent {
    let context = cut(context, LOG_CONTEXT_BYTES_MAX);
    let message = cut(message, LOG_EVENT_BYTES_MAX - context.len());
    LogEvent::Log { level, context, message }
}

impl stdin::Host for StdioView<'_> {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        self.objects.insert(Object::Input(Input::Stdin))
    }
}

impl stdout::Host for StdioView<'_> {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        self.objects.insert(Object::Output(Output::Print(StdStream::Stdout)))
    }
}

impl stderr::Host for StdioView<'_> {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        self.objects.insert(Object::Output(Output::Print(StdStream::Stderr)))
    }
}

impl terminal_input::Host for StdioView<'_> {}

impl terminal_input::HostTerminalInput for StdioView<'_> {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> Result<()> {
        self.objects.remove(terminal.rep()).map(drop)
    }
}

impl terminal_output::Host for StdioView<'_> {}

impl terminal_output::HostTerminalOutput for StdioView<'_> {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> Result<()> {
        self.objects.remove(terminal.rep()).map(drop)
    }
}

impl terminal_stdin::Host for StdioView<'_> {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for StdioView<'_> {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for StdioView<'_> {
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

    #[test]
    fn long_output_becomes_several_events() {
        let mut stdio = Stdio::default();
        assert_eq!(stdio.write(StdStream::Stdout, b""), []);
        // Each byte becomes a replacement character of three bytes.
        let bytes = vec![0xff; LOG_EVENT_BYTES_MAX];
        let events = stdio.write(StdStream::Stderr, &bytes);
        let lengths: Vec<usize> = events.iter().map(LogEvent::text_bytes).collect();
        let whole = LOG_EVENT_BYTES_MAX / 3 * 3;
        assert_eq!(lengths, [whole, whole, whole, 3 * LOG_EVENT_BYTES_MAX - 3 * whole]);
    }

    #[test]
    fn long_log_lines_are_cut() {
        for (context, message, expected_context, expected_message) in [
            ("c", 10, "c".to_owned(), "m".repeat(10)),
            ("", LOG_EVENT_BYTES_MAX, String::new(), "m".repeat(LOG_EVENT_BYTES_MAX)),
            (
                "ä",
                100 << 20,
                "ä".to_owned(),
                format!("{}... (cut: 104857600 bytes)", "m".repeat(LOG_EVENT_BYTES_MAX - 2 - 26)),
            ),
        ] {
            let LogEvent::Log { context, message, .. } =
                log_line(LogLevel::Info, context, &"m".repeat(message))
            else {
                panic!("not a line");
            };
            assert_eq!(*context, *expected_context);
            assert!(*message == *expected_message, "{} bytes", message.len());
        }
        let line = log_line(LogLevel::Info, &"ä".repeat(1 << 20), &"ä".repeat(1 << 20));
        assert!((LOG_EVENT_BYTES_MAX - 4..=LOG_EVENT_BYTES_MAX).contains(&line.text_bytes()));
    }
}
