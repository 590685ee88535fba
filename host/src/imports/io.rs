//! `wasi:io`: errors, polling and streams. The data of a stream is in the object that the stream reads or writes.

use super::calls::WAIT_IN_MEMORY;
use super::promises::put_promise;
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live, ResponsePart, ResponseState};
use crate::file_history::UpdatedFiles;
use crate::imports::views::{IoView, Views};
use crate::imports::{HttpObject, decode_response_state, encode_response_state, take_response};
use crate::objects::{Input, Object, Output, Pollable, StdStream, wrong_kind};
use crate::ports::{AnswerState, HttpFailure};
use crate::program::{OutputError, StdinRead};
use crate::vfs;
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::promise::PromiseState;
use golem_model::{OplogIndex, PromiseId};
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, bail, format_err};
use wasmtime_wasi::p2::bindings::io::{error, poll, streams};
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, Error, StreamError, StreamResult};

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    error::add_to_linker::<_, IoView<'_>>(linker, T::io)?;
    poll::add_to_linker::<_, IoView<'_>>(linker, T::io)?;
    streams::add_to_linker::<_, IoView<'_>>(linker, T::io)
}

/// Bytes that a guest may write to a stream in one call. A stream accepts them immediately, so this only bounds the
/// host's copy.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Pollables that one call may wait for; a call with more traps. Each pollable is checked after each wait.
const POLLABLES_MAX: usize = 10_000;

/// Determines which pollables are ready. If `blocks` is set, waits until at least one is.
///
/// Request: 1 if the call blocks, else 0; the number of pollables; for each pollable its kind (0 always ready, 1 timer,
/// 2 promise, 3 HTTP request, 4 never ready, 128 call) and the data of the kind.
///
/// Response: the reading of the monotonic clock; the number of ready pollables and their indices, ascending. If HTTP
/// responses are among the ready pollables, then also their number, and for each the number of its call and the
/// response.
///
/// The clock reading is not returned to the guest. It is recorded because a timer that was ready must not lie in the
/// future after a crash: the monotonic clock and the time of files continue from this reading. HTTP responses are
/// recorded here, and not only when the guest reads them. Otherwise a crash between the poll and the read would lose a
/// response that the poll reported as ready.
struct Poll {
    pollables: Vec<Pollable>,
    blocks: bool,
}

/// The result of a [`Poll`].
struct PollResult {
    monotonic_nanos: u64,
    /// The indices of the ready pollables.
    ready: Vec<u32>,
    /// The HTTP responses among them, with the numbers of their calls.
    responses: Vec<(u64, ResponseState)>,
}

