//! A web server that workers call. It records requests; some of its paths misbehave on purpose.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | method, path, `Idempotency-Key` and body of the request, on separate lines |
//! | `/status/N` | status N, with an empty body |
//! | `/held` | no answer until [`WebServer::release`], then `released` |
//! | `/bytes/N` | a body of N bytes with a `Content-Length` |
//! | `/chunks/N` | N chunks (`chunk 0` and so on, one per line), then the trailer `x-chunks` |
//! | `/events` | an event stream: `data: one`; after the release `data: two` and the end |
//! | `/redirect` | 302 to `/echo` |
//! | `/reset` | the connection is reset without an answer |
//! | `/cut` | a body that is shorter than its `Content-Length` |
//! | `/wide` | more header fields than clients accept |
//! | `/noise` | bytes that are not HTTP |
//!
//! It writes HTTP by hand, because HTTP libraries do not offer this misbehaviour.

use crate::wait;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// Names (in lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer coding.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl ReceivedRequest {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A web server on a free port of loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    received: Mutex<Vec<ReceivedRequest>>,
    released: watch::Sender<bool>,
}

impl WebServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared { received: Mutex::default(), released: watch::Sender::new(false) });
        let accepted = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = accepted.clone();
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { address, shared, task }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Releases all held answers, now and in future.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// The requests received so far.
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` requests were received.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<ReceivedRequest> {
        wait::until(&format!("{count} requests were received"), || async {
            Some(self.received()).filter(|received| received.len() >= count)
        })
        .await
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        if !answer_request(&mut stream, &request, shared).await? {
            return Ok(());
        }
    }
    Ok(())
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

/// Reads header fields up to an empty line.
async fn read_fields(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    while let Some(text) = read_line(stream).await?.filter(|text| !text.is_empty()) {
        let (name, value) = text.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(fields)
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<ReceivedRequest>> {
    let Some(first) = read_line(stream).await? else { return Ok(None) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = read_fields(stream).await?;
    let mut received = ReceivedRequest { method, path, headers, body: Vec::new(), trailers: Vec::new() };
    if received.header("transfer-encoding").is_some() {
        loop {
            let size = read_line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await?;
            received.body.extend_from_slice(&chunk[..size]);
        }
        received.trailers = read_fields(stream).await?;
    } else if let Some(length) = received.header("content-length").and_then(|text| text.parse().ok()) {
        received.body = vec![0; length];
        stream.read_exact(&mut received.body).await?;
    }
    Ok(Some(received))
}

/// Answers a request; returns whether the connection can be used for another one.
async fn answer_request(
    stream: &mut BufReader<TcpStream>,
    request: &ReceivedRequest,
    shared: &Shared,
) -> io::Result<bool> {
    let path = request.path.split('?').next().unwrap_or_default();
    let (kind, number) = match path.rsplit_once('/') {
        Some((kind, number)) if !kind.is_empty() => (kind, number.parse::<usize>().unwrap_or(0)),
        _ => (path, 0),
    };
    match kind {
        "/echo" => {
            let key = request.header("idempotency-key").unwrap_or_default();
            let mut body = format!("{}\n{}\n{key}\n", request.method, request.path).into_bytes();
            body.extend_from_slice(&request.body);
            respond(stream, "200 OK", "X-Answer: yes\r\n", &body).await
        }
        "/status" => respond(stream, &format!("{number} Said"), "", b"").await,
        "/held" => {
            wait_for_release(shared).await;
            respond(stream, "200 OK", "", b"released").await
        }
        "/bytes" => {
            let body: Vec<u8> = (0..=250).cycle().take(number).collect();
            respond(stream, "200 OK", "", &body).await
        }
        "/chunks" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-chunks\r\n\r\n")
                .await?;
            for index in 0..number {
                write_chunk(stream, &format!("chunk {index}\n")).await?;
            }
            stream.write_all(format!("0\r\nx-chunks: {number}\r\n\r\n").as_bytes()).await?;
            stream.flush().await?;
            Ok(true)
        }
        "/events" => {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            write_chunk(stream, "data: one\n\n").await?;
            wait_for_release(shared).await;
            write_chunk(stream, "data: two\n\n").await?;
            stream.write_all(b"0\r\n\r\n").await?;
            stream.flush().await?;
            Ok(true)
        }
        "/redirect" => respond(stream, "302 Found", "Location: /echo\r\n", b"elsewhere").await,
        "/reset" => {
            // With zero linger, closing the connection sends RST instead of FIN.
            stream.get_ref().set_zero_linger()?;
            Ok(false)
        }
        "/cut" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this").await?;
            stream.flush().await?;
            Ok(false)
        }
        "/wide" => {
            let fields = format!("X-Wide: {}\r\n", "x".repeat(1_000)).repeat(200);
            respond(stream, "200 OK", &fields, b"").await
        }
        "/noise" => {
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
            stream.flush().await?;
            Ok(false)
        }
        _ => respond(stream, "404 Not Found", "", b"there is nothing here").await,
    }
}

async fn wait_for_release(shared: &Shared) {
    let mut released = shared.released.subscribe();
    // An error means that the server is gone; then the answer has no receiver.
    drop(released.wait_for(|released| *released).await);
}

async fn respond(
    stream: &mut BufReader<TcpStream>,
    status: &str,
    fields: &str,
    body: &[u8],
) -> io::Result<bool> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    Ok(true)
}

async fn write_chunk(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    stream.flush().await
}
