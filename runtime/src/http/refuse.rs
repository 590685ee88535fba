//! Refuses a connection with a response.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections that are being refused at the same time; further ones are closed without a response.
const REFUSING_MAX: usize = 64;
/// How long a refused connection may take to read its response.
const REFUSING_TIME_MAX: Duration = Duration::from_secs(1);

/// The response to refused connections, and a limit of how many receive it at the same time.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    answer: Arc<[u8]>,
    slots: Arc<Semaphore>,
}

impl Refusal {
    /// Refuses connections beyond `connections_max`.
    pub(super) fn new(connections_max: usize) -> Self {
        let text = format!("the server has {connections_max} connections already; try again later");
        let body = serde_json::json!({ "error": text, "message": text }).to_string();
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { answer: answer.into_bytes().into(), slots: Arc::new(Semaphore::new(REFUSING_MAX)) }
    }

    /// Sends the response in the background, or closes the connection if too many are being refused.
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else { return };
        let answer = self.answer.clone();
        tokio::spawn(async move {
            let exchange = async {
                stream.write_all(&answer).await?;
                stream.shutdown().await?;
                // Closing before the request has been read would reset the connection, and the client would lose the
                // response.
                let mut sink = [0; 4096];
                while stream.read(&mut sink).await? > 0 {}
                std::io::Result::Ok(())
            };
            // The connection is closed, whether the client has read the response or not.
            drop(tokio::time::timeout(REFUSING_TIME_MAX, exchange).await);
            drop(slot);
        });
    }
}