impl DurableCall for Poll {
    const FUNCTION: HostFunction = HostFunction::Poll;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = PollResult;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 10 * self.pollables.len());
        out.push(u8::from(self.blocks));
        put_varint(&mut out, self.pollables.len() as u64);
        for pollable in &self.pollables {
            match pollable {
                Pollable::Ready => out.push(0),
                Pollable::Timer { deadline_nanos } => {
                    out.push(1);
                    put_varint(&mut out, *deadline_nanos);
                }
                Pollable::Promise(promise) => {
                    out.push(2);
                    put_promise(&mut out, promise);
                }
                Pollable::Call(call) => {
                    out.push(128);
                    put_varint(&mut out, call.index.0);
                }
                Pollable::Http { call, part } => {
                    out.push(3);
                    put_varint(&mut out, *call);
                    out.push(match part {
                        ResponsePart::Response => 0,
                        ResponsePart::Body => 1,
                        ResponsePart::Trailers => 2,
                    });
                }
                Pollable::HttpResponse(_) | Pollable::Stdin | Pollable::Never => out.push(4),
            }
        }
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if self.blocks && self.pollables.iter().all(|pollable| *pollable == Pollable::Never) {
            return Err(CallFailure::Trap(
                "the worker waits for the response to an HTTP request whose body it has not finished, and for nothing \
                 else: it would wait for ever; finish the body first (outgoing-body.finish)"
                    .to_owned(),
            ));
        }
        let has_calls = self.pollables.iter().any(|pollable| matches!(pollable, Pollable::Call(_)));
        let mut waited = !has_calls;
        loop {
            let now = live.monotonic_now();
            let ready = self.ready(live, now).await?;
            if !ready.is_empty() || !self.blocks {
                return Ok(CallResponse::Unrecorded(self.response(live, now, ready)));
            }
            let promises = self.promises();
            if !has_calls && !promises.is_empty() {
                live.wait_for_promises(self.first_deadline(), promises).await?;
            } else if std::mem::replace(&mut waited, true) {
                live.wait(self.first_deadline(), promises).await?;
            } else {
                live.wait_briefly(self.first_deadline(), promises, WAIT_IN_MEMORY).await?;
            }
        }
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<PollResult, DecodeError> {
        let mut input = Reader::new(response);
        let monotonic_nanos = input.varint()?;
        let count = input.count()?;
        let ready = (0..count).map(|_| input.varint_as()).collect::<Result<_, _>>()?;
        let count = if input.is_empty() { 0 } else { input.count()? };
        let responses = (0..count)
            .map(|_| Ok((input.varint()?, decode_response_state(input.bytes()?)?)))
            .collect::<Result<_, DecodeError>>()?;
        input.finish()?;
        Ok(PollResult { monotonic_nanos, ready, responses })
    }
}

/// Bytes of HTTP responses after which one poll records no further response. The remaining ready responses are reported
/// by the next poll.
const POLL_RESPONSES_BYTES_MAX: usize = 16 << 20;

impl Poll {
    /// Encodes the response of the poll, including the HTTP responses that are ready.
    fn response(&self, live: &mut Live<'_>, now: u64, ready: Vec<usize>) -> Vec<u8> {
        let mut responses: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        let reported: Vec<usize> = ready
            .into_iter()
            .filter(|index| match &self.pollables[*index] {
                Pollable::Http { call, part: ResponsePart::Response } => {
                    if responses.iter().any(|(of, _)| of == call) {
                        return true;
                    }
                    let fits = bytes < POLL_RESPONSES_BYTES_MAX;
                    if fits {
                        let response = encode_response_state(&take_response(live, *call));
                        bytes += response.len();
                        responses.push((*call, response));
                    }
                    fits
                }
                _ => true,
            })
            .collect();
        let mut out = Vec::with_capacity(20 + reported.len() + bytes);
        put_varint(&mut out, now);
        put_varint(&mut out, reported.len() as u64);
        for index in reported {
            put_varint(&mut out, index as u64);
        }
        if !responses.is_empty() {
            put_varint(&mut out, responses.len() as u64);
            for (call, response) in responses {
                put_varint(&mut out, call);
                put_bytes(&mut out, &response);
            }
        }
        out
    }

    async fn ready(&self, live: &mut Live<'_>, now: u64) -> Result<Vec<usize>, CallFailure> {
        let mut ready = Vec::new();
        for (index, pollable) in self.pollables.iter().enumerate() {
            let is_ready = match pollable {
                Pollable::Ready => true,
                Pollable::Timer { deadline_nanos } => *deadline_nanos <= now,
                Pollable::Promise(promise) => live.promise(promise).await? != PromiseState::Pending,
                Pollable::Call(call) => live.call_answer(call.index).await? != AnswerState::Pending,
                Pollable::Http { call, part } => live.is_request_ready(*call, *part)?,
                Pollable::HttpResponse(_) | Pollable::Stdin | Pollable::Never => false,
            };
            if is_ready {
                ready.push(index);
            }
        }
        Ok(ready)
    }

