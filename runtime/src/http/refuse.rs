//! Turning a connection away with an answer.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections that are being turned away at a time; beyond, they are closed without a word.
const REFUSING_MAX: usize = 64;
/// How long a connection that is turned away may take to read why.
const REFUSING_TIME_MAX: Duration = Duration::from_secs(1);

/// Turns connections away.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    answer: Arc<[u8]>,
    slots: Arc<Semaphore>,
}

impl Refusal {
    /// Of connections beyond `connections_max`.
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

    /// Says why, if it can be said soon.
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else { return };
        let answer = self.answer.clone();
        tokio::spawn(async move {
            let exchange = async {
                stream.write_all(&answer).await?;
                stream.shutdown().await?;
                // Closing before the request is read would reset the connection and take the answer with it.
                let mut sink = [0; 4096];
                while stream.read(&mut sink).await? > 0 {}
                std::io::Result::Ok(())
            };
            // Whether it was heard or not: the connection is over.
            drop(tokio::time::timeout(REFUSING_TIME_MAX, exchange).await);
            drop(slot);
        });
    }
}
