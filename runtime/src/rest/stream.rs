//! JSON bodies that are produced while they are sent, so that no answer is in memory as a whole.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Serialize;
use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A JSON array with one element for each item. An element is made when the client has read those before it.
///
/// Invariant: serializing an element cannot fail. The head has left when it is made.
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

/// A JSON body that `write` writes on a thread that may block, as fast as the client reads it. If it fails, or if the
/// client stops reading, the body ends with an error.
pub(super) fn json_stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Response {
    let (chunks, mut received) = mpsc::channel(CHUNKS_WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut writer = ChunkWriter { chunk: Vec::new(), chunks, runtime };
        let written = write(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = written {
            // The client learns from it that the body is not complete, unless it has left.
            let _left = writer.send(Err(error));
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| received.poll_recv(context)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

struct ChunkWriter {
    chunk: Vec<u8>,
    chunks: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl ChunkWriter {
    fn send(&self, chunk: io::Result<Bytes>) -> io::Result<()> {
        let sent = async { tokio::time::timeout(CHUNK_TIME_MAX, self.chunks.send(chunk)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has left")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
        }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() { Ok(()) } else { self.send(Ok(chunk.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        let written = Arc::new(AtomicUsize::new(0));
        let counted = written.clone();
        let part = [b'1'; 1_000];
        let mut body = json_stream(move |out| {
            for _ in 0..10_000 {
                out.write_all(&part)?;
                counted.fetch_add(part.len(), Ordering::Relaxed);
            }
            Ok(())
        })
        .into_body();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            // One chunk is being filled, one waits for its turn.
            let ahead = written.load(Ordering::Relaxed).saturating_sub(read);
            assert!(ahead <= (CHUNKS_WAITING + 2) * (CHUNK_BYTES + part.len()), "{ahead} bytes ahead");
        }
        assert_eq!(read, 10_000_000);
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