    fn first_deadline(&self) -> Option<u64> {
        let deadlines = self.pollables.iter().filter_map(|pollable| match pollable {
            Pollable::Timer { deadline_nanos } => Some(*deadline_nanos),
            Pollable::Ready
            | Pollable::Promise(_)
            | Pollable::Call(_)
            | Pollable::HttpResponse(_)
            | Pollable::Http { .. }
            | Pollable::Stdin
            | Pollable::Never => None,
        });
        deadlines.min()
    }

    fn promises(&self) -> Vec<PromiseId> {
        let mut promises: Vec<PromiseId> = self
            .pollables
            .iter()
            .filter_map(|pollable| match pollable {
                Pollable::Promise(promise) | Pollable::Call(promise) => Some(promise.clone()),
                Pollable::Ready
                | Pollable::Timer { .. }
                | Pollable::HttpResponse(_)
                | Pollable::Http { .. }
                | Pollable::Stdin
                | Pollable::Never => None,
            })
            .collect();
        promises.sort_unstable();
        promises.dedup();
        promises
    }

    /// Whether all pollables are always ready, so that nothing outside the worker has to be checked.
    fn is_all_ready(&self) -> bool {
        self.pollables.iter().all(|pollable| *pollable == Pollable::Ready)
    }
}

impl IoView<'_> {
    async fn poll_objects(&mut self, reps: impl Iterator<Item = u32>, blocks: bool) -> Result<Vec<u32>> {
        let reps: Vec<u32> = reps.collect();
        if blocks && self.invocation.console.read_would_wait() {
            self.poll_stdin(&reps).await?;
        }
        let pollables = reps.iter().map(|rep| self.resolve_pollable(*rep)).collect::<Result<Vec<_>>>()?;
        if pollables.len() > POLLABLES_MAX {
            bail!(
                "poll was called with {} pollables; at most {POLLABLES_MAX} are possible at once",
                pollables.len()
            );
        }
        let poll = Poll { pollables, blocks };
        if poll.is_all_ready() {
            return (0..poll.pollables.len()).map(|index| Ok(u32::try_from(index)?)).collect();
        }
        let PollResult { monotonic_nanos, ready, responses } =
            self.door.call_durable(self.objects, poll).await?;
        self.invocation.file_clock.advance_to(monotonic_nanos);
        for (call, answered) in responses {
            let future = reps.iter().find_map(|rep| {
                match (self.objects.pollable(*rep), self.resolve_pollable(*rep)) {
                    (Ok(Pollable::HttpResponse(future)), Ok(Pollable::Http { call: of, .. }))
                        if of == call =>
                    {
                        Some(*future)
                    }
                    _ => None,
                }
            });
            if let Some(future) = future {
                self.store_response(future, call, answered)?;
            }
        }
        Ok(ready)
    }

    /// Waits for the next line of standard input if one of these pollables does and none is
    /// [`Pollable::Ready`]. The next line arrives with the next invocation, so timers, promises and
    /// requests among the others are not checked before it.
    async fn poll_stdin(&mut self, reps: &[u32]) -> Result<()> {
        let mut waits = false;
        for rep in reps {
            match self.objects.pollable(*rep)? {
                Pollable::Ready => return Ok(()),
                Pollable::Stdin => waits = true,
                _ => {}
            }
        }
        if waits { self.next_invocation().await } else { Ok(()) }
    }

    /// The event that the pollable at `rep` waits for now.
    fn resolve_pollable(&self, rep: u32) -> Result<Pollable> {
        match self.objects.pollable(rep)? {
            Pollable::Stdin if self.invocation.console.read_would_wait() => Ok(Pollable::Never),
            Pollable::Stdin => Ok(Pollable::Ready),
            Pollable::HttpResponse(future) => self.objects.response_pollable(*future),
            pollable => Ok(pollable.clone()),
        }
    }
}

impl poll::Host for IoView<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        if pollables.is_empty() {
            bail!("poll was called without a pollable: it would wait for ever");
        }
        self.poll_objects(pollables.iter().map(Resource::rep), true).await
    }
}

