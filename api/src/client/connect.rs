//! Requests for the log stream of a worker.

use super::{Client, ClientError, tls};
use crate::connect::{ConnectFormat, ConnectFrame};
use futures_util::{SinkExt, StreamExt};
use golem_model::WorkerId;
use reqwest::header::AUTHORIZATION;
use std::fmt;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

/// Time between two pings. A stream may be silent for hours, and middleboxes drop silent connections.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// An open log stream. Dropping it closes the connection.
pub struct Connection {
    url: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ping: Interval,
    pings_sent: u64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// `GET …/connect`: opens the log stream of a worker.
    pub async fn worker_connect(
        &self,
        worker: &WorkerId,
        format: ConnectFormat,
    ) -> Result<Connection, ClientError> {
        let template = worker.template.to_string();
        let mut url = self.url(&["v1", "templates", &template, "workers", worker.name.as_str(), "connect"]);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).expect("a URL may change between the special schemes");
        if format == ConnectFormat::Events {
            url.query_pairs_mut().append_pair("format", "events");
        }
        let broken = |source: Error| ClientError::Stream { url: url.to_string(), source: Box::new(source) };
        let mut request = url.as_str().into_client_request().map_err(broken)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let connector = self.allow_insecure.then(|| Connector::Rustls(tls::insecure()));
        let opened = tokio_tungstenite::connect_async_tls_with_config(request, None, true, connector).await;
        let (socket, _) = match opened {
            Ok(opened) => opened,
            // Rejected before the upgrade: an ordinary HTTP response.
            Err(Error::Http(response)) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                return Err(ClientError::from_answer(status, &String::from_utf8_lossy(&body)));
            }
            Err(error) => return Err(broken(error)),
        };
        let mut ping = tokio::time::interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        Ok(Connection { url: url.to_string(), socket, ping, pings_sent: 0 })
    }
}

impl Connection {
    /// Waits for the next frame; `None` when the server has closed the stream.
    ///
    /// Dropping the returned future loses no frame, so the method can be used in a `select!`.
    pub async fn next(&mut self) -> Option<Result<ConnectFrame, ClientError>> {
        loop {
            let message = tokio::select! {
                message = self.socket.next() => message?,
                _ = self.ping.tick() => {
                    self.pings_sent += 1;
                    let payload = Bytes::copy_from_slice(&self.pings_sent.to_be_bytes());
                    match self.socket.send(Message::Ping(payload)).await {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    }
                }
            };
            match message {
                Ok(Message::Text(text)) => return Some(parse_frame(text.as_bytes())),
                Ok(Message::Binary(bytes)) => return Some(parse_frame(&bytes)),
                // The socket itself answers the server's pings.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return None,
                Err(source) => {
                    return Some(Err(ClientError::Stream {
                        url: self.url.clone(),
                        source: Box::new(source),
                    }));
                }
            }
        }
    }
}

fn parse_frame(bytes: &[u8]) -> Result<ConnectFrame, ClientError> {
    serde_json::from_slice(bytes).map_err(ClientError::Decode)
}
