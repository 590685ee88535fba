//! Functions that are called as programs: they read standard input and answer on standard output.
//!
//! [`Console`] is the guest's side. It is plain data that every replay rebuilds, because the whole input is in the
//! entry that starts the invocation. [`Handoff`] passes an event loop from one invocation to the next. The loop is one
//! long call, which pauses when the program reads a line that has not arrived.
//!
//! Invariant: an invocation of a loop ends when the program reads the next line, not when it writes its answer.
//! Everything that it does in between belongs to the invocation, and between two invocations the program does not run.

use crate::StopReason;
use crate::state::WorkerState;
use crate::worker::{AcceptanceRecord, CallEnd};
use golem_model::{Convention, IdempotencyKey, Invocation, Value};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// Bytes that a program may write to standard output in one invocation; more fail it. The result is one entry of the
/// oplog and one response of the server.
const OUTPUT_BYTES_MAX: usize = 8 << 20;
/// Bytes of one line of an event loop's answer; more fail the invocation.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes that one read returns at most: as many as one write takes.
const READ_BYTES_MAX: u64 = 64 << 10;

/// The guest's standard input and output.
#[derive(Debug, Default)]
pub(crate) struct Console {
    convention: Convention,
    input: Vec<u8>,
    /// Bytes of the input that were read.
    read: usize,
    output: Vec<u8>,
    /// Whether the line of the answer is complete.
    answered: bool,
}

/// The result of reading standard input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StdinRead {
    /// At least one byte, unless the guest asked for none.
    Bytes(Vec<u8>),
    /// The end of the input.
    End,
    /// The read must wait for the next line.
    NextLine,
    /// An error for the guest.
    Disabled(&'static str),
}

/// Why bytes were not written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutputError {
    /// An error for the guest.
    Disabled(&'static str),
    /// The invocation fails with this text.
    TooLong(String),
}

const NO_INPUT: &str = "standard input is disabled";
const NO_INPUT_YET: &str =
    "standard input is disabled until writing a response for the previously read event";
const NO_OUTPUT_YET: &str = "standard output is disabled until the next input is read";

impl Console {
    /// The console of an invocation with these parameters.
    pub(crate) fn new(convention: Convention, params: &[Value]) -> Self {
        let text = match params {
            [Value::String(text)] if convention.is_program() => text.as_str(),
            _ => "",
        };
        let mut input = text.as_bytes().to_vec();
        if convention == Convention::StdioEventLoop {
            input.push(b'\n');
        }
        Self { convention, input, ..Self::default() }
    }

    /// The calling convention of the invocation.
    pub(crate) fn convention(&self) -> Convention {
        self.convention
    }

    /// Reads at most `length` bytes.
    pub(crate) fn read(&mut self, length: u64) -> StdinRead {
        let rest = &self.input[self.read..];
        match self.convention {
            Convention::Component => StdinRead::Disabled(NO_INPUT),
            Convention::Stdio | Convention::StdioEventLoop if !rest.is_empty() => {
                let length = usize::try_from(length.min(READ_BYTES_MAX)).unwrap_or(rest.len());
                let bytes = rest[..length.min(rest.len())].to_vec();
                self.read += bytes.len();
                StdinRead::Bytes(bytes)
            }
            Convention::Stdio => StdinRead::End,
            Convention::StdioEventLoop if self.answered => StdinRead::NextLine,
            Convention::StdioEventLoop => StdinRead::Disabled(NO_INPUT_YET),
        }
    }

    /// Whether a read would wait for the next line.
    pub(crate) fn read_would_wait(&self) -> bool {
        self.convention == Convention::StdioEventLoop && self.read == self.input.len() && self.answered
    }

    /// Whether the guest may write to standard output now.
    pub(crate) fn check_write(&self) -> Result<(), OutputError> {
        let disabled = self.convention == Convention::StdioEventLoop && (self.answered || self.read == 0);
        if disabled { Err(OutputError::Disabled(NO_OUTPUT_YET)) } else { Ok(()) }
    }

    /// Appends to standard output, as far as the convention allows.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.check_write()?;
        let end = match self.convention {
            Convention::StdioEventLoop => bytes.iter().position(|byte| *byte == b'\n'),
            Convention::Component | Convention::Stdio => None,
        };
        let (taken, rest) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, &[][..]),
        };
        let (most, what) = match self.convention {
            Convention::StdioEventLoop => (LINE_BYTES_MAX, "in one line of an event loop"),
            Convention::Component | Convention::Stdio => (OUTPUT_BYTES_MAX, "as a program's result"),
        };
        if self.output.len() + taken.len() > most {
            return Err(OutputError::TooLong(format!(
                "more than {most} bytes were written to standard output {what}"
            )));
        }
        self.output.extend_from_slice(taken);
        self.answered |= end.is_some();
        if rest.is_empty() { Ok(()) } else { Err(OutputError::Disabled(NO_OUTPUT_YET)) }
    }

    /// Everything written, as the invocation's result. Invalid UTF-8 is replaced.
    pub(crate) fn take_output(&mut self) -> Value {
        let output = std::mem::take(&mut self.output);
        Value::String(
            String::from_utf8(output)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )
    }
}

/// The interface of programs, without its version.
const RUN: &str = "wasi:cli/run";