impl poll::HostPollable for IoView<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        Ok(!self.poll_objects(std::iter::once(pollable.rep()), false).await?.is_empty())
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.poll_objects(std::iter::once(pollable.rep()), true).await.map(drop)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.objects.remove(pollable.rep()).map(drop)
    }
}

impl error::Host for IoView<'_> {}

impl error::HostError for IoView<'_> {
    fn to_debug_string(&mut self, error: Resource<Error>) -> Result<String> {
        match self.objects.get(error.rep())? {
            Object::Error(text) => Ok(text.clone()),
            Object::FileError(error) => Ok(error.to_string()),
            Object::Http(HttpObject::Failure(failure)) => Ok(failure.to_string()),
            other => Err(wrong_kind(other, "an error")),
        }
    }

    fn drop(&mut self, error: Resource<Error>) -> Result<()> {
        self.objects.remove(error.rep()).map(drop)
    }
}

impl streams::Host for IoView<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        match error {
            StreamError::Closed => Ok(streams::StreamError::Closed),
            StreamError::LastOperationFailed(error) => {
                let object = match error.downcast::<HttpFailure>() {
                    Ok(failure) => Object::Http(HttpObject::Failure(failure)),
                    Err(error) => match error.downcast_ref::<vfs::Error>() {
                        Some(error) => Object::FileError(*error),
                        None => Object::Error(error.to_string()),
                    },
                };
                Ok(streams::StreamError::LastOperationFailed(self.objects.insert(object)?))
            }
            StreamError::Trap(error) => Err(error),
        }
    }
}

impl IoView<'_> {
    /// Completes the current invocation of an event loop, and begins the next one once it arrives.
    async fn next_invocation(&mut self) -> Result<()> {
        let files = UpdatedFiles { files: self.files, limits: self.limits, pending: self.file_updates };
        self.door.next_invocation(self.invocation, files).await
    }

    fn input_of(&self, stream: &Resource<DynInputStream>) -> StreamResult<Input> {
        self.objects.input(stream.rep()).cloned().map_err(StreamError::Trap)
    }

    /// Reads the available bytes.
    fn read_stream(&mut self, stream: &Resource<DynInputStream>, length: u64) -> StreamResult<Vec<u8>> {
        match self.input_of(stream)? {
            Input::Stdin => match self.invocation.console.read(length) {
                StdinRead::Bytes(bytes) => Ok(bytes),
                StdinRead::End => Err(StreamError::Closed),
                StdinRead::NextLine => Ok(Vec::new()),
                StdinRead::Disabled(text) => Err(StreamError::LastOperationFailed(format_err!("{text}"))),
            },
            Input::File(file) => self.file_read(stream.rep(), file, length),
            Input::HttpBody(body) => self.http_body_read(body, length),
            Input::Bytes { bytes, position } => {
                let rest = &bytes[position..];
                if rest.is_empty() {
                    return Err(StreamError::Closed);
                }
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                let read = rest[..length].to_vec();
                self.objects.skip_bytes(stream.rep(), length).map_err(StreamError::Trap)?;
                Ok(read)
            }
        }
    }

    /// Waits until bytes are available, and reads them.
    async fn blocking_read_stream(
        &mut self,
        stream: &Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        match self.input_of(stream)? {
            Input::Stdin if self.invocation.console.read_would_wait() => {
                self.next_invocation().await.map_err(StreamError::Trap)?;
                self.read_stream(stream, length)
            }
            Input::Stdin | Input::File(_) | Input::Bytes { .. } => self.read_stream(stream, length),
            Input::HttpBody(body) => self.http_body_blocking_read(body, length).await,
        }
    }

    fn write_stream(&mut self, stream: &Resource<DynOutputStream>, bytes: &[u8]) -> StreamResult<()> {
        let output = self.objects.output(stream.rep()).map_err(StreamError::Trap)?;
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::Trap(format_err!(
                "{} bytes were written at once; check-write allowed {WRITE_BYTES_MAX}",
                bytes.len()
            )));
        }
        match output {
            Output::Print(print) => self.write_output(print, bytes)?,
            Output::HttpBody(body) => self.http_body_write(body, bytes)?,
            Output::File(file) => self.file_write(stream.rep(), file, bytes)?,
            Output::Value(value) => self.objects.extend_value(value, bytes).map_err(StreamError::Trap)?,
        }
        Ok(())
    }

    fn write_zeroes_stream(&mut self, stream: &Resource<DynOutputStream>, length: u64) -> StreamResult<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(WRITE_BYTES_MAX + 1);
        self.write_stream(stream, &vec![0; length])
    }

    fn check_stream(&mut self, stream: &Resource<DynOutputStream>) -> StreamResult<()> {
        match self.objects.output(stream.rep()).map_err(StreamError::Trap)? {
            Output::File(file) if file.closed => Err(StreamError::Closed),
            Output::File(_) | Output::Print(_) | Output::HttpBody(_) | Output::Value(_) => Ok(()),
        }
    }

    /// Returns the error that writing to the stream would return now.
    fn check_write_stream(&mut self, stream: &Resource<DynOutputStream>) -> StreamResult<()> {
        self.check_stream(stream)?;
        let output = self.objects.output(stream.rep()).map_err(StreamError::Trap)?;
        if output == Output::Print(StdStream::Stdout)
            && let Err(OutputError::Disabled(text)) = self.invocation.console.check_write()
        {
            return Err(StreamError::LastOperationFailed(format_err!("{text}")));
        }
        Ok(())
    }
}

