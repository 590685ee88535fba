//! JSON bodies that are produced while they are sent, so that no answer is in memory as a whole.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Serialize;
use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A JSON array with one element for each item. An element is made when the connection has taken those before it.
///
/// Invariant: serializing an element cannot fail. The response's head is already sent, so an error could not be reported.
pub(super) fn json_array<I>(items: I) -> Response
where
    I: Iterator<Item: Serialize> + Send + 'static,
{
    let elements = items.enumerate().map(|(position, item)| {
        let mut text = if position == 0 { Vec::new() } else { vec![b','] };
        serde_json::to_writer(&mut text, &item)
            .expect("these types have string keys only, so JSON can hold them");
        Bytes::from(text)
    });
    let parts = std::iter::once(Bytes::from_static(b"[")).chain(elements);
    let parts = parts.chain(std::iter::once(Bytes::from_static(b"]")));
    let body = Body::from_stream(stream::iter(parts.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Bytes that are written at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the client. More would only use more memory.
const CHUNKS_WAITING: usize = 2;
/// Time in which the client must read a chunk. After it the answer is broken off, so that what it holds is freed.
const CHUNK_TIME_MAX: Duration = Duration::from_secs(30);

/// A JSON body that `write` writes on a thread that may block, as fast as the client reads it.
///
/// Invariant: the body ends without an error only if `write` returned `Ok` and everything that it wrote was read. If it
/// fails or panics, or if the client does not read for [`CHUNK_TIME_MAX`], the body ends with an error.
pub(super) fn json_stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Response {
    json_stream_within(CHUNK_TIME_MAX, write)
}

fn json_stream_within(
    chunk_time: Duration,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let (chunks, mut received) = mpsc::channel(CHUNKS_WAITING);
    let runtime = Handle::current();
    let complete = Arc::new(AtomicBool::new(false));
    let completes = Arc::clone(&complete);
    tokio::task::spawn_blocking(move || {
        let mut writer = ChunkWriter { chunk: Vec::new(), chunks, chunk_time, runtime };
        match write(&mut writer).and_then(|()| writer.flush()) {
            Ok(()) => completes.store(true, Ordering::Release),
            // The body ends with an error because it is not complete.
            Err(error) => tracing::debug!(%error, "a streamed answer was broken off"),
        }
    });
    let mut ended = false;
    let body = Body::from_stream(stream::poll_fn(move |context| {
        let part = ready!(received.poll_recv(context));
        if part.is_none() && !complete.load(Ordering::Acquire) && !std::mem::replace(&mut ended, true) {
            return Poll::Ready(Some(Err(io::Error::other("the answer was broken off"))));
        }
        Poll::Ready(part.map(Ok))
    }));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

struct ChunkWriter {
    chunk: Vec<u8>,
    chunks: mpsc::Sender<Bytes>,
    chunk_time: Duration,
    runtime: Handle,
}

impl ChunkWriter {
    fn send(&self, chunk: Bytes) -> io::Result<()> {
        let sent = async { tokio::time::timeout(self.chunk_time, self.chunks.send(chunk)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has disconnected")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
        }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() { Ok(()) } else { self.send(chunk.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::atomic::AtomicUsize;

    #[tokio::test]
    async fn the_elements_are_one_json_array() {
        for count in [0, 1, 3] {
            let response = json_array((0..count).map(|number| vec![number, number]));
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let expected: Vec<_> = (0..count).map(|number| vec![number, number]).collect();
            assert_eq!(serde_json::from_slice::<Vec<Vec<u32>>>(&body).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn an_element_is_made_when_it_is_read() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = made.clone();
        let elements = (0..1_000).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut body = json_array(elements).into_body();
        // The bracket and one element.
        for _ in 0..2 {
            body.frame().await.unwrap().unwrap();
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_stream_is_written_as_it_is_read() {
        for part in [1_000, 200_000] {
            let written = Arc::new(AtomicUsize::new(0));
            let counted = written.clone();
            let mut body = json_stream(move |out| {
                for _ in 0..10_000_000 / part {
                    out.write_all(&vec![b'1'; part])?;
                    counted.fetch_add(part, Ordering::Relaxed);
                }
                Ok(())
            })
            .into_body();
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let chunk = frame.unwrap().into_data().unwrap().len();
                assert!(chunk <= CHUNK_BYTES, "a chunk of {chunk} bytes");
                read += chunk;
                // One chunk is being filled, one waits for its turn.
                let ahead = written.load(Ordering::Relaxed).saturating_sub(read);
                assert!(ahead <= (CHUNKS_WAITING + 2) * (CHUNK_BYTES + part), "{ahead} bytes ahead");
            }
            assert_eq!(read, 10_000_000);
        }
    }

    /// Reads the body once the writer has ended: the channel's queued chunks first, then its end.
    async fn check_broken_off(response: Response, ended: tokio::sync::oneshot::Receiver<()>) {
        // The writer's thread drops the sender when it ends, also by a panic.
        assert!(ended.await.is_err());
        assert!(response.into_body().collect().await.is_err(), "half of an answer is no answer");
    }

    /// Regression: the error was sent through the channel that the client did not read, so it was lost. A client that
    /// continued later saw half of an answer with a regular end.
    #[tokio::test]
    async fn a_client_that_pauses_gets_no_half_of_an_answer() {
        let (tx, ended) = tokio::sync::oneshot::channel::<()>();
        let response = json_stream_within(Duration::from_millis(1), move |out| {
            let _tx = tx;
            out.write_all(&vec![b'1'; 10 * CHUNK_BYTES])
        });
        check_broken_off(response, ended).await;
    }

    #[tokio::test]
    async fn a_writer_that_panics_is_no_complete_body() {
        let (tx, ended) = tokio::sync::oneshot::channel::<()>();
        let response = json_stream(move |out| {
            let _tx = tx;
            out.write_all(b"[1,")?;
            panic!("a test panics here");
        });
        check_broken_off(response, ended).await;
    }

    #[tokio::test]
    async fn a_stream_that_fails_is_no_complete_body() {
        let response = json_stream(|out| {
            out.write_all(b"[1,")?;
            Err(io::Error::other("no more"))
        });
        assert!(response.into_body().collect().await.is_err());
    }
}
