//! A raw HTTP/1.1 client with one keep-alive connection. Requests can be encoded in advance.
//!
//! It is our own code for two reasons. A load generator must cost less than the server that it measures. A crash test
//! must know exactly which request was sent when the connection broke: this client never retries.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest head of a response, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A request that is not encoded yet.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self { method: method.to_owned(), path: path.into(), headers: Vec::new(), body: None }
    }

    /// `GET path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// `POST path`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds the header `Authorization` with a token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Adds a body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// Adds a JSON body.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Whether a header with this name is set.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Method and path, for messages.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The encoded request.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: golem\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        let length = self.body.as_ref().map_or(0, Vec::len);
        if (length > 0 || self.method != "GET") && !self.has_header("Content-Length") {
            text.push_str("Content-Length: ");
            text.push_str(&length.to_string());
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// A complete response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names (in lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When the body is not JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {:?} is not JSON: {error}", self.status, self.text()))
    }
}

/// A keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were received after the last response.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends the bytes unchanged, even if they are not HTTP.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a request and reads the response.
    pub async fn call(&mut self, request: &Request) -> io::Result<Response> {
        self.send(&request.bytes()).await?;
        self.receive().await
    }

    /// Reads one response.
    pub async fn receive(&mut self) -> io::Result<Response> {
        let head_end = self.read_head().await?;
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        self.buffer.drain(..head_end);
        let mut lines = head.split("\r\n");
        let status = status_of(lines.next().unwrap_or_default().as_bytes())?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            response.body = self.read_chunks().await?;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().map_err(|_| invalid("Content-Length is not a number"))?;
            self.fill(length).await?;
            response.body = self.buffer.drain(..length).collect();
        } else if !matches!(status, 100..=199 | 204 | 304) {
            while self.read_more().await? > 0 {}
            response.body = std::mem::take(&mut self.buffer);
        }
        Ok(response)
    }

    /// Sends a request that was encoded in advance and reads the response. It parses only the status and the length
    /// of the body, because the load generator calls it millions of times.
    pub async fn call_prepared(&mut self, request: &[u8]) -> io::Result<u16> {
        self.send(request).await?;
        let head_end = self.read_head().await?;
        let status = status_of(&self.buffer)?;
        let length = content_length(&self.buffer[..head_end])?;
        self.fill(head_end + length).await?;
        if self.buffer.len() == head_end + length {
            self.buffer.clear();
        } else {
            self.buffer.drain(..head_end + length);
        }
        Ok(status)
    }

    async fn read_head(&mut self) -> io::Result<usize> {
        let mut searched = 0_usize;
        loop {
            let from = searched.saturating_sub(3);
            if let Some(at) = self.buffer[from..].windows(4).position(|four| four == b"\r\n\r\n") {
                return Ok(from + at + 4);
            }
            searched = self.buffer.len();
            if searched > HEAD_BYTES_MAX {
                return Err(invalid("the head of the response does not end"));
            }
            if self.read_more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                if self.read_more().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            let line = String::from_utf8_lossy(&self.buffer[..line_end]).into_owned();
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| invalid("the size of a chunk is not a number"))?;
            self.fill(line_end + 2 + size + 2).await?;
            body.extend_from_slice(&self.buffer[line_end + 2..line_end + 2 + size]);
            self.buffer.drain(..line_end + 2 + size + 2);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            if self.read_more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The code in `HTTP/1.1 200 OK`.
fn status_of(head: &[u8]) -> io::Result<u16> {
    let code = head.get(9..12).filter(|_| head.starts_with(b"HTTP/1.")).unwrap_or_default();
    std::str::from_utf8(code)
        .ok()
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("the response has no status line"))
}

/// The value of `Content-Length` in a head; 0 if there is none.
fn content_length(head: &[u8]) -> io::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n') {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return std::str::from_utf8(&line[NAME.len()..])
                .ok()
                .and_then(|value| value.trim().parse().ok())
                .ok_or_else(|| invalid("Content-Length is not a number"));
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(response: &'static [u8], expected: (u16, &str)) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // One byte at a time: a reader must not depend on the sizes of packets.
            for byte in response {
                stream.write_all(&[*byte]).await.unwrap();
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        let received = connection.receive().await.unwrap();
        assert_eq!((received.status, received.text().as_str()), expected);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn responses_are_read_in_every_framing() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, "hi")).await;
        check(b"HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", (404, "")).await;
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n, a\r\n0\r\n\r\n",
            (200, "hi, a"),
        )
        .await;
        check(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nbroken", (500, "broken")).await;
    }

    #[test]
    fn requests_are_encoded_as_http_1_1() {
        let request = Request::post("/x").bearer("t").json(&serde_json::json!([1]));
        assert_eq!(
            String::from_utf8(request.bytes()).unwrap(),
            "POST /x HTTP/1.1\r\nHost: golem\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n\
             Content-Length: 3\r\n\r\n[1]"
        );
        assert_eq!(
            String::from_utf8(Request::get("/").bytes()).unwrap(),
            "GET / HTTP/1.1\r\nHost: golem\r\n\r\n"
        );
    }
}