impl streams::HostInputStream for IoView<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<Vec<u8>> {
        self.read_stream(&stream, length)
    }

    async fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        self.blocking_read_stream(&stream, length).await
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<u64> {
        self.read_stream(&stream, length).map(|bytes| bytes.len() as u64)
    }

    async fn blocking_skip(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<u64> {
        self.blocking_read_stream(&stream, length).await.map(|bytes| bytes.len() as u64)
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> Result<Resource<DynPollable>> {
        let pollable = match self.objects.input(stream.rep())? {
            Input::Stdin => Pollable::Stdin,
            Input::File(_) | Input::Bytes { .. } => Pollable::Ready,
            Input::HttpBody(body) => self.http_body_pollable(*body)?,
        };
        self.objects.insert_child(Object::Pollable(pollable), stream.rep())
    }

    async fn drop(&mut self, stream: Resource<DynInputStream>) -> Result<()> {
        self.remove_stream(stream.rep())
    }
}

impl streams::HostOutputStream for IoView<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        self.check_write_stream(&stream)?;
        Ok(WRITE_BYTES_MAX as u64)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.write_stream(&stream, &bytes)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.write_stream(&stream, &bytes)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.check_stream(&stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.check_stream(&stream)
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> Result<Resource<DynPollable>> {
        self.objects.insert_child(Object::Pollable(Pollable::Ready), stream.rep())
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, length: u64) -> StreamResult<()> {
        self.write_zeroes_stream(&stream, length)
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        length: u64,
    ) -> StreamResult<()> {
        self.write_zeroes_stream(&stream, length)
    }

    fn splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.check_write_stream(&stream)?;
        let bytes = self.read_stream(&source, length.min(WRITE_BYTES_MAX as u64))?;
        self.write_stream(&stream, &bytes)?;
        Ok(bytes.len() as u64)
    }

    async fn blocking_splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.check_write_stream(&stream)?;
        let bytes = self.blocking_read_stream(&source, length.min(WRITE_BYTES_MAX as u64)).await?;
        self.write_stream(&stream, &bytes)?;
        Ok(bytes.len() as u64)
    }

    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> Result<()> {
        self.remove_stream(stream.rep())
    }
}