/// Maps a returned call to its result. For a program that is its standard output; the return value only signals
/// success. After the function `run` and after an event loop, the worker's program has ended: a program may leave its
/// memory in any state at its end.
pub(crate) fn on_return(
    state: &mut WorkerState,
    name: &str,
    result: Option<Value>,
) -> Result<CallEnd, StopReason> {
    let convention = state.invocation.console.convention();
    if !convention.is_program() {
        return Ok(CallEnd::Returned { result, program_ended: false });
    }
    if let Some(Value::Result(Err(error))) = result {
        state.journal.flush()?;
        let mut stderr = state.invocation.stdio.stderr_tail().trim_end().to_owned();
        if let Some(error) = error {
            let line = if stderr.is_empty() { "" } else { "\n" };
            stderr = format!("{stderr}{line}it returned the error {error:?}");
        }
        return Err(StopReason::Exited { code: 1, stderr });
    }
    let version = name.strip_prefix(RUN).and_then(|rest| rest.strip_suffix("/run"));
    let is_run = version.is_some_and(|version| version.is_empty() || version.starts_with('@'));
    let program_ended = is_run || convention == Convention::StdioEventLoop;
    Ok(CallEnd::Returned { result: Some(state.invocation.console.take_output()), program_ended })
}

/// Maps a stopped call to its result: a program that exits with 0 has completed.
pub(crate) fn on_stop(state: &mut WorkerState, stop: StopReason) -> Result<CallEnd, StopReason> {
    match stop {
        StopReason::Exited { code: 0, .. } if state.invocation.console.convention().is_program() => {
            Ok(CallEnd::Returned {
                result: Some(state.invocation.console.take_output()),
                program_ended: true,
            })
        }
        stop => Err(stop),
    }
}

/// Why a loop has paused, for the instance that drives it.
#[derive(Debug)]
pub(crate) enum PauseReason {
    /// The invocation completed with this result, which was recorded. The loop takes the next invocation.
    Answered(Option<Value>),
    /// All recorded entries were replayed. The loop takes the next invocation.
    Ready,
    /// This invocation is recorded in part, and must be resumed.
    Unfinished(IdempotencyKey),
}

/// The invocation with which a paused loop continues.
#[derive(Debug)]
pub(crate) enum ResumeWith {
    /// The one that is recorded in part.
    Recorded,
    /// A new one.
    Invocation(Invocation, AcceptanceRecord),
}

/// Passes control between a loop and the instance that drives it. Clones share one state.
///
/// No waker is needed: the instance polls the loop's future after it has set the next invocation, and never polls it
/// while it pauses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handoff {
    state: Arc<Mutex<HandoffState>>,
}

#[derive(Debug, Default)]
struct HandoffState {
    pause: Option<PauseReason>,
    next: Option<ResumeWith>,
}

impl Handoff {
    /// Pauses the loop, and returns the invocation with which it continues.
    pub(crate) async fn pause(&self, pause: PauseReason) -> ResumeWith {
        self.state.lock().pause = Some(pause);
        poll_fn(|_| match self.state.lock().next.take() {
            Some(next) => Poll::Ready(next),
            None => Poll::Pending,
        })
        .await
    }

    /// Takes the reason of a pause, if the loop has paused since the last call.
    pub(crate) fn paused(&self) -> Option<PauseReason> {
        self.state.lock().pause.take()
    }

    /// Sets the invocation with which the loop continues when it is polled next.
    pub(crate) fn resume_with(&self, next: ResumeWith) {
        self.state.lock().next = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(convention: Convention, text: &str) -> Console {
        Console::new(convention, &[Value::String(text.to_owned())])
    }

    #[test]
    fn a_program_reads_all_and_then_the_end() {
        let mut console = console(Convention::Stdio, "abc");
        assert_eq!(console.read(2), StdinRead::Bytes(b"ab".to_vec()));
        assert_eq!(console.write(b"1\n2"), Ok(()));
        assert_eq!(console.read(100), StdinRead::Bytes(b"c".to_vec()));
        assert_eq!(console.read(100), StdinRead::End);
        assert!(!console.read_would_wait());
        assert_eq!(console.write(b"\xff"), Ok(()));
        assert_eq!(console.take_output(), Value::String("1\n2\u{fffd}".to_owned()));
    }

    #[test]
    fn a_loop_reads_a_line_and_writes_a_line() {
        let mut console = console(Convention::StdioEventLoop, "17");
        assert_eq!(console.write(b"early"), Err(OutputError::Disabled(NO_OUTPUT_YET)));
        assert_eq!(console.read(100), StdinRead::Bytes(b"17\n".to_vec()));
        assert_eq!(console.read(100), StdinRead::Disabled(NO_INPUT_YET));
        assert_eq!(console.write(b"an "), Ok(()));
        assert!(!console.read_would_wait());
        assert_eq!(console.write(b"answer\n"), Ok(()));
        assert_eq!(console.write(b""), Ok(()));
        assert_eq!(console.write(b"more"), Err(OutputError::Disabled(NO_OUTPUT_YET)));
        assert!(console.read_would_wait());
        assert_eq!(console.read(100), StdinRead::NextLine);
        assert_eq!(console.take_output(), Value::String("an answer".to_owned()));
    }

    #[test]
    fn what_follows_a_line_is_an_error_and_no_part_of_it() {
        let mut console = console(Convention::StdioEventLoop, "1");
        console.read(1);
        assert_eq!(console.write(b"one\ntwo\n"), Err(OutputError::Disabled(NO_OUTPUT_YET)));
        assert_eq!(console.take_output(), Value::String("one".to_owned()));
    }

    #[test]
    fn outputs_have_a_limit() {
        let mut console = console(Convention::Stdio, "");
        assert_eq!(console.write(&vec![b'x'; OUTPUT_BYTES_MAX]), Ok(()));
        assert!(matches!(console.write(b"x"), Err(OutputError::TooLong(_))));
    }

    #[test]
    fn others_have_no_input() {
        assert_eq!(Console::default().read(1), StdinRead::Disabled(NO_INPUT));
    }
}
