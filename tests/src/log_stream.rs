//! A client of a worker's log stream.

use crate::rest::{Api, worker_path};
use crate::wait;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A log stream.
#[derive(Debug)]
pub struct LogStream {
    /// The WebSocket.
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The text that [`LogStream::read_until`] has read.
    pub text: String,
}

impl LogStream {
    /// Opens the log stream of `worker`, with `query` after the path.
    pub async fn open(
        api: &Api,
        template: &str,
        worker: &str,
        query: &str,
    ) -> Result<Self, tungstenite::Error> {
        let url = format!("ws://{}{}{query}", api.address(), worker_path(template, worker, "connect"));
        let mut request = url.into_client_request()?;
        let token = format!("Bearer {}", api.token()).parse().expect("a token is a header value");
        request.headers_mut().insert("Authorization", token);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket, text: String::new() })
    }

    /// The next frame; `None` when the stream has ended.
    pub async fn next_frame(&mut self) -> Option<Value> {
        loop {
            match wait::bounded("a frame", self.socket.next()).await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("a frame is JSON")),
                Message::Binary(bytes) => {
                    return Some(serde_json::from_slice(&bytes).expect("a frame is JSON"));
                }
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Reads frames of 2023 until their text ends with `end`; panics if the stream ends before.
    pub async fn read_until(&mut self, end: &str) {
        while !self.text.ends_with(end) {
            let frame =
                self.next_frame().await.unwrap_or_else(|| panic!("the stream ended after {:?}", self.text));
            let message = frame["Message"]["message"].as_str();
            self.text.push_str(message.unwrap_or_else(|| panic!("{frame} is not a message")));
        }
    }
}
